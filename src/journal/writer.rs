//! The group commit: whatever waits is committed at once, then acknowledged, then handed on.

use std::fmt;
use std::time::{Duration, Instant};

use headroom_rules::input::Input;
use headroom_rules::output::{Refusal, Reply};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use super::{Journal, JournalError, Position};

/// Most inputs in one batch.
pub const BATCH_MAX: usize = 1_024;
/// Pause after the first failed write; it doubles from one to the next.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(5);

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

/// Journals all submissions until every sender is gone, then gives the journal back; also when `next` is closed.
///
/// A batch is first synced to disk, then its `durable` calls are made, then it goes to `next`. When the disk does not
/// take it, the batch is kept and tried again (250 ms, doubling to 5 s) for as long as it takes: nothing is
/// acknowledged meanwhile, and the bounded channel holds the links back.
pub async fn write(
    mut journal: Journal,
    mut submissions: mpsc::Receiver<Submission>,
    next: mpsc::Sender<Vec<Committed>>,
    health: watch::Sender<Health>,
) -> Journal {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    while submissions.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let mut inputs = Vec::with_capacity(waiting.len());
        let mut rest = Vec::with_capacity(waiting.len());
        for Submission { input, durable, reply, received } in waiting.drain(..) {
            inputs.push(input);
            rest.push((durable, reply, received));
        }
        let before = journal.end();
        append_until_it_succeeds(&mut journal, &inputs, &health).await;
        let mut batch = Vec::with_capacity(inputs.len());
        let positions = (before.0 + 1..).map(Position);
        for ((position, input), (durable, reply, received)) in positions.zip(inputs).zip(rest) {
            if let Some(durable) = durable {
                durable();
            }
            batch.push(Committed { position, input, reply, received });
        }
        if next.send(batch).await.is_err() {
            tracing::error!(position = %journal.end(), "nobody takes journaled inputs any more: the journal stops");
            break;
        }
    }
    journal
}

async fn append_until_it_succeeds(journal: &mut Journal, inputs: &[Input], health: &watch::Sender<Health>) {
    let mut pause = RETRY_FIRST;
    let mut failing_since = None;
    loop {
        let error = match journal.append(inputs).await {
            Ok(position) => {
                if let Some(since) = failing_since {
                    let lasted = Instant::now().duration_since(since);
                    tracing::info!(%position, ?lasted, "the journal is written again");
                    health.send_replace(Health::Good);
                }
                return;
            }
            Err(error) => sentence(&error),
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

/// An error with its causes, in one line.
fn sentence(error: &JournalError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
