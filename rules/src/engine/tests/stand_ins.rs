//! What stands in for powers that may not decide.

use super::fleet::Centre;
use crate::dressing::DressOn;
use crate::engine::Engine;
use crate::input::{Input, Request};
use crate::model::{Power, Quality, Reading};
use crate::output::{AlarmCause, Finding, Happening};
use crate::policy::{LimitRule, Policy, StandInBy, Substitute};
use crate::testing::{kw, limit, node, policy, power, round, s, site, terminal};
use crate::view::{Load, TerminalView};

/// 30 kW at T1 and T2 in A1, 30 kW at T3 in A2; F is measured by H. A power is good for a minute, its last value for five more.
fn centre(how: Substitute, limits: Vec<LimitRule>) -> Centre {
    let policy = Policy { substitute: how, substitute_max: s(300), ..policy(limits) };
    let sites = [site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])];
    let mut centre = Centre::new(policy, &sites);
    centre.run(5);
    centre
}

fn stood_in(kw_: i32) -> Load {
    Load::Substituted { power: kw(kw_) }
}

fn shown(centre: &Centre, id: &str) -> TerminalView {
    centre.engine.terminal(terminal(id)).unwrap().summary
}

fn silent(centre: &mut Centre, ids: &[&str]) {
    for id in ids {
        centre.reports(id, false);
    }
    centre.run(65);
}

#[test]
fn what_is_left_of_the_meter_above_stands_in_for_a_power_that_is_too_old() {
    let mut centre = centre(Substitute::Balance, vec![]);
    silent(&mut centre, &["T1"]);
    assert_eq!(centre.node("A1").load, stood_in(60));
    assert_eq!(centre.node("F").load, Load::Measured { power: kw(90) });
    centre.base("T1", 25);
    centre.base("T2", 20);
    centre.run(5);
    assert_eq!(centre.node("A1").load, stood_in(85), "it goes with the meters that make it");
    let shown = shown(&centre, "T1");
    assert_eq!((shown.power, shown.quality), (Some(kw(45)), Quality::SUBSTITUTED));
    assert_eq!((shown.stands_in, shown.stale), (Some(StandInBy::Rest), false));
    let point = centre.engine.terminal(terminal("T1")).unwrap().points[0];
    assert_eq!((point.reading.value, point.stale), (kw(30).get(), true), "what it told stays beneath");
    centre.reports("T1", true);
    centre.run(2);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(85) });
    assert_eq!(self::shown(&centre, "T1").stands_in, None);
}

#[test]
fn a_value_of_bad_quality_is_stood_in_for_with_the_next_tick() {
    let mut centre = centre(Substitute::Balance, vec![]);
    centre.reports("T1", false);
    centre.told("T1", vec![Reading { quality: Quality::INVALID, ..power(kw(70)) }]);
    centre.run(1);
    assert_eq!(centre.node("A1").load, stood_in(60));
    centre.told("T1", vec![Reading { quality: Quality::INVALID, ..power(kw(80)) }]);
    assert_eq!(centre.node("A1").load, stood_in(60), "another bad one changes nothing");
}

#[test]
fn the_sum_of_what_lies_below_stands_in_for_the_meter_at_a_head_and_nothing_is_shed_by_it() {
    let mut centre = centre(Substitute::Balance, vec![limit("F", 95)]);
    centre.head = false;
    centre.run(65);
    assert_eq!(centre.node("F").load, stood_in(90));
    assert_eq!(shown(&centre, "H").stands_in, Some(StandInBy::Parts));
    assert!(!centre.stands(AlarmCause::LoadUnknown { node: node("F") }));
    centre.base("T2", 20);
    centre.run(100);
    let over = centre.alarm(AlarmCause::OverLimit { node: node("F") }).unwrap();
    assert_eq!(over.detail, "100.0 kW of 95.0 kW; 100.0 kW of it (100 %) stand in for what was not measured");
    assert_eq!(centre.off(), 0, "the load of F would not be measured to fall");
    centre.head = true;
    centre.run(60);
    assert_eq!(centre.off(), 1);
}

#[test]
fn no_balance_is_struck_where_two_powers_are_missing() {
    let mut centre = centre(Substitute::Balance, vec![]);
    silent(&mut centre, &["T1", "T3"]);
    assert_eq!((centre.node("A1").load, centre.node("A2").load), (Load::Unknown, Load::Unknown));
    centre.reports("T3", true);
    centre.run(3);
    assert_eq!(centre.node("A1").load, stood_in(60));
}

#[test]
fn no_balance_is_struck_by_a_meter_that_a_value_stands_in_for() {
    let mut centre = centre(Substitute::Balance, vec![]);
    let until = centre.now.after(s(3_600));
    let on = DressOn::Power { terminal: terminal("H") };
    centre.ask("wang", Request::Dress { on, value: kw(500).get(), until, reason: "by phone".into() }).unwrap();
    silent(&mut centre, &["T1"]);
    assert_eq!(centre.node("A1").load, Load::Unknown);
}

#[test]
fn what_a_connection_cannot_carry_stands_in_for_nothing() {
    let mut centre = centre(Substitute::Balance, vec![]);
    silent(&mut centre, &["T1"]);
    // Up to 100 kW could be T1's.
    centre.unmetered = kw(71);
    centre.run(3);
    assert_eq!(centre.node("A1").load, Load::Unknown);
    centre.unmetered = kw(70);
    centre.run(3);
    assert_eq!(centre.node("A1").load, stood_in(130));
}

#[test]
fn the_last_value_stands_in_for_as_long_as_the_rules_say_and_no_longer() {
    let mut centre = centre(Substitute::Last, vec![]);
    silent(&mut centre, &["T1", "T3"]);
    assert_eq!((centre.node("A1").load, centre.node("A2").load), (stood_in(60), stood_in(30)));
    assert_eq!(shown(&centre, "T3").stands_in, Some(StandInBy::Last));
    centre.run(290);
    assert_eq!(centre.node("A2").load, stood_in(30));
    centre.run(12);
    assert_eq!((centre.node("A1").load, centre.node("A2").load), (Load::Unknown, Load::Unknown));
    centre.reports("T1", true);
    centre.run(3);
    assert_eq!(centre.node("A2").load, stood_in(30), "what follows from the meters has no end");
    assert_eq!(shown(&centre, "T3").stands_in, Some(StandInBy::Rest));
}

#[test]
fn the_time_of_a_last_value_counts_from_when_it_became_too_old_and_not_from_when_the_centre_came_back() {
    let mut centre = centre(Substitute::Last, vec![limit("A2", 80)]);
    for id in ["T1", "T2", "T3"] {
        centre.reports(id, false);
    }
    centre.head = false;
    centre.now = centre.now.after(s(6 * 3_600));
    centre.restart();
    centre.run(3);
    assert_eq!(centre.node("A2").load, Load::Unknown, "a value of hours ago");
    centre.run(65);
    assert!(centre.stands(AlarmCause::LoadUnknown { node: node("A2") }));
    for away in [200, 100] {
        centre.reports("T3", true);
        centre.run(3);
        centre.reports("T3", false);
        centre.run(2);
        centre.now = centre.now.after(s(away));
        centre.restart();
        centre.run(3);
        assert_eq!(centre.node("A2").load, stood_in(30), "not for five minutes yet");
        centre.run(330 - away);
        assert_eq!(centre.node("A2").load, stood_in(30));
        centre.run(35);
        assert_eq!(centre.node("A2").load, Load::Unknown, "away for {away} s");
    }
}

#[test]
fn a_value_by_hand_is_no_last_value() {
    let mut centre = centre(Substitute::Last, vec![]);
    centre.head = false;
    centre.run(65);
    let until = centre.now.after(s(200));
    let on = DressOn::Power { terminal: terminal("T1") };
    centre.ask("wang", Request::Dress { on, value: kw(77).get(), until, reason: "by phone".into() }).unwrap();
    silent(&mut centre, &["T1"]);
    assert_eq!(centre.node("A1").load, stood_in(107));
    centre.run(140);
    assert_eq!(centre.node("A1").load, Load::Unknown);
}

#[test]
fn a_frozen_value_does_not_stand_in_for_itself() {
    let sites = [site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])];
    let policy =
        Policy { substitute: Substitute::Last, substitute_max: s(900), frozen_after: s(600), ..policy(vec![]) };
    let mut centre = Centre::new(policy, &sites);
    centre.hangs("T1", true);
    for minute in 0..16 {
        centre.base_w("T2", kw(10) + Power::new(100 * (minute % 2)));
        centre.base_w("T3", kw(10) + Power::new(200 * (minute % 2)));
        if minute == 8 {
            centre.base("T1", 50);
        }
        centre.run(60);
    }
    assert!(centre.stands(AlarmCause::PowerFrozen { terminal: terminal("T1") }));
    let rest = centre.node("A1").load;
    assert!(matches!(rest, Load::Substituted { power } if power >= kw(100)), "{rest:?}: what is left of H");
    centre.head = false;
    centre.run(65);
    assert_eq!(centre.node("A1").load, Load::Unknown);
}

#[test]
fn a_rule_watches_a_load_that_something_stands_in_for_and_sheds_those_who_are_measured() {
    let mut centre = centre(Substitute::Balance, vec![limit("A1", 80)]);
    silent(&mut centre, &["T1"]);
    centre.base("T1", 35);
    centre.run(15);
    let over = centre.alarm(AlarmCause::OverLimit { node: node("A1") }).unwrap();
    assert_eq!(over.detail, "85.0 kW of 80.0 kW; 55.0 kW of it (64 %) stand in for what was not measured");
    centre.run(30);
    assert!(centre.is_closed("T1", round(1)) && !centre.is_closed("T2", round(1)));
    let spared = centre.events().find_map(|event| match event {
        Happening::Planned { spared, .. } => Some(spared.clone()),
        _ => None,
    });
    let finding = Finding::ReadingTooOld { terminal: terminal("T1") };
    assert!(spared.as_ref().unwrap().contains(&finding), "{spared:?}");
}

#[test]
fn a_part_that_falls_is_not_taken_for_another_rising_until_the_meter_above_tells_too() {
    let mut centre = centre(Substitute::Balance, vec![]);
    silent(&mut centre, &["T1"]);
    centre.told("T2", vec![power(kw(10))]);
    centre.apply(Input::Tick { at: centre.now });
    assert_eq!(centre.node("A1").load, stood_in(40));
    centre.told("H", vec![power(kw(70))]);
    centre.apply(Input::Tick { at: centre.now });
    assert_eq!(centre.node("A1").load, stood_in(40));
}

#[test]
fn nothing_returns_by_a_rule_into_a_load_that_something_stands_in_for() {
    let mut centre = centre(Substitute::Balance, vec![limit("A1", 80)]);
    centre.base("T1", 35);
    centre.run(30);
    assert_eq!(centre.off(), 1);
    let off = if centre.is_closed("T1", round(1)) { "T1" } else { "T2" };
    let other = if off == "T1" { "T2" } else { "T1" };
    // The round's own terminal tells; the other does not.
    silent(&mut centre, &[other]);
    assert_eq!(centre.off(), 1, "too much is drawn yet");
    centre.base("T1", 2);
    centre.base("T2", 2);
    centre.run(400);
    assert!(matches!(centre.node("A1").load, Load::Substituted { power } if power < kw(40)));
    assert_eq!(centre.off(), 1);
    let hold = centre.node("A1").restoration.unwrap().hold.unwrap();
    assert!(hold.to_string().contains("not all of it is measured"), "{hold}");
    let off = other;
    centre.reports(off, true);
    centre.run(200);
    assert_eq!(centre.off(), 0);
}

#[test]
fn without_the_rules_word_nothing_stands_in_and_with_other_rules_nothing_any_more() {
    let mut centre = centre(Substitute::Last, vec![]);
    silent(&mut centre, &["T1"]);
    assert_eq!(centre.node("A1").load, stood_in(60));
    centre.set_policy(policy(vec![]));
    assert_eq!(centre.node("A1").load, Load::Unknown);
    centre.run(5);
    assert_eq!(centre.node("A1").load, Load::Unknown);
    assert_eq!(shown(&centre, "T1").stands_in, None);
}

#[test]
fn what_stands_in_goes_on_after_a_snapshot_and_with_another_inventory() {
    let mut centre = centre(Substitute::Last, vec![]);
    silent(&mut centre, &["T1", "T3"]);
    let text = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str::<Engine>(&text).unwrap();
    assert_eq!(centre.node("A1").load, stood_in(60));
    let sites = [site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20]), site("T4", "A2", &[])];
    centre.set_inventory(&sites);
    assert_eq!(centre.node("A1").load, stood_in(60));
    centre.run(240);
    centre.reports("T1", true);
    centre.run(3);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(60) });
}
