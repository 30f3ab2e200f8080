//! What a rule would do, with nothing of it done.

use super::fleet::Centre;
use crate::model::{Power, Quality, Reading};
use crate::outlook::Level;
use crate::output::Happening;
use crate::policy::{LimitRule, PassCaps};
use crate::testing::{Site, kw, limit, node, policy, power, site, terminal};
use crate::view::NotPlanned;

/// 170 kW in all, 20 of them guaranteed.
fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20, 20]).class(5),
        site("T2", "A1", &[20, 20]),
        site("T3", "A2", &[20]),
        site("T4", "A2", &[20]).guaranteed(),
    ]
}

fn centre(rule: LimitRule) -> Centre {
    let mut centre = Centre::new(policy(vec![rule]), &sites());
    centre.run(3);
    centre
}

#[test]
fn a_dry_run_shows_the_plan_that_the_rule_then_makes_and_changes_nothing() {
    let mut centre = centre(limit("F", 1_000));
    let before = serde_json::to_string(&centre.engine).unwrap();
    let run = centre.engine.dry_run(node("F"), Some(kw(140))).unwrap();
    assert_eq!(serde_json::to_string(&centre.engine).unwrap(), before);
    assert_eq!((run.load, run.target, run.level), (kw(160), kw(133), Some(Level::Orange)));
    assert_eq!((run.shed, run.rounds, run.customers, run.missing), (kw(40), 2, 1, Power::ZERO));

    centre.set_policy(policy(vec![limit("F", 140)]));
    centre.run(20);
    let planned = centre.events().find(|event| matches!(event, Happening::Planned { .. })).cloned();
    assert_eq!(run.plans.first().map(|event| &event.what), planned.as_ref());
}

#[test]
fn below_the_limit_a_dry_run_plans_nothing() {
    let run = centre(limit("F", 170)).engine.dry_run(node("F"), None).unwrap();
    assert_eq!((run.limit, run.plans.len(), run.missing, run.level), (kw(170), 0, Power::ZERO, None));
}

#[test]
fn a_dry_run_goes_on_from_plan_to_plan_and_says_what_is_missing() {
    let capped = LimitRule { pass: PassCaps { power_max: Some(kw(45)), rounds_max: None }, ..limit("F", 1_000) };
    let run = centre(capped).engine.dry_run(node("F"), Some(kw(20))).unwrap();
    let shed: Vec<Power> = run
        .plans
        .iter()
        .map(|event| match &event.what {
            Happening::Planned { expected, .. } => *expected,
            _ => Power::ZERO,
        })
        .collect();
    assert_eq!(shed, [kw(40), kw(40), kw(20)]);
    assert_eq!((run.shed, run.rounds, run.customers, run.missing), (kw(100), 5, 3, kw(41)));
}

#[test]
fn a_dry_run_is_refused_where_there_is_nothing_to_go_by() {
    let centre = centre(limit("F", 170));
    let why = |of: &str, limit: Option<Power>| centre.engine.dry_run(node(of), limit).unwrap_err();
    assert_eq!(why("X", None), NotPlanned::UnknownNode { node: node("X") });
    assert_eq!(why("A1", None), NotPlanned::NoRule { node: node("A1") });
    assert_eq!(why("F", Some(Power::ZERO)), NotPlanned::NoLimit { limit: Power::ZERO });
    let mut silent = centre;
    silent.tell(terminal("H"), vec![Reading { quality: Quality::INVALID, ..power(kw(160)) }]);
    assert_eq!(silent.engine.dry_run(node("F"), None).unwrap_err(), NotPlanned::LoadUnknown { node: node("F") });
}
