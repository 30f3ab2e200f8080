//! The checker's word on how much: a plan wants no more than its node is too high by, with all that is on its way already,
//! whoever began it. Otherwise an area and the feeder above it would shed the same excess twice.

use super::check::{Violation, World};
use super::plan::Plan;
use crate::model::Span;

/// Whether a plan wants no more than is needed.
///
/// # Errors
/// It wants more, or that cannot be told.
pub(crate) fn check_need(world: &World<'_>, plan: &Plan) -> Result<(), Violation> {
    let node = plan.node;
    let (Some(rule), Some(load)) = (world.policy.rule(node), world.grid.load(node).power()) else {
        return Err(Violation::NodeUnknown { node });
    };
    // A forecast counts where the load is near the limit already and its trend is clear.
    let foreseen = world.recent.forecast(node, world.now).filter(|_| rule.forecast > Span::ZERO);
    let foreseen = foreseen.filter(|forecast| load >= rule.warning() && forecast.least > rule.limit);
    let load = foreseen.map_or(load, |forecast| forecast.load.max(load));
    let needed = load - world.effects.going_from(world.grid, node) - rule.target();
    if plan.wanted > needed {
        return Err(Violation::Double { node, wanted: plan.wanted, needed });
    }
    Ok(())
}
