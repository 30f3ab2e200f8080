//! The group commit: whatever waits is committed at once, then acknowledged, then handed on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headroom_rules::input::Input;
use headroom_rules::model::{Span, Timestamp};
use headroom_rules::output::{Refusal, Reply};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::{Gauge, Journal, JournalError, Position};
use crate::clock::Clock;
use crate::config::JournalSettings;
use crate::sentence::sentence;

/// Most inputs in one batch.
pub const BATCH_MAX: usize = 1_024;
/// A batch takes no more inputs from so many readings on: one input may carry thousands.
pub(super) const BATCH_READINGS: usize = 50_000;
/// Pause after the first failed write; it doubles from one to the next.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Between two looks at how large the file is.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// An input on its way into the journal.
pub struct Submission {
    /// What happened.
    pub input: Input,
    /// Called once the input is on disk: the link may acknowledge. Must be short and must not block.
    pub durable: Option<Box<dyn FnOnce() + Send>>,
    /// Who waits for the engine's answer.
    pub reply: Option<oneshot::Sender<Result<Reply, Refusal>>>,
    /// When it came in, for measuring delays.
    pub received: Instant,
}

/// An input that is on disk, for the engine.
#[derive(Debug)]
pub struct Committed {
    /// Its place in the journal.
    pub position: Position,
    /// What happened.
    pub input: Input,
    /// Who waits for the engine's answer.
    pub reply: Option<oneshot::Sender<Result<Reply, Refusal>>>,
    /// When it came in.
    pub received: Instant,
}

/// Whether inputs reach the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They do.
    Good,
    /// They do not: nothing is acknowledged, and links are held back.
    Failing {
        /// Since when.
        since: Instant,
        /// Why, in a sentence with its causes.
        error: String,
    },
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("input", &self.input).finish_non_exhaustive()
    }
}

/// How much of the journal is kept beyond what a start needs.
#[derive(Clone, Debug)]
pub struct Retention {
    /// The supply's time, which inputs are dated in.
    pub clock: Clock,
    /// How long.
    pub keep: Span,
    /// How much, bytes of the file that are in use.
    pub keep_bytes: u64,
}

/// What may stay of what is no longer needed.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Inputs from then on.
    pub from: Timestamp,
    /// As long as the file uses no more bytes than this.
    pub bytes: u64,
}

impl Kept {
    /// Nothing.
    pub const NOTHING: Self = Self { from: Timestamp::new(i64::MAX), bytes: 0 };
}

impl Retention {
    /// As a file has it.
    pub fn new(clock: Clock, settings: JournalSettings) -> Self {
        let keep = Span::from_s(i64::from(settings.keep_days) * 86_400);
        Self { clock, keep, keep_bytes: u64::from(settings.keep_mb) * 1_000_000 }
    }

    fn kept(&self) -> Kept {
        Kept { from: self.clock.now().after(-self.keep), bytes: self.keep_bytes }
    }
}

/// What the writer has beside its queues.
#[derive(Debug)]
pub struct Side {
    /// Whether inputs reach the disk.
    pub health: watch::Sender<Health>,
    /// What it is at.
    pub gauge: Arc<Gauge>,
    /// What it gives up.
    pub retention: Retention,
}

/// What the journal is asked for beside inputs.
#[derive(Debug)]
pub enum Control {
    /// Keep this as the engine's state after the input at `at`, and give up what is too old or too much of what lies before
    /// the older of the two snapshots that are kept. When the disk refuses, the refusal is logged and the inputs stay.
    Snapshot {
        /// After which input.
        at: Position,
        /// The state.
        bytes: Vec<u8>,
    },
    /// Take no more inputs; write those that wait, and end.
    End,
}

/// Journals all submissions until every sender is gone or [`Control::End`] came, then gives the journal back; also when
/// `next` is closed.
///
/// A batch is first synced to disk, then its `durable` calls are made, then it goes to `next`. When the disk does not
/// take it, the batch is kept and tried again (250 ms, doubling to 5 s) for as long as it takes: nothing is
/// acknowledged meanwhile, and the bounded channel holds the links back.
pub async fn write(
    mut journal: Journal,
    mut submissions: mpsc::Receiver<Submission>,
    mut controls: mpsc::Receiver<Control>,
    next: mpsc::Sender<Vec<Committed>>,
    side: Side,
) -> Journal {
    let Side { health, gauge, retention } = side;
    let mut measured = None;
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    let mut controlled = true;
    let mut forget_until = None;
    loop {
        tokio::select! {
            // Else a stream of inputs would starve the rest for good.
            biased;
            control = controls.recv(), if controlled => match control {
                Some(Control::Snapshot { at, bytes }) => forget_until = keep_snapshot(&mut journal, at, &bytes).await,
                Some(Control::End) => submissions.close(),
                None => controlled = false,
            },
            first = submissions.recv() => {
                let Some(first) = first else { break };
                gather(first, &mut submissions, &mut waiting);
                if !commit(&mut journal, &mut waiting, &next, &health, &gauge, &retention.clock).await {
                    tracing::error!(position = %journal.end(), "nobody takes journaled inputs any more: the journal stops");
                    break;
                }
            }
            // Bit by bit, between batches.
            () = std::future::ready(()), if forget_until.is_some() => {}
        }
        if let Some(until) = forget_until {
            forget_until = match journal.forget_some(until, retention.kept()).await {
                Ok(more) => more.then_some(until),
                Err(error) => {
                    tracing::warn!(
                        error = sentence(&error),
                        "the journal keeps its old inputs until the next snapshot"
                    );
                    None
                }
            };
        }
        if measured.is_none_or(|at: Instant| at.elapsed() >= MEASURE_EVERY) {
            measured = Some(Instant::now());
            match journal.bytes().await {
                Ok(bytes) => gauge.holds(bytes),
                Err(error) => tracing::debug!(error = sentence(&error), "the journal's size is not known"),
            }
        }
    }
    journal
}

/// What waits at the moment, as much as fits into a batch.
fn gather(first: Submission, submissions: &mut mpsc::Receiver<Submission>, waiting: &mut Vec<Submission>) {
    let mut readings = 0;
    let mut next = Some(first);
    while let Some(submission) = next {
        readings += submission.input.readings();
        waiting.push(submission);
        let room = waiting.len() < BATCH_MAX && readings < BATCH_READINGS;
        next = if room { submissions.try_recv().ok() } else { None };
    }
}

/// Writes all that waits as one batch and hands it on; whether there was somebody to take it.
async fn commit(
    journal: &mut Journal,
    waiting: &mut Vec<Submission>,
    next: &mpsc::Sender<Vec<Committed>>,
    health: &watch::Sender<Health>,
    gauge: &Gauge,
    clock: &Clock,
) -> bool {
    let mut inputs = Vec::with_capacity(waiting.len());
    let mut rest = Vec::with_capacity(waiting.len());
    for Submission { input, durable, reply, received } in waiting.drain(..) {
        inputs.push(input);
        rest.push((durable, reply, received));
    }
    gauge.append_began(Instant::now());
    append_until_it_succeeds(journal, &mut inputs, health, clock).await;
    gauge.append_ended();
    // What the journal told of itself comes first, and nobody waits for it.
    rest.splice(0..0, (rest.len()..inputs.len()).map(|_| (None, None, Instant::now())));
    let mut batch = Vec::with_capacity(inputs.len());
    let before = journal.end().0.saturating_sub(inputs.len() as u64);
    let positions = (before + 1..).map(Position);
    for ((position, input), (durable, reply, received)) in positions.zip(inputs).zip(rest) {
        if let Some(durable) = durable {
            durable();
        }
        batch.push(Committed { position, input, reply, received });
    }
    next.send(batch).await.is_ok()
}

/// Saves a snapshot; up to where inputs are no longer needed then.
async fn keep_snapshot(journal: &mut Journal, at: Position, bytes: &[u8]) -> Option<Position> {
    let kept = match journal.save_snapshot(at, bytes).await {
        Ok(()) => journal.older_snapshot().await,
        Err(error) => Err(error),
    };
    match kept {
        Ok(older) => {
            tracing::debug!(position = %at, bytes = bytes.len(), "snapshot saved");
            older
        }
        Err(error) => {
            tracing::warn!(error = sentence(&error), "no snapshot was saved; the next start replays more");
            None
        }
    }
}

/// Also through damage that only a write finds: the file is renewed then, and what is to be told of that goes before the
/// other `inputs`.
async fn append_until_it_succeeds(
    journal: &mut Journal,
    inputs: &mut Vec<Input>,
    health: &watch::Sender<Health>,
    clock: &Clock,
) {
    let mut pause = RETRY_FIRST;
    let mut failing_since = None;
    let mut damage: Option<String> = None;
    let mut renewed = false;
    loop {
        let done = match &damage {
            None => journal.append(inputs).await.map(|_| None),
            Some(why) => journal.renew(why, clock.now()).await.map(Some),
        };
        let error = match (done, damage.take()) {
            (Ok(None), _) => {
                if let Some(since) = failing_since {
                    let lasted = Instant::now().duration_since(since);
                    tracing::info!(position = %journal.end(), ?lasted, "the journal is written again");
                    health.send_replace(Health::Good);
                }
                return;
            }
            (Ok(Some(told)), _) => {
                renewed = true;
                inputs.splice(0..0, told);
                continue;
            }
            (Err(error), Some(why)) => {
                damage = Some(why);
                sentence(&error)
            }
            // A file that is damaged again as soon as it is new would fill the disk with what is kept aside.
            (Err(error @ JournalError::Damaged { .. }), None) if renewed => {
                format!("{}, and so was the one before: replace the disk", sentence(&error))
            }
            (Err(error), None) => {
                let said = sentence(&error);
                if let JournalError::Damaged { why, .. } = error {
                    damage = Some(why);
                }
                said
            }
        };
        let since = *failing_since.get_or_insert_with(|| {
            tracing::error!(%error, "the journal cannot be written: nothing is acknowledged until it can");
            Instant::now()
        });
        health.send_replace(Health::Failing { since, error });
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}
