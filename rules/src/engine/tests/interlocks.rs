//! Interlocks: what has to hold before a switch is moved, for people, rules and restoration alike.

use super::fleet::Centre;
use super::own::id;
use crate::input::{Input, Request};
use crate::limiting::check::check_plan;
use crate::limiting::plan::Plan;
use crate::model::{PointKind, Quality, Reading};
use crate::orders::{Action, OrderState};
use crate::output::{Choice, Finding, Happening, Reason, Refusal};
use crate::own::{Interlock, Own, Place};
use crate::policy::Policy;
use crate::testing::{Site, good, kw, limit, no_outlook, node, policy, round, site, terminal};

/// T1 has a furnace on round 1, which may be tripped only while its fan on round 2 runs.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[40, 5]).class(5), site("T2", "A1", &[40]).class(3)]
}

fn fan() -> Interlock {
    Interlock {
        id: id("FAN"),
        place: Place::Round(terminal("T1"), round(1)),
        trip: true,
        restore: true,
        reads: [("fan".to_owned(), "terminal * round 2 switch".parse().unwrap())].into(),
        require: "fan".into(),
    }
}

fn with(interlocks: Vec<Interlock>, limit_kw: i32) -> Policy {
    Policy { own: Own { interlocks, ..Own::default() }, ..policy(vec![limit("F", limit_kw)]) }
}

fn select(centre: &mut Centre, action: Action) -> Result<crate::output::Reply, Refusal> {
    centre.ask("wang", Request::Select { terminal: terminal("T1"), action, qualifier: None, reason: String::new() })
}

const TRIP: fn() -> Action = || Action::Trip { round: round(1) };

#[test]
fn a_persons_select_is_refused_with_the_interlock_and_its_values() {
    let mut centre = Centre::new(with(vec![fan()], 1_000), &sites());
    centre.run(3);
    centre.move_switch(terminal("T1"), round(2), false);
    let refusal = select(&mut centre, TRIP()).unwrap_err().to_string();
    assert_eq!(refusal, "T1: trip round 1 is not permitted by interlock FAN: fan with fan = no");
    assert!(select(&mut centre, Action::Trip { round: round(2) }).is_err(), "it is open already");
    centre.move_switch(terminal("T1"), round(2), true);
    assert!(select(&mut centre, TRIP()).is_ok());
}

#[test]
fn a_cap_by_which_the_terminal_would_trip_a_guarded_round_is_refused_and_lifting_it_is_not() {
    let mut centre = Centre::new(with(vec![fan()], 1_000), &sites());
    centre.run(3);
    select(&mut centre, Action::SetCap { cap: kw(20) }).unwrap();
    centre.run(3);
    centre.move_switch(terminal("T1"), round(2), false);
    let order = centre.engine.view().orders[0].id;
    let refusal = centre.ask("wang", Request::Execute { order }).unwrap_err().to_string();
    assert_eq!(refusal, "T1: trip round 1 is not permitted by interlock FAN: fan with fan = no");
    assert!(matches!(select(&mut centre, Action::SetCap { cap: kw(20) }), Err(Refusal::Interlocked { .. })));
    select(&mut centre, Action::SetCap { cap: kw(0) }).unwrap();
}

#[test]
fn what_is_not_known_bars() {
    let mut centre = Centre::new(with(vec![fan()], 1_000), &sites());
    centre.run(3);
    let bad = Reading { quality: Quality::INVALID, ..good(PointKind::RoundPosition(round(2)), 2) };
    let at = centre.now;
    centre.apply(Input::Readings { at, terminal: terminal("T1"), readings: vec![bad] });
    let refusal = select(&mut centre, TRIP()).unwrap_err().to_string();
    assert!(refusal.ends_with("FAN: fan (terminal * round 2 switch) is of bad quality"), "{refusal}");
}

#[test]
fn an_interlock_that_goes_wrong_bars() {
    let broken = Interlock { require: "if fan { 3 } else { true }".into(), ..fan() };
    let mut centre = Centre::new(with(vec![broken], 1_000), &sites());
    centre.run(3);
    assert!(select(&mut centre, TRIP()).unwrap_err().to_string().contains("it is broken: gives a number"));
}

#[test]
fn an_interlock_that_bars_between_select_and_execute_stops_the_execute() {
    let mut centre = Centre::new(with(vec![fan()], 1_000), &sites());
    centre.run(3);
    select(&mut centre, TRIP()).unwrap();
    centre.run(3);
    centre.move_switch(terminal("T1"), round(2), false);
    let order = centre.engine.view().orders[0].id;
    assert!(matches!(centre.ask("wang", Request::Execute { order }), Err(Refusal::Interlocked { .. })));
    let order = centre.engine.view().orders[0].clone();
    assert_eq!(order.state, OrderState::Refused);
    assert!(centre.is_closed("T1", round(1)));
}

#[test]
fn a_plan_spares_what_is_barred_and_says_so() {
    let mut centre = Centre::new(with(vec![fan()], 1_000), &sites());
    centre.run(3);
    centre.move_switch(terminal("T1"), round(2), false);
    centre.set_policy(with(vec![fan()], 80));
    assert!(centre.run_until(60, |centre| centre.off() > 1), "T2 is shed though T1 comes first");
    let barred = Finding::Interlocked { terminal: terminal("T1"), round: round(1), interlock: id("FAN") };
    let spared =
        centre.events().any(|event| matches!(event, Happening::Planned { spared, .. } if spared.contains(&barred)));
    assert!(spared && centre.is_closed("T1", round(1)));
}

#[test]
fn the_checker_finds_by_itself_what_a_planner_overlooked() {
    let mut centre = Centre::new(with(vec![fan()], 80), &sites());
    centre.run(3);
    let choice = Choice {
        terminal: terminal("T1"),
        round: round(1),
        power: kw(40),
        reason: Reason::LeastImportant { class: 5, curtailed_wh: 0 },
    };
    let plan = Plan {
        node: node("F"),
        pass: 1,
        load: kw(105),
        wanted: kw(30),
        expected: kw(40),
        shed: vec![choice],
        spared: Vec::new(),
        outlook: no_outlook(),
    };
    let rule = limit("F", 80);
    assert_eq!(check_plan(&centre.engine.world(), &plan, &rule), Ok(()));
    centre.move_switch(terminal("T1"), round(2), false);
    let violation = check_plan(&centre.engine.world(), &plan, &rule).unwrap_err().to_string();
    assert_eq!(violation, "T1 round 1: interlock FAN does not permit it");
}

#[test]
fn restoration_waits_for_an_interlock_and_says_so_once() {
    let mut centre = Centre::new(with(vec![fan()], 80), &sites());
    assert!(centre.run_until(60, |centre| !centre.is_closed("T1", round(1))));
    centre.run(10);
    centre.move_switch(terminal("T1"), round(2), false);
    centre.set_policy(with(vec![fan()], 1_000));
    centre.run(400);
    assert!(!centre.is_closed("T1", round(1)));
    let waits = |event: &&Happening| matches!(event, Happening::RestoreBarred { .. });
    assert_eq!(centre.events().filter(waits).count(), 1);
    centre.move_switch(terminal("T1"), round(2), true);
    centre.run(60);
    assert!(centre.is_closed("T1", round(1)), "it comes back once the fan runs");
}

#[test]
fn an_interlock_of_a_node_guards_all_below_it_and_shows_how_it_stands() {
    let low = Interlock {
        id: id("LOW"),
        place: Place::Node(node("A1")),
        trip: false,
        reads: [("load".to_owned(), "node F load".parse().unwrap())].into(),
        require: "load < 90".into(),
        ..fan()
    };
    let mut centre = Centre::new(with(vec![low], 1_000), &sites());
    centre.run(3);
    assert!(select(&mut centre, TRIP()).is_ok(), "trips are not guarded");
    let shown = centre.engine.terminal(terminal("T2")).unwrap().interlocks;
    assert_eq!(shown[0].bars.as_deref(), Some("load < 90 with load = 105.0"));
}
