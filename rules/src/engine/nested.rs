//! Limits within limits: an area, its feeder, the substation and the region above, each with its own.
//!
//! What is shed at a node is shed at all nodes above it. So a node that is about to shed lets those below it go first, and
//! leaves to them what they are about to do; and what went off for a node does not come back while a node above needs it off.

use std::collections::BTreeMap;

use super::Engine;
use super::limits::Watch;
use crate::limiting::reach::sheddable;
use crate::model::{NodeId, Power};
use crate::output::{Happening, Output};
use crate::policy::LimitRule;

impl Engine {
    /// The nodes with a limit that lie below `node`, the lowest first.
    fn limited_below(&self, node: NodeId) -> Vec<NodeId> {
        let mut below: Vec<(usize, NodeId)> = self
            .watches
            .keys()
            .filter(|&&limited| limited != node && self.grid.inventory.path_up(limited).any(|above| above == node))
            .map(|&limited| (self.grid.inventory.path_up(limited).count(), limited))
            .collect();
        below.sort_by_key(|&(depth, node)| (std::cmp::Reverse(depth), node));
        below.into_iter().map(|(_, node)| node).collect()
    }

    /// Lets the nodes below `node` that have been over their own limits for long enough shed first: it counts above.
    pub(super) fn shed_below_first(&mut self, node: NodeId, out: &mut Vec<Output>) {
        for below in self.limited_below(node) {
            let (Some(watch), Some(rule)) = (self.watches.get(&below), self.policy.rule(below)) else { continue };
            if watch.is_idle() && self.is_over_long_enough(rule, watch) {
                self.watch(below, out);
            }
        }
    }

    /// What nodes below `node` are going to take off by themselves, within the time in which `rule` would judge the effect
    /// of a plan of its own: they are over their limits, and their delays run or the effect of a plan is awaited.
    pub(super) fn left_to_those_below(&self, rule: &LimitRule) -> Power {
        let below = self.limited_below(rule.node);
        let by = self.now.after(rule.verify_after);
        let mut own = BTreeMap::<NodeId, Power>::new();
        let mut total = Power::ZERO;
        for node in below {
            let (Some(watch), Some(rule_below)) = (self.watches.get(&node), self.policy.rule(node)) else { continue };
            let load = self.grid.load(node).power();
            let acts = load.is_some_and(|load| load > rule_below.limit)
                && watch.acts_at(rule_below).is_some_and(|acts_at| acts_at <= by)
                && load.is_some_and(|load| self.notices.hold_until(rule_below, load, self.now) <= by);
            let mut pending = Power::ZERO;
            if let Some(load) = load.filter(|_| acts) {
                // What measures are about to give below counts above by itself.
                let given =
                    self.effects.going_from(&self.grid, node) + self.pending_at(rule_below, load, watch.waits_since());
                let excess = load - given - rule_below.target();
                pending = excess.min(sheddable(&self.facts(node, &watch.deaf))).max(Power::ZERO);
            }
            // What those below it do counts for it; the lowest come first.
            let pending = pending.max(own.get(&node).copied().unwrap_or_default());
            let above = self.grid.inventory.path_up(node).skip(1).take_while(|above| *above != rule.node);
            match above.into_iter().find(|above| self.watches.contains_key(above)) {
                Some(above) => *own.entry(above).or_default() += pending,
                None => total += pending,
            }
        }
        total
    }

    /// The node above, if any, for which what is off below it has to stay off: it is over its limit or not yet clear of it, or
    /// has rounds of its own off and its load is not low enough to give any back.
    pub(super) fn needed_off_by(&self, node: NodeId) -> Option<NodeId> {
        let mut above = self.grid.inventory.path_up(node).skip(1);
        above.find(|above| {
            let (Some(watch), Some(rule)) = (self.watches.get(above), self.policy.rule(*above)) else { return false };
            let calm = watch.calm_since.is_some_and(|since| self.now.since(since) >= rule.restore_hold);
            watch.is_needing() || (!calm && self.shed_by(*above).next().is_some())
        })
    }

    /// Whether restoration has to wait for a node above, told once.
    pub(super) fn waits_for_above(&mut self, node: NodeId, watch: &mut Watch, out: &mut Vec<Output>) -> bool {
        let above = self.needed_off_by(node);
        if let Some(above) = above
            && watch.waits_for != Some(above)
        {
            self.tell(Happening::RestoreWaits { node, above }, out);
        }
        watch.waits_for = above;
        above.is_some()
    }
}
