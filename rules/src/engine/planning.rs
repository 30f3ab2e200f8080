//! What the planner may know.

use std::collections::BTreeSet;

use super::Engine;
use crate::limiting::plan::{RoundFacts, TerminalFacts};
use crate::model::{NodeId, Power, RoundNo, TerminalId};
use crate::orders::Action;
use crate::output::Finding;
use crate::state::grid::Unusable;

impl Engine {
    /// What the planner may know of everybody below a node.
    pub(super) fn facts(&self, node: NodeId, deaf: &BTreeSet<(TerminalId, RoundNo)>) -> Vec<TerminalFacts> {
        let mut all = Vec::new();
        let holders = self.ledger.holders();
        let rule = self.policy.rule(node);
        let on_time_min = rule.map(|rule| rule.on_time_min).unwrap_or_default();
        for terminal in self.grid.terminals_below(node) {
            let (Some(post), Some((id, customer)), Some(entry)) = (
                self.grid.posts.get(&terminal),
                self.grid.customer(terminal),
                self.grid.inventory.terminals.get(&terminal),
            ) else {
                continue;
            };
            let load = post.load(self.now, self.grid.age_max);
            let spared = if customer.guaranteed {
                Some(Finding::Guaranteed { terminal })
            } else if self.grid.guarantee_at_terminal(terminal) {
                Some(Finding::GuaranteeAtTerminal { terminal })
            } else if post.says_excluded() {
                Some(Finding::ExcludedAtTerminal { terminal })
            } else if rule.is_some_and(|rule| rule.spares(customer.priority)) {
                Some(Finding::ClassSpared { terminal, class: customer.priority })
            } else if let Some(tag) = self.tag_on_terminal(terminal) {
                Some(Finding::Tagged { terminal, round: None, tag: tag.id })
            } else if !post.link_up {
                Some(Finding::LinkDown { terminal })
            } else if self.grid.stands_in(terminal).is_none() && self.grid.hides(node, terminal) {
                Some(Finding::ByHand { terminal, node })
            } else {
                load.err().map(|why| match why {
                    Unusable::TooOld => Finding::ReadingTooOld { terminal },
                    Unusable::Frozen => Finding::ReadingFrozen { terminal },
                    Unusable::Bad => match post.beyond() {
                        Some((load, most)) => Finding::LoadImplausible { terminal, load, most },
                        None => Finding::ReadingBad { terminal },
                    },
                })
            };
            let rounds = entry.rounds.keys().map(|&round| RoundFacts {
                round,
                position: self.grid.position(terminal, round, self.now),
                power: self.grid.round_power(terminal, round, self.now).map(|held| Power::new(held.reading.value)),
                tagged: self.tag_on_round(terminal, round).map(|tag| tag.id),
                under_way: holders.get(&(terminal, round)).copied(),
                deaf: deaf.contains(&(terminal, round)),
                back_for: self.returned.back_for(terminal, round, on_time_min, self.now),
                interlock: self.barred(terminal, Action::Trip { round }).map(|barred| barred.interlock),
            });
            let (curtailed, turns) = self.curtailed_by_now(id, terminal);
            all.push(TerminalFacts {
                terminal,
                class: customer.priority,
                curtailed,
                turns,
                spared,
                load: load.unwrap_or_default() - self.effects.going_at(&self.grid, terminal, None),
                age: self.load_age(terminal),
                step: self.grid.step_of(terminal),
                floor: self.grid.floor(terminal),
                response: self.responses.get(&terminal).copied().unwrap_or_default(),
                doubted: self.unresponsive.contains_key(&terminal),
                rounds: rounds.collect(),
            });
        }
        all
    }
}
