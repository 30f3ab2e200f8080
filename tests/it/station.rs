//! A controlled station that knows, value by value, what the centre acknowledged.
//!
//! It stands on the frames, messages and numbering of `headroom_terminals` but not on its session, which keeps that to
//! itself.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use headroom_rules::model::{Quality, Timestamp};
use headroom_terminals::iec104::apci::{self, Control};
use headroom_terminals::iec104::apdu_flow::{Flow, Flowed};
use headroom_terminals::iec104::asdu::{self, Asdu, causes, types};
use headroom_terminals::iec104::time::Zone;
use headroom_terminals::iec104::{Object, Timers, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use crate::program::PATIENCE;

/// Active power in the standard point map.
const POWER: u32 = 2001;

/// A value of active power with the time at which it was so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    /// Below 2^24, so that a short float holds it exactly.
    pub(crate) kw: u16,
    pub(crate) quality: Quality,
}

/// What a station knows of its samples and its links.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// In the order in which they were sent.
    pub(crate) acknowledged: Vec<Sample>,
    /// How often each was sent: again where the link ended before its acknowledgement came.
    pub(crate) sent: BTreeMap<Sample, u32>,
    /// Links so far, the present one included.
    pub(crate) links: u32,
    /// Of these, those that are over.
    pub(crate) over: u32,
    /// And of those, the ones that the centre ended by STOPDT.
    pub(crate) stopped: u32,
}

/// A running station; it ends with the test.
pub(crate) struct Station {
    common_address: u16,
    address: SocketAddr,
    messages: mpsc::UnboundedSender<Message>,
    known: watch::Receiver<Known>,
    task: JoinHandle<()>,
}

struct Message {
    asdu: Vec<u8>,
    sample: Option<Sample>,
}

impl Station {
    /// Sends what it is given.
    pub(crate) async fn start(common_address: u16) -> Self {
        Self::run(common_address, None, watch::Sender::new(0), watch::channel(0).1).await
    }

    /// Sends samples as fast as the window k lets it, each with a time of its own from `from` on. `total` counts
    /// acknowledgements, those of others as well; from about `most` of them on nothing new is sent.
    pub(crate) async fn endless(
        common_address: u16,
        from: Timestamp,
        total: watch::Sender<u64>,
        most: watch::Receiver<u64>,
    ) -> Self {
        Self::run(common_address, Some(from), total, most).await
    }

    async fn run(
        common_address: u16,
        endless: Option<Timestamp>,
        total: watch::Sender<u64>,
        most: watch::Receiver<u64>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (messages, wanted) = mpsc::unbounded_channel();
        let (tell, known) = watch::channel(Known::default());
        let mut device = Device { common_address, endless, wanted, waiting: VecDeque::new(), known: tell, total, most };
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                device.serve(stream).await;
            }
        });
        Self { common_address, address, messages, known, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn known(&self) -> watch::Ref<'_, Known> {
        self.known.borrow()
    }

    pub(crate) fn send(&self, sample: Sample) {
        let message = Message { asdu: encoded(self.common_address, sample), sample: Some(sample) };
        self.messages.send(message).unwrap();
    }

    /// A message as it stands.
    pub(crate) fn send_raw(&self, asdu: Vec<u8>) {
        self.messages.send(Message { asdu, sample: None }).unwrap();
    }

    /// Until so many samples are acknowledged.
    pub(crate) async fn acknowledged(&self, count: usize) {
        self.until(&format!("{count} acknowledged"), |known| known.acknowledged.len() >= count).await;
    }

    /// Until the last link is over, as far as this side can tell.
    pub(crate) async fn link_over(&self) {
        self.until("its last link over", |known| known.links == known.over).await;
    }

    async fn until(&self, what: &str, fits: impl Fn(&Known) -> bool) {
        let mut known = self.known.clone();
        let reached = timeout(PATIENCE, known.wait_for(fits)).await.is_ok_and(|seen| seen.is_ok());
        assert!(reached, "station {}: never {what}: {:?}", self.common_address, self.known());
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// M_ME_TF_1, spontaneous.
fn encoded(common_address: u16, Sample { at, kw, quality }: Sample) -> Vec<u8> {
    let value = Value::Float(kw.into());
    let object = Object { common_address, ioa: POWER, value, quality, time: Some(at), cause: causes::SPONTANEOUS };
    asdu::pack(&[object], Zone::UTC).remove(0).0
}

struct Device {
    common_address: u16,
    /// The time of the next sample.
    endless: Option<Timestamp>,
    wanted: mpsc::UnboundedReceiver<Message>,
    /// To be sent, oldest first.
    waiting: VecDeque<Message>,
    known: watch::Sender<Known>,
    total: watch::Sender<u64>,
    most: watch::Receiver<u64>,
}

struct Link {
    flow: Flow,
    started: bool,
    /// A stop was asked; it is confirmed when all is acknowledged.
    stopping: bool,
    stopped: bool,
    /// Sent and not acknowledged, oldest first; none for answers.
    in_flight: VecDeque<Option<Message>>,
    answers: VecDeque<Vec<u8>>,
}

impl Device {
    /// One connection to its end.
    async fn serve(&mut self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        self.known.send_modify(|known| known.links += 1);
        let mut link = Link {
            flow: Flow::new(Timers::default(), Instant::now()),
            started: false,
            stopping: false,
            stopped: false,
            in_flight: VecDeque::new(),
            answers: VecDeque::new(),
        };
        let mut input = Vec::new();
        loop {
            self.pump(&mut link);
            if let Some(bytes) = link.flow.take_output()
                && stream.write_all(&bytes).await.is_err()
            {
                break;
            }
            tokio::select! {
                read = stream.read_buf(&mut input) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(_) => self.take(&mut link, &mut input),
                },
                Some(message) = self.wanted.recv() => self.waiting.push_back(message),
                Ok(()) = self.most.changed() => {}
                () = sleep_until(link.flow.next_deadline().into()) => if link.flow.on_deadline(Instant::now()).is_err() {
                    break;
                },
            }
        }
        for message in link.in_flight.into_iter().rev().flatten() {
            self.waiting.push_front(message);
        }
        self.known.send_modify(|known| {
            known.over += 1;
            known.stopped += u32::from(link.stopped);
        });
    }

    fn take(&mut self, link: &mut Link, input: &mut Vec<u8>) {
        let now = Instant::now();
        while let Some((frame, taken)) = apci::split(input).unwrap() {
            match link.flow.on_frame(now, frame).unwrap() {
                Flowed::Asdu(raw, count) => {
                    let asdu = Asdu::parse(raw).unwrap();
                    let interrogation = matches!(asdu.type_id, types::C_IC_NA | types::C_CI_NA);
                    if interrogation || asdu.type_id == types::C_CS_NA {
                        link.answers.push_back(asdu.mirrored(causes::ACTIVATION_CON, false));
                    }
                    if interrogation {
                        link.answers.push_back(asdu.mirrored(causes::TERMINATION, false));
                    }
                    link.flow.durable(now, count);
                }
                Flowed::Control(Control::StartAct) => {
                    link.started = true;
                    link.flow.control(now, Control::StartCon);
                }
                Flowed::Control(Control::StopAct) => {
                    link.started = false;
                    link.stopping = true;
                    link.flow.acknowledge();
                }
                Flowed::Control(_) | Flowed::Done => {}
            }
            input.drain(..taken);
        }
        // The oldest ones are acknowledged first.
        let mut acknowledged = Vec::new();
        let outstanding = usize::try_from(link.flow.sent() - link.flow.acknowledged_by_peer()).unwrap();
        while link.in_flight.len() > outstanding {
            acknowledged.extend(link.in_flight.pop_front().flatten().and_then(|message| message.sample));
        }
        if !acknowledged.is_empty() {
            let count = acknowledged.len() as u64;
            self.known.send_modify(|known| known.acknowledged.append(&mut acknowledged));
            self.total.send_modify(|total| *total += count);
        }
    }

    fn pump(&mut self, link: &mut Link) {
        let now = Instant::now();
        if link.stopping && link.flow.all_acknowledged() {
            link.stopping = false;
            link.stopped = true;
            link.flow.control(now, Control::StopCon);
        }
        while link.started && link.flow.window_open() {
            if let Some(answer) = link.answers.pop_front() {
                link.flow.send(now, &answer);
                link.in_flight.push_back(None);
            } else if let Some(message) = self.waiting.pop_front().or_else(|| self.next_sample()) {
                link.flow.send(now, &message.asdu);
                if let Some(sample) = message.sample {
                    self.known.send_modify(|known| *known.sent.entry(sample).or_default() += 1);
                }
                link.in_flight.push_back(Some(message));
            } else {
                break;
            }
        }
    }

    fn next_sample(&mut self) -> Option<Message> {
        let at = self.endless.filter(|_| *self.total.borrow() < *self.most.borrow())?;
        self.endless = Some(Timestamp::new(at.get() + 1));
        // Another value for each of 50000 in a row.
        let kw = u16::try_from(at.get() % 50_000).unwrap();
        let sample = Sample { at, kw, quality: Quality::GOOD };
        Some(Message { asdu: encoded(self.common_address, sample), sample: Some(sample) })
    }
}
