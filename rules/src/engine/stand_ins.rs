//! What stands in for powers that may not decide, and what that keeps from being done.

use super::Engine;
use crate::model::{NodeId, Power};
use crate::state::grid::Grid;

impl Engine {
    /// Finds what stands in, with each tick: what other meters make of a power changes with them.
    pub(super) fn look_at_stand_ins(&mut self) {
        self.grid.stand_in(self.policy.substitute, self.policy.substitute_max, self.now);
    }
}

/// How much of a load stands in for what was not measured, as an alarm says it; nothing where nothing does.
pub(super) fn told_share(grid: &Grid, node: NodeId, load: Power) -> String {
    let Some(standing) = grid.standing_in(node) else { return String::new() };
    let percent = i128::from(standing.get()) * 100 / i128::from(load.get()).max(1);
    format!("; {standing} of it ({percent} %) stand in for what was not measured")
}
