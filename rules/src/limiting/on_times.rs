//! The least time for which a round that came back stays on, as the checker sees it: shed again before only where nothing
//! else would do.

use super::check::{Violation, World};
use super::notice::may_be_spared;
use super::plan::Plan;
use crate::model::{Power, RoundNo, TerminalId};
use crate::output::Reason;
use crate::policy::LimitRule;

/// Whether each round of `plan` that came back too lately to be shed again is there for want of another.
///
/// Another one is a round that may be shed, has been on for long enough, is not in the plan, and would have done in its
/// stead. Rounds that failed to respond in this breach are none, nor those at terminals whose floor leaves them a choice.
///
/// # Errors
/// The first round that is there though another one would have done.
pub(super) fn check_on_times(world: &World<'_>, plan: &Plan) -> Result<(), Violation> {
    let Some(rule) = world.policy.rule(plan.node) else { return Ok(()) };
    let back_for = |terminal, round| world.returned.back_for(terminal, round, rule.on_time_min, world.now);
    // Stepping back is the exception: what came back last goes first.
    let resting = plan.shed.iter().filter(|choice| !matches!(choice.reason, Reason::StepBack { .. }));
    let resting = resting.filter(|choice| back_for(choice.terminal, choice.round).is_some());
    // The largest of them leaves the least to be asked of another.
    let Some(least) = resting.max_by_key(|choice| choice.power) else { return Ok(()) };
    let missing = plan.wanted - (plan.expected - least.power);
    let most = rule.pass.power_max.map(|most| most - (plan.expected - least.power));
    let Some((instead, instead_round)) = another(world, rule, plan, missing, most) else { return Ok(()) };
    let on_for = back_for(least.terminal, least.round).unwrap_or_default();
    let (terminal, round) = (least.terminal, least.round);
    Err(Violation::NotOnLongEnough { terminal, round, on_for, instead, instead_round })
}

/// A round outside the plan that may be shed and draws `missing` at least, and no more than one plan may shed beside the others.
fn another(
    world: &World<'_>,
    rule: &LimitRule,
    plan: &Plan,
    missing: Power,
    most: Option<Power>,
) -> Option<(TerminalId, RoundNo)> {
    let planned = |terminal, round| plan.shed.iter().any(|c| (c.terminal, c.round) == (terminal, round));
    for terminal in world.grid.terminals_below(plan.node) {
        let spared = world.class_of(terminal).is_some_and(|class| rule.spares(class));
        if spared || may_be_spared(world, rule, terminal) {
            continue;
        }
        let Some(entry) = world.grid.inventory.terminals.get(&terminal) else { continue };
        if world.hides(plan.node, terminal) {
            continue;
        }
        let mut all = Power::ZERO;
        let mut found = None;
        let mut room = Power::ZERO;
        for &round in entry.rounds.keys() {
            let Ok((power, left)) = world.may_trip(terminal, round) else { continue };
            (all, room) = (all + power, left);
            let rested = world.returned.back_for(terminal, round, rule.on_time_min, world.now).is_none();
            let free = rested && !planned(terminal, round) && !world.deaf.contains(&(terminal, round));
            if free && power >= missing && most.is_none_or(|most| power <= most) {
                found.get_or_insert((terminal, round));
            }
        }
        if all <= room && found.is_some() {
            return found;
        }
    }
    None
}
