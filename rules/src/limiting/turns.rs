//! Whose turn it is, as the checker sees it: within a class nobody is shed twice before the peers once, unless that would shed
//! more or not be enough.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Violation, World};
use super::notice::may_be_spared;
use super::plan::Plan;
use crate::model::{Power, PriorityClass, RoundNo, TerminalId};
use crate::output::Reason;
use crate::policy::LimitRule;

/// A round that a rule may trip, and which turn of its customer that would be.
#[derive(Clone, Copy, Debug)]
struct Place {
    terminal: TerminalId,
    round: RoundNo,
    turn: u32,
    power: Power,
}

/// Whether no round is shed in whose stead another one of the same class, whose customer had fewer turns, would have been enough
/// without shedding more.
///
/// Not looked at: terminals behind a value by hand, rounds that have hardly come back (`on_times`), terminals at which a trip had no effect or which no notice reached, those whose floor leaves them a choice, and plans that shed again what came back last.
///
/// # Errors
/// The first round that is there out of turn.
pub(super) fn check_turns(world: &World<'_>, plan: &Plan, rule: &LimitRule) -> Result<(), Violation> {
    if plan.shed.iter().any(|choice| matches!(choice.reason, Reason::StepBack { .. })) {
        return Ok(());
    }
    let planned: BTreeSet<(TerminalId, RoundNo)> =
        plan.shed.iter().map(|choice| (choice.terminal, choice.round)).collect();
    let terminals: BTreeSet<TerminalId> = planned.iter().map(|(terminal, _)| *terminal).collect();
    let mut shed = BTreeMap::<PriorityClass, Vec<Place>>::new();
    for terminal in terminals {
        let Some(class) = world.class_of(terminal) else { continue };
        let (places, _) = places(world, terminal);
        let chosen = places.into_iter().filter(|place| planned.contains(&(terminal, place.round)));
        shed.entry(class).or_default().extend(chosen);
    }
    let latest = |class: PriorityClass| shed.get(&class)?.iter().map(|place| place.turn).max();
    // Of each class, by turn and power, who would have been there instead.
    let mut free = BTreeMap::<PriorityClass, BTreeMap<u32, BTreeMap<Power, Place>>>::new();
    for terminal in world.grid.terminals_below(plan.node) {
        let Some(class) = world.class_of(terminal) else { continue };
        let Some(latest) = latest(class).filter(|latest| turns_before(world, terminal) + 1 < *latest) else { continue };
        let left_alone = world.doubted.contains(&terminal) || world.hides(plan.node, terminal);
        if left_alone || may_be_spared(world, rule, terminal) {
            continue;
        }
        let (places, room) = places(world, terminal);
        if places.iter().map(|place| place.power).sum::<Power>() > room {
            continue;
        }
        for place in places.into_iter().filter(|place| place.turn < latest) {
            let rested = world.returned.back_for(terminal, place.round, rule.on_time_min, world.now).is_none();
            if rested && !planned.contains(&(terminal, place.round)) {
                free.entry(class).or_default().entry(place.turn).or_default().insert(place.power, place);
            }
        }
    }
    for (class, places) in shed {
        let Some(free) = free.get(&class) else { continue };
        for Place { terminal, round, turn, power } in places {
            let least = plan.wanted - (plan.expected - power);
            if least > power {
                continue;
            }
            let earlier = free.range(..turn).find_map(|(_, of_turn)| of_turn.range(least..=power).next());
            if let Some((_, instead)) = earlier {
                let (instead_round, instead_turn) = (instead.round, instead.turn);
                let instead = instead.terminal;
                return Err(Violation::NotInTurn { terminal, round, turn, instead, instead_round, instead_turn });
            }
        }
    }
    Ok(())
}

/// How often rounds of a terminal's customer were shed in the weeks that count.
fn turns_before(world: &World<'_>, terminal: TerminalId) -> u32 {
    let customer = world.grid.inventory.terminals.get(&terminal).and_then(|terminal| terminal.customer);
    let account = customer.and_then(|customer| world.accounts.get(&customer));
    let turns = account.map_or(0, |account| account.turns(world.now, world.policy.fairness_weeks));
    let gone = world.gone.iter().filter(|(gone, _)| *gone == terminal).count();
    turns.saturating_add(u32::try_from(gone).unwrap_or(u32::MAX))
}

/// The rounds of a terminal that may be tripped, each a turn later than the one before, and what may go away there in all.
fn places(world: &World<'_>, terminal: TerminalId) -> (Vec<Place>, Power) {
    let mut places = Vec::new();
    let (mut turn, mut room) = (turns_before(world, terminal), Power::ZERO);
    let entry = world.grid.inventory.terminals.get(&terminal);
    for &round in entry.into_iter().flat_map(|entry| entry.rounds.keys()) {
        if world.deaf.contains(&(terminal, round)) {
            continue;
        }
        let Ok((power, left)) = world.may_trip(terminal, round) else { continue };
        turn = turn.saturating_add(1);
        room = left;
        places.push(Place { terminal, round, turn, power });
    }
    (places, room)
}
