use std::path::Path;

use headroom_rules::groups::{GroupAct, GroupId, GroupScope, GroupState};
use headroom_rules::input::{Origin, Request};
use headroom_rules::model::Quality;
use headroom_rules::own::ProposalId;
use headroom_rules::target::TargetId;

use super::*;
use crate::config::{Fleet, rules};

const FLEET: &str = r#"
[[node]]
id = "R"
kind = "region"
name = "x"
[[node]]
id = "F1"
kind = "feeder"
name = "x"
parent = "S1"
measured_by = "H1"
[[node]]
id = "S1"
kind = "substation"
name = "x"
parent = "R"
[[customer]]
id = "C1"
name = "Works"
supplied_by = "F1"
contract_kw = 200
priority = 3
[[terminal]]
id = "T1"
customer = "C1"
address = "127.0.0.1:2404"
common_address = 1
rounds = [{ no = 1, name = "furnace" }]
[[terminal]]
id = "H1"
address = "127.0.0.1:2405"
common_address = 1
"#;

pub(in crate::replay) fn policy(limit_kw: i32) -> Policy {
    let fleet = Fleet::parse(Path::new("fleet.toml"), FLEET).unwrap();
    let text = format!("[[limit]]\nnode = \"F1\"\nlimit_kw = {limit_kw}\ndelay_s = 10\nrestore_hold_s = 3600\n");
    rules::parse(Path::new("rules.toml"), &text, Some(&fleet.inventory)).unwrap()
}

/// Ten minutes in which F1 draws 120 kW, 60 of them behind T1's switch, which obeys the engine with these rules.
pub(in crate::replay) fn journal(limit_kw: i32) -> Vec<Input> {
    journal_with(limit_kw, |_| None)
}

/// And in which people ask for something at some seconds.
fn journal_with(limit_kw: i32, asks: impl Fn(i64) -> Option<Request>) -> Vec<Input> {
    journal_by(policy(limit_kw), asks)
}

fn journal_by(rules: Policy, asks: impl Fn(i64) -> Option<Request>) -> Vec<Input> {
    let fleet = Fleet::parse(Path::new("fleet.toml"), FLEET).unwrap();
    let at = |s: i64| Timestamp::new(1_700_000_000_000).after(Span::from_s(s));
    let (t1, h1): (TerminalId, TerminalId) = ("T1".parse().unwrap(), "H1".parse().unwrap());
    let round = RoundNo::ALL[0];
    let mut inputs = vec![
        Input::Started { at: at(0) },
        Input::Inventory { at: at(0), inventory: Box::new(fleet.inventory) },
        Input::Policy { at: at(0), policy: Box::new(rules) },
        Input::Link { at: at(0), terminal: t1, up: true },
        Input::Link { at: at(0), terminal: h1, up: true },
    ];
    let mut engine = Engine::new();
    let (mut out, mut closed, mut done) = (Vec::new(), true, 0);
    for s in 0..600 {
        let reading = |point, value| Reading { point, value, quality: Quality::GOOD, source_time: None, cause: 3 };
        let behind = if closed { 60_000 } else { 0 };
        let position = if closed { 2 } else { 1 };
        let points = vec![
            reading(PointKind::RoundPosition(round), position),
            reading(PointKind::RoundPower(round), behind),
            reading(PointKind::ActivePower, 40_000 + behind),
        ];
        inputs.push(Input::Readings { at: at(s), terminal: t1, readings: points });
        inputs.push(Input::Readings {
            at: at(s),
            terminal: h1,
            readings: vec![reading(PointKind::ActivePower, 60_000 + behind)],
        });
        inputs.push(Input::Tick { at: at(s) });
        let origin = Origin::new("Li", "192.0.2.7");
        inputs.extend(asks(s).map(|request| Input::Request { at: at(s), origin, request }));
        while done < inputs.len() {
            out.clear();
            engine.apply(&inputs[done], &mut out);
            done += 1;
            for output in &out {
                let Output::Command(Command { order, step, action, .. }) = output else { continue };
                inputs.push(Input::Outcome { at: at(s), order: *order, outcome: Outcome::Confirmed(*step) });
                if *step == Step::Execute {
                    closed = matches!(action, Action::Restore { .. });
                }
            }
        }
    }
    inputs
}

fn compare(was_kw: i32, new_kw: i32) -> Comparison {
    let mut what_if = WhatIf::new(policy(new_kw));
    journal(was_kw).iter().for_each(|input| what_if.take(input));
    what_if.end().unwrap()
}

#[test]
fn the_same_rules_come_to_the_same() {
    let Comparison { was, would_be, .. } = compare(100, 100);
    assert_eq!((was.plans, was.sheds), (1, 1));
    assert_eq!((would_be.plans, would_be.sheds, would_be.alarms), (1, 1, was.alarms));
    assert!((was.curtailed_wh - would_be.curtailed_wh).abs() < 200, "{was:?} {would_be:?}");
}

#[test]
fn looser_rules_would_not_have_shed_and_the_load_stays_up() {
    let Comparison { was, would_be, .. } = compare(100, 150);
    assert!(was.sheds == 1 && was.curtailed_wh > 9_000, "60 kW for nearly ten minutes: {was:?}");
    assert_eq!((would_be.plans, would_be.sheds, would_be.curtailed_wh, would_be.over_ms), (0, 0, 0, 0));
    // With a limit of 110 kW it sheds by itself: it saw 120 kW though the journal has 60 kW from then on.
    assert_eq!(compare(100, 110).would_be.sheds, 1);
}

#[test]
fn tighter_rules_would_have_shed_what_was_not() {
    let Comparison { was, would_be, .. } = compare(150, 100);
    assert_eq!((was.plans, was.curtailed_wh, would_be.sheds), (0, 0, 1));
    assert!(would_be.curtailed_wh > 9_000 && would_be.over_ms < 60_000, "{would_be:?}");
}

#[test]
fn what_lies_before_the_first_start_is_left_out_and_said() {
    let mut what_if = WhatIf::new(policy(100));
    what_if.take(&Input::Tick { at: Timestamp::new(1) });
    assert_eq!((what_if.skipped, what_if.end()), (1, None));
}

#[test]
fn what_a_person_trips_is_off_in_both_and_is_taken_off_once() {
    let terminal = "T1".parse().unwrap();
    let action = Action::Trip { round: RoundNo::ALL[0] };
    let inputs = journal_with(150, |s| match s {
        20 => Some(Request::Select { terminal, action, qualifier: None, reason: String::new() }),
        25 => Some(Request::Execute { order: OrderId(1) }),
        _ => None,
    });
    let mut what_if = WhatIf::new(policy(150));
    inputs.iter().for_each(|input| what_if.take(input));
    let load = |run: &Run| run.engine.node_load("F1".parse().unwrap());
    assert_eq!(load(&what_if.was), Some(Power::from_kw(60)));
    assert_eq!(load(&what_if.would), Some(Power::from_kw(60)));
}

#[test]
fn customers_whom_new_rules_would_spare_without_a_notice_are_reached_by_it() {
    let fleet = Fleet::parse(Path::new("fleet.toml"), FLEET).unwrap();
    let text = "[[limit]]\nnode = \"F1\"\nlimit_kw = 100\ndelay_s = 10\nnotice_min = 2\nunreached = \"spare\"\nurgent_percent = 150\n";
    let rules = rules::parse(Path::new("rules.toml"), text, Some(&fleet.inventory)).unwrap();
    let mut what_if = WhatIf::new(rules);
    journal(150).iter().for_each(|input| what_if.take(input));
    let Comparison { would_be, .. } = what_if.end().unwrap();
    assert_eq!(would_be.sheds, 1, "{would_be:?}");
    assert!((110_000..200_000).contains(&would_be.over_ms), "two minutes are waited for: {would_be:?}");
}

fn rules_of(text: &str) -> Policy {
    let fleet = Fleet::parse(Path::new("fleet.toml"), FLEET).unwrap();
    rules::parse(Path::new("rules.toml"), text, Some(&fleet.inventory)).unwrap()
}

#[test]
fn a_target_that_people_name_is_the_same_under_rules_that_refused_an_earlier_one() {
    let at = |s: i64| Timestamp::new(1_700_000_000_000).after(Span::from_s(s));
    let target = |node: &str, from_s| Request::SetTarget {
        node: node.parse().unwrap(),
        reduction: Power::from_kw(20),
        from: at(from_s),
        to: at(from_s + 5_000),
        reason: String::new(),
    };
    let cancel = |number| Request::CancelTarget { target: TargetId(number), reason: String::new() };
    let limit = |node: &str| format!("[[limit]]\nnode = \"{node}\"\nlimit_kw = 500\n");
    let both = rules_of(&format!("{}{}", limit("F1"), limit("S1")));
    let inputs = journal_by(both, |s| match s {
        // Only S1 has a limit by the new rules, so the second target of the journal is their first.
        20 => Some(target("F1", 3_000)),
        21 => Some(target("S1", 3_000)),
        30 => Some(cancel(1)),
        40 => Some(cancel(2)),
        _ => None,
    });
    let mut what_if = WhatIf::new(rules_of(&limit("S1")));
    let targets = |run: &Run| run.engine.view().targets.len();
    for input in &inputs {
        what_if.take(input);
        match input.at().since(at(0)).s() {
            22..=29 => assert_eq!((targets(&what_if.was), targets(&what_if.would)), (2, 1)),
            31..=39 => assert_eq!((targets(&what_if.was), targets(&what_if.would)), (1, 1), "that of S1 stands"),
            41.. => assert_eq!((targets(&what_if.was), targets(&what_if.would)), (0, 0)),
            _ => {}
        }
    }
}

#[test]
fn a_group_order_that_other_rules_refused_is_not_asked_for_there() {
    let terminal: TerminalId = "T1".parse().unwrap();
    let draft = Request::DraftGroup {
        act: GroupAct::Trip,
        scope: GroupScope::Rounds { rounds: vec![(terminal, RoundNo::ALL[0])] },
        reason: String::new(),
        notice_min: 0,
    };
    let inputs = journal_with(150, |s| match s {
        // By the new rules the round is off by then, and the draft is refused.
        60 => Some(draft.clone()),
        70 => Some(Request::CancelGroup { group: GroupId(1), reason: String::new() }),
        _ => None,
    });
    let mut what_if = WhatIf::new(policy(100));
    let mut called_off = [0, 0];
    for input in &inputs {
        what_if.take(input);
        for (run, count) in [&what_if.was, &what_if.would].into_iter().zip(&mut called_off) {
            let of = |output: &&Output| matches!(output, Output::Audit(audit) if audit.action == "call off");
            *count += if matches!(input, Input::Request { .. }) { run.out.iter().filter(of).count() } else { 0 };
        }
    }
    assert_eq!(called_off, [1, 0]);
    let groups = |run: &Run| run.engine.view().groups.iter().map(|it| it.state).collect::<Vec<_>>();
    assert_eq!((groups(&what_if.was), groups(&what_if.would)), (vec![GroupState::Cancelled], Vec::new()));
}

#[test]
fn a_proposal_that_people_decided_on_is_that_of_the_same_rule() {
    let limit = "[[limit]]\nnode = \"F1\"\nlimit_kw = 500\n";
    let rule = |id: &str, kw| {
        format!(
            "[[rule]]\nid = \"{id}\"\nreads = {{ load = \"node F1 load\" }}\nwhen = \"load > 10\"\n\
             shed = {{ node = \"F1\", kw = {kw} }}\n"
        )
    };
    // By the new rules another rule proposes first, so the numbers are other ones.
    let was = rules_of(&format!("{limit}{}", rule("B", 20)));
    let new = rules_of(&format!("{limit}{}{}", rule("A", 30), rule("B", 20)));
    let inputs = journal_by(was, |s| {
        (s == 100).then(|| Request::DecideProposal { proposal: ProposalId(1), approve: true, reason: String::new() })
    });
    let mut what_if = WhatIf::new(new);
    inputs.iter().for_each(|input| what_if.take(input));
    let open = |run: &Run| run.engine.view().proposals.iter().map(|it| it.rule.to_string()).collect::<Vec<_>>();
    assert!(open(&what_if.was).is_empty());
    assert_eq!(open(&what_if.would), ["A"], "B's was approved, and nobody decided on A's");
}
