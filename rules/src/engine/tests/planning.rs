//! Plans of planners that do wrong, and the checker that is not the planner.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::fleet::Centre;
use super::limits::any_sites;
use crate::limiting::check::{Violation, check_plan};
use crate::limiting::plan::{Plan, Task, TerminalFacts, plan};
use crate::model::{Power, PriorityClass, TerminalId};
use crate::output::Finding;
use crate::policy::{LimitRule, PassCaps};
use crate::testing::{Site, kw, limit, node, policy, round, site, terminal};

/// A fleet with a guaranteed customer who would be shed first.
fn with_a_guaranteed_one() -> impl Strategy<Value = Vec<Site>> {
    (any_sites(7), 1..60i32).prop_map(|(mut sites, power)| {
        sites.push(site("T9", "A1", &[power]).class(5).guaranteed());
        sites
    })
}

fn facts(centre: &Centre) -> Vec<TerminalFacts> {
    centre.engine.facts(node("F"), &BTreeSet::new())
}

fn planned(rule: &LimitRule, wanted: i32, facts: &[TerminalFacts]) -> Plan {
    plan(&Task { rule, pass: 1, load: kw(1_000), wanted: kw(wanted) }, facts)
}

#[test]
fn how_far_a_load_moves_by_itself_is_learnt_from_minute_to_minute_and_our_own_switching_is_no_move() {
    let sites = [site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])];
    let mut centre = Centre::new(policy(vec![limit("F", 1_000)]), &sites);
    let step = |centre: &Centre, id: &str| {
        facts(centre).into_iter().find(|facts| facts.terminal == terminal(id)).and_then(|facts| facts.step)
    };
    for minute in 0..40 {
        if minute == 5 {
            assert_eq!(step(&centre, "T1"), None, "too few moves to know");
        }
        centre.base("T1", if minute % 2 == 0 { 10 } else { 14 });
        if minute % 3 == 0 {
            let closed = centre.is_closed("T3", round(1));
            centre.move_switch(terminal("T3"), round(1), !closed);
        }
        centre.run(60);
    }
    let moved = step(&centre, "T1").unwrap();
    assert!((Power::new(3_900)..=Power::new(4_100)).contains(&moved), "{moved}");
    assert_eq!(step(&centre, "T2"), Some(Power::ZERO));
    assert!(step(&centre, "T3").is_none_or(|step| step < kw(1)), "it was switched, and moves not");
    // Told each ten minutes, what moved so far is a move of many minutes.
    for minute in 0..200 {
        centre.reports("T2", minute % 10 == 9);
        centre.base("T2", if minute / 10 % 2 == 0 { 10 } else { 20 });
        centre.run(60);
    }
    let seldom = step(&centre, "T2").unwrap();
    assert!((Power::new(1_200)..=Power::new(3_300)).contains(&seldom), "10 kW in ten minutes, and then none: {seldom}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn plans_of_a_fleet_with_a_past_keep_the_turns_and_those_of_a_planner_without_memory_are_caught(
        sites in any_sites(12),
        past in proptest::collection::vec(0..4u32, 12),
        wanted in 1..400i32,
        power_max in proptest::option::weighted(0.3, 0..200i32),
        rounds_max in proptest::option::weighted(0.3, 1..6u16),
    ) {
        let mut centre = Centre::new(policy(vec![limit("F", 1_000_000)]), &sites);
        let now = centre.engine.now();
        for (site, turns) in sites.iter().zip(past) {
            let customer = centre.engine.grid.customer(site.terminal).unwrap().0;
            for _ in 0..turns {
                centre.engine.curtailed.entry(customer).or_default().turn(now, 8);
            }
        }
        let rule = LimitRule { pass: PassCaps { power_max: power_max.map(kw), rounds_max }, ..limit("F", 900) };
        let remembering = facts(&centre);
        let verdict = |plan: &Plan| check_plan(&centre.engine.world(), plan, &rule);
        prop_assert_eq!(verdict(&planned(&rule, wanted, &remembering)), Ok(()));
        let forgetful: Vec<TerminalFacts> =
            remembering.iter().map(|facts| TerminalFacts { turns: 0, ..facts.clone() }).collect();
        let plan = planned(&rule, wanted, &forgetful);
        let verdict = verdict(&plan);
        prop_assert!(matches!(verdict, Ok(()) | Err(Violation::NotInTurn { .. })), "{:?} of {:?}", verdict, plan);
    }

    #[test]
    fn a_planner_that_ignores_the_guaranteed_flag_is_caught_by_the_checker(
        sites in with_a_guaranteed_one(),
        wanted in 1..400i32,
    ) {
        let centre = Centre::new(policy(vec![limit("F", 1_000_000)]), &sites);
        let guaranteed: BTreeSet<TerminalId> =
            sites.iter().filter(|site| site.guaranteed).map(|site| site.terminal).collect();
        let blind: Vec<TerminalFacts> =
            facts(&centre).into_iter().map(|facts| TerminalFacts { spared: None, ..facts }).collect();
        let rule = limit("F", 900);
        let plan = planned(&rule, wanted, &blind);
        let verdict = check_plan(&centre.engine.world(), &plan, &rule);
        if plan.shed.iter().any(|choice| guaranteed.contains(&choice.terminal)) {
            let caught = matches!(&verdict, Err(Violation::Guaranteed { terminal }) if guaranteed.contains(terminal));
            prop_assert!(caught, "{:?} of {:?}", verdict, plan);
        } else {
            prop_assert_eq!(verdict, Ok(()));
        }
    }

    #[test]
    fn a_planner_that_ignores_the_classes_that_a_rule_spares_is_caught_by_the_checker(
        sites in any_sites(8),
        wanted in 1..400i32,
        from in 2..=5u8,
    ) {
        let rule = LimitRule { shed_class_from: PriorityClass::try_from(from).ok(), ..limit("F", 1_000_000) };
        let centre = Centre::new(policy(vec![rule.clone()]), &sites);
        let verdict = |plan: &Plan| check_plan(&centre.engine.world(), plan, &rule);
        let seeing = planned(&rule, wanted, &facts(&centre));
        prop_assert_eq!(verdict(&seeing), Ok(()));
        let spared: Vec<TerminalId> =
            sites.iter().filter(|site| site.class < from && !site.guaranteed).map(|site| site.terminal).collect();
        for terminal in &spared {
            let is = |finding: &Finding| matches!(finding, Finding::ClassSpared { terminal: of, .. } if of == terminal);
            prop_assert!(seeing.spared.iter().any(is), "{:?}", seeing);
        }
        let unsparing = |facts: TerminalFacts| match facts.spared {
            Some(Finding::ClassSpared { .. }) => TerminalFacts { spared: None, ..facts },
            _ => facts,
        };
        let blind: Vec<TerminalFacts> = facts(&centre).into_iter().map(unsparing).collect();
        let plan = planned(&rule, wanted, &blind);
        if plan.shed.iter().any(|choice| spared.contains(&choice.terminal)) {
            let caught = matches!(verdict(&plan), Err(Violation::ClassSpared { .. }));
            prop_assert!(caught, "{:?}", plan);
        }
    }

    #[test]
    fn a_planner_that_ignores_floors_or_the_caps_of_a_pass_is_caught_by_the_checker(
        sites in any_sites(8),
        wanted in 1..400i32,
        power_max in 1..100i32,
    ) {
        let centre = Centre::new(policy(vec![limit("F", 1_000_000)]), &sites);
        let careless: Vec<TerminalFacts> =
            facts(&centre).into_iter().map(|facts| TerminalFacts { floor: Power::new(i64::MIN), ..facts }).collect();
        let free = limit("F", 900);
        let plan = planned(&free, wanted, &careless);
        let crossed = sites.iter().any(|site| {
            let shed: Power =
                plan.shed.iter().filter(|choice| choice.terminal == site.terminal).map(|choice| choice.power).sum();
            shed > Power::ZERO && centre.drawn(site.terminal) - shed < site.floor
        });
        let verdict = check_plan(&centre.engine.world(), &plan, &free);
        prop_assert_eq!(matches!(verdict, Err(Violation::Floor { .. })), crossed, "{:?} of {:?}", verdict, plan);

        let capped = LimitRule { pass: PassCaps { power_max: Some(kw(power_max)), rounds_max: None }, ..free.clone() };
        let plan = planned(&free, wanted, &facts(&centre));
        let verdict = check_plan(&centre.engine.world(), &plan, &capped);
        prop_assert_eq!(verdict.is_err(), plan.expected > kw(power_max));
    }
}

#[test]
fn the_guaranteed_one_is_the_first_that_a_blind_planner_takes() {
    let sites = [site("T1", "A1", &[20]), site("T9", "A1", &[20]).class(5).guaranteed()];
    let centre = Centre::new(policy(vec![limit("F", 1_000_000)]), &sites);
    let blind: Vec<TerminalFacts> =
        facts(&centre).into_iter().map(|facts| TerminalFacts { spared: None, ..facts }).collect();
    let rule = limit("F", 900);
    let plan = planned(&rule, 10, &blind);
    let terminal = "T9".parse().unwrap();
    assert_eq!(plan.shed.first().map(|choice| choice.terminal), Some(terminal));
    assert_eq!(check_plan(&centre.engine.world(), &plan, &rule), Err(Violation::Guaranteed { terminal }));
}
