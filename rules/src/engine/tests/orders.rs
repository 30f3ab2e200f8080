//! An order's course, with terminals that refuse, lie, hang and vanish.

use super::fleet::{Centre, Habit};
use crate::input::{Input, Request};
use crate::model::{Power, SwitchPosition, TerminalId};
use crate::orders::{Action, NotSent, OrderId, OrderState, Outcome, Step};
use crate::output::{Output, Refusal};
use crate::testing::{Site, behind, good, kw, policy, round, s, site, switch, terminal};

const TRIP: Action = Action::Trip { round: crate::model::RoundNo::ALL[0] };
const RESTORE: Action = Action::Restore { round: crate::model::RoundNo::ALL[0] };

fn sites() -> [Site; 2] {
    [site("T1", "A1", &[20, 20]), site("T2", "A1", &[20])]
}

fn centre() -> Centre {
    Centre::new(policy(vec![]), &sites())
}

/// A trip of T1 round 1 that has just been executed.
fn executing(habit: Habit) -> (Centre, OrderId) {
    let mut centre = centre();
    centre.habit("T1", habit);
    let order = centre.select("wang", "T1", TRIP).unwrap();
    centre.run(2);
    centre.ask("wang", Request::Execute { order }).unwrap();
    (centre, order)
}

fn outcome(centre: &mut Centre, order: OrderId, outcome: Outcome) {
    let at = centre.now;
    centre.apply(Input::Outcome { at, order, outcome });
}

fn t1() -> TerminalId {
    terminal("T1")
}

#[test]
fn an_order_is_selected_executed_and_confirmed_by_its_switch() {
    let mut centre = centre();
    let order = centre.select("wang", "T1", TRIP).unwrap();
    assert!(centre.commands(Step::Execute).is_empty());
    assert!(matches!(
        centre.ask("wang", Request::Execute { order }),
        Err(Refusal::NotSelected { state, .. }) if state == "selecting"
    ));
    centre.run(1);
    assert_eq!(centre.order(order).state, OrderState::Selected);
    centre.run(5);
    assert!(centre.commands(Step::Execute).is_empty(), "nobody has said so");
    centre.ask("wang", Request::Execute { order }).unwrap();
    centre.run(1);
    assert_eq!(centre.order(order).state, OrderState::Executed);
    centre.run(3);
    let done = centre.order(order);
    assert_eq!((done.state, done.power_before, done.power_after), (OrderState::Confirmed, Some(kw(20)), Some(kw(0))));
    assert_eq!(centre.operate("T1", RESTORE), OrderState::Confirmed);
}

#[test]
fn a_switch_that_moves_before_its_execute_is_confirmed_counts() {
    let (mut centre, order) = executing(Habit::Mute);
    centre.told("T1", vec![switch(round(1), SwitchPosition::Open)]);
    assert_eq!(centre.order(order).state, OrderState::Executing);
    outcome(&mut centre, order, Outcome::Confirmed(Step::Execute));
    assert_eq!(centre.order(order).state, OrderState::Confirmed);
}

#[test]
fn a_position_from_before_the_execute_proves_nothing() {
    let mut centre = centre();
    centre.move_switch(t1(), round(1), false);
    centre.told("T1", vec![switch(round(1), SwitchPosition::Indeterminate)]);
    let order = centre.select("wang", "T1", TRIP).unwrap();
    centre.told("T1", vec![switch(round(1), SwitchPosition::Open)]);
    centre.habit("T1", Habit::Stuck);
    centre.now = centre.now.after(s(1));
    outcome(&mut centre, order, Outcome::Confirmed(Step::Select));
    centre.ask("wang", Request::Execute { order }).unwrap();
    outcome(&mut centre, order, Outcome::Confirmed(Step::Execute));
    assert_eq!(centre.order(order).state, OrderState::Executed);
}

#[test]
fn unknown_is_read_back_and_never_sent_again() {
    for (moved, wanted) in [(true, OrderState::Confirmed), (false, OrderState::Failed)] {
        let (mut centre, order) = executing(Habit::Lost { moved });
        centre.run(3);
        assert_eq!(centre.order(order).state, OrderState::Unknown);
        assert!(centre.commands(Step::ReadBack).is_empty(), "there is no link");
        centre.run(120);
        assert_eq!(centre.order(order).state, OrderState::Unknown, "it stays unknown until the point was read");
        centre.habit("T1", Habit::Obedient);
        centre.link("T1", true);
        assert_eq!(centre.commands(Step::ReadBack).len(), 1);
        centre.run(5);
        assert_eq!(centre.order(order).state, wanted);
        assert_eq!(centre.commands(Step::Execute).len(), 1);
    }
}

#[test]
fn unknown_is_read_back_after_a_time_out() {
    let (mut centre, order) = executing(Habit::Mute);
    centre.reports("T1", false);
    centre.run(10);
    assert_eq!(centre.order(order).state, OrderState::Unknown);
    assert_eq!(centre.commands(Step::ReadBack).len(), 1);
    centre.run(31);
    assert_eq!(centre.commands(Step::ReadBack).len(), 2, "asked again");
    centre.reports("T1", true);
    centre.run(31);
    assert_eq!(centre.order(order).state, OrderState::Confirmed);
    assert_eq!(centre.commands(Step::Execute).len(), 1);
}

#[test]
fn a_terminal_that_answers_and_never_shows_the_point_fails_the_order_in_the_end() {
    let (mut centre, order) = executing(Habit::Mute);
    centre.reports("T1", false);
    centre.told("T1", vec![switch(round(1), SwitchPosition::Indeterminate)]);
    centre.run(200);
    assert_eq!(centre.order(order).state, OrderState::Failed);
    assert_eq!(centre.commands(Step::ReadBack).len(), 5);
}

#[test]
fn an_execute_without_effect_fails_after_a_reading_back() {
    let (mut centre, order) = executing(Habit::Stuck);
    centre.run(59);
    assert_eq!(centre.order(order).state, OrderState::Executed);
    centre.run(5);
    assert_eq!(centre.order(order).state, OrderState::Failed);
    assert!(centre.order(order).detail.contains("has not changed"));
}

#[test]
fn a_link_lost_after_the_execute_was_confirmed_leaves_the_order_unknown() {
    let (mut centre, order) = executing(Habit::Slow(30));
    centre.run(5);
    assert_eq!(centre.order(order).state, OrderState::Executed);
    centre.link("T1", false);
    assert_eq!(centre.order(order).state, OrderState::Unknown);
    centre.run(60);
    centre.link("T1", true);
    centre.run(2);
    assert_eq!(centre.order(order).state, OrderState::Confirmed);
}

#[test]
fn refusals_of_the_terminal_end_the_order() {
    let mut centre = centre();
    centre.habit("T1", Habit::RefusesSelect);
    let order = centre.select("wang", "T1", TRIP).unwrap();
    centre.run(2);
    assert_eq!(centre.order(order).state, OrderState::Refused);
    let (mut centre, order) = executing(Habit::RefusesExecute);
    centre.run(2);
    assert_eq!(centre.order(order).state, OrderState::Refused);
    assert!(centre.is_closed("T1", round(1)));
}

#[test]
fn a_select_without_an_answer_expires_and_is_withdrawn() {
    let mut centre = centre();
    centre.habit("T1", Habit::Deaf);
    let order = centre.select("wang", "T1", TRIP).unwrap();
    centre.run(11);
    assert_eq!(centre.order(order).state, OrderState::Expired);
    assert_eq!(centre.commands(Step::Cancel).len(), 1);
}

#[test]
fn a_select_holds_for_its_time_out_and_not_longer() {
    let mut centre = centre();
    let order = centre.select("wang", "T1", TRIP).unwrap();
    centre.run(32);
    assert_eq!(centre.order(order).state, OrderState::Expired);
    assert!(centre.commands(Step::Cancel).iter().any(|command| command.order == order));
    // Even when no tick came between.
    let order = centre.select("wang", "T1", TRIP).unwrap();
    centre.run(1);
    centre.now = centre.now.after(s(30));
    let asked = centre.ask("wang", Request::Execute { order });
    assert!(matches!(asked, Err(Refusal::NotSelected { state, .. }) if state == "expired"));
    assert!(centre.commands(Step::Execute).is_empty());
}

#[test]
fn expired_never_sent() {
    let mut long = policy(vec![]);
    long.select_timeout = s(60);
    let mut centre = Centre::new(long, &sites());
    let order = centre.select("wang", "T1", TRIP).unwrap();
    centre.run(1);
    centre.now = centre.now.after(s(59));
    assert!(centre.ask("wang", Request::Execute { order }).is_err());
    assert_eq!(centre.order(order).state, OrderState::Expired);
    // A select that is confirmed too late.
    let order = centre.select("wang", "T2", TRIP).unwrap();
    centre.now = centre.now.after(s(60));
    outcome(&mut centre, order, Outcome::Confirmed(Step::Select));
    centre.run(1);
    assert_eq!(centre.order(order).state, OrderState::Expired);
    assert!(centre.commands(Step::Execute).is_empty());
}

#[test]
fn a_restart_ends_selects_and_leaves_executes_unknown_until_read_back() {
    // Selecting and selected.
    for seconds in [0, 2] {
        let mut centre = centre();
        let order = centre.select("wang", "T1", TRIP).unwrap();
        centre.run(seconds);
        centre.restart();
        assert_eq!(centre.order(order).state, OrderState::Cancelled);
        centre.links_up();
        outcome(&mut centre, order, Outcome::Confirmed(Step::Select));
        assert!(centre.ask("wang", Request::Execute { order }).is_err());
        assert!(centre.commands(Step::Execute).is_empty());
    }
    // Executing, executed and unknown.
    for (habit, seconds) in [(Habit::Obedient, 0), (Habit::Slow(10), 2), (Habit::Mute, 11)] {
        let (mut centre, order) = executing(habit);
        centre.run(seconds);
        if habit == Habit::Mute {
            centre.reports("T1", false);
        }
        centre.restart();
        assert!(matches!(centre.order(order).state, OrderState::Unknown | OrderState::Confirmed));
        centre.run(20);
        centre.reports("T1", true);
        centre.links_up();
        centre.run(5);
        assert_eq!(centre.order(order).state, OrderState::Confirmed, "{habit:?}");
        assert_eq!(centre.commands(Step::Execute).len(), 1);
    }
}

#[test]
fn what_was_never_sent_was_never_executed() {
    let (mut centre, order) = executing(Habit::Mute);
    outcome(&mut centre, order, Outcome::NotSent { step: Step::Select, why: NotSent::Busy });
    assert_eq!(centre.order(order).state, OrderState::Executing, "an answer to another step says nothing");
    outcome(&mut centre, order, Outcome::NotSent { step: Step::Execute, why: NotSent::NotSelected });
    assert_eq!(centre.order(order).state, OrderState::Refused);
    assert_eq!(centre.order(order).detail, "not sent: there is no confirmed select");
    let order = centre.select("wang", "T2", TRIP).unwrap();
    outcome(&mut centre, order, Outcome::NotSent { step: Step::Select, why: NotSent::Expired });
    assert_eq!(centre.order(order).state, OrderState::Expired);
}

#[test]
fn outcomes_of_orders_that_nobody_knows_or_that_are_over_change_nothing() {
    let (mut centre, order) = executing(Habit::Obedient);
    centre.run(10);
    let before = serde_json::to_string(&centre.engine).unwrap();
    for id in [order, OrderId(0), OrderId(u64::MAX)] {
        for step in [Step::Select, Step::Execute, Step::Cancel, Step::ReadBack] {
            for what in [
                Outcome::Confirmed(step),
                Outcome::Refused { step, cause: 47 },
                Outcome::Terminated,
                Outcome::TimedOut(step),
                Outcome::LinkLost(step),
                Outcome::NotSent { step, why: NotSent::Stopping },
            ] {
                outcome(&mut centre, id, what);
            }
        }
    }
    assert_eq!(serde_json::to_string(&centre.engine).unwrap(), before);
}

#[test]
fn a_cap_is_confirmed_by_the_terminals_own_word() {
    let mut centre = centre();
    assert_eq!(centre.operate("T1", Action::SetCap { cap: kw(40) }), OrderState::Confirmed);
    assert_eq!(centre.operate("T1", Action::SetCap { cap: Power::ZERO }), OrderState::Confirmed);
    centre.habit("T1", Habit::Stuck);
    let order = centre.select("wang", "T1", Action::SetCap { cap: kw(40) }).unwrap();
    centre.run(2);
    centre.ask("wang", Request::Execute { order }).unwrap();
    centre.run(70);
    assert_eq!(centre.order(order).state, OrderState::Failed);
    assert!(centre.order(order).detail.contains("cap has not changed"));
}

#[test]
fn a_cap_that_travelled_as_a_float_is_the_same_cap() {
    for (told, same) in [(40_400, true), (40_401, false), (39_600, true)] {
        let mut centre = centre();
        centre.habit("T1", Habit::Stuck);
        let order = centre.select("wang", "T1", Action::SetCap { cap: kw(40) }).unwrap();
        centre.run(2);
        centre.ask("wang", Request::Execute { order }).unwrap();
        centre.run(2);
        centre.told("T1", vec![good(crate::model::PointKind::PowerCap, told)]);
        assert_eq!(centre.order(order).state == OrderState::Confirmed, same, "{told}");
    }
}

#[test]
fn the_power_after_an_order_is_measured_after_its_switch_moved() {
    let (mut centre, order) = executing(Habit::Mute);
    centre.told("T1", vec![behind(round(1), kw(20))]);
    outcome(&mut centre, order, Outcome::Confirmed(Step::Execute));
    centre.now = centre.now.after(s(1));
    centre.told("T1", vec![switch(round(1), SwitchPosition::Open)]);
    assert_eq!(centre.order(order).power_after, None, "what is known was measured before");
    centre.told("T1", vec![behind(round(1), kw(1))]);
    assert_eq!(centre.order(order).power_after, Some(kw(1)));
}

#[test]
fn a_point_that_leaves_the_inventory_ends_its_order() {
    let mut centre = centre();
    let order = centre.select("wang", "T1", Action::Trip { round: round(2) }).unwrap();
    centre.set_inventory(&[site("T1", "A1", &[20]), site("T2", "A1", &[20])]);
    assert_eq!(centre.order(order).state, OrderState::Failed);
    let order = centre.select("wang", "T2", TRIP).unwrap();
    centre.set_inventory(&[site("T1", "A1", &[20])]);
    assert_eq!(centre.order(order).state, OrderState::Failed);
}

#[test]
fn what_the_engine_remembers_of_orders_and_events_is_bounded() {
    let mut centre = centre();
    for _ in 0..250 {
        let order = centre.select("wang", "T1", TRIP).unwrap();
        centre.ask("wang", Request::Cancel { order }).unwrap();
        centre.link("T2", false);
        centre.link("T2", true);
    }
    let view = centre.engine.view();
    assert_eq!((view.orders.len(), view.events.len()), (200, 200));
    let size = serde_json::to_string(&centre.engine).unwrap().len();
    for _ in 0..250 {
        let order = centre.select("wang", "T1", TRIP).unwrap();
        centre.ask("wang", Request::Cancel { order }).unwrap();
        centre.link("T2", false);
        centre.link("T2", true);
    }
    assert!(serde_json::to_string(&centre.engine).unwrap().len() < size + 100);
    assert!(centre.outputs.iter().filter(|(_, output)| matches!(output, Output::Order(_))).count() >= 1_000);
}

#[test]
fn unknown_is_read_back_and_ends_with_a_terminal_that_never_says_that_it_has_told_all() {
    for position in [SwitchPosition::Closed, SwitchPosition::Open] {
        let (mut centre, order) = executing(Habit::Slow(10_000));
        outcome(&mut centre, order, Outcome::TimedOut(Step::Execute));
        assert_eq!(centre.order(order).state, OrderState::Unknown);
        centre.now = centre.now.after(s(70));
        centre.told("T1", vec![switch(round(1), position)]);
        outcome(&mut centre, order, Outcome::TimedOut(Step::ReadBack));
        let wanted = if position == SwitchPosition::Open { OrderState::Confirmed } else { OrderState::Failed };
        assert_eq!(centre.order(order).state, wanted);
    }
}
