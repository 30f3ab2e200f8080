//! Stepping back: what was about to return does not, and what returned last goes first, when the headroom shrinks under a
//! restoration.
//!
//! **Invariant** that it serves: `restoration-under-limit`. A stage fits when it is decided; loads rise by themselves, and
//! rounds come back with more than anybody reckoned.

use std::collections::BTreeSet;

use super::limits::{Phase, Watch};
use super::{Engine, Holder};
use crate::limiting::plan::Task;
use crate::limiting::step_back::{Group, plan_step_back};
use crate::model::{NodeId, Power, RoundNo, Span, TerminalId, Timestamp};
use crate::orders::{Action, Issuer, OrderId, OrderState};
use crate::output::{Happening, Output};
use crate::policy::LimitRule;

/// A load that would be too high with what is promised has been so for this long: a switch that has just moved shows in
/// the load before its order is known to be done, and counts twice meanwhile.
const SURE_AFTER: Span = Span::from_s(5);
/// A rest after stepping back is at most this many times as long as after the first time.
const RESTS_MAX: u32 = 3;

impl Engine {
    /// Withdraws what is promised or selected below a node whose load leaves no room for it any more.
    pub(super) fn step_back(&mut self, rule: &LimitRule, watch: &mut Watch, load: Power, out: &mut Vec<Output>) {
        let LimitRule { node, limit, .. } = *rule;
        if self.promised.is_empty() && self.ledger.is_idle() {
            watch.tight_since = None;
            return;
        }
        let coming = self.coming_to(node);
        if coming <= Power::ZERO || load + coming <= limit {
            watch.tight_since = None;
            return;
        }
        let since = *watch.tight_since.get_or_insert(self.now);
        if load <= limit && self.now.since(since) < SURE_AFTER {
            return;
        }
        let withdrawn = self.withdraw_returns(node, watch, load, limit, out);
        if withdrawn > 0 {
            watch.tight_since = None;
            self.tell(Happening::StepBack { node, load, coming, limit, withdrawn, again: Vec::new() }, out);
        }
    }

    /// Ends promises and restorations that are not executed, of any rule, below a node. How many.
    pub(super) fn withdraw_returns(
        &mut self,
        node: NodeId,
        watch: &mut Watch,
        load: Power,
        limit: Power,
        out: &mut Vec<Output>,
    ) -> u32 {
        let below = |terminal: TerminalId| self.grid.path(terminal).any(|above| above == node);
        let promised: Vec<(NodeId, TerminalId, RoundNo)> = self
            .promised
            .all()
            .map(|promise| (promise.node, promise.choice.terminal, promise.choice.round))
            .filter(|(_, terminal, _)| below(*terminal))
            .collect();
        let orders = self.ledger.open().filter_map(|order| match (&order.issuer, order.action, order.state) {
            (Issuer::Limit { node }, Action::Restore { .. }, state) if state.awaits_execute() => {
                below(order.terminal).then_some((*node, order.id))
            }
            _ => None,
        });
        let orders: Vec<(NodeId, OrderId)> = orders.collect();
        let withdrawn = promised.len() + orders.len();
        let rules: BTreeSet<NodeId> =
            promised.iter().map(|(rule, ..)| *rule).chain(orders.iter().map(|(rule, _)| *rule)).collect();
        for (_, terminal, round) in promised {
            self.promised.end(terminal, round);
        }
        for (_, id) in orders {
            self.withdraw(id, OrderState::Cancelled, format!("{node} at {load} of {limit} leaves it no room"), out);
        }
        for of in rules {
            let Some(rule) = self.policy.rule(of) else { continue };
            let longest = rule.restore_hold.max(rule.restore_step);
            if of == node {
                watch.rest(longest, self.now);
            } else if let Some(other) = self.watches.get_mut(&of) {
                other.rest(longest, self.now);
            }
        }
        u32::try_from(withdrawn).unwrap_or(u32::MAX)
    }

    /// Sheds again what came back last, when the limit is broken soon after. Whether there was anything to shed.
    pub(super) fn shed_again(
        &mut self,
        rule: &LimitRule,
        watch: &mut Watch,
        load: Power,
        wanted: Power,
        out: &mut Vec<Output>,
    ) -> bool {
        let LimitRule { node, limit, .. } = *rule;
        let groups = self.last_groups(rule);
        if groups.is_empty() {
            return false;
        }
        let pass = watch.passes().saturating_add(1).min(rule.passes_max);
        let task = Task { rule, pass, load, wanted };
        let Some(plan) = plan_step_back(&task, &self.facts(node, &watch.deaf), &groups) else {
            return false;
        };
        if !self.approve(rule, watch, &plan, out) {
            return false;
        }
        watch.rest(rule.restore_hold.max(rule.restore_step), self.now);
        let again = plan.shed.clone();
        self.tell(Happening::StepBack { node, load, coming: Power::ZERO, limit, withdrawn: 0, again }, out);
        self.carry_out(rule, watch, plan, load, out);
        true
    }

    /// What stages of restoration brought back below a node not long ago, the last group first.
    fn last_groups(&self, rule: &LimitRule) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (terminal, round, what) in self.returned.all() {
            let Some(stage) = what.stage.filter(|_| self.now.since(what.at) < rule.step_back_within()) else {
                continue;
            };
            let Holder::Rule(by) = what.by else { continue };
            if !self.grid.path(terminal).any(|above| above == rule.node) {
                continue;
            }
            match groups.iter_mut().find(|group| (group.by, group.stage) == (by, stage)) {
                Some(group) => {
                    group.last = group.last.max(what.at);
                    group.rounds.push((terminal, round, what.at));
                }
                None => groups.push(Group { by, stage, last: what.at, rounds: vec![(terminal, round, what.at)] }),
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse((group.last, group.stage, group.by)));
        groups
    }
}

impl Watch {
    /// After stepping back nothing returns for a while, each time for twice as long, and in groups half as large.
    pub(super) fn rest(&mut self, longest: Span, now: Timestamp) {
        let times = 1_i64 << self.steps_back.min(RESTS_MAX);
        self.steps_back = self.steps_back.saturating_add(1);
        self.rest_until = now.after(Span::new(longest.get().saturating_mul(times)));
        self.stage_rounds = (self.stage_rounds / 2).max(1);
        if matches!(self.phase, Phase::Restoring { .. }) {
            self.phase = Phase::Watching;
        }
    }
}
