//! The checker's look at values by hand: no rule switches what the load of its node would not show, derived from the values
//! by hand themselves.

use super::check::{Violation, World};
use crate::dressing::DressOn;
use crate::model::{NodeId, RoundNo, TerminalId};

impl World<'_> {
    /// Whether a value by hand, and no meter above it, lies between a terminal and the load of `node`.
    fn is_hidden(&self, node: NodeId, terminal: TerminalId) -> bool {
        let is_dressed = |on| self.dressings.on(on).is_some();
        let mut hidden = is_dressed(DressOn::Power { terminal });
        for above in self.supplied_through(terminal) {
            let head = self.grid.inventory.nodes.get(&above).and_then(|node| node.measured_by);
            if is_dressed(DressOn::Load { node: above }) {
                hidden = true;
            } else if let Some(head) = head {
                hidden = is_dressed(DressOn::Power { terminal: head });
            }
            if above == node {
                break;
            }
        }
        hidden
    }

    /// As [`Self::is_hidden`], at no cost where nothing is put in by hand.
    pub(super) fn hides(&self, node: NodeId, terminal: TerminalId) -> bool {
        !self.dressings.is_empty() && self.is_hidden(node, terminal)
    }

    pub(super) fn check_seen(&self, node: NodeId, terminal: TerminalId, round: RoundNo) -> Result<(), Violation> {
        if self.hides(node, terminal) {
            return Err(Violation::ByHand { terminal, round, node });
        }
        Ok(())
    }
}
