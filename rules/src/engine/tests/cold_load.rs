//! What restoration learns from what rounds came back with.

use super::fleet::Centre;
use crate::model::Power;
use crate::output::Happening;
use crate::policy::LimitRule;
use crate::restoration::ColdLoad;
use crate::testing::{Site, kw, limit, policy, round, s, site, terminal};

/// F with two rounds of 20 kW, which have been shed and have come back `times` over.
fn cycled(rule: LimitRule, cold_percent: i64, times: usize) -> Centre {
    let sites: Vec<Site> =
        vec![site("T1", "A1", &[20]), site("T2", "A2", &[20]).class(5), site("T9", "A2", &[]).base(0)];
    let mut centre = Centre::new(policy(vec![rule]), &sites);
    centre.cold_percent = cold_percent;
    centre.cold_s = 100;
    for _ in 0..times {
        centre.base("T9", 150);
        assert!(centre.run_until(100, |centre| centre.off() == 2));
        centre.run(70);
        centre.base("T9", 0);
        assert!(centre.run_until(600, |centre| centre.off() == 0));
        centre.run(300);
    }
    centre
}

fn known(centre: &Centre) -> Option<ColdLoad> {
    centre.engine.cold_load(terminal("T1"), round(1))
}

fn reckoned(centre: &Centre) -> Vec<Power> {
    let stages = centre.events().filter_map(|event| match event {
        Happening::Restoring { restored, .. } => Some(restored.iter().map(|choice| choice.power)),
        _ => None,
    });
    stages.flatten().collect()
}

#[test]
fn a_round_that_came_back_with_more_is_reckoned_with_more_the_next_time() {
    let rule = LimitRule { cold_load_learn: true, ..limit("F", 160) };
    let centre = cycled(rule, 300, 3);
    assert_eq!(known(&centre), Some(ColdLoad { percent: 282, returns: 3 }), "150, 225, 263, 282");
    assert_eq!(
        reckoned(&centre),
        [30, 30, 45, 45, 52, 52].map(|of| Power::from_kw(of) + if of == 52 { Power::new(600) } else { Power::ZERO })
    );
}

#[test]
fn a_round_that_came_back_with_less_is_reckoned_with_less_and_never_with_less_than_it_had() {
    let rule = LimitRule { cold_load_learn: true, ..limit("F", 160) };
    let centre = cycled(rule, 100, 20);
    assert!(known(&centre).is_some_and(|known| known.returns == 20 && (100..=103).contains(&known.percent)));
    assert!(reckoned(&centre).iter().all(|power| *power >= kw(20)));
    let rule = LimitRule { cold_load_learn: false, ..limit("F", 160) };
    assert!(reckoned(&cycled(rule, 100, 3)).iter().all(|power| *power == kw(30)), "as the rule says");
}

#[test]
fn what_a_round_drew_until_it_was_shed_again_counts_too_and_what_nobody_measured_does_not() {
    let rule = LimitRule { cold_load_learn: true, off_time_min: s(20), ..limit("F", 160) };
    let mut centre = cycled(rule.clone(), 300, 1);
    let before = known(&centre).unwrap();
    centre.base("T9", 150);
    assert!(centre.run_until(100, |centre| centre.off() == 2));
    centre.run(70);
    centre.base("T9", 0);
    assert!(centre.run_until(600, |centre| centre.is_closed("T1", round(1))));
    centre.run(15);
    centre.base("T9", 150);
    assert!(centre.run_until(60, |centre| !centre.is_closed("T1", round(1))));
    let after = known(&centre).unwrap();
    assert!(after.returns == before.returns + 1 && after.percent > before.percent, "{before:?} {after:?}");

    let mut centre = cycled(rule, 300, 0);
    centre.base("T9", 150);
    assert!(centre.run_until(100, |centre| centre.off() == 2));
    centre.reports("T1", false);
    centre.move_switch(terminal("T1"), round(1), true);
    centre.reports("T1", true);
    centre.link("T1", false);
    centre.run(200);
    centre.link("T1", true);
    centre.run(10);
    assert_eq!(known(&centre), None);
}
