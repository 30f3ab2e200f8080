//! Users' own rules: when they begin and end, what they do, and what becomes of one that goes wrong.

use super::fleet::Centre;
use crate::input::Input;
use crate::model::{NodeKind, PointKind, Quality, Reading, RuleId};
use crate::output::{Alarm, AlarmCause, AlarmPriority, Happening, Output};
use crate::own::{Act, Calculated, ForEach, Formula, Own, Rule};
use crate::policy::Policy;
use crate::testing::{Site, good, kw, limit, node, policy, power, s, site, terminal};

pub(super) fn id(id: &str) -> RuleId {
    id.parse().unwrap()
}

/// A rule that raises an alarm at once and ends at once.
pub(super) fn rule(of: &str, reads: &[(&str, &str)], when: &str) -> Rule {
    let reads = reads.iter().map(|(name, source)| ((*name).to_owned(), source.parse().unwrap()));
    let text = "load {load}".to_owned();
    Rule {
        id: id(of),
        for_each: None,
        reads: reads.collect(),
        when: when.into(),
        hold: s(0),
        clear: None,
        clear_hold: s(0),
        acts: vec![Act::Alarm { priority: AlarmPriority::Low, text }],
    }
}

pub(super) fn with(rules: Vec<Rule>) -> Policy {
    Policy { own: Own { rules, ..Own::default() }, ..policy(vec![limit("F", 1_000)]) }
}

/// T1 to T3 draw 30 kW each; F 90 kW.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])]
}

fn over(of: &str, kw: i32) -> Rule {
    rule(of, &[("load", "node F load")], &format!("load > {kw}"))
}

fn draw(centre: &mut Centre, id: &str, base_kw: i32) {
    centre.plants.get_mut(&terminal(id)).unwrap().site.base = kw(base_kw);
}

fn alarm(centre: &Centre, of: &str) -> Option<Alarm> {
    let of = |cause| matches!(cause, AlarmCause::OwnRule { rule, .. } if rule == id(of));
    centre.engine.view().alarms.into_iter().find(|alarm| of(alarm.cause) && centre.stands(alarm.cause))
}

fn told(centre: &Centre) -> Vec<String> {
    let own = |event: &&Happening| {
        matches!(
            event,
            Happening::OwnRuleBegan { .. }
                | Happening::OwnRuleEnded { .. }
                | Happening::OwnRuleUndecided { .. }
                | Happening::OwnRuleBroken { .. }
        )
    };
    centre.events().filter(own).map(ToString::to_string).collect()
}

#[test]
fn a_rule_raises_its_alarm_once_its_condition_held_and_clears_it_by_its_own_condition() {
    let clearing = Rule { hold: s(10), clear: Some("load < 92".into()), clear_hold: s(6), ..over("HIGH", 100) };
    let mut centre = Centre::new(with(vec![clearing]), &sites());
    centre.run(30);
    assert_eq!(told(&centre), [""; 0]);
    draw(&mut centre, "T1", 25);
    centre.run(9);
    assert_eq!(alarm(&centre, "HIGH"), None, "it has not held for 10 s");
    centre.run(6);
    let standing = alarm(&centre, "HIGH").unwrap();
    assert_eq!((standing.detail.as_str(), standing.priority), ("load 105.0 kW", AlarmPriority::Low));
    draw(&mut centre, "T1", 15);
    centre.run(20);
    assert!(alarm(&centre, "HIGH").is_some(), "95 kW is above what clears it");
    draw(&mut centre, "T1", 10);
    centre.run(20);
    assert_eq!(alarm(&centre, "HIGH"), None);
    let told = told(&centre);
    assert_eq!((told.len(), told[0].as_str()), (2, "rule HIGH: load 105.0 kW"));
    assert!(told[1].starts_with("rule HIGH: over after "), "{told:?}");
}

#[test]
fn a_condition_that_breaks_off_starts_its_time_anew() {
    let mut centre = Centre::new(with(vec![Rule { hold: s(10), ..over("HIGH", 100) }]), &sites());
    for _ in 0..4 {
        draw(&mut centre, "T1", 25);
        centre.run(8);
        draw(&mut centre, "T1", 10);
        centre.run(8);
    }
    assert_eq!(told(&centre), [""; 0]);
}

#[test]
fn quality_kept_a_rule_without_good_values_neither_begins_nor_ends_and_says_so_once() {
    let mut centre = Centre::new(with(vec![over("HIGH", 80)]), &sites());
    centre.run(10);
    assert!(alarm(&centre, "HIGH").is_some());
    centre.head = false;
    draw(&mut centre, "T1", 0);
    centre.run(200);
    assert!(alarm(&centre, "HIGH").is_some(), "nobody knows that the load went down");
    let undecided: Vec<String> = told(&centre).into_iter().skip(1).collect();
    assert_eq!(undecided, ["rule HIGH: decides nothing: load (node F load) is not known from good and fresh readings"]);
    let bad = Reading { quality: Quality::INVALID, ..power(kw(10)) };
    let at = centre.now;
    centre.apply(Input::Readings { at, terminal: terminal("H"), readings: vec![bad] });
    centre.run(3);
    assert!(alarm(&centre, "HIGH").is_some());
    centre.head = true;
    draw(&mut centre, "T2", 0);
    centre.run(10);
    assert_eq!(alarm(&centre, "HIGH"), None);
}

#[test]
fn a_rule_for_each_is_for_those_alone_that_have_what_it_reads() {
    let each = |of: &str, for_each, source: &str| Rule {
        for_each: Some(for_each),
        ..rule(of, &[("load", source)], "load > 0")
    };
    let rules = vec![
        each("R1", ForEach::Node(NodeKind::Feeder), "node * headroom"),
        each("R2", ForEach::Node(NodeKind::TransformerArea), "node * headroom"),
        each("R3", ForEach::Terminal, "terminal * round 2 power"),
    ];
    let sites = [site("T1", "A1", &[20, 5]), site("T2", "A1", &[20])];
    let mut centre = Centre::new(with(rules), &sites);
    centre.run(200);
    let begun: Vec<String> =
        told(&centre).into_iter().map(|told| told.split(": load").next().unwrap().to_owned()).collect();
    assert_eq!(begun.len(), 2, "F has a limit, T1 a second round; of the others nothing is to be told: {begun:?}");
    assert!(begun[0].starts_with("F: ") && begun[1].starts_with("T1: "), "{begun:?}");
}

#[test]
fn a_rule_for_each_node_of_a_kind_speaks_for_each_by_itself() {
    let each = Rule {
        for_each: Some(ForEach::Node(NodeKind::TransformerArea)),
        ..rule("AREA", &[("load", "node * load")], "load > 50")
    };
    let mut centre = Centre::new(with(vec![each]), &sites());
    centre.run(10);
    assert_eq!(told(&centre), ["A1: rule AREA: load 60.0 kW"]);
    assert_eq!(alarm(&centre, "AREA").unwrap().cause.node(), Some(node("A1")));
    draw(&mut centre, "T3", 40);
    draw(&mut centre, "T1", 0);
    draw(&mut centre, "T2", 0);
    centre.run(10);
    assert_eq!(alarm(&centre, "AREA").unwrap().cause.node(), Some(node("A2")));
}

#[test]
fn a_rule_reads_any_point_of_a_terminal_switches_as_yes_when_closed() {
    let reads = [("volts", "terminal T1 voltage A"), ("on", "terminal T1 round 1 switch"), ("load", "node A1 load")];
    let mut centre = Centre::new(with(vec![rule("LOW", &reads, "on && volts < 198")]), &sites());
    centre.run(5);
    assert_eq!(told(&centre), [""; 0], "no voltage was told");
    let tell = |centre: &mut Centre, mv| {
        let at = centre.now;
        let readings = vec![good(PointKind::VoltageA, mv)];
        centre.apply(Input::Readings { at, terminal: terminal("T1"), readings });
        centre.run(2);
    };
    tell(&mut centre, 198_000);
    assert_eq!(alarm(&centre, "LOW"), None);
    tell(&mut centre, 197_900);
    assert!(alarm(&centre, "LOW").is_some());
    centre.move_switch(terminal("T1"), crate::testing::round(1), false);
    centre.run(2);
    assert_eq!(alarm(&centre, "LOW"), None);
}

#[test]
fn a_rule_that_goes_wrong_is_off_until_loaded_anew_and_the_others_go_on() {
    let wrong = rule("WRONG", &[("load", "node F load")], "if load > 100 { \"much\" } else { load > 80 }");
    let loops = rule("LOOPS", &[("load", "node F load")], "let n = 0.0; while load > 100 { n += 1.0; } n > 3");
    let rules = vec![wrong, loops, over("HIGH", 100)];
    let mut centre = Centre::new(with(rules.clone()), &sites());
    centre.run(5);
    assert!(alarm(&centre, "WRONG").is_some());
    draw(&mut centre, "T1", 25);
    centre.run(5);
    let broken = |centre: &Centre, of| centre.stands(AlarmCause::OwnRuleBroken { rule: id(of) });
    assert!(broken(&centre, "WRONG") && broken(&centre, "LOOPS"));
    assert_eq!(alarm(&centre, "WRONG"), None, "what it did is over");
    assert!(alarm(&centre, "HIGH").is_some(), "the others go on");
    assert!(
        told(&centre).iter().any(|told| told.contains("LOOPS") && told.contains("does not end")),
        "{:?}",
        told(&centre)
    );
    draw(&mut centre, "T1", 10);
    centre.run(20);
    assert_eq!(alarm(&centre, "WRONG"), None, "it stays off");
    centre.set_policy(with(rules));
    centre.run(5);
    assert!(!broken(&centre, "WRONG") && alarm(&centre, "WRONG").is_some());
}

#[test]
fn a_rule_that_is_taken_out_takes_its_alarm_along_and_one_that_stays_keeps_it() {
    let mut centre = Centre::new(with(vec![over("ONE", 80), over("TWO", 80)]), &sites());
    centre.run(5);
    let one = alarm(&centre, "ONE").unwrap().id;
    let louder = Act::Alarm { priority: AlarmPriority::High, text: "{load}".into() };
    centre.set_policy(with(vec![over("ONE", 80)]));
    assert_eq!((alarm(&centre, "ONE").map(|alarm| alarm.id), alarm(&centre, "TWO")), (Some(one), None));
    centre.set_policy(with(vec![Rule { acts: vec![louder], ..over("ONE", 80) }]));
    assert_eq!(alarm(&centre, "ONE").map(|alarm| alarm.priority), Some(AlarmPriority::High));
    centre.run(5);
    assert_eq!(told(&centre).len(), 2, "{:?}", told(&centre));
}

#[test]
fn replay_equals_live_with_rules_and_a_restart_from_a_snapshot_goes_on_as_before() {
    let mut centre = Centre::new(with(vec![Rule { hold: s(10), ..over("HIGH", 100) }]), &sites());
    centre.run(10);
    draw(&mut centre, "T1", 25);
    centre.run(8);
    let saved = serde_json::to_string(&centre.engine).unwrap();
    let mut again: crate::engine::Engine = serde_json::from_str(&saved).unwrap();
    let from = centre.inputs.len();
    centre.run(20);
    assert!(alarm(&centre, "HIGH").is_some());
    let mut out = Vec::new();
    centre.inputs[from..].iter().for_each(|input| again.apply(input, &mut out));
    let began = |output: &Output| matches!(output, Output::Event(event) if matches!(event.what, Happening::OwnRuleBegan { .. }));
    assert!(out.iter().any(began));
    assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&centre.engine).unwrap());
}

#[test]
fn a_condition_is_asked_again_only_when_a_value_that_it_reads_changed() {
    let mut centre = Centre::new(with(vec![over("HIGH", 1_000)]), &sites());
    centre.run(10);
    let asked = centre.engine.own.asked;
    centre.run(60);
    assert_eq!(centre.engine.own.asked, asked, "the load is the same");
    draw(&mut centre, "T1", 11);
    centre.run(10);
    assert_eq!(centre.engine.own.asked, asked + 1);
}

/// About 9,000 steps, and then as `load > 0`.
const LONG: &str = "let n = 0; while n < 1100 { n += 1; } load > 0";

/// With so many steps a tick.
fn bounded(steps_max: u64, rules: Vec<Rule>) -> Policy {
    Policy { own: Own { rules, steps_max, ..Own::default() }, ..policy(vec![]) }
}

fn of_each(of: &str, when: &str) -> Rule {
    Rule { for_each: Some(ForEach::Terminal), ..rule(of, &[("load", "terminal * active power")], when) }
}

/// A second in which the loads of all terminals change.
fn stir(centre: &mut Centre, second: i64) {
    for id in ["T1", "T2", "T3"] {
        draw(centre, id, if second % 2 == 0 { 11 } else { 12 });
    }
    centre.run(1);
}

fn late(centre: &Centre, of: &str) -> bool {
    centre.stands(AlarmCause::OwnRuleLate { rule: id(of) })
}

#[test]
fn a_rule_that_takes_more_steps_than_a_tick_has_is_looked_at_in_turn_and_the_others_go_on() {
    // Four terminals, of which one evaluation is all that a tick has.
    let rules = vec![of_each("LONG", LONG), over("HIGH", 80)];
    let mut centre = Centre::new(bounded(9_000, rules), &sites());
    for second in 0..8 {
        let before = centre.engine.own.asked;
        stir(&mut centre, second);
        assert!(centre.engine.own.asked - before <= 3, "two of the long ones at most, and the short one");
    }
    let mut long: Vec<_> = centre.engine.view().alarms.iter().map(|alarm| alarm.cause).collect();
    long.retain(|cause| matches!(cause, AlarmCause::OwnRule { rule, .. } if *rule == id("LONG")));
    assert_eq!(long.len(), 4, "each had its turn");
    assert!(alarm(&centre, "HIGH").is_some());
}

#[test]
fn a_rule_that_cannot_keep_up_is_an_alarm_until_it_can() {
    let rule = of_each("LONG", LONG);
    // Many more terminals than seconds.
    let sites: Vec<Site> = (1..=100).map(|n| site(&format!("T{n}"), "A1", &[20])).collect();
    let mut centre = Centre::new(bounded(9_000, vec![rule.clone()]), &sites);
    let stir = |centre: &mut Centre, seconds: i64| {
        for second in 0..seconds {
            for n in 1..=100 {
                draw(centre, &format!("T{n}"), if second % 2 == 0 { 11 } else { 12 });
            }
            centre.run(1);
        }
    };
    stir(&mut centre, 25);
    assert!(!late(&centre, "LONG"));
    stir(&mut centre, 10);
    assert!(late(&centre, "LONG"));
    let told = centre.alarm(AlarmCause::OwnRuleLate { rule: id("LONG") }).unwrap().detail;
    assert!(told.contains(" of 101 looked at in ") && told.ends_with("all rules have 9000 steps a tick"), "{told}");
    // Nothing changes any more: a round costs nothing.
    centre.run(150);
    assert!(!late(&centre, "LONG"));
    stir(&mut centre, 40);
    centre.set_policy(bounded(1_000_000, vec![rule]));
    assert!(!late(&centre, "LONG"));
}

#[test]
fn where_a_rule_goes_on_is_in_the_snapshot() {
    let mut centre = Centre::new(bounded(9_000, vec![of_each("LONG", LONG)]), &sites());
    for second in 0..3 {
        stir(&mut centre, second);
    }
    let kept = serde_json::to_string(&centre.engine).unwrap();
    let mut other: crate::engine::Engine = serde_json::from_str(&kept).unwrap();
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for second in 1..=10 {
        let tick = Input::Tick { at: centre.now.after(s(second)) };
        centre.engine.apply(&tick, &mut here);
        other.apply(&tick, &mut there);
    }
    assert_eq!(here, there);
    assert_eq!(serde_json::to_string(&centre.engine).unwrap(), serde_json::to_string(&other).unwrap());
}

#[test]
fn points_that_take_more_steps_than_a_tick_has_are_reckoned_in_turn() {
    let text = "let n = 0; while n < 1100 { n += 1; } load";
    let point = |of: &str| Calculated {
        id: id(of),
        unit: "kW".into(),
        formula: Formula::Text {
            reads: [("load".to_owned(), "node F load".parse().unwrap())].into(),
            text: text.into(),
        },
    };
    let calculated = ["P1", "P2", "P3"].map(point).into();
    let own = Own { calculated, steps_max: 18_000, ..Own::default() };
    let mut centre = Centre::new(Policy { own, ..policy(vec![]) }, &sites());
    let values = |centre: &Centre| centre.engine.view().calculated.iter().filter_map(|it| it.value).collect::<Vec<_>>();
    for second in 0..9 {
        stir(&mut centre, second);
    }
    assert_eq!(values(&centre).len(), 3, "each had its turn");
    centre.run(3);
    let all = values(&centre);
    assert!(all.iter().all(|value| *value == all[0]), "nothing has changed since: {all:?}");
}
