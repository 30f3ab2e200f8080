//! Storing behind the engine's back, in big transactions, through any outage.

use std::time::Duration;

use headroom_rules::model::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Entry, Store};
use crate::clock::Clock;
use crate::journal::Position;
use crate::sentence::sentence;

/// Most readings in one transaction, up to the last entry's own.
pub const READINGS_MAX: usize = 100_000;
/// Most entries in one transaction.
const ENTRIES_MAX: usize = 20_000;
/// From so many on, readings wait for no more to come.
const READINGS_WORTH: usize = 20_000;
/// How long an entry waits for company.
const WINDOW: Duration = Duration::from_millis(200);
/// Pause after the first failed write; it doubles from one to the next.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Between two times of giving up old readings.
const FORGET_EVERY: Duration = Duration::from_secs(86_400);
/// The first time comes this long after the start, so that a centre started anew each day gives them up too.
const FORGET_FIRST: Duration = Duration::from_secs(60);

/// How the store keeps up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Everything up to here is stored.
    pub stored: Position,
    /// Entries that wait in memory, the batch being written included; of a longer outage, the rest is in the journal.
    pub waiting: usize,
    /// When the oldest input that is tried in vain came in; none while the store keeps up.
    pub oldest: Option<Timestamp>,
    /// Readings stored since the start.
    pub readings: u64,
    /// Why the store takes nothing at the moment, in a sentence with its causes.
    pub failing: Option<String>,
    /// What was damaged last since the start, and what was done about it.
    pub damaged: Option<String>,
}

/// Stores entries until every sender is gone and the last one is stored, then gives the store back.
///
/// On an error the batch is kept and tried again (after 250 ms, doubling to 5 s, and up to a half more by chance, so
/// that not everybody who lost a server comes back at once) for as long as it takes. Meanwhile `entries` fills up. Whoever
/// feeds it must not let the engine wait there: what does not fit can be read again from the journal after
/// [`Backlog::stored`].
///
/// What is older than the store's settings say by `clock`, the supply's time, is given up once a day of real time,
/// between two batches.
pub async fn run_writer(
    mut store: Store,
    mut entries: mpsc::Receiver<Entry>,
    backlog: watch::Sender<Backlog>,
    clock: Clock,
) -> Store {
    let mut next_forget = Instant::now() + FORGET_FIRST;
    let mut readings_stored = 0;
    let mut damaged = None;
    while let Some(batch) = collect(&mut entries).await {
        let waiting = |entries: &mpsc::Receiver<Entry>| batch.len() + entries.len();
        backlog.send_modify(|backlog| backlog.waiting = waiting(&entries));
        let mut pause = RETRY_FIRST;
        let mut failing = None;
        let count = loop {
            match store.write(&batch).await {
                Ok(count) => break count,
                Err(error) => {
                    let error = sentence(&error);
                    if failing.as_ref() != Some(&error) {
                        tracing::error!(%error, "the store takes nothing: entries wait, the journal has them");
                    }
                    failing = Some(error);
                    backlog.send_modify(|backlog| {
                        backlog.waiting = waiting(&entries);
                        backlog.oldest = batch.first().map(|entry| entry.input.at());
                        backlog.failing.clone_from(&failing);
                    });
                    sleep(jittered(pause, chance())).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        };
        let stored = store.position().unwrap_or_default();
        if failing.is_some() {
            tracing::info!(position = %stored, "the store takes entries again");
        }
        readings_stored += count.readings;
        // While it catches up, the age of what was just stored is as good as any.
        let last = batch.last().map(|entry| entry.input.at()).filter(|_| !entries.is_empty());
        let readings = readings_stored;
        damaged = store.told().or(damaged);
        let (waiting, damaged) = (entries.len(), damaged.clone());
        backlog.send_replace(Backlog { stored, waiting, oldest: last, readings, failing: None, damaged });
        if Instant::now() >= next_forget {
            next_forget = Instant::now() + FORGET_EVERY;
            match store.forget(clock.now()).await {
                Ok(count) => tracing::info!(count, "what was old was given up"),
                Err(error) => tracing::warn!(error = sentence(&error), "what is old stays for another day"),
            }
        }
    }
    store
}

/// `pause` and up to a half more.
fn jittered(pause: Duration, chance: u8) -> Duration {
    pause + pause * u32::from(chance) / 510
}

/// 0 where the system has no randomness to give, which is no reason to stop.
fn chance() -> u8 {
    let mut byte = [0];
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

/// The next batch; none when every sender is gone.
pub(super) async fn collect(entries: &mut mpsc::Receiver<Entry>) -> Option<Vec<Entry>> {
    let mut batch = vec![entries.recv().await?];
    let mut readings = batch.iter().map(|entry| entry.input.readings()).sum::<usize>();
    let until = Instant::now() + WINDOW;
    while readings < READINGS_MAX && batch.len() < ENTRIES_MAX {
        let next = if readings < READINGS_WORTH {
            timeout_at(until, entries.recv()).await.unwrap_or_default()
        } else {
            entries.try_recv().ok()
        };
        let Some(entry) = next else { break };
        readings += entry.input.readings();
        batch.push(entry);
    }
    Some(batch)
}
