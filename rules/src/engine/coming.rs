//! What is about to come back to each node, reckoned once for each change of it and not for each reading.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use crate::model::{NodeId, Power};

/// Kept beside what it is made of; a snapshot does not have it.
#[derive(Clone, Debug, Default)]
pub(super) struct Coming {
    /// The versions of effects and promises that it is made of.
    of: Option<[u64; 2]>,
    /// What is promised, and what restorations bring whose switches have not moved.
    nodes: BTreeMap<NodeId, Power>,
    /// Nodes whose rules promised something.
    promising: BTreeSet<NodeId>,
}

impl Coming {
    /// The tree is another one.
    pub(super) fn forget(&mut self) {
        self.of = None;
    }
}

impl Engine {
    /// Power that is promised to a node, or that restorations will bring there whose switches have not moved for all that is
    /// known, doubtful ones included.
    pub(super) fn coming_to(&mut self, node: NodeId) -> Power {
        self.reckon_coming();
        self.coming.nodes.get(&node).copied().unwrap_or_default()
    }

    /// The same for a node whose own rule promised nothing; none for any other.
    pub(super) fn coming_from_others(&mut self, node: NodeId) -> Option<Power> {
        let coming = self.coming_to(node);
        (!self.coming.promising.contains(&node)).then_some(coming)
    }

    fn reckon_coming(&mut self) {
        let versions = Some([self.effects.version(), self.promised.version()]);
        if self.coming.of == versions {
            return;
        }
        let Coming { of, nodes, promising } = &mut self.coming;
        *of = versions;
        nodes.clear();
        let promised = self.promised.all().map(|promise| (promise.choice.terminal, promise.choice.power));
        for (terminal, power) in promised.chain(self.effects.not_done()) {
            for node in self.grid.path(terminal) {
                *nodes.entry(node).or_default() += power;
            }
        }
        *promising = self.promised.all().map(|promise| promise.node).collect();
    }
}
