//! Parameters of terminals: wanted, read back, compared; and what a terminal's own word spares.

use super::fleet::{Centre, Habit};
use crate::input::{Input, Request};
use crate::local_control::{Parameters, Remote, RestDay};
use crate::model::{PointKind, Quality, Reading};
use crate::orders::{Action, OrderState, Outcome, Step};
use crate::output::{AlarmCause, AlarmState, Finding, Happening, Refusal};
use crate::tags::TagOn;
use crate::testing::{good, kw, limit, policy, round, s, site, terminal};

fn differ() -> AlarmCause {
    AlarmCause::ParametersDiffer { terminal: terminal("T1") }
}

fn set(centre: &mut Centre, parameters: &Parameters) -> Result<(), Refusal> {
    let parameters = Box::new(parameters.clone());
    let request = Request::SetParameters { terminal: terminal("T1"), parameters, reason: "contract".into() };
    centre.ask("li", request).map(|_| ())
}

fn heard(centre: &mut Centre, read: Option<&Parameters>, failed: Option<&str>) {
    let at = centre.engine.now();
    let (read, failed) = (read.cloned().map(Box::new), failed.map(str::to_owned));
    centre.apply(Input::Parameters { at, terminal: terminal("T1"), read, failed });
}

#[test]
fn what_is_read_back_and_differs_is_an_alarm_until_it_is_as_wanted() {
    let mut centre = Centre::new(policy(vec![]), &[site("T1", "A1", &[20])]);
    let wanted = Parameters { floor_kw: 40, window_min: 5, ..Parameters::default() };
    set(&mut centre, &wanted).unwrap();
    let audit = centre.audits().pop().unwrap();
    assert_eq!((audit.who.as_str(), audit.object.as_str()), ("li", "T1"));
    assert_eq!(audit.before, "floor_kw = 0; window_min = 1");
    assert_eq!(audit.after, "floor_kw = 40; window_min = 5");
    heard(&mut centre, None, Some("T1 was not asked: it has no link"));
    assert_eq!(centre.alarm(differ()).unwrap().detail, "T1 was not asked: it has no link");
    heard(&mut centre, Some(&wanted), None);
    assert_ne!(centre.alarm(differ()).unwrap().state, AlarmState::Unacknowledged);
    heard(&mut centre, Some(&Parameters { floor_kw: 30, ..wanted.clone() }), None);
    assert_eq!(centre.alarm(differ()).unwrap().detail, "floor_kw: wanted 40, read 30");
    let told = centre.engine.terminal(terminal("T1")).unwrap().parameters.unwrap();
    let line = told.lines().into_iter().find(|line| line.key == "floor_kw").unwrap();
    assert_eq!((line.wanted.as_str(), line.read.as_str(), line.differs), ("40", "30", true));
    assert_eq!(told.lines().iter().filter(|line| line.differs).count(), 1);
    // A link that fails later does not unsay what was read.
    heard(&mut centre, Some(&wanted), None);
    heard(&mut centre, None, Some("lost"));
    assert_ne!(centre.alarm(differ()).unwrap().state, AlarmState::Unacknowledged);
    centre.restart();
    let kept = centre.engine.terminal(terminal("T1")).unwrap().parameters.unwrap();
    assert_eq!((kept.wanted, kept.wanted_by.as_str()), (Some(wanted), "li"));
}

#[test]
fn parameters_out_of_range_or_of_nobody_are_refused_and_change_nothing() {
    let mut centre = Centre::new(policy(vec![]), &[site("T1", "A1", &[20])]);
    let refused = set(&mut centre, &Parameters { window_min: 0, ..Parameters::default() }).unwrap_err();
    assert_eq!(refused.to_string(), "T1: window_min = 0: wanted 1 to 60 min; nothing was sent");
    assert_eq!(centre.engine.terminal(terminal("T1")).unwrap().parameters, None);
    let request =
        Request::SetParameters { terminal: terminal("T9"), parameters: Box::default(), reason: String::new() };
    assert!(matches!(centre.ask("li", request), Err(Refusal::UnknownTerminal { .. })));
}

#[test]
fn never_shed_protected_no_terminal_is_set_to_trip_a_guaranteed_customer_below_a_floor_or_past_a_tag() {
    let sites = [site("T1", "A1", &[20, 20]).floor(30), site("T4", "A1", &[20]).guaranteed()];
    let mut centre = Centre::new(policy(vec![]), &sites);
    let capped = |floor_kw| {
        let rest_day = RestDay { set_point_kw: 5, start_half_h: 0, half_h: 48, weekdays: (1..=7).collect() };
        Parameters { rest_day: Some(rest_day), floor_kw, ..Parameters::default() }
    };
    let set_at = |centre: &mut Centre, id: &str, parameters: Parameters| {
        let parameters = Box::new(parameters);
        centre.ask("li", Request::SetParameters { terminal: terminal(id), parameters, reason: String::new() })
    };
    assert!(matches!(set_at(&mut centre, "T4", capped(0)), Err(Refusal::Guaranteed { .. })));
    set_at(&mut centre, "T4", Parameters { message: "power is scarce".into(), ..Parameters::default() }).unwrap();
    let low = set_at(&mut centre, "T1", capped(29)).unwrap_err().to_string();
    assert_eq!(low, "T1: floor_kw = 29: wanted at least the customer's safety floor of 30.0 kW; nothing was sent");
    assert_eq!(centre.engine.terminal(terminal("T1")).unwrap().parameters, None, "nothing is wanted of it");
    set_at(&mut centre, "T1", capped(30)).unwrap();
    let on = TagOn::Round { terminal: terminal("T1"), round: round(2) };
    centre.ask("zhao", Request::SetTag { on, reason: "work".into() }).unwrap();
    assert!(matches!(set_at(&mut centre, "T1", capped(30)), Err(Refusal::Tagged { .. })));
    set_at(&mut centre, "T1", Parameters { rest_day: None, ..capped(30) }).unwrap();
}

#[test]
fn a_terminal_that_excludes_itself_is_spared_with_its_reason() {
    let sites = [site("T1", "A1", &[20, 20]).class(5), site("T2", "A1", &[20, 20])];
    let mut centre = Centre::new(policy(vec![limit("F", 80)]), &sites);
    centre.told("T1", vec![good(PointKind::Exclusion, 1)]);
    centre.run(40);
    assert!(centre.plans().concat().iter().all(|(shed, _)| shed == "T2") && !centre.plans().is_empty());
    let excluded = Finding::ExcludedAtTerminal { terminal: terminal("T1") };
    assert!(
        centre.events().any(|event| matches!(event, Happening::Planned { spared, .. } if spared.contains(&excluded)))
    );
}

#[test]
fn never_shed_protected_a_floor_that_the_terminal_says_is_kept_and_one_of_bad_quality_is_not_heard() {
    let sites = [site("T1", "A1", &[20, 20]).floor(10), site("T2", "A1", &[5])];
    let mut centre = Centre::new(policy(vec![limit("F", 20)]), &sites);
    let floor = |centre: &Centre| centre.engine.terminal(terminal("T1")).unwrap().summary.safety_floor;
    let bad = Reading { quality: Quality::INVALID, ..good(PointKind::SafetyFloor, 500_000) };
    centre.told("T1", vec![bad]);
    assert_eq!(floor(&centre), kw(10));
    centre.told("T1", vec![good(PointKind::SafetyFloor, 30_000)]);
    centre.told("T1", vec![bad]);
    assert_eq!(floor(&centre), kw(30));
    let mut least = kw(1_000);
    for _ in 0..200 {
        centre.step();
        least = least.min(centre.drawn(terminal("T1")));
    }
    assert_eq!(least, kw(30), "50 kW less one round of 20");
    let action = Action::Trip { round: round(2) };
    assert!(centre.select("li", "T1", action).is_err());
}

/// A trip of T1 round 1 by an operator at a terminal that warns its customer for 5 min, just executed.
fn warning(habit: Habit) -> (Centre, crate::orders::OrderId) {
    let mut centre = Centre::new(policy(vec![]), &[site("T1", "A1", &[20])]);
    let has = Parameters { remote: Remote { half_h: 0, warning_min: 5 }, ..Parameters::default() };
    heard(&mut centre, Some(&has), None);
    centre.habit("T1", habit);
    let order = centre.select("li", "T1", Action::Trip { round: round(1) }).unwrap();
    centre.run(2);
    centre.ask("li", Request::Execute { order }).unwrap();
    (centre, order)
}

#[test]
fn a_trip_of_which_the_customer_is_warned_is_waited_for_as_long_as_the_terminal_warns() {
    let (mut centre, order) = warning(Habit::Slow(302));
    centre.run(300);
    let waiting = centre.order(order);
    assert_eq!(
        (waiting.state, waiting.detail.as_str()),
        (OrderState::Executed, "the terminal warns its customer for 5 min")
    );
    assert!(centre.commands(Step::ReadBack).is_empty(), "there is nothing to be read back yet");
    centre.run(5);
    assert_eq!(centre.order(order).state, OrderState::Confirmed);
    // Nobody is warned of a return.
    let restore = centre.select("li", "T1", Action::Restore { round: round(1) }).unwrap();
    centre.run(2);
    centre.ask("li", Request::Execute { order: restore }).unwrap();
    centre.run(1);
    assert_eq!(centre.order(restore).detail, "");
}

#[test]
fn unknown_is_read_back_after_the_warning_time_and_never_sent_again() {
    let (mut centre, order) = warning(Habit::Stuck);
    centre.run(359);
    assert_eq!(centre.order(order).state, OrderState::Executed);
    centre.run(3);
    let failed = centre.order(order);
    assert_eq!((failed.state, failed.detail.as_str()), (OrderState::Failed, "read back: the switch has not changed"));
    assert_eq!((centre.commands(Step::Execute).len(), centre.commands(Step::ReadBack).len()), (1, 1));
    // The link lost within the warning: what is read back before its end says nothing yet.
    let (mut centre, order) = warning(Habit::Slow(200));
    centre.run(30);
    centre.link("T1", false);
    assert_eq!(centre.order(order).state, OrderState::Unknown);
    centre.run(60);
    centre.link("T1", true);
    centre.run(60);
    assert_eq!(centre.order(order).state, OrderState::Unknown);
    centre.run(60);
    assert_eq!((centre.order(order).state, centre.commands(Step::Execute).len()), (OrderState::Confirmed, 1));
}

const RESTORE: Action = Action::Restore { round: crate::model::RoundNo::ALL[0] };

#[test]
fn a_trip_of_which_the_customer_is_still_warned_is_taken_back_by_a_restoration() {
    let (mut centre, trip) = warning(Habit::Warns(300));
    let busy = centre.select("li", "T1", RESTORE);
    assert!(matches!(busy, Err(Refusal::PointBusy { order, .. }) if order == trip), "not before its answer: {busy:?}");
    centre.run(30);
    // Another dispatcher, with authority over the terminal.
    let restore = centre.select("wang", "T1", RESTORE).unwrap();
    for action in [RESTORE, Action::Trip { round: round(1) }] {
        assert!(matches!(centre.select("li", "T1", action), Err(Refusal::PointBusy { .. })), "{action}");
    }
    centre.run(2);
    assert_eq!(centre.order(trip).state, OrderState::Executed, "a select calls nothing off");
    centre.ask("wang", Request::Execute { order: restore }).unwrap();
    assert_eq!(centre.order(trip).state, OrderState::Executed, "nor does an execute without an answer");
    centre.run(5);
    let (taken_back, why) =
        (centre.order(trip), format!("taken back by order {restore} of wang while the terminal warned"));
    assert_eq!((taken_back.state, taken_back.detail), (OrderState::Failed, why));
    assert_eq!(centre.order(restore).state, OrderState::Confirmed);
    centre.run(400);
    assert!(centre.is_closed("T1", round(1)));
    let summary = centre.engine.terminal(terminal("T1")).unwrap().summary;
    assert!(!summary.rounds[0].held_by_operator && centre.engine.view().alarms.is_empty());
    assert_eq!(centre.commands(Step::Execute).len(), 2);
}

#[test]
fn unknown_is_read_back_a_closed_switch_proves_no_restoration_while_the_trip_may_come_yet() {
    let (mut centre, trip) = warning(Habit::Warns(300));
    centre.run(30);
    let restore = centre.select("wang", "T1", RESTORE).unwrap();
    centre.run(2);
    // It does not answer, and has not taken it.
    centre.habit("T1", Habit::Mute);
    centre.ask("wang", Request::Execute { order: restore }).unwrap();
    centre.run(200);
    assert!(centre.commands(Step::ReadBack).len() >= 5);
    assert_eq!((centre.order(restore).state, centre.order(trip).state), (OrderState::Unknown, OrderState::Executed));
    centre.run(100);
    assert_eq!((centre.order(restore).state, centre.order(trip).state), (OrderState::Failed, OrderState::Confirmed));
    assert!(centre.engine.terminal(terminal("T1")).unwrap().summary.rounds[0].held_by_operator);
    centre.habit("T1", Habit::Obedient);
    assert_eq!(centre.operate("T1", RESTORE), OrderState::Confirmed, "and then another");
}

#[test]
fn a_restoration_whose_trip_has_come_by_then_is_one_like_any_other() {
    let (mut centre, trip) = warning(Habit::Warns(32));
    centre.run(30);
    let restore = centre.select("wang", "T1", RESTORE).unwrap();
    centre.run(4);
    assert_eq!((centre.order(trip).state, centre.off()), (OrderState::Confirmed, 1));
    centre.set_policy(policy(vec![limit("A1", 15)]));
    let over = centre.ask("wang", Request::Execute { order: restore });
    assert!(matches!(over, Err(Refusal::OverLimit { .. })), "{over:?}");
}

/// A trip of T1 by the rule of F, which has T2 besides; T1 warns its customer for 5 min, and 45 s of them are over.
fn warning_by_rule() -> (Centre, crate::orders::OrderId) {
    let sites = [site("T1", "A1", &[20]).class(5), site("T2", "A1", &[20])];
    let mut centre = Centre::new(policy(vec![limit("F", 200)]), &sites);
    let has = Parameters { remote: Remote { half_h: 0, warning_min: 5 }, ..Parameters::default() };
    heard(&mut centre, Some(&has), None);
    centre.habit("T1", Habit::Warns(300));
    centre.set_policy(policy(vec![limit("F", 55)]));
    let executed = |centre: &Centre| centre.last_order_state("T1") == Some(OrderState::Executed);
    assert!(centre.run_until(60, executed));
    let trip = centre.last_order("T1").id;
    centre.run(45);
    (centre, trip)
}

fn no_effect() -> AlarmCause {
    AlarmCause::NoEffect { terminal: terminal("T1"), round: round(1) }
}

#[test]
fn a_rules_trip_that_a_person_takes_back_is_no_missing_response() {
    let (mut centre, trip) = warning_by_rule();
    let restore = centre.select("wang", "T1", RESTORE).unwrap();
    centre.run(2);
    centre.ask("wang", Request::Execute { order: restore }).unwrap();
    centre.run(5);
    assert_eq!((centre.order(trip).state, centre.order(restore).state), (OrderState::Failed, OrderState::Confirmed));
    assert!(!centre.stands(no_effect()));
    assert!(centre.run_until(60, |centre| !centre.is_closed("T2", round(1))), "the rule goes on with the other");
    assert!(centre.is_closed("T1", round(1)));
}

#[test]
fn a_rules_trip_that_comes_though_it_was_taken_back_is_restored_by_its_rule() {
    let (mut centre, trip) = warning_by_rule();
    let restore = centre.select("wang", "T1", RESTORE).unwrap();
    centre.run(2);
    // It takes the restoration, and trips all the same.
    centre.habit("T1", Habit::Obedient);
    centre.ask("wang", Request::Execute { order: restore }).unwrap();
    centre.run(5);
    assert_eq!((centre.order(trip).state, centre.order(restore).state), (OrderState::Failed, OrderState::Confirmed));
    assert!(centre.run_until(300, |centre| !centre.is_closed("T1", round(1))));
    centre.run(10);
    let summary = centre.engine.terminal(terminal("T1")).unwrap().summary;
    assert!(!summary.rounds[0].held_by_operator);
    centre.set_policy(policy(vec![limit("F", 200)]));
    assert!(centre.run_until(1_200, |centre| centre.is_closed("T1", round(1))));
}

#[test]
fn a_rules_trip_that_was_taken_back_is_no_missing_response_where_the_answer_to_that_was_lost() {
    let (mut centre, trip) = warning_by_rule();
    let restore = centre.select("wang", "T1", RESTORE).unwrap();
    centre.run(2);
    centre.ask("wang", Request::Execute { order: restore }).unwrap();
    // The terminal has taken it; the link is lost before its answer.
    let (at, outcome) = (centre.now, Outcome::LinkLost(Step::Execute));
    centre.apply(Input::Outcome { at, order: restore, outcome });
    centre.link("T1", false);
    centre.run(30);
    centre.link("T1", true);
    centre.run(60);
    assert_eq!((centre.order(trip).state, centre.order(restore).state), (OrderState::Unknown, OrderState::Unknown));
    let ended = |centre: &Centre| centre.order(trip).state == OrderState::Failed;
    assert!(centre.run_until(400, ended));
    assert_eq!(centre.order(restore).state, OrderState::Confirmed, "in the same second");
    centre.run(60);
    assert!(!centre.stands(no_effect()) && centre.is_closed("T1", round(1)));
}

#[test]
fn where_no_parameters_are_known_the_point_map_says_how_long_a_terminal_warns() {
    let sites = [site("T1", "A1", &[20])];
    let mut centre = Centre::new(policy(vec![]), &sites);
    let mut inventory = crate::testing::inventory(&sites);
    inventory.terminals.get_mut(&terminal("T1")).unwrap().warns_for = s(120);
    centre.apply(Input::Inventory { at: centre.now, inventory: Box::new(inventory) });
    centre.habit("T1", Habit::Slow(121));
    let order = centre.select("li", "T1", Action::Trip { round: round(1) }).unwrap();
    centre.run(2);
    centre.ask("li", Request::Execute { order }).unwrap();
    centre.run(118);
    assert_eq!(centre.order(order).detail, "the terminal warns its customer for 2 min");
    centre.run(6);
    assert_eq!(centre.order(order).state, OrderState::Confirmed);
}
