//! The checker's word on plans for limits that are not in force yet: such a limit is known to come, and no more is wanted than
//! the node is too high by for it.

use super::check::{Violation, World};
use super::plan::Plan;
use crate::model::{NodeId, Power, Span, Timestamp};
use crate::target::LimitAhead;

/// Customers are told so much earlier at most than their notice begins.
const EARLIER: Span = Span::from_s(60);

/// A limit at an instant, with the reduction that it is where it is one.
type Then = (Power, Option<Power>);

/// Whether customers may be told of a plan for a limit that comes.
///
/// # Errors
/// No such limit is known to come then, or the plan wants more than it asks for.
pub(crate) fn check_ahead(world: &World<'_>, plan: &Plan, ahead: &LimitAhead) -> Result<(), Violation> {
    let node = plan.node;
    let LimitAhead { at, limit, .. } = *ahead;
    let (Some(rule), Some(load)) = (world.policy.rule(node), world.grid.load(node).power()) else {
        return Err(Violation::NodeUnknown { node });
    };
    let none = Violation::NoSuchLimit { node, limit, at };
    let comes = world.now < at && at <= world.now.after(rule.notice.before + EARLIER) && limit < rule.limit;
    let (least, reduction) = limit_at(world, node, at).filter(|(least, _)| comes && *least == limit).ok_or(none)?;
    let share = i64::from(rule.hysteresis_percent);
    let aim = reduction.map_or(least.percent(100 - share), |reduction| least - reduction.percent(share));
    let foreseen = world.recent.forecast(node, world.now).filter(|_| rule.forecast > Span::ZERO);
    let foreseen = foreseen.filter(|forecast| forecast.at <= at);
    let load = foreseen.map_or(load, |forecast| forecast.load.max(load));
    let given = world.relief_by_measures(node, at, at).max(Power::ZERO);
    let needed = load - world.effects.going_from(world.grid, node) - given - aim;
    if plan.wanted > needed {
        return Err(Violation::Double { node, wanted: plan.wanted, needed });
    }
    Ok(())
}

/// The lowest of all that bears on a node's limit at an instant.
pub(super) fn limit_at(world: &World<'_>, node: NodeId, at: Timestamp) -> Option<Then> {
    let rule = world.policy.rule(node)?;
    let rated = world.ratings.get(&node).copied().unwrap_or(rule.limit);
    let mut limits: Vec<Then> = vec![(rated, None)];
    let calendar = world.policy.calendar.as_ref();
    let slot = rule.schedule.as_ref().zip(calendar).and_then(|(schedule, calendar)| schedule.at(calendar, at));
    limits.extend(slot.map(|slot| (slot.limit, None)));
    if let Some(bounds) = world.bounds.get(&node) {
        limits.extend(bounds.set.map(|set| (set, None)));
        limits.extend(bounds.rules.iter().map(|bound| (bound.limit, bound.reduction)));
        for target in bounds.targets.iter().filter(|target| target.from <= at && at < target.to) {
            let mean = world.recent.mean_before(node, world.now, world.policy.baseline);
            let baseline = mean.or_else(|| world.grid.load(node).power());
            let limit = target.begun.map(|begun| begun.limit).or(baseline.map(|it| it - target.reduction));
            limits.extend(limit.map(|limit| (limit, Some(target.reduction))));
        }
    }
    limits.into_iter().min_by_key(|(limit, _)| *limit)
}
