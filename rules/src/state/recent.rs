//! What limited nodes drew in the last minutes: what a target's baseline is made of, and a trend.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::trend::Trend;
use crate::model::{NodeId, Power, Span, Timestamp};
use crate::output::LoadMinute;
use crate::view::Forecast;

/// Minutes kept: the longest baseline.
const KEPT: usize = 60;
const MINUTE: Span = Span::from_s(60);
/// A forecast decides until the next one is due, and a little longer.
const FRESH: Span = Span::from_s(90);

/// Of one node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Minutes {
    /// Beginnings and mean loads, of minutes in which the load was known.
    loads: VecDeque<(Timestamp, Power)>,
    #[serde(default)]
    trend: Trend,
}

/// Of all limited nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recent(BTreeMap<NodeId, Minutes>);

impl Recent {
    /// A minute is over.
    pub(crate) fn minute(&mut self, minute: &LoadMinute) {
        let Minutes { loads, trend } = self.0.entry(minute.node).or_default();
        while loads.len() >= KEPT {
            loads.pop_front();
        }
        loads.push_back((minute.from, minute.mean));
        trend.minute(minute);
    }

    /// A switch of ours moved the node's load.
    pub(crate) fn switched(&mut self, node: NodeId, change: Power, now: Timestamp) {
        if let Some(minutes) = self.0.get_mut(&node) {
            minutes.trend.switched(change, now);
        }
    }

    /// Forecasts a node's load anew.
    pub(crate) fn look_ahead(&mut self, node: NodeId, now: Timestamp, ahead: Span) {
        if let Some(minutes) = self.0.get_mut(&node) {
            minutes.trend.look_ahead(now, ahead);
        }
    }

    /// The forecast of the last minute, where the trend was clear.
    pub(crate) fn forecast(&self, node: NodeId, now: Timestamp) -> Option<Forecast> {
        self.0.get(&node)?.trend.forecast().filter(|forecast| now.since(forecast.made_at) <= FRESH)
    }

    /// Only these are limited from now on.
    pub(crate) fn settle(&mut self, limited: impl Fn(NodeId) -> bool) {
        self.0.retain(|&node, _| limited(node));
    }

    /// Mean load over the whole minutes that lie within `before` ahead of `at`; none where none of them was known.
    pub(crate) fn mean_before(&self, node: NodeId, at: Timestamp, before: Span) -> Option<Power> {
        let from = at.after(-before);
        let within = |&&(begun, _): &&(Timestamp, Power)| begun >= from && begun.after(MINUTE) <= at;
        let (count, sum) = self
            .0
            .get(&node)?
            .loads
            .iter()
            .filter(within)
            .fold((0_i64, Power::ZERO), |(count, sum), (_, load)| (count + 1, sum + *load));
        sum.get().checked_div(count).map(Power::new)
    }
}
