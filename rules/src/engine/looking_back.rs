//! What somebody needs of an engine who lets two of them go on from one state and compares.

use super::Engine;
use crate::model::{Inventory, NodeId, Power, RoundNo, TerminalId};
use crate::orders::OrderId;
use crate::policy::Policy;

impl Engine {
    /// The supply tree that it has.
    pub const fn inventory(&self) -> &Inventory {
        &self.grid.inventory
    }

    /// The rules as their file has them: each limit is the rating, whatever is in force.
    pub fn rules(&self) -> Policy {
        let mut policy = self.policy.clone();
        for rule in &mut policy.limits {
            rule.limit = self.rated(rule);
            rule.margin = None;
        }
        policy
    }

    /// What a node draws now; none where that is not known from good and fresh readings.
    pub fn node_load(&self, node: NodeId) -> Option<Power> {
        self.grid.load(node).power()
    }

    /// The limit of a node that is in force; none where no rule limits it.
    pub fn node_limit(&self, node: NodeId) -> Option<Power> {
        self.policy.rule(node).map(|rule| rule.limit)
    }

    /// The rounds that orders of rules and people tripped, with what each drew before.
    pub fn rounds_off(&self) -> impl Iterator<Item = (TerminalId, RoundNo, Power)> + '_ {
        let terminals = self.sheds.iter();
        terminals.flat_map(|(&terminal, rounds)| rounds.iter().map(move |(&round, shed)| (terminal, round, shed.power)))
    }

    /// The number that the next order gets: those of all before it are smaller.
    pub const fn next_order(&self) -> OrderId {
        self.ledger.next()
    }
}
