//! Where a restoration stands, and why nothing of it returns now: for operators. It decides nothing.

use super::limits::{Phase, Watch};
use super::{Engine, Shed};
use crate::model::{NodeId, Power, RoundNo, TerminalId};
use crate::orders::Action;
use crate::policy::LimitRule;
use crate::restoration::{Hold, Next, Restoration};

impl Engine {
    /// Where the return of what a node's rule shed stands; none where there is no rule. Costs time in proportion to all
    /// that is off.
    pub(super) fn restoration(&self, node: NodeId) -> Option<Restoration> {
        let (watch, rule) = (self.watches.get(&node)?, self.policy.rule(node)?);
        let off = self.off_in_order(node);
        let reckoned = |(terminal, round, _): &(TerminalId, RoundNo, Shed)| self.comes_back_with(*terminal, *round);
        let next = off.iter().take(Restoration::NEXT_MAX).map(|each @ (terminal, round, shed)| Next {
            terminal: *terminal,
            round: *round,
            class: self.grid.customer(*terminal).map(|(_, customer)| customer.priority.get()),
            since: shed.since,
            power: reckoned(each),
            promised: self.promised.of(*terminal, *round).map(|promise| promise.at),
        });
        Some(Restoration {
            stage: watch.stage,
            back: watch.restored,
            off: u32::try_from(off.len()).unwrap_or(u32::MAX),
            power: off.iter().map(reckoned).sum::<Power>(),
            steps_back: watch.steps_back,
            hold: self.hold(rule, watch, &off),
            next: next.collect(),
        })
    }

    /// The first reason in the order in which restoration asks.
    fn hold(&self, rule: &LimitRule, watch: &Watch, off: &[(TerminalId, RoundNo, Shed)]) -> Option<Hold> {
        if self.stopped().is_some() {
            return Some(Hold::Stopped);
        }
        let node = rule.node;
        let Some(load) = self.grid.load(node).power() else { return Some(Hold::LoadUnknown) };
        if let Some(hold) = self.supply_hold(node, watch) {
            return Some(hold);
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let under_way = watch.restoring.iter().filter(|id| self.under_way(**id)).count();
        if under_way > 0 {
            return Some(Hold::UnderWay { orders: count(under_way) });
        }
        if let Some(next) = self.promised.by(node).map(|promise| promise.at).min() {
            return Some(Hold::Promised { returns: count(self.promised.by(node).count()), next });
        }
        match watch.phase {
            Phase::Restoring { next_at } if self.now < next_at => return Some(Hold::NextStage { at: next_at }),
            Phase::Restoring { .. } => {}
            _ => {
                let Some(calm_since) = watch.calm_since else {
                    // Low or not, a load that stands on what was not measured is never calm.
                    if let Some(&(terminal, round, _)) = off.first().filter(|_| self.grid.stands_on_another(node)) {
                        return Some(Hold::ByHand { terminal, round, node });
                    }
                    return Some(Hold::NotCalm { load, below: rule.restore_below() });
                };
                if self.now < watch.rest_until {
                    return Some(Hold::Resting { until: watch.rest_until });
                }
                let until = calm_since.after(rule.restore_hold);
                if self.now < until {
                    return Some(Hold::Calm { until });
                }
            }
        }
        if let Some(above) = self.needed_off_by(node) {
            return Some(Hold::NeededAbove { node: above });
        }
        if self.rises_towards_limit(node) {
            return Some(Hold::Rising);
        }
        self.none_returns(rule, off)
    }

    /// Why none of the rounds that are off may return by itself; none where one may.
    fn none_returns(&self, rule: &LimitRule, off: &[(TerminalId, RoundNo, Shed)]) -> Option<Hold> {
        let mut full = None;
        let mut away = None;
        let mut resting: Option<Hold> = None;
        for (terminal, round, shed) in off {
            let (terminal, round) = (*terminal, *round);
            let until = shed.since.after(rule.off_time_min).max(shed.not_before);
            if self.now < until {
                let earlier = |hold: &Hold| matches!(hold, Hold::OffTime { until: known, .. } if *known <= until);
                if !resting.as_ref().is_some_and(earlier) {
                    resting = Some(Hold::OffTime { terminal, round, until });
                }
            } else if !self.is_ready(terminal, round) {
                away.get_or_insert(Hold::NotReady { terminal, round });
            } else if let Some(barred) = self.barred(terminal, Action::Restore { round }) {
                away.get_or_insert(Hold::Barred { terminal, round, interlock: barred.interlock });
            } else if let Some(node) = self.hidden_at(terminal) {
                away.get_or_insert(Hold::ByHand { terminal, round, node });
            } else {
                let power = self.comes_back_with(terminal, round);
                let (node, would_be, limit) = self.too_much_at(terminal, round, power, &[])?;
                full.get_or_insert(Hold::NoRoom { node, terminal, round, would_be, limit });
            }
        }
        full.or(resting).or(away)
    }
}
