//! Load curves: what each node drew, minute by minute of the centre's time, and what calculated points were.
//!
//! Between two changes a load is what it was; a minute counts only the time in which it was known (`quality-kept`).

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Power, RuleId, Span, Timestamp};
use crate::output::{CalculatedMinute, LoadMinute, Output};
use crate::state::places::{Place, Places};

const MINUTE_MS: i64 = 60_000;
pub(super) const MINUTE: Span = Span::new(MINUTE_MS);

pub(super) fn minute_of(at: Timestamp) -> Timestamp {
    Timestamp::new(at.get().div_euclid(MINUTE_MS) * MINUTE_MS)
}

/// One node's minute as far as it has gone; or a calculated point's, whose thousandths stand as watts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Curve {
    pub(super) load: Option<Power>,
    limit: Option<Power>,
    /// Up to when it is counted.
    counted_to: Timestamp,
    /// Lowest, highest and last of what was counted.
    seen: Option<[Power; 3]>,
    /// Over the time in which it was known.
    sum_w_ms: i64,
    known_ms: i64,
    over_ms: i64,
}

impl Curve {
    pub(super) fn count_to(&mut self, at: Timestamp) {
        let held_ms = at.since(self.counted_to).get();
        self.counted_to = self.counted_to.max(at);
        let Some(load) = self.load.filter(|_| held_ms > 0) else { return };
        self.seen = Some(match self.seen {
            Some([low, high, _]) => [low.min(load), high.max(load), load],
            None => [load; 3],
        });
        self.sum_w_ms = self.sum_w_ms.saturating_add(load.get().saturating_mul(held_ms));
        self.known_ms += held_ms;
        if self.limit.is_some_and(|limit| load > limit) {
            self.over_ms += held_ms;
        }
    }

    /// Nobody watched from `from` to `to`.
    pub(super) fn away(&mut self, from: Timestamp, to: Timestamp) {
        self.count_to(from);
        self.counted_to = to;
    }

    /// The minute is over, and the next begins: lowest, highest, mean and last, and how long they were known.
    fn next(&mut self) -> Option<([Power; 4], Span)> {
        let Self { load, limit, counted_to, seen, sum_w_ms, known_ms, .. } = *self;
        *self = Self { load, limit, counted_to, ..Self::default() };
        let [min, max, last] = seen?;
        let mean = Power::new(sum_w_ms.checked_div(known_ms)?);
        Some(([min, max, mean, last], Span::new(known_ms)))
    }

    /// A calculated point's minute is over.
    pub(super) fn close_point(&mut self, point: RuleId, from: Timestamp) -> Option<CalculatedMinute> {
        let (values, known) = self.next()?;
        let [min, max, mean, last] = values.map(Power::get);
        Some(CalculatedMinute { point, from, min, max, mean, last, known })
    }

    /// A node's minute is over.
    fn close(&mut self, node: NodeId, from: Timestamp) -> Option<LoadMinute> {
        let (over, limit) = (Span::new(self.over_ms), self.limit);
        let ([min, max, mean, last], known) = self.next()?;
        Some(LoadMinute { node, from, min, max, mean, last, known, over, limit })
    }
}

/// Of all nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Curves {
    nodes: Places<NodeId, Curve>,
    /// The beginning of the minute under way; none before the first input.
    minute: Option<Timestamp>,
}

impl Curves {
    /// The nodes that there are from now on, with their limits; what their minute has brought so far stays.
    pub(super) fn settle(&mut self, now: Timestamp, nodes: impl Iterator<Item = (NodeId, Option<Power>)>) {
        let before = std::mem::take(&mut self.nodes);
        let settled = nodes.map(|(node, limit)| {
            let fresh = Curve { counted_to: now, ..Curve::default() };
            let mut curve = before.get(&node).copied().unwrap_or(fresh);
            curve.count_to(now);
            curve.limit = limit;
            (node, curve)
        });
        self.nodes = settled.collect();
    }

    /// The load of a node changed, which stands at `place` among all nodes.
    pub(super) fn load(&mut self, now: Timestamp, place: Place<NodeId>, node: NodeId, load: Option<Power>) {
        if let Some(curve) = self.nodes.same_at_mut(place, &node) {
            curve.count_to(now);
            curve.load = load;
        }
    }

    /// A node's limit changed.
    pub(super) fn limit(&mut self, now: Timestamp, node: NodeId, limit: Power) {
        if let Some(curve) = self.nodes.get_mut(&node) {
            curve.count_to(now);
            curve.limit = Some(limit);
        }
    }

    /// Nobody watched from `from` to `to`: the time between counts for nothing.
    pub(super) fn away(&mut self, from: Timestamp, to: Timestamp) {
        for curve in self.nodes.values_mut() {
            curve.away(from, to);
        }
    }

    /// Tells the minutes that are over, the oldest first.
    pub(super) fn turn(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let current = minute_of(now);
        let minute = self.minute.get_or_insert(current);
        while *minute < current {
            let next = minute.after(Span::new(MINUTE_MS));
            let before = out.len();
            for (&node, curve) in self.nodes.iter_mut() {
                curve.count_to(next);
                out.extend(curve.close(node, *minute).map(Output::Load));
            }
            // Where nothing was known there is nothing to tell, however long it was.
            *minute = if out.len() > before { next } else { current };
        }
    }
}
