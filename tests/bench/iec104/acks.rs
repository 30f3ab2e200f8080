//! What it costs that N(R) follows the disk: the same journal, once with acknowledgement when an input is on disk, once
//! at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use headroom::clock::Clock;
use headroom::config::JournalSettings;
use headroom::journal::{self, Health, Journal, Retention, Side, Submission};
use headroom_rules::input::Input;
use headroom_rules::model::{TerminalId, Timestamp};
use headroom_rules::orders::Outcome;
use headroom_terminals::iec104::{AckTicket, LinkHandler, Malformed, Object};
use headroom_terminals::profile::Profile;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::links::{Links, unbounded};
use crate::machine;
use crate::measure::{self, Report};

/// The default k of a link.
const K: f64 = 12.0;
/// As the centre's.
const SUBMISSIONS_MAX: usize = 4_096;

#[derive(Clone, Copy, PartialEq)]
enum When {
    Durable,
    AtOnce,
}

/// Puts readings into the journal.
struct Journaling {
    when: When,
    terminal: TerminalId,
    profile: Arc<Profile>,
    submissions: mpsc::Sender<Submission>,
    /// Objects that may be acknowledged.
    count: Arc<AtomicU64>,
}

impl LinkHandler for Journaling {
    async fn objects(&mut self, objects: &[Object], ack: AckTicket) {
        let readings: Vec<_> = objects.iter().filter_map(|object| self.profile.reading(object)).collect();
        let (many, count) = (u64::try_from(readings.len()).unwrap(), Arc::clone(&self.count));
        let done = move || {
            count.fetch_add(many, Ordering::Relaxed);
            ack.durable();
        };
        let durable: Option<Box<dyn FnOnce() + Send>> = match self.when {
            When::Durable => Some(Box::new(done)),
            When::AtOnce => {
                done();
                None
            }
        };
        let input = Input::Readings { at: Timestamp::new(0), terminal: self.terminal, readings };
        let _ = self.submissions.send(Submission { input, durable, reply: None, received: Instant::now() }).await;
    }
    async fn outcome(&mut self, _: u64, _: Outcome, ack: Option<AckTicket>) {
        ack.into_iter().for_each(AckTicket::durable);
    }
    async fn link(&mut self, _: bool, _: &str) {}
    fn malformed(&mut self, bytes: &[u8], why: &str, _: Malformed) {
        panic!("{why}: {bytes:02x?}");
    }
    fn written(&mut self, _: u64) {}
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn rate(links: u16, when: When, folder: &Path, within: Duration) -> f64 {
    let journal = Journal::open(folder).await.unwrap();
    let (submissions, submitted) = mpsc::channel(SUBMISSIONS_MAX);
    let (_control, controls) = mpsc::channel(1);
    let (committed_to, mut committed) = mpsc::channel(4);
    let health = watch::Sender::new(Health::Good);
    let retention = Retention::new(Clock::wall(), JournalSettings::default());
    let side = Side { health, gauge: Arc::default(), retention };
    let writer = tokio::spawn(journal::write(journal, submitted, controls, committed_to, side));
    let drain = tokio::spawn(async move { while committed.recv().await.is_some() {} });
    let count = Arc::<AtomicU64>::default();
    let profile = Arc::new(Profile::standard());
    let mut running = Links::new();
    for n in 0..links {
        let address = running.pump().await;
        let handler = Journaling {
            when,
            terminal: format!("T-{n}").parse().unwrap(),
            profile: Arc::clone(&profile),
            submissions: submissions.clone(),
            count: Arc::clone(&count),
        };
        running.dial(unbounded(address), handler);
    }
    drop(submissions);
    while count.load(Ordering::Relaxed) < u64::from(links) * 100 {
        sleep(Duration::from_millis(5)).await;
    }
    let (began, before) = (Instant::now(), count.load(Ordering::Relaxed));
    sleep(within).await;
    let rate = (count.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    running.end().await;
    writer.await.unwrap();
    drain.await.unwrap();
    rate
}

pub(crate) async fn measure(report: &mut Report) {
    let (repetitions, within) = if measure::quick() { (3, 700) } else { (7, 3_000) };
    let within = Duration::from_millis(within);
    for _ in 0..repetitions {
        let folder = tempfile::tempdir().unwrap();
        let syncs = machine::syncs(folder.path(), Duration::from_millis(300)).await;
        for links in [1, 100] {
            let at = |name: &str| folder.path().join(format!("{name}-{links}"));
            let durable = rate(links, When::Durable, &at("durable"), within).await;
            let at_once = rate(links, When::AtOnce, &at("at-once"), within).await;
            let group = &format!("acknowledged_after_the_disk_links_{links}");
            let mut add = |key, what, value| report.add(group, key, what, value);
            add("objects_per_s", "objects acknowledged/s, each on disk before", durable);
            add("at_once_objects_per_s", "  acknowledged at once, and journaled", at_once);
            add("to_at_once_ratio", "  to that", durable / at_once);
            if links == 1 {
                let bound = K * 1_000.0 / syncs.reading_ms;
                add("journal_append_ms", "a reading appended to the journal (p50), ms", syncs.reading_ms);
                add("bound_objects_per_s", "k for each of those", bound);
                add("to_bound_ratio", "  to that", durable / bound);
            }
        }
    }
}
