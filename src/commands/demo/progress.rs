//! How a headless demonstration is getting on, on stderr.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use headroom_rules::view::{NodeView, View};

use crate::centre::Figures;

/// Where nobody rewrites a line, one in so many seconds is enough.
const LINE_EVERY_S: u64 = 5;

pub(super) struct Progress {
    started: Instant,
    time: Duration,
    /// One line that is written anew, instead of one below the other.
    in_place: bool,
    readings: u64,
}

impl Progress {
    pub(super) fn new(time: Duration) -> Self {
        Self { started: Instant::now(), time, in_place: stderr().is_terminal(), readings: 0 }
    }

    /// Called once a second.
    pub(super) fn show(&mut self, figures: &Figures, view: &View) {
        let passed = self.started.elapsed().as_secs();
        let new = figures.readings_received.saturating_sub(self.readings);
        self.readings = figures.readings_received;
        if !self.in_place && !passed.is_multiple_of(LINE_EVERY_S) {
            return;
        }
        let (start, end) = if self.in_place { ("\r", "\x1b[K") } else { ("", "\n") };
        // Whoever closed stderr does not want it; the run goes on.
        let _ = write!(
            stderr().lock(),
            "{start}{passed:>3} of {} s  {} of {} links  {new} readings/s  {}{} shed, {} restored{end}",
            self.time.as_secs(),
            figures.links_up,
            view.terminals.len(),
            tightest(view),
            figures.rounds_shed,
            figures.rounds_restored,
        );
    }

    pub(super) fn end(&self) {
        if self.in_place {
            let _ = writeln!(stderr().lock());
        }
    }
}

/// The node with the least headroom in relation to its limit.
fn tightest(view: &View) -> String {
    let share = |node: &NodeView| {
        let (load, limit) = (node.load.power()?.get(), node.limit?.get());
        (limit > 0).then(|| load.saturating_mul(1_000) / limit)
    };
    let node = view.nodes.iter().filter_map(|node| Some((share(node)?, node))).max_by_key(|(share, _)| *share);
    node.map(|(share, node)| format!("{} at {}.{} % of its limit  ", node.id, share / 10, share % 10))
        .unwrap_or_default()
}
