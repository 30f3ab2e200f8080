//! A controlled station that reports at a steady pace, exceeds its feeder's limit when told to, and refuses what it is then
//! asked: so nothing is switched, and the next breach finds everything as it was.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use headroom_rules::model::{Quality, SwitchPosition, Timestamp};
use headroom_terminals::iec104::asdu::{self, causes, types};
use headroom_terminals::iec104::time::Zone;
use headroom_terminals::iec104::{Object, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval_at, sleep_until};

use crate::wire::Wire;

/// In the standard point map: active power, what round 1 draws, the three voltages.
const POINTS: [u32; 5] = [2001, 2011, 2002, 2003, 2004];
/// Values in a report.
pub(crate) const VALUES: u64 = POINTS.len() as u64;
/// Position of round 1.
const POSITION: u32 = 1001;
const VOLTAGE: f32 = 230.0;
/// Below the limit, above it, and enough of that behind round 1, kW.
const CALM_KW: f32 = 50.0;
const HIGH_KW: f32 = 120.0;
const ROUND_KW: f32 = 40.0;
/// Octets before a message: start, length, control field.
const HEAD: usize = 6;

/// What all stations share.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// Without it they only answer.
    pub(crate) reporting: watch::Sender<bool>,
    /// Readings sent.
    pub(crate) sent: AtomicU64,
}

/// A running station; it ends when dropped.
pub(crate) struct Station {
    pub(crate) address: SocketAddr,
    pub(crate) common_address: u16,
    breaches: mpsc::Sender<oneshot::Sender<Duration>>,
    task: JoinHandle<()>,
}

impl Station {
    /// Sends a report each `period`.
    pub(crate) async fn start(common_address: u16, period: Duration, common: Arc<Common>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (breaches, mut asked) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                Link::new(common_address, &common).run(stream, period, &mut asked).await;
            }
        });
        Self { address, common_address, breaches, task }
    }

    /// The load rises above the limit: the time from the reading that says so, written to the socket, to a select read
    /// from it.
    pub(crate) async fn breach(&self) -> Duration {
        let (answer, answered) = oneshot::channel();
        self.breaches.send(answer).await.unwrap();
        answered.await.unwrap()
    }

    /// Of a report on the wire.
    pub(crate) fn frame_octets(&self) -> usize {
        HEAD + report(self.common_address, CALM_KW).len()
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A breach that no select has answered yet.
struct Breach {
    answer: oneshot::Sender<Duration>,
    /// None before the reading is on its way.
    written_at: Option<Instant>,
}

struct Link<'a> {
    common_address: u16,
    common: &'a Common,
    wire: Wire,
    /// Reports that are due.
    due: u32,
    breach: Option<Breach>,
}

impl<'a> Link<'a> {
    fn new(common_address: u16, common: &'a Common) -> Self {
        Self { common_address, common, wire: Wire::new(), due: 0, breach: None }
    }

    /// One connection to its end.
    async fn run(
        mut self,
        mut stream: TcpStream,
        period: Duration,
        asked: &mut mpsc::Receiver<oneshot::Sender<Duration>>,
    ) {
        stream.set_nodelay(true).unwrap();
        // Each at a time of its own.
        let first = Instant::now() + period * self.common_address.into() / 20;
        let mut ticks = interval_at(first.into(), period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut input = Vec::new();
        loop {
            self.fill();
            if let Some(bytes) = self.wire.flow.take_output()
                && stream.write_all(&bytes).await.is_err()
            {
                return;
            }
            tokio::select! {
                read = stream.read_buf(&mut input) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(_) => self.take(&mut input),
                },
                _ = ticks.tick() => if self.wire.started && *self.common.reporting.borrow() {
                    self.due += 1;
                },
                Some(answer) = asked.recv(), if self.breach.is_none() => {
                    self.breach = Some(Breach { answer, written_at: None });
                }
                () = sleep_until(self.wire.flow.next_deadline().into()) => if self.wire.flow.on_deadline(Instant::now()).is_err() {
                    return;
                },
            }
        }
    }

    fn take(&mut self, input: &mut Vec<u8>) {
        let Self { wire, breach, common_address, .. } = self;
        wire.take(input, |asdu, now, answers| {
            let Some(command) = asdu.command() else {
                answers.push(asdu.mirrored(causes::ACTIVATION_CON, false));
                if matches!(asdu.type_id, types::C_IC_NA | types::C_CI_NA) {
                    if asdu.type_id == types::C_IC_NA {
                        let position = Value::Double(SwitchPosition::Closed);
                        let object = object(*common_address, POSITION, position, causes::INTERROGATED, None);
                        answers.push(asdu::pack(&[object], Zone::UTC).remove(0).0);
                    }
                    answers.push(asdu.mirrored(causes::TERMINATION, false));
                }
                return;
            };
            assert!(command.select, "what was refused is not executed");
            let breach = breach.take().expect("nothing is ordered without a breach");
            let written_at = breach.written_at.expect("a select comes after the reading");
            // Whoever waits has patience; beyond it the benchmark fails by itself.
            let _ = breach.answer.send(now.duration_since(written_at));
            answers.push(asdu.mirrored(causes::ACTIVATION_CON, true));
        });
    }

    /// The load stays high until the select came.
    fn fill(&mut self) {
        let Self { wire, breach, due, common, common_address } = self;
        wire.send(|now| {
            match breach.as_mut().filter(|breach| breach.written_at.is_none()) {
                Some(breach) => breach.written_at = Some(now),
                None => *due = due.checked_sub(1)?,
            }
            let power_kw = if breach.is_some() { HIGH_KW } else { CALM_KW };
            common.sent.fetch_add(VALUES, Ordering::Relaxed);
            Some(report(*common_address, power_kw))
        });
    }
}

fn report(common_address: u16, power_kw: f32) -> Vec<u8> {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let time = Some(Timestamp::new(i64::try_from(ms).unwrap()));
    let values = [power_kw, ROUND_KW, VOLTAGE, VOLTAGE, VOLTAGE];
    let objects: Vec<Object> = POINTS
        .into_iter()
        .zip(values)
        .map(|(ioa, value)| object(common_address, ioa, Value::Float(value), causes::SPONTANEOUS, time))
        .collect();
    let mut packed = asdu::pack(&objects, Zone::UTC);
    assert_eq!(packed.len(), 1, "one message");
    packed.remove(0).0
}

const fn object(common_address: u16, ioa: u32, value: Value, cause: u8, time: Option<Timestamp>) -> Object {
    Object { common_address, ioa, value, quality: Quality::GOOD, time, cause }
}
