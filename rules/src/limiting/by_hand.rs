//! The checker's look at values that were not measured, by hand or standing in: no rule switches what the load of its node would not
//! show, nor returns anything into a load that stands on what stands in. Derived from the values by hand and the readings themselves.

use std::collections::BTreeMap;

use super::check::{Violation, World};
use crate::dressing::DressOn;
use crate::model::{NodeId, RoundNo, TerminalId};
use crate::policy::Substitute;

impl World<'_> {
    fn is_dressed(&self, on: DressOn) -> bool {
        self.dressings.on(on).is_some()
    }

    /// Whether a terminal's power, where it counts at all, is none that it told.
    fn may_stand_in(&self, terminal: TerminalId) -> bool {
        let post = self.grid.posts.get(&terminal);
        self.policy.substitute != Substitute::None
            && !self.is_dressed(DressOn::Power { terminal })
            && post.is_none_or(|post| post.load(self.now, self.policy.reading_age_max).is_err())
    }

    /// Whether a value that was not measured, and no meter above it, lies between a terminal and the load of `node`.
    fn is_hidden(&self, node: NodeId, terminal: TerminalId) -> bool {
        let stands = self.grid.load(node).is_substituted();
        let not_told = |terminal| self.is_dressed(DressOn::Power { terminal }) || stands && self.may_stand_in(terminal);
        let mut hidden = not_told(terminal);
        for above in self.supplied_through(terminal) {
            let head = self.grid.inventory.nodes.get(&above).and_then(|node| node.measured_by);
            if self.is_dressed(DressOn::Load { node: above }) {
                hidden = true;
            } else if let Some(head) = head {
                hidden = not_told(head);
            }
            if above == node {
                break;
            }
        }
        hidden
    }

    /// As [`Self::is_hidden`], at no cost where nothing is put in by hand and nothing stands in.
    pub(super) fn hides(&self, node: NodeId, terminal: TerminalId) -> bool {
        let measured = self.dressings.is_empty() && self.policy.substitute == Substitute::None;
        !measured && self.is_hidden(node, terminal)
    }

    pub(super) fn check_seen(&self, node: NodeId, terminal: TerminalId, round: RoundNo) -> Result<(), Violation> {
        if self.hides(node, terminal) {
            return Err(Violation::ByHand { terminal, round, node });
        }
        Ok(())
    }

    /// Whether a terminal's power stands in in the load of `node`.
    fn stands_on(&self, node: NodeId, terminal: TerminalId, heads: &[NodeId]) -> bool {
        let inventory = &self.grid.inventory;
        let up = |from: NodeId| {
            std::iter::successors(Some(from), |at| inventory.nodes.get(at).and_then(|node| node.parent)).take(4)
        };
        let supplied = self.supplied_through(terminal).first().copied();
        heads.iter().copied().chain(supplied).any(|from| {
            for above in up(from) {
                let head = inventory.nodes.get(&above).and_then(|node| node.measured_by);
                if self.is_dressed(DressOn::Load { node: above }) || head.is_some_and(|head| head != terminal) {
                    return false;
                }
                if above == node {
                    return true;
                }
            }
            false
        })
    }

    /// Whether nothing may return into the load of a node: it stands on what stands in for what was not measured.
    pub(super) fn check_measured(&self, node: NodeId) -> Result<(), Violation> {
        if self.policy.substitute == Substitute::None || !self.grid.load(node).is_substituted() {
            return Ok(());
        }
        let mut lacking = self.grid.inventory.terminals.keys().copied().filter(|it| self.may_stand_in(*it));
        let mut heads = BTreeMap::<TerminalId, Vec<NodeId>>::new();
        for (id, node) in &self.grid.inventory.nodes {
            if let Some(head) = node.measured_by {
                heads.entry(head).or_default().push(*id);
            }
        }
        let measures = |terminal| heads.get(&terminal).map(Vec::as_slice).unwrap_or_default();
        match lacking.find(|terminal| self.stands_on(node, *terminal, measures(*terminal))) {
            Some(terminal) => Err(Violation::StandsIn { node, terminal }),
            None => Ok(()),
        }
    }
}
