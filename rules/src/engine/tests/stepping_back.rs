//! Returns that are spread, and what becomes of a restoration when the headroom shrinks under it.

use proptest::prelude::*;

use super::fleet::Centre;
use crate::input::Request;
use crate::model::{Power, Timestamp};
use crate::orders::{Action, OrderState, Step};
use crate::output::{Choice, Event, Happening, Output, Reason};
use crate::policy::LimitRule;
use crate::testing::{Site, kw, limit, policy, round, s, site, terminal};

fn sites() -> Vec<Site> {
    let mut sites: Vec<Site> = (1..=8).map(|n| site(&format!("T{n}"), "A1", &[10]).base(0)).collect();
    sites.push(site("T9", "A2", &[]).base(20));
    sites
}

/// F with eight rounds of 10 kW off, 20 kW otherwise, and 120 kW of limit: two rounds in a stage.
fn shed(rule: LimitRule) -> Centre {
    let mut centre = Centre::new(policy(vec![rule]), &sites());
    centre.base("T9", 112);
    assert!(centre.run_until(100, |centre| centre.off() == 8));
    centre.run(70);
    centre.base("T9", 20);
    centre
}

fn spread() -> LimitRule {
    LimitRule { restore_spread: s(20), ..limit("F", 120) }
}

fn at_of(centre: &Centre, step: Step) -> Vec<Timestamp> {
    let restores = centre.outputs.iter().filter_map(|(at, output)| match output {
        Output::Command(command) if command.step == step && matches!(command.action, Action::Restore { .. }) => {
            Some(*at)
        }
        _ => None,
    });
    restores.collect()
}

fn stepped_back(centre: &Centre) -> usize {
    centre.count(|event| matches!(event, Happening::StepBack { .. }))
}

#[test]
fn a_stage_returns_over_its_spread_and_the_next_one_waits_for_the_last_of_it() {
    let mut centre = shed(spread());
    assert!(centre.run_until(600, |centre| centre.off() == 0));
    let mut decided: Vec<Timestamp> = Vec::new();
    for (at, output) in &centre.outputs {
        if let Output::Event(event) = output
            && let Happening::Restoring { restored, .. } = &event.what
        {
            assert!(restored.len() <= 2);
            decided.extend(restored.iter().map(|_| *at));
        }
    }
    let went = at_of(&centre, Step::Select);
    assert_eq!((decided.len(), went.len()), (8, 8));
    for (went, decided) in went.iter().zip(&decided) {
        assert!(went >= decided && went.since(*decided) <= s(21), "{went} of {decided}");
    }
    let delays: std::collections::BTreeSet<_> =
        went.iter().enumerate().map(|(n, went)| went.since(decided[n])).collect();
    assert!(delays.len() >= 4, "as good as random: {delays:?}");
}

#[test]
fn what_is_promised_counts_as_coming_for_everybody() {
    let rule = LimitRule { restore_spread: s(1_000), restore_step: s(1_000), ..limit("F", 120) };
    let mut centre = shed(rule);
    assert!(centre.run_until(200, |centre| !centre.engine.promised.is_empty()));
    let promised: Vec<Choice> = centre.engine.promised.all().map(|promise| promise.choice).collect();
    let sum: Power = promised.iter().map(|choice| choice.power).sum();
    assert_eq!(sum, kw(30), "two rounds with their pick-up");
    centre.base("T9", 76);
    centre.run(4);
    // 76 kW, 30 promised, and 15 of another round would be 121.
    let other = (1..=8).map(|n| terminal(&format!("T{n}"))).find(|id| promised.iter().all(|c| c.terminal != *id));
    let other = other.unwrap();
    let refused = centre.select("wang", other.as_str(), Action::Restore { round: round(1) });
    assert!(refused.is_err(), "{refused:?}");
    // An operator's own order for a promised round takes the promise over.
    let first = promised[0].terminal;
    centre.base("T9", 20);
    centre.run(4);
    assert_eq!(centre.operate(first.as_str(), Action::Restore { round: round(1) }), OrderState::Confirmed);
    assert!(centre.engine.promised.all().all(|promise| promise.choice.terminal != first));
}

#[test]
fn a_load_that_rises_while_returns_are_promised_withdraws_them() {
    let rule = LimitRule { restore_spread: s(15), ..limit("F", 120) };
    let mut centre = shed(rule);
    assert!(centre.run_until(200, |centre| !centre.engine.promised.is_empty()));
    centre.base("T9", 100);
    centre.run(30);
    assert_eq!(centre.off(), 8, "100 kW and 30 promised are more than 120");
    assert!(centre.engine.promised.is_empty());
    let told = centre.events().find(|event| matches!(event, Happening::StepBack { .. })).unwrap();
    assert!(matches!(told, Happening::StepBack { withdrawn: 1..=2, again, .. } if again.is_empty()), "{told:?}");
    assert!(told.to_string().contains("withdrawn"), "{told}");
    assert_eq!(stepped_back(&centre), 1, "told once");
    // It goes on when there is room again, after a rest.
    centre.base("T9", 20);
    assert!(centre.run_until(600, |centre| centre.off() == 0));
}

#[test]
fn a_stop_of_automatic_control_ends_what_is_promised() {
    let rule = LimitRule { restore_spread: s(20), ..limit("F", 120) };
    let mut centre = shed(rule);
    assert!(centre.run_until(200, |centre| !centre.engine.promised.is_empty()));
    let off = centre.off();
    centre.ask("wang", Request::StopAutomatic { reason: "test".into() }).unwrap();
    assert!(centre.engine.promised.is_empty());
    centre.run(200);
    assert!(centre.off() >= off - 1, "what was being executed may have come");
    centre.ask("wang", Request::ResumeAutomatic { reason: "test".into() }).unwrap();
    assert!(centre.run_until(600, |centre| centre.off() == 0));
}

#[test]
fn a_restart_forgets_promises_and_decides_anew() {
    let mut centre = shed(spread());
    assert!(centre.run_until(200, |centre| !centre.engine.promised.is_empty()));
    centre.restart();
    assert!(centre.engine.promised.is_empty());
    centre.run(3);
    centre.links_up();
    assert!(centre.run_until(600, |centre| centre.off() == 0));
}

#[test]
fn what_came_back_last_is_shed_first_when_the_limit_breaks_and_returns_in_smaller_groups() {
    let mut centre = shed(spread());
    // 50 kW, reckoned with 15 for each round, but they draw 40.
    centre.base("T9", 50);
    centre.cold_percent = 400;
    centre.cold_s = 900;
    assert!(centre.run_until(300, |centre| centre.truth("F") > kw(120)));
    assert!(centre.run_until(60, |centre| centre.truth("F") <= kw(120)));
    let Some(Happening::StepBack { again, .. }) =
        centre.events().find(|event| matches!(event, Happening::StepBack { again, .. } if !again.is_empty()))
    else {
        panic!("it is told")
    };
    let last = at_of(&centre, Step::Execute).len();
    assert!(!again.is_empty() && again.len() <= last);
    let refused: Vec<_> = centre
        .events()
        .filter(|event| matches!(event, Happening::PlanRefused { .. } | Happening::Futile { .. }))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
    assert!(again.iter().all(|choice| matches!(choice.reason, Reason::StepBack { stage: 1.. })), "{again:?}");
    // The next groups are of one. T2 is reckoned with the 40 kW that it drew, and waits for that much room.
    centre.cold_percent = 100;
    centre.base("T9", 20);
    let before = centre.outputs.len();
    assert!(centre.run_until(1_500, |centre| centre.off() == 1));
    centre.run(200);
    assert_eq!(centre.off(), 1);
    centre.base("T9", 0);
    assert!(centre.run_until(200, |centre| centre.off() == 0));
    let sizes = centre.outputs[before..].iter().filter_map(|(_, output)| match output {
        Output::Event(Event { what: Happening::Restoring { restored, .. }, .. }) => Some(restored.len()),
        _ => None,
    });
    assert!(sizes.max() <= Some(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn restoration_under_limit_steps_back_where_rounds_come_back_with_more_than_anybody_reckoned(
        rounds in proptest::collection::vec((5..30i32, 1..=5u8, any::<bool>()), 3..9),
        share in 50..90i64,
        cold in 150..=400i64,
        cold_s in 60..2_000i64,
        spread_s in 0..=20i64,
        rest in 0..70i64,
    ) {
        let mut sites: Vec<Site> = rounds
            .iter()
            .enumerate()
            .map(|(n, (power, class, first))| {
                site(&format!("T{n}"), if *first { "A1" } else { "A2" }, &[*power]).class(*class)
            })
            .collect();
        sites.push(site("T9", "A2", &[]));
        let mut centre = Centre::new(policy(vec![]), &sites);
        let highest = centre.truth("F").percent(share).max(kw(30));
        let rule = LimitRule { limit: highest, restore_spread: s(spread_s), restore_below_percent: 95, ..limit("F", 1) };
        centre.set_policy(policy(vec![rule]));
        centre.run(150);
        centre.cold_percent = cold;
        centre.cold_s = cold_s;
        // What no switch is in front of takes this share of the limit.
        let others: Power = rounds.iter().map(|_| kw(10)).sum();
        centre.base_w("T9", highest.percent(rest) - others);
        let mut over = 0;
        for _ in 0..900 {
            centre.step();
            over = if centre.truth("F") > highest { over + 1 } else { 0 };
            // The delay, the readings' cycle, select, execute and the switch; a second group after a look at the effect.
            prop_assert!(over <= 2 * (10 + 30 + 10), "{} of {highest} for {over} s", centre.truth("F"));
        }
        prop_assert_eq!(centre.count(|event| matches!(event, Happening::PlanRefused { .. })), 0);
    }
}
