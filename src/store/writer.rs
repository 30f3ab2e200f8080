//! Storing behind the engine's back, in big transactions, through any outage.

use std::time::Duration;

use headroom_rules::input::Input;
use headroom_rules::model::Span;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Entry, Store};
use crate::clock::Clock;
use crate::journal::Position;
use crate::sentence::sentence;

/// Most readings in one transaction, up to the last entry's own.
pub const READINGS_MAX: usize = 20_000;
/// Most entries in one transaction.
const ENTRIES_MAX: usize = 20_000;
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

/// How long readings are kept.
#[derive(Clone, Debug)]
pub struct Retention {
    /// The supply's time, which readings are dated in.
    pub clock: Clock,
    /// How long.
    pub keep: Span,
}

/// How the store keeps up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Everything up to here is stored.
    pub stored: Position,
    /// Entries that wait, the batch being written included.
    pub waiting: usize,
    /// Readings stored since the start.
    pub readings: u64,
    /// Why the store takes nothing at the moment, in a sentence with its causes.
    pub failing: Option<String>,
}

/// Stores entries until every sender is gone and the last one is stored, then gives the store back.
///
/// On an error the batch is kept and tried again (250 ms, doubling to 5 s) for as long as it takes. Meanwhile
/// `entries` fills up. Whoever feeds it must not let the engine wait there: what does not fit can be read again from
/// the journal after [`Backlog::stored`].
///
/// Readings older than `retention` says are given up once a day of real time, between two batches.
pub async fn run_writer(
    mut store: Store,
    mut entries: mpsc::Receiver<Entry>,
    backlog: watch::Sender<Backlog>,
    retention: Retention,
) -> Store {
    let mut next_forget = Instant::now() + FORGET_FIRST;
    backlog.send_modify(|backlog| backlog.stored = store.position());
    while let Some(batch) = collect(&mut entries).await {
        let mut pause = RETRY_FIRST;
        let mut failing = false;
        backlog.send_modify(|backlog| backlog.waiting = batch.len() + entries.len());
        loop {
            match store.write(&batch).await {
                Ok(count) => {
                    if failing {
                        tracing::info!(position = %store.position(), "the store takes entries again");
                    }
                    backlog.send_modify(|backlog| {
                        backlog.stored = store.position();
                        backlog.waiting = entries.len();
                        backlog.readings += count.readings;
                        backlog.failing = None;
                    });
                    break;
                }
                Err(error) => {
                    let error = sentence(&error);
                    if !failing {
                        tracing::error!(%error, "the store takes nothing: entries wait, the journal has them");
                    }
                    failing = true;
                    backlog.send_modify(|backlog| {
                        backlog.waiting = batch.len() + entries.len();
                        backlog.failing = Some(error);
                    });
                    sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
        if Instant::now() >= next_forget {
            next_forget = Instant::now() + FORGET_EVERY;
            let before = retention.clock.now().after(-retention.keep);
            match store.forget_readings_before(before).await {
                Ok(count) => tracing::info!(count, %before, "old readings were given up"),
                Err(error) => tracing::warn!(error = sentence(&error), "old readings stay for another day"),
            }
        }
    }
    store
}

/// The next batch; none when every sender is gone.
async fn collect(entries: &mut mpsc::Receiver<Entry>) -> Option<Vec<Entry>> {
    let mut batch = vec![entries.recv().await?];
    let mut readings = batch.iter().map(readings_of).sum::<usize>();
    let until = Instant::now() + WINDOW;
    while readings < READINGS_MAX && batch.len() < ENTRIES_MAX {
        let Ok(Some(entry)) = timeout_at(until, entries.recv()).await else { break };
        readings += readings_of(&entry);
        batch.push(entry);
    }
    Some(batch)
}

fn readings_of(entry: &Entry) -> usize {
    if let Input::Readings { readings, .. } = &entry.input { readings.len() } else { 0 }
}
