//! What limited nodes drew in the last minutes: what a target's baseline is made of.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Power, Span, Timestamp};
use crate::output::LoadMinute;

/// Minutes kept: the longest baseline.
const KEPT: usize = 60;
const MINUTE: Span = Span::from_s(60);

/// Of all limited nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Recent(BTreeMap<NodeId, VecDeque<(Timestamp, Power)>>);

impl Recent {
    /// A minute is over.
    pub(super) fn minute(&mut self, minute: &LoadMinute) {
        let minutes = self.0.entry(minute.node).or_default();
        while minutes.len() >= KEPT {
            minutes.pop_front();
        }
        minutes.push_back((minute.from, minute.mean));
    }

    /// Only these are limited from now on.
    pub(super) fn settle(&mut self, limited: impl Fn(NodeId) -> bool) {
        self.0.retain(|&node, _| limited(node));
    }

    /// Mean load over the whole minutes that lie within `before` ahead of `at`; none where none of them was known.
    pub(super) fn mean_before(&self, node: NodeId, at: Timestamp, before: Span) -> Option<Power> {
        let from = at.after(-before);
        let within = |&&(begun, _): &&(Timestamp, Power)| begun >= from && begun.after(MINUTE) <= at;
        let (count, sum) = self
            .0
            .get(&node)?
            .iter()
            .filter(within)
            .fold((0_i64, Power::ZERO), |(count, sum), (_, load)| (count + 1, sum + *load));
        sum.get().checked_div(count).map(Power::new)
    }
}
