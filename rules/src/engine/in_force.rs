//! Which limit of a node is in force: the lowest of its rating, its schedule, what people set, and the target reductions of
//! the hour.
//!
//! The policy holds the limit in force, so that planning, checking and restoring look at nothing else. Nothing here costs
//! anything per input until the next change is due.

use std::collections::BTreeMap;

use super::Engine;
use crate::calendar::Slot;
use crate::model::{NodeId, Power, Span, Timestamp};
use crate::output::{Happening, Output};
use crate::policy::{LimitRule, Policy};
use crate::state::bounds::{Bounds, NEVER};
use crate::target::{InForce, LimitSource, Target};

/// A change that waits for what is not known yet is looked at again after this.
const LOOK_AGAIN: Span = Span::from_s(1);

impl Engine {
    /// What the rule file says, whatever is in force.
    pub(super) fn rated(&self, rule: &LimitRule) -> Power {
        self.ratings.get(&rule.node).copied().unwrap_or(rule.limit)
    }

    /// What people set a node's limit to, if they did.
    pub(super) fn set_for(&self, node: NodeId) -> Option<Power> {
        match self.bounds.get(&node) {
            Some(bounds) => bounds.set,
            // A snapshot of before there was anything else than setting.
            None => self.ratings.get(&node).and_then(|_| self.policy.rule(node)).map(|rule| rule.limit),
        }
    }

    pub(super) fn bounds_mut(&mut self, node: NodeId) -> &mut Bounds {
        let set = self.set_for(node);
        self.bounds.entry(node).or_insert_with(|| Bounds { set, ..Bounds::default() })
    }

    /// Puts into force what a node's bounds come to, and tells of it: by `told` where somebody did it.
    pub(super) fn settle_limit(&mut self, node: NodeId, told: Option<Happening>, out: &mut Vec<Output>) {
        let Some(rule) = self.policy.rule(node) else { return };
        let (before, rated) = (rule.limit, self.rated(rule));
        let bounds = self.bounds_mut(node);
        let (limit, source) = bounds.lowest(rated);
        let is_empty = bounds.is_empty();
        if is_empty {
            self.bounds.remove(&node);
        }
        if limit == rated {
            self.ratings.remove(&node);
        } else {
            self.ratings.insert(node, rated);
        }
        self.put_margin(node, source);
        if limit == before {
            if let Some(told) = told {
                self.tell(told, out);
            }
            return;
        }
        self.put_in_force(node, limit);
        let until = self.in_force(node).and_then(|in_force| in_force.until);
        self.tell(told.unwrap_or(Happening::LimitChanged { node, before, after: limit, source, until }), out);
        // Judged once the input is taken in, which may say that a link is down or a customer guaranteed.
        self.grid.look_at(node);
        if limit > before && self.is_within(node, limit) {
            self.withdraw_trips(node, &format!("the limit was raised to {limit}, and the load is below it"), out);
        }
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

    fn put_margin(&mut self, node: NodeId, source: LimitSource) {
        let bounds = self.bounds.get(&node);
        if let Some(rule) = self.policy.rule_mut(node) {
            rule.margin = bounds.and_then(|bounds| bounds.margin(rule, source));
        }
    }

    fn is_within(&self, node: NodeId, limit: Power) -> bool {
        self.grid.load(node).power().is_some_and(|load| load <= limit)
    }

    /// Takes schedules and targets to the present. Costs one comparison until a change is due.
    pub(super) fn turn_limits(&mut self, out: &mut Vec<Output>) {
        if self.now < self.limits_turn_at {
            return;
        }
        let due: Vec<NodeId> = self.policy.limits.iter().map(|rule| rule.node).collect();
        let due: Vec<NodeId> = due.into_iter().filter(|node| self.limit_is_due(*node)).collect();
        for &node in &due {
            let slot = self.slot_now(self.policy.rule(node), node);
            if slot.is_some() || self.bounds.contains_key(&node) {
                self.bounds_mut(node).slot = slot;
            }
            self.turn_targets(node, out);
            self.settle_limit(node, None, out);
        }
        self.tell_what_cannot_be_kept(&due, out);
        self.plan_next_turn();
        if !due.is_empty() {
            self.notices.look_ahead_anew();
        }
    }

    /// Looks at schedules and targets with the next input, whatever was reckoned before.
    pub(super) fn turn_limits_anew(&mut self) {
        self.limits_turn_at = Timestamp::default();
        self.notices.look_ahead_anew();
    }

    fn limit_is_due(&self, node: NodeId) -> bool {
        match self.bounds.get(&node) {
            Some(bounds) => bounds.next_turn() <= self.now || (bounds.slot.is_none() && self.has_schedule(node)),
            None => self.has_schedule(node),
        }
    }

    fn has_schedule(&self, node: NodeId) -> bool {
        self.policy.rule(node).is_some_and(|rule| rule.schedule.is_some())
    }

    pub(super) fn plan_next_turn(&mut self) {
        // What should have begun and could not is tried again soon, and what begins elsewhere meanwhile does not wait for it.
        let at = |turn: Timestamp| if turn <= self.now { self.now.after(LOOK_AGAIN) } else { turn };
        self.limits_turn_at = self.bounds.values().map(|bounds| at(bounds.next_turn())).min().unwrap_or(NEVER);
    }

    fn slot_now(&self, rule: Option<&LimitRule>, node: NodeId) -> Option<Slot> {
        if let Some(slot) = self.bounds.get(&node).and_then(|bounds| bounds.slot)
            && self.now < slot.until
        {
            return Some(slot);
        }
        rule?.schedule.as_ref()?.at(self.policy.calendar.as_ref()?, self.now)
    }

    /// A limit that came down below what may not be shed is told with its figures: it cannot be kept.
    pub(super) fn tell_what_cannot_be_kept(&mut self, nodes: &[NodeId], out: &mut Vec<Output>) {
        if nodes.is_empty() {
            return;
        }
        let guaranteed = self.guaranteed_loads();
        for &node in nodes {
            let (Some(rule), Some(&guaranteed)) = (self.policy.rule(node), guaranteed.get(&node)) else { continue };
            let limit = rule.limit;
            if guaranteed > limit {
                self.tell(Happening::LimitBelowGuaranteed { node, limit, guaranteed }, out);
            }
        }
    }

    /// Below each node, what may not be shed of what is drawn now: all that guaranteed customers draw, and of others what
    /// lies below their safety floor. Loads that are not known count for nothing.
    pub(super) fn guaranteed_loads(&self) -> BTreeMap<NodeId, Power> {
        let mut below = BTreeMap::<NodeId, Power>::new();
        for (&terminal, post) in self.grid.posts.iter() {
            let Some((_, customer)) = self.grid.customer(terminal) else { continue };
            let Ok(load) = post.load(self.now, self.grid.age_max) else { continue };
            let kept =
                if customer.guaranteed || post.says_guaranteed() { load } else { load.min(self.grid.floor(terminal)) };
            if kept <= Power::ZERO {
                continue;
            }
            for node in self.grid.path(terminal) {
                *below.entry(node).or_default() += kept;
            }
        }
        below
    }

    /// Puts what is in force besides ratings into new rules. What there is to tell of it.
    pub(super) fn keep_in_force(&mut self, policy: &mut Policy) -> Vec<Happening> {
        let mut told = Vec::new();
        let mut bounds = BTreeMap::new();
        let mut ratings = BTreeMap::new();
        for rule in &mut policy.limits {
            let node = rule.node;
            let mut kept = Bounds { set: self.set_for(node), ..Bounds::default() };
            if let Some(set) = kept.set.filter(|set| *set > rule.limit) {
                kept.set = None;
                told.push(Happening::SetLimitDropped { node, set, rated: Some(rule.limit) });
            }
            kept.targets =
                self.bounds.get_mut(&node).map(|bounds| std::mem::take(&mut bounds.targets)).unwrap_or_default();
            kept.rules = self.bounds.get_mut(&node).map(|bounds| std::mem::take(&mut bounds.rules)).unwrap_or_default();
            kept.slot = rule.schedule.as_ref().zip(policy.calendar.as_ref()).and_then(|(s, c)| s.at(c, self.now));
            let rated = rule.limit;
            let (limit, source) = kept.lowest(rated);
            if limit != rated {
                ratings.insert(node, rated);
                rule.limit = limit;
                rule.margin = kept.margin(rule, source);
            }
            let before = self.policy.rule(node).map(|rule| rule.limit);
            let by_itself = matches!(source, LimitSource::Schedule { .. } | LimitSource::Target { .. });
            if by_itself && before != Some(limit) {
                let (before, until) = (before.unwrap_or(rated), kept.slot.map(|slot| slot.until));
                told.push(Happening::LimitChanged { node, before, after: limit, source, until });
            }
            if !kept.is_empty() {
                bounds.insert(node, kept);
            }
        }
        let gone = self.policy.limits.iter().map(|rule| rule.node).filter(|node| policy.rule(*node).is_none());
        for node in gone {
            if let Some(set) = self.set_for(node) {
                told.push(Happening::SetLimitDropped { node, set, rated: None });
            }
            for target in self.bounds.get(&node).into_iter().flat_map(|bounds| &bounds.targets) {
                told.push(Happening::TargetDropped {
                    node,
                    target: target.id,
                    why: "no rule limits it any more".into(),
                });
            }
        }
        self.bounds = bounds;
        self.ratings = ratings;
        self.turn_limits_anew();
        told
    }

    /// The limit in force of a node that a rule limits, with what gives it and what comes next.
    pub(super) fn in_force(&self, node: NodeId) -> Option<InForce> {
        let rule = self.policy.rule(node)?;
        let rated = self.rated(rule);
        let Some(bounds) = self.bounds.get(&node) else {
            let source = if rated == rule.limit { LimitSource::Rating } else { LimitSource::Set };
            return Some(InForce { source, until: None, next: None });
        };
        let (limit, source) = bounds.lowest(rated);
        // What it is at each time at which something begins or ends, until that is another limit.
        let mut later = bounds.clone();
        let mut at = later.next_turn();
        while at < NEVER {
            later.go_on_to(at, rule, &self.policy);
            if later.targets.iter().any(|target| target.begun.is_none() && target.from <= at) {
                return Some(InForce { source, until: Some(at), next: None });
            }
            let (next, _) = later.lowest(rated);
            if next != limit {
                return Some(InForce { source, until: Some(at), next: Some(next) });
            }
            let after = later.next_turn();
            // A schedule that changes below what else is in force, for ever: nothing of it is to be told.
            if after <= at || after.since(self.now) > Target::AHEAD_MAX {
                break;
            }
            at = after;
        }
        Some(InForce { source, until: None, next: None })
    }
}
