//! Meters that hang and go on telling their last value as good.

use super::fleet::Centre;
use crate::engine::Engine;
use crate::model::{PointKind, Power, Quality, Reading};
use crate::output::{AlarmCause, Finding, Happening};
use crate::policy::{LimitRule, Policy};
use crate::testing::{kw, limit, node, policy, power, s, site, terminal};
use crate::view::{Load, TerminalView};

fn frozen(id: &str) -> AlarmCause {
    AlarmCause::PowerFrozen { terminal: terminal(id) }
}

fn watching(limits: Vec<LimitRule>) -> Policy {
    Policy { frozen_after: s(600), ..policy(limits) }
}

/// 30 kW at T1 and T2 in A1, 30 kW at T3 in A2; F is measured by H. What stands still for ten minutes is looked at.
fn centre(limits: Vec<LimitRule>) -> Centre {
    Centre::new(watching(limits), &[site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])])
}

/// Minutes in which those named draw a little more and a little less by turns, as loads do.
fn live(centre: &mut Centre, minutes: i64, lively: &[&str]) {
    for _ in 0..minutes {
        // By steps that never come to nothing together.
        for (step, id) in (1..).map(|n| n * 100).zip(lively) {
            let base = centre.plants[&terminal(id)].site.base;
            let step = Power::new(if base.get() % 1_000 == 0 { step } else { -step });
            centre.base_w(id, base + step);
        }
        centre.run(60);
    }
}

fn shown(centre: &Centre, id: &str) -> TerminalView {
    centre.engine.terminal(terminal(id)).unwrap().summary
}

/// T1 hangs for a while, and then draws 40 kW more.
fn hung(limits: Vec<LimitRule>) -> Centre {
    let mut centre = centre(limits);
    centre.hangs("T1", true);
    live(&mut centre, 7, &["T2", "T3"]);
    centre.base("T1", 50);
    live(&mut centre, 8, &["T2", "T3"]);
    centre
}

#[test]
fn a_power_that_stands_still_while_the_meter_above_moves_is_an_alarm_and_decides_nothing() {
    let centre = hung(vec![]);
    assert!(centre.stands(frozen("T1")));
    assert!(!centre.stands(frozen("T2")) && !centre.stands(frozen("T3")) && !centre.stands(frozen("H")));
    let detail = centre.alarm(frozen("T1")).unwrap().detail;
    assert!(detail.starts_with("30.0 kW in all readings of 1"), "{detail}");
    assert!(detail.contains("the meter of F went from 90.") && detail.contains(" to 130."), "{detail}");
    assert!(detail.contains("its other parts from 60."), "{detail}");
    assert_eq!(centre.node("A1").load, Load::Unknown);
    assert!(matches!(centre.node("F").load, Load::Measured { .. }), "the meter above knows nothing of it");
    let shown = shown(&centre, "T1");
    assert!(shown.frozen && !shown.stale && shown.quality == Quality::GOOD);
}

#[test]
fn the_first_other_value_ends_it_and_a_bad_one_does_not() {
    let mut centre = hung(vec![]);
    centre.told("T1", vec![Reading { quality: Quality::INVALID, ..power(kw(0)) }]);
    centre.run(2);
    assert!(centre.stands(frozen("T1")), "a bad value is no news");
    centre.hangs("T1", false);
    centre.run(2);
    assert!(!centre.stands(frozen("T1")) && !shown(&centre, "T1").frozen);
    assert!(matches!(centre.node("A1").load, Load::Summed { power } if power > kw(90)));
    live(&mut centre, 30, &["T1", "T2", "T3"]);
    assert!(!centre.stands(frozen("T1")));
}

#[test]
fn nothing_is_frozen_before_it_has_stood_still_for_as_long_as_the_rules_say() {
    let mut centre = centre(vec![]);
    centre.hangs("T1", true);
    live(&mut centre, 6, &["T2", "T3"]);
    centre.base("T1", 50);
    live(&mut centre, 3, &["T2", "T3"]);
    assert!(!centre.stands(frozen("T1")));
}

#[test]
fn a_constant_load_is_not_called_frozen_however_others_move() {
    let mut centre = centre(vec![]);
    live(&mut centre, 7, &["T2", "T3"]);
    centre.base("T2", 60);
    live(&mut centre, 20, &["T2", "T3"]);
    centre.base("T3", 2);
    live(&mut centre, 20, &["T2", "T3"]);
    assert!(!centre.stands(frozen("T1")));
    assert!(matches!(centre.node("A1").load, Load::Summed { .. }));
}

#[test]
fn a_load_is_not_called_frozen_where_no_meter_could_say_otherwise() {
    let mut centre = centre(vec![]);
    centre.head = false;
    centre.run(70);
    centre.hangs("T1", true);
    live(&mut centre, 7, &["T2", "T3"]);
    centre.base("T1", 50);
    live(&mut centre, 40, &["T2", "T3"]);
    assert!(!centre.stands(frozen("T1")));
}

#[test]
fn a_meter_above_is_no_witness_while_another_part_is_not_known() {
    let mut centre = centre(vec![]);
    centre.hangs("T1", true);
    live(&mut centre, 7, &["T2", "T3"]);
    centre.reports("T3", false);
    live(&mut centre, 3, &["T2"]);
    centre.base("T1", 50);
    live(&mut centre, 20, &["T2"]);
    assert!(!centre.stands(frozen("T1")));
    centre.reports("T3", true);
    live(&mut centre, 5, &["T2", "T3"]);
    assert!(centre.stands(frozen("T1")), "and is one again");
}

#[test]
fn what_is_off_is_always_the_same_and_not_frozen() {
    let mut centre = centre(vec![]);
    centre.hangs("T1", true);
    // 1 % of the contract of 30 kW.
    centre.plants.get_mut(&terminal("T1")).unwrap().hung = Some(Power::new(299));
    centre.unmetered = kw(30);
    live(&mut centre, 7, &["T2", "T3"]);
    centre.unmetered = kw(60);
    live(&mut centre, 20, &["T2", "T3"]);
    assert!(!centre.stands(frozen("T1")));
}

#[test]
fn what_a_customers_connection_cannot_carry_is_not_laid_to_its_meter() {
    let mut centre = centre(vec![]);
    live(&mut centre, 7, &["T2", "T3"]);
    // Up to 100 kW could be T1's: three times the contract and a little.
    centre.unmetered = kw(150);
    live(&mut centre, 20, &["T2", "T3"]);
    assert!(!centre.stands(frozen("T1")));
}

#[test]
fn losses_and_what_meters_are_off_by_make_nothing_frozen() {
    let mut centre = centre(vec![]);
    live(&mut centre, 7, &["T2", "T3"]);
    centre.base("T2", 60);
    // 5 % of what F then draws is 7.35 kW.
    centre.unmetered = kw(7);
    live(&mut centre, 20, &["T2", "T3"]);
    assert!(!centre.stands(frozen("T1")));
    centre.unmetered = kw(8);
    live(&mut centre, 4, &["T2", "T3"]);
    assert!(centre.stands(frozen("T1")), "that is more");
}

#[test]
fn one_look_at_meters_that_are_not_read_at_one_instant_makes_nothing_frozen() {
    let mut centre = centre(vec![]);
    live(&mut centre, 12, &["T2", "T3"]);
    for _ in 0..10 {
        centre.unmetered = kw(30);
        live(&mut centre, 2, &["T2", "T3"]);
        centre.unmetered = Power::ZERO;
        live(&mut centre, 1, &["T2", "T3"]);
    }
    assert!(!centre.stands(frozen("T1")));
}

#[test]
fn a_head_that_stands_still_while_what_lies_below_moves_is_frozen_and_no_part_is() {
    let mut centre = centre(vec![limit("F", 200)]);
    centre.head_hung = Some(kw(90));
    live(&mut centre, 7, &["T2", "T3"]);
    centre.base("T2", 70);
    live(&mut centre, 8, &["T2", "T3"]);
    assert!(centre.stands(frozen("H")));
    let detail = centre.alarm(frozen("H")).unwrap().detail;
    assert!(detail.contains("what lies below F went from 90.") && detail.contains(" to 150."), "{detail}");
    assert!(!centre.stands(frozen("T1")), "it draws the same, and nobody says otherwise");
    assert_eq!(centre.node("F").load, Load::Unknown);
    assert!(centre.stands(AlarmCause::LoadUnknown { node: node("F") }));
    centre.head_hung = None;
    centre.run(3);
    assert!(!centre.stands(frozen("H")));
    assert!(matches!(centre.node("F").load, Load::Measured { .. }));
}

#[test]
fn a_plan_spares_whoevers_meter_is_frozen_and_says_so() {
    let mut centre = hung(vec![limit("F", 150)]);
    assert!(centre.stands(frozen("T1")));
    centre.base("T2", 60);
    live(&mut centre, 2, &["T3"]);
    let planned = centre.events().find_map(|event| match event {
        Happening::Planned { shed, spared, .. } => Some((shed.clone(), spared.clone())),
        _ => None,
    });
    let (shed, spared) = planned.unwrap();
    assert!(shed.iter().all(|choice| choice.terminal != terminal("T1")), "{shed:?}");
    assert!(spared.contains(&Finding::ReadingFrozen { terminal: terminal("T1") }), "{spared:?}");
}

#[test]
fn zero_minutes_look_for_none_and_let_count_what_was_frozen() {
    let mut centre = hung(vec![]);
    centre.set_policy(policy(vec![]));
    centre.run(2);
    assert!(!centre.stands(frozen("T1")));
    assert!(matches!(centre.node("A1").load, Load::Summed { .. }));
    live(&mut centre, 30, &["T2", "T3"]);
    assert!(!centre.stands(frozen("T1")));
}

#[test]
fn a_snapshot_in_the_middle_comes_to_the_same() {
    let mut centre = centre(vec![]);
    centre.hangs("T1", true);
    live(&mut centre, 8, &["T2", "T3"]);
    let text = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str::<Engine>(&text).unwrap();
    centre.base("T1", 50);
    live(&mut centre, 7, &["T2", "T3"]);
    assert!(centre.stands(frozen("T1")));
    let text = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str::<Engine>(&text).unwrap();
    centre.run(5);
    assert!(centre.stands(frozen("T1")) && centre.node("A1").load == Load::Unknown);
    assert!(
        centre
            .engine
            .terminal(terminal("T1"))
            .unwrap()
            .points
            .iter()
            .any(|point| { point.reading.point == PointKind::ActivePower && point.frozen })
    );
}
