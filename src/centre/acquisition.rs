//! What terminals report, on its way into the journal.
//!
//! **Invariants:** `durable-before-ack`: a ticket is completed by the journal alone, through the input that its objects
//! or its outcome became. A ticket covers all that came before it on its link, so objects that give no reading at all become an input
//! without readings: it goes through the journal behind those before it, and cannot acknowledge them early. `quality-kept`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headroom_rules::input::Input;
use headroom_rules::model::{Reading, TerminalId};
use headroom_rules::orders::{OrderId, Outcome, Step};
use headroom_terminals::iec104::{AckTicket, LinkHandler, Malformed, Object};
use headroom_terminals::profile::Profile;
use tokio::sync::mpsc;

use super::reaction::Reactions;
use crate::clock::Clock;
use crate::journal::Submission;

/// Addresses of one terminal that are named in the log when they are not in its map; more are only counted.
const NAMED_MAX: usize = 64;
/// Octets of a malformed message in the log.
const HEX_MAX: usize = 64;
/// Between two lines in the log about malformed messages of one kind of one peer.
const MALFORMED_EVERY: Duration = Duration::from_secs(60);

/// What was of no use, over all links.
#[derive(Debug, Default)]
pub(super) struct Rejects {
    /// Messages that do not parse or are of an unknown type.
    pub(super) malformed: AtomicU64,
    /// Objects that no map knows.
    pub(super) unmapped: AtomicU64,
}

/// One link's way into the journal.
pub(super) struct Acquisition {
    pub(super) terminal: TerminalId,
    /// Where it is dialled, for the log.
    pub(super) address: String,
    pub(super) common_address: u16,
    pub(super) profile: Arc<Profile>,
    pub(super) clock: Clock,
    pub(super) submissions: mpsc::Sender<Submission>,
    pub(super) reactions: Arc<Reactions>,
    pub(super) rejects: Arc<Rejects>,
    pub(super) log: LinkLog,
}

/// What the log and the engine were already told of a link.
#[derive(Debug, Default)]
pub(super) struct LinkLog {
    /// None before the first report: that one is told in any case, for the engine does not know either.
    up: Option<bool>,
    unmapped: BTreeSet<(u16, u32)>,
    skipped: Counted,
    unknown: Counted,
    ended: Counted,
}

/// A line in the log that comes once in a while, with how often it would have come.
#[derive(Debug, Default)]
struct Counted {
    at: Option<Instant>,
    since: u64,
}

impl Counted {
    /// How often it happened since the last line, when a line is due.
    fn line(&mut self) -> Option<u64> {
        self.since += 1;
        if self.at.is_some_and(|at| at.elapsed() < MALFORMED_EVERY) {
            return None;
        }
        self.at = Some(Instant::now());
        Some(std::mem::take(&mut self.since))
    }
}

/// What objects say of a terminal; those that say nothing of it go to `unmapped`.
pub(crate) fn readings(
    profile: &Profile,
    common_address: u16,
    objects: &[Object],
    mut unmapped: impl FnMut(&Object),
) -> Vec<Reading> {
    let mut readings = Vec::with_capacity(objects.len());
    for object in objects {
        // Behind one address there may be several stations, and each link hears all of them.
        match profile.reading(object).filter(|_| object.common_address == common_address) {
            Some(reading) => readings.push(reading),
            None => unmapped(object),
        }
    }
    readings
}

impl Acquisition {
    /// Maps objects and submits what they say; `durable` is called once it is on disk.
    async fn take(&mut self, objects: &[Object], durable: Box<dyn FnOnce() + Send>) {
        let profile = Arc::clone(&self.profile);
        let readings = readings(&profile, self.common_address, objects, |object| self.unmapped(object));
        self.submit(Input::Readings { at: self.clock.now(), terminal: self.terminal, readings }, Some(durable)).await;
    }

    /// Waits for room in the channel: that is what holds a link back. When the journal is gone, so is `durable`, and
    /// nothing is acknowledged.
    async fn submit(&self, input: Input, durable: Option<Box<dyn FnOnce() + Send>>) {
        let submission = Submission { input, durable, reply: None, received: Instant::now() };
        if self.submissions.send(submission).await.is_err() {
            tracing::debug!(terminal = %self.terminal, "the journal has ended: an input was not taken");
        }
    }

    fn unmapped(&mut self, object: &Object) {
        self.rejects.unmapped.fetch_add(1, Ordering::Relaxed);
        let key = (object.common_address, object.ioa);
        if self.log.unmapped.len() < NAMED_MAX && self.log.unmapped.insert(key) {
            tracing::warn!(
                terminal = %self.terminal,
                common_address = object.common_address,
                ioa = object.ioa,
                "object is not in the terminal's point map: acknowledged and dropped, from now on without a line"
            );
        }
    }
}

impl LinkHandler for Acquisition {
    fn objects(&mut self, objects: &[Object], ack: AckTicket) -> impl Future<Output = ()> + Send {
        self.take(objects, Box::new(move || ack.durable()))
    }

    async fn outcome(&mut self, command: u64, outcome: Outcome, ack: Option<AckTicket>) {
        let order = OrderId(command);
        let of_select = matches!(
            outcome,
            Outcome::NotSent { .. } | Outcome::LinkLost(Step::Select) | Outcome::TimedOut(Step::Select)
        );
        if of_select {
            self.reactions.forget(order);
        }
        let durable = ack.map(|ack| Box::new(move || ack.durable()) as Box<dyn FnOnce() + Send>);
        self.submit(Input::Outcome { at: self.clock.now(), order, outcome }, durable).await;
    }

    async fn link(&mut self, up: bool, reason: &str) {
        let (terminal, address) = (self.terminal, &self.address);
        if self.log.up.replace(up) == Some(up) {
            tracing::debug!(%terminal, %address, up, reason, "link");
            return;
        }
        tracing::info!(%terminal, %address, up, reason, "link");
        self.submit(Input::Link { at: self.clock.now(), terminal, up }, None).await;
    }

    fn malformed(&mut self, bytes: &[u8], why: &str, what: Malformed) {
        self.rejects.malformed.fetch_add(1, Ordering::Relaxed);
        let line = match what {
            Malformed::Skipped => self.log.skipped.line(),
            Malformed::UnknownType => self.log.unknown.line(),
            Malformed::Ended => self.log.ended.line(),
        };
        let Some(count) = line else { return };
        let (terminal, address, bytes) = (self.terminal, &self.address, hex(bytes));
        if what == Malformed::Ended {
            tracing::warn!(%terminal, %address, why, bytes, count, "malformed message, link closed");
        } else {
            tracing::warn!(%terminal, %address, why, bytes, count, "malformed message, skipped");
        }
    }

    fn written(&mut self, command: u64) {
        self.reactions.written(OrderId(command));
    }
}

/// Octets as people compare them with a capture, cut to a bound.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(3 * bytes.len().min(HEX_MAX) + 4);
    for (n, byte) in bytes.iter().take(HEX_MAX).enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{byte:02x}", if n == 0 { "" } else { " " });
    }
    if bytes.len() > HEX_MAX {
        text.push_str(" …");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use headroom_rules::model::{PointKind, Quality, Timestamp};
    use headroom_terminals::iec104::config::RawTimers;
    use headroom_terminals::iec104::{LinkConfig, Timers, Value, run_controlling};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::*;

    fn acquisition(address: String, room: usize) -> (Acquisition, mpsc::Receiver<Submission>) {
        let (submissions, submitted) = mpsc::channel(room);
        let acquisition = Acquisition {
            terminal: "T-1".parse().unwrap(),
            address,
            common_address: 1,
            profile: Arc::new(Profile::standard()),
            clock: Clock::from_source(1.0, || Timestamp::new(5)),
            submissions,
            reactions: Arc::default(),
            rejects: Arc::default(),
            log: LinkLog::default(),
        };
        (acquisition, submitted)
    }

    fn object(common_address: u16, ioa: u32) -> Object {
        let quality = Quality::SUBSTITUTED;
        Object { common_address, ioa, value: Value::Float(1.5), quality, time: Some(Timestamp::new(3)), cause: 3 }
    }

    #[tokio::test]
    async fn objects_become_readings_and_are_durable_only_when_the_journal_says_so() {
        let (mut acquisition, mut submitted) = acquisition(String::new(), 1);
        let durable = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&durable);
        let objects = [object(1, 2001), object(1, 99), object(2, 2001)];
        acquisition.take(&objects, Box::new(move || told.store(true, Ordering::SeqCst))).await;
        let submission = submitted.recv().await.unwrap();
        let Input::Readings { at, readings, .. } = &submission.input else { panic!("{submission:?}") };
        assert_eq!((at.get(), readings.len()), (5, 1), "neither the foreign address nor the foreign station");
        let reading = readings[0];
        assert_eq!((reading.point, reading.value), (PointKind::ActivePower, 1_500));
        assert_eq!((reading.quality, reading.source_time), (Quality::SUBSTITUTED, Some(Timestamp::new(3))));
        assert_eq!(acquisition.rejects.unmapped.load(Ordering::Relaxed), 2);
        assert!(!durable.load(Ordering::SeqCst));
        submission.durable.unwrap()();
        assert!(durable.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_link_waits_while_the_journal_takes_nothing() {
        let (mut acquisition, mut submitted) = acquisition(String::new(), 1);
        let mut two = Box::pin(async {
            acquisition.take(&[object(1, 2001)], Box::new(|| ())).await;
            acquisition.take(&[object(1, 2001)], Box::new(|| ())).await;
        });
        assert!(futures_util::future::poll_immediate(&mut two).await.is_none());
        submitted.recv().await.unwrap();
        two.await;
    }

    #[tokio::test]
    async fn a_link_is_told_on_change_only_and_the_first_time_in_any_case() {
        let (mut acquisition, mut submitted) = acquisition(String::new(), 8);
        for up in [false, false, true, true, false] {
            acquisition.link(up, "because").await;
        }
        drop(acquisition);
        let mut told = Vec::new();
        while let Some(Submission { input: Input::Link { up, .. }, .. }) = submitted.recv().await {
            told.push(up);
        }
        assert_eq!(told, [false, true, false]);
    }

    #[test]
    fn octets_read_as_in_a_capture_and_are_cut() {
        assert_eq!(hex(&[0x68, 0x04, 0x0B]), "68 04 0b");
        assert!(hex(&[0; 300]).ends_with("00 …"));
        assert_eq!(hex(&[0; 300]).len(), HEX_MAX * 3 - 1 + " …".len());
    }

    /// A controlled station in octets.
    struct Wire(TcpStream);

    impl Wire {
        /// One measured value, short float (M_ME_NC_1), spontaneous, common address 1.
        async fn send(&mut self, number: u8, ioa: u8) {
            let mut frame = vec![0x68, 18, number << 1, 0, 0, 0];
            frame.extend([13, 1, 3, 0, 1, 0, ioa, if ioa == 0xD1 { 0x07 } else { 0 }, 0, 0, 0, 0xC0, 0x3F, 0]);
            self.0.write_all(&frame).await.unwrap();
        }

        /// N(R) of the next I or S frame.
        async fn acknowledged(&mut self) -> u8 {
            loop {
                let mut head = [0; 2];
                self.0.read_exact(&mut head).await.unwrap();
                let mut rest = vec![0; head[1].into()];
                self.0.read_exact(&mut rest).await.unwrap();
                if rest[0] == 0x07 {
                    self.0.write_all(&[0x68, 4, 0x0B, 0, 0, 0]).await.unwrap();
                } else if rest[0] & 3 != 3 {
                    return rest[2] >> 1;
                }
            }
        }

        async fn until_acknowledged(&mut self, number: u8) {
            loop {
                let acknowledged = timeout(Duration::from_secs(10), self.acknowledged()).await.unwrap();
                assert!(acknowledged <= number, "acknowledged {acknowledged}, but only {number} are durable");
                if acknowledged == number {
                    return;
                }
            }
        }
    }

    #[tokio::test]
    async fn what_gives_no_reading_is_acknowledged_but_not_before_what_came_earlier() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (acquisition, mut submitted) = acquisition(address.clone(), 8);
        // Every single frame is acknowledged as soon as it may be.
        let timers = Timers::try_from(RawTimers { w: 1, ..RawTimers::default() }).unwrap();
        let config = LinkConfig { timers, ..LinkConfig::new(address, 1) };
        let (_commands, orders) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let link = tokio::spawn(run_controlling(config, orders, || Timestamp::new(0), acquisition, stopped));
        let mut wire = Wire(listener.accept().await.unwrap().0);
        wire.until_acknowledged(0).await;
        let mut next = async || loop {
            let submission = timeout(Duration::from_secs(10), submitted.recv()).await.unwrap().unwrap();
            if let Input::Readings { readings, .. } = &submission.input {
                return (readings.len(), submission.durable.unwrap());
            }
        };
        wire.send(0, 0xD1).await;
        let (mapped, first) = next().await;
        wire.send(1, 99).await;
        let (unmapped, second) = next().await;
        assert_eq!((mapped, unmapped), (1, 0));
        // What it writes until the first is durable acknowledges none of the two.
        let early = timeout(Duration::from_millis(100), wire.acknowledged()).await;
        assert!(early.is_err() || early.is_ok_and(|number| number == 0));
        first();
        wire.until_acknowledged(1).await;
        second();
        wire.until_acknowledged(2).await;
        stop.send(true).unwrap();
        drop(wire);
        link.await.unwrap();
    }
}
