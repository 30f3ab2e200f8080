//! Meter reading: what did not come live is fetched from the terminals' own memory, by file.
//!
//! Read `schedule` (what is asked of whom when: pure), then `fetch` (one terminal, one stretch of time), then [`run`], which
//! has the clock and the store. Values come the way of every reading and decide nothing; their cause is 13, file transfer.

mod fetch;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use headroom_rules::model::{Span, Timestamp};
use headroom_rules::view::View;
use headroom_terminals::iec104::time::Zone;
use tokio::sync::watch;

use self::schedule::{DAY_MS, QUARTER_MS, Schedule, Stretch, Task};
use super::waking::{Waking, Woken};
use crate::clock::Clock;
use crate::config::CollectionSettings;
use crate::sentence::sentence;

pub use fetch::{Fetcher, NotCollected};

/// Between two looks at the clock, of the supply's time.
const LOOK_EVERY: Span = Span::from_s(10);
/// As far ahead of its arrival as a source time may be for any store (`ahead_max_s`).
const AHEAD_MAX: Span = Span::from_s(86_400);

/// How meter reading stands, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collecting {
    /// Terminals that are being asked by the schedule.
    pub under_way: usize,
    /// Stretches of time, of a day at most, that wait to be asked for.
    pub waiting: usize,
    /// Values that came by file.
    pub values: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Times that a terminal was given up until the next day.
    pub given_up: u64,
    /// The last try that failed, in a sentence.
    pub last_failure: Option<String>,
}

/// What the task works with.
pub(super) struct Collector {
    pub(super) settings: CollectionSettings,
    pub(super) fetcher: Fetcher,
    pub(super) view: watch::Receiver<Arc<View>>,
    pub(super) clock: Clock,
    pub(super) standing: watch::Sender<Collecting>,
}

/// Keeps the schedule until told to stop.
pub(super) async fn run(collector: Collector, stop: watch::Receiver<bool>) {
    let Collector { settings, fetcher, view, clock, standing } = collector;
    let terminals = fetcher.terminals();
    let mut schedule = Schedule::new(settings, &terminals, clock.now());
    let mut under_way = FuturesUnordered::new();
    let mut waking = Waking { view, stop, clock: clock.clone(), look_every: LOOK_EVERY };
    loop {
        while let Some(task) = schedule.next(clock.now()) {
            let fetcher = &fetcher;
            under_way.push(async move { (task, fill(fetcher, task).await) });
        }
        standing.send_if_modified(|standing| {
            let now = (under_way.len(), schedule.waiting());
            let before = (standing.under_way, standing.waiting);
            (standing.under_way, standing.waiting) = now;
            before != now
        });
        match waking.next(&mut under_way).await {
            Woken::Stop => return,
            Woken::Links => waking.links(|terminal, up, now| schedule.on_link(terminal, up, now)),
            Woken::Ended((task, result)) => {
                let given_up = schedule.ended(task, result.is_ok(), clock.now());
                standing.send_modify(|standing| note(standing, task, result, given_up));
            }
            Woken::Time => {}
        }
    }
}

fn note(standing: &mut Collecting, task: Task, result: Result<u64, NotCollected>, given_up: bool) {
    let Task { terminal, stretch: Stretch { after, to } } = task;
    match result {
        Ok(0) => {}
        Ok(values) => {
            standing.values += values;
            tracing::info!(%terminal, %after, %to, values, "read from the terminal's memory");
        }
        Err(error) => {
            standing.failed += 1;
            standing.given_up += u64::from(given_up);
            let error = sentence(&error);
            if given_up {
                tracing::warn!(error, %after, %to, "meter reading: every try failed; the next one is tomorrow's");
            } else {
                tracing::info!(error, %after, %to, "meter reading: tried again later");
            }
            standing.last_failure = Some(error);
        }
    }
}

/// Fetches what the store lacks of a stretch.
async fn fill(fetcher: &Fetcher, task: Task) -> Result<u64, NotCollected> {
    let Task { terminal, stretch: Stretch { after, to } } = task;
    match fetcher.wanted(terminal, after, to).await? {
        Some(Stretch { after, to }) => fetcher.fetch(terminal, after, to).await,
        None => Ok(0),
    }
}

/// The ends of the quarters after a time, up to another and with it.
fn ends(after: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let (first, last) = (after.get().div_euclid(QUARTER_MS) + 1, to.get().div_euclid(QUARTER_MS));
    (first..=last).map(|number| Timestamp::new(number * QUARTER_MS))
}

/// The last midnight of a zone after a time, up to another and with it.
pub fn midnight(after: Timestamp, to: Timestamp, zone: Zone) -> Option<Timestamp> {
    let offset = Span::from_s(i64::from(zone.offset_minutes) * 60);
    let local = to.after(offset).get();
    let midnight = Timestamp::new(to.get() - local.rem_euclid(DAY_MS));
    (midnight > after).then_some(midnight)
}
