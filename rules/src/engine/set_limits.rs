//! Limits that people set below the rating, which is the limit that the rule file gives.
//!
//! The policy holds the limit in force, so that planning, checking and restoring look at nothing else.

use std::collections::BTreeMap;

use super::Engine;
use super::requests::Granted;
use crate::input::Origin;
use crate::model::{NodeId, Power};
use crate::output::{Happening, Output, Refusal, Reply};
use crate::policy::{LimitRule, Policy};

impl Engine {
    /// What the rule file says, whatever is in force.
    pub(super) fn rated(&self, rule: &LimitRule) -> Power {
        self.ratings.get(&rule.node).copied().unwrap_or(rule.limit)
    }

    pub(super) fn set_limit(
        &mut self,
        origin: &Origin,
        node: NodeId,
        limit: Power,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        if !self.grid.inventory.nodes.contains_key(&node) {
            return Err(Refusal::UnknownNode { node });
        }
        let rule = self.policy.rule(node).ok_or(Refusal::NoLimitRule { node })?;
        let (before, rated) = (rule.limit, self.rated(rule));
        if limit <= Power::ZERO {
            return Err(Refusal::LimitNotPositive { node, limit, rated });
        }
        if limit > rated {
            return Err(Refusal::LimitAboveRating { node, limit, rated });
        }
        if limit == rated {
            self.ratings.remove(&node);
        } else {
            self.ratings.insert(node, rated);
        }
        if limit != before {
            self.put_in_force(node, limit);
            self.tell(Happening::LimitSet { node, before, after: limit, by: origin.operator.clone() }, out);
            self.watch(node, out);
            if limit > before && self.is_within(node, limit) {
                self.withdraw_trips(node, &format!("the limit was raised to {limit}, and the load is below it"), out);
            }
        }
        let (object, before, after) = (node.to_string(), before.to_string(), limit.to_string());
        Ok(Granted { reply: Reply::Done, object, before, after })
    }

    fn put_in_force(&mut self, node: NodeId, limit: Power) {
        if let Some(rule) = self.policy.rule_mut(node) {
            rule.limit = limit;
        }
        self.curves.limit(self.now, node, limit);
        // What waited for room under the old limit is told anew if it waits under the new one.
        if let Some(watch) = self.watches.get_mut(&node) {
            watch.held = None;
        }
    }

    fn is_within(&self, node: NodeId, limit: Power) -> bool {
        self.grid.load(node).power().is_some_and(|load| load <= limit)
    }

    /// Puts the limits that were set into new rules. Those that a rating is below, or whose node has no rule any more, are
    /// dropped; what there is to tell of it.
    pub(super) fn keep_set_limits(&mut self, policy: &mut Policy) -> Vec<Happening> {
        let mut dropped = Vec::new();
        let mut ratings = BTreeMap::new();
        for &node in self.ratings.keys() {
            let Some(set) = self.policy.rule(node).map(|rule| rule.limit) else { continue };
            match policy.rule_mut(node) {
                Some(rule) if rule.limit >= set => {
                    ratings.insert(node, rule.limit);
                    rule.limit = set;
                }
                rule => dropped.push(Happening::SetLimitDropped { node, set, rated: rule.map(|rule| rule.limit) }),
            }
        }
        self.ratings = ratings;
        dropped
    }
}
