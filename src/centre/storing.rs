//! What follows from inputs, on its way to the store's writer, without the engine's task ever waiting there.
//!
//! As long as the writer keeps up, entries go to it as they come. When its channel is full (the store is down, or slow)
//! a copy of the engine from before the first entry that does not fit follows behind: it reads the inputs from the
//! journal and derives the same outputs again (`replay-equals-live`), at the store's pace. When it has caught up, entries
//! come from the engine's task again. Nothing is kept in memory for an outage of any length but that one copy.
//!
//! **Invariant:** `stored-exactly-once`: at any time either the engine's task feeds the writer or the follower does.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headroom_rules::input::Input;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::machine::{Machine, apply};
use crate::journal::{JournalError, JournalReader, Position};
use crate::sentence::sentence;
use crate::store::{Backlog, Entry};

/// Inputs read from the journal at once.
const CHUNK: u64 = 512;
/// From so many readings and outputs on that are not stored yet, entries wait in the journal: one may carry thousands.
const WEIGHT_MAX: usize = 200_000;
/// Pause after the journal could not be read.
const RETRY: Duration = Duration::from_secs(1);
/// Between two lines in the log about a journal that cannot be read.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The store's writer is gone.
#[derive(Debug)]
pub(super) struct WriterGone;

/// The way to the store's writer.
#[derive(Debug)]
pub(super) struct Storing {
    entries: mpsc::Sender<Entry>,
    under_way: UnderWay,
    /// Of the journal.
    folder: PathBuf,
    behind: Option<Behind>,
    /// Where the engine's task stands, for those who want to know how far behind the store is.
    applied: watch::Sender<Position>,
}

/// What was given to the writer and is not stored yet.
#[derive(Clone, Debug)]
struct UnderWay {
    stored: watch::Receiver<Backlog>,
    /// Positions and what their entries weigh, oldest first.
    weights: VecDeque<(Position, usize)>,
    sum: usize,
}

impl UnderWay {
    fn add(&mut self, entry: &Entry) {
        let weight = entry.input.readings() + entry.outputs.len();
        self.weights.push_back((entry.position, weight));
        self.sum += weight;
    }

    /// Whether one more may go; it may be of any weight.
    fn has_room(&mut self) -> bool {
        let stored = self.stored.borrow_and_update().stored;
        while let Some((_, weight)) = self.weights.pop_front_if(|(position, _)| *position <= stored) {
            self.sum -= weight;
        }
        self.sum < WEIGHT_MAX
    }

    fn clear(&mut self) {
        self.weights.clear();
        self.sum = 0;
    }
}

/// A follower at work.
#[derive(Debug)]
struct Behind {
    /// How far it may go: where the engine's task stands. Without this it ends.
    live: watch::Sender<Position>,
    /// Up to here it fed the writer.
    reached: watch::Receiver<Position>,
    /// Aborted when dropped.
    _follower: JoinSet<()>,
}

impl Storing {
    pub(super) fn new(entries: mpsc::Sender<Entry>, stored: watch::Receiver<Backlog>, folder: PathBuf) -> Self {
        let under_way = UnderWay { stored, weights: VecDeque::new(), sum: 0 };
        Self { entries, under_way, folder, behind: None, applied: watch::Sender::default() }
    }

    /// Everything up to there was applied.
    pub(super) fn applied(&self) -> watch::Receiver<Position> {
        self.applied.subscribe()
    }

    /// Before the next input is applied by `machine`, which stands at `position`: sees to it that its entry gets its
    /// way.
    pub(super) fn prepare<M: Machine>(&mut self, machine: &M, position: Position) {
        if self.behind.is_some() || self.entries.is_closed() {
            return;
        }
        if self.entries.capacity() > 0 && self.under_way.has_room() {
            return;
        }
        tracing::warn!(after = %position, "the store does not keep up: it will be fed from the journal");
        let (live, live_seen) = watch::channel(position);
        let (reached_to, reached) = watch::channel(position);
        let mut follower = JoinSet::new();
        let to = (self.entries.clone(), self.under_way.clone());
        // The follower counts on; what it leaves behind is not counted twice.
        self.under_way.clear();
        follower.spawn(follow(machine.clone(), self.folder.clone(), live_seen, reached_to, to));
        self.behind = Some(Behind { live, reached, _follower: follower });
    }

    /// An entry for the store, after [`Self::prepare`].
    pub(super) fn store(&mut self, entry: Entry) -> Result<(), WriterGone> {
        if self.behind.is_some() {
            return Ok(());
        }
        self.under_way.add(&entry);
        match self.entries.try_send(entry) {
            Ok(()) => Ok(()),
            // Only this task sends while nobody follows behind, so the room that `prepare` saw is still there.
            Err(TrySendError::Full(entry)) => {
                tracing::error!(position = %entry.position, "no room for an entry: the centre stops rather than lose it");
                Err(WriterGone)
            }
            Err(TrySendError::Closed(_)) => Err(WriterGone),
        }
    }

    /// The engine's task stands at `position`, and nothing is half done.
    pub(super) fn settle(&mut self, position: Position) {
        self.applied.send_replace(position);
        let Some(behind) = &self.behind else { return };
        // The follower stands still where it was allowed to go, so it can be taken off there.
        let standing = *behind.live.borrow() == position && *behind.reached.borrow() == position;
        if standing && self.entries.capacity() >= self.entries.max_capacity() / 2 {
            self.behind = None;
            tracing::info!(%position, "the store has caught up");
        } else {
            behind.live.send_replace(position);
        }
    }

    #[cfg(test)]
    pub(super) const fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Waits until everything up to `position` is with the store's writer, which then ends when it is done.
    pub(super) async fn finish(mut self, position: Position) {
        self.settle(position);
        if let Some(behind) = &mut self.behind {
            // A follower that is gone has no writer any more.
            let _ = behind.reached.wait_for(|&reached| reached >= position).await;
        }
    }
}

/// Feeds the writer from the journal, up to where the engine's task stands, until that no longer wants it.
async fn follow<M: Machine>(
    mut machine: M,
    folder: PathBuf,
    mut live: watch::Receiver<Position>,
    reached: watch::Sender<Position>,
    (entries, mut under_way): (mpsc::Sender<Entry>, UnderWay),
) {
    let mut after = *reached.borrow();
    let mut direct = Vec::new();
    let mut reader = None;
    let mut logged: Option<Instant> = None;
    loop {
        let Ok(until) = live.wait_for(|&live| live > after).await.map(|live| *live) else { return };
        let mut chunk = match read(&mut reader, &folder, after, CHUNK.min(until.0 - after.0)).await {
            Ok(chunk) => chunk,
            Err(error) => {
                if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
                    logged = Some(Instant::now());
                    tracing::error!(error = sentence(&error), "the store cannot be fed from the journal; trying on");
                }
                reader = None;
                sleep(RETRY).await;
                continue;
            }
        };
        // Over a gap a chunk may reach further.
        chunk.retain(|(position, _)| *position <= until);
        for (position, input) in chunk {
            let outputs = apply(&mut machine, &input, &mut direct);
            direct.clear();
            while !under_way.has_room() {
                // A writer that is gone stores nothing any more.
                if under_way.stored.changed().await.is_err() {
                    return;
                }
            }
            let entry = Entry { position, input, outputs };
            under_way.add(&entry);
            if entries.send(entry).await.is_err() {
                return;
            }
            after = position;
        }
        reached.send_replace(after);
    }
}

async fn read(
    reader: &mut Option<JournalReader>,
    folder: &Path,
    after: Position,
    max: u64,
) -> Result<Vec<(Position, Input)>, JournalError> {
    let open = match reader.take() {
        Some(open) => open,
        None => JournalReader::open(folder).await?,
    };
    reader.insert(open).read_from(after, usize::try_from(max).unwrap_or(usize::MAX)).await
}
