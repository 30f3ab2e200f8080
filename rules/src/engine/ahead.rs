//! Which limits of a node are known to come: the steps of its schedule, and the targets that begin and end.
//!
//! What people will set, and what users' rules will want, nobody knows beforehand: what of it holds now is taken to stay.

use super::Engine;
use crate::model::{NodeId, Span};
use crate::target::{Begun, LimitAhead};

impl Engine {
    /// The limits that come into force within a span by what is known now, each other than the one before it, in the order of
    /// their times. A target counts from its beginning with the baseline that it would have now, and not at all without one.
    pub(super) fn limits_ahead(&self, node: NodeId, within: Span) -> Vec<LimitAhead> {
        let mut ahead = Vec::new();
        let (Some(rule), Some(bounds)) = (self.policy.rule(node), self.bounds.get(&node)) else { return ahead };
        let rated = self.rated(rule);
        let last = self.now.after(within);
        let mut later = bounds.clone();
        let mut limit = rule.limit;
        let mut at = later.next_turn();
        while at <= last {
            later.go_on_to(at, rule, &self.policy);
            let baseline = self.baseline(node, self.now);
            later.targets.retain_mut(|target| {
                if target.begun.is_none() && target.from <= at {
                    target.begun = baseline.map(|baseline| Begun { baseline, limit: baseline - target.reduction });
                    return target.begun.is_some();
                }
                true
            });
            let (then, source) = later.lowest(rated);
            if then != limit {
                limit = then;
                let margin = later.margin(rule, source);
                let aim = margin.map_or(then.percent(100 - i64::from(rule.hysteresis_percent)), |margin| then - margin);
                ahead.push(LimitAhead { at: at.max(self.now), limit: then, aim, source });
            }
            let after = later.next_turn();
            if after <= at {
                break;
            }
            at = after;
        }
        ahead
    }

    /// The first limit that is known to come within a span and is lower than the one in force.
    pub(super) fn lower_limit_ahead(&self, node: NodeId, within: Span) -> Option<LimitAhead> {
        let limit = self.policy.rule(node)?.limit;
        let lower = |ahead: &LimitAhead| self.now < ahead.at && ahead.limit < limit;
        self.limits_ahead(node, within).into_iter().find(lower)
    }

    /// Whether a limit that was known to come at an instant is known to come still: by then the limit will be lower than the one
    /// in force, or at most what was told, whatever it comes from and whatever comes before it.
    pub(super) fn is_still_ahead(&self, node: NodeId, known: &LimitAhead) -> bool {
        let Some(rule) = self.policy.rule(node) else { return false };
        let then = self.limits_ahead(node, known.at.since(self.now)).last().map_or(rule.limit, |ahead| ahead.limit);
        then < rule.limit || then <= known.limit
    }
}
