//! What a rule knows of rounds that came back: that they have not been on for long.

use proptest::prelude::*;

use super::fleet::Centre;
use crate::output::{Happening, Reason};
use crate::policy::LimitRule;
use crate::testing::{Site, kw, limit, node, policy, round, s, site, terminal};

/// T1 and T2 were shed and came back, T3 has been on throughout; F draws 90 of 150 kW.
fn back(on_time_min_s: i64) -> Centre {
    let sites = [
        site("T1", "A1", &[20]).class(5),
        site("T2", "A1", &[20]).class(5),
        site("T3", "A2", &[20]).class(1),
        site("T4", "A2", &[]),
    ];
    let rule = LimitRule { on_time_min: s(on_time_min_s), ..limit("F", 150) };
    let mut centre = Centre::new(policy(vec![rule]), &sites);
    centre.base("T4", 75);
    assert!(centre.run_until(60, |centre| centre.off() == 2));
    centre.base("T4", 10);
    assert!(centre.run_until(300, |centre| centre.off() == 0));
    assert!(centre.is_closed("T3", round(1)));
    assert_eq!(centre.truth("F"), kw(100));
    // What comes now is not laid to the return.
    centre.run(60);
    centre
}

#[test]
fn a_round_that_came_back_is_spared_for_its_least_time_on_where_another_does() {
    let mut centre = back(600);
    centre.base("T4", 70);
    assert!(centre.run_until(60, |centre| centre.off() == 1));
    assert!(!centre.is_closed("T3", round(1)), "the most important, but the others have hardly come back");
    let mut centre = back(10);
    centre.run(10);
    centre.base("T4", 70);
    assert!(centre.run_until(60, |centre| centre.off() == 1));
    assert!(centre.is_closed("T3", round(1)), "the others have been back for long enough");
}

#[test]
fn where_nothing_else_would_do_it_is_shed_all_the_same_and_the_plan_says_so() {
    let mut centre = back(600);
    centre.base("T4", 90);
    assert!(centre.run_until(60, |centre| centre.off() == 2));
    let last = centre.events().filter_map(|event| match event {
        Happening::Planned { shed, .. } => Some(shed.clone()),
        _ => None,
    });
    let shed = last.last().unwrap();
    let reasons: Vec<_> = shed.iter().map(|choice| (choice.terminal, choice.reason)).collect();
    assert!(matches!(
        reasons[..],
        [(_, Reason::LeastImportant { class: 1, .. }), (_, Reason::NothingElse { class: 5, .. })]
    ));
    assert_eq!(reasons[0].0, terminal("T3"));
    assert_eq!(centre.count(|event| matches!(event, Happening::PlanRefused { .. })), 0);
    assert_eq!(centre.node("F").id, node("F"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn planner_and_checker_agree_on_who_has_not_been_on_for_long_enough(
        members in proptest::collection::vec((proptest::collection::vec(2..40i32, 1..5), 1..=5u8, 0..60i32), 1..6),
        on_time_min in 0..400i64,
        bases in proptest::collection::vec(0..200i32, 4..10),
    ) {
        let mut sites: Vec<Site> = members
            .iter()
            .enumerate()
            .map(|(n, (rounds, class, floor))| site(&format!("T{n}"), "A1", rounds).class(*class).floor(*floor))
            .collect();
        sites.push(site("T9", "A2", &[]));
        let rule = LimitRule {
            on_time_min: s(on_time_min),
            off_time_min: s(20),
            restore_hold: s(5),
            restore_step: s(5),
            verify_after: s(5),
            passes_max: 50,
            ..limit("F", 150)
        };
        let mut centre = Centre::new(policy(vec![rule]), &sites);
        for base in bases {
            centre.base("T9", base);
            centre.run(80);
        }
        prop_assert_eq!(centre.count(|event| matches!(event, Happening::PlanRefused { .. })), 0);
    }
}
