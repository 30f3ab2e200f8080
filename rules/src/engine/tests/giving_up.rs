//! When a rule stops, and what makes it go on.

use super::fleet::{Centre, Habit};
use crate::input::{Authority, Origin, Request};
use crate::output::{AlarmCause, Finding, Happening, Refusal, Reply};
use crate::testing::{Site, behind, kw, limit, node, policy, power, round, site, terminal};
use crate::view::LimitState;

/// 150 kW in three customers.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20, 20]), site("T2", "A1", &[20, 20]), site("T3", "A2", &[20, 20])]
}

fn futile() -> AlarmCause {
    AlarmCause::LimitFutile { node: node("F") }
}

fn try_again() -> Request {
    Request::TryAgain { node: node("F"), reason: "the fitters are through".into() }
}

/// Every terminal refuses, until the rule has given up.
fn refused() -> Centre {
    let mut centre = Centre::new(policy(vec![limit("F", 140)]), &sites());
    for id in ["T1", "T2", "T3"] {
        centre.habit(id, Habit::RefusesSelect);
    }
    assert!(centre.run_until(400, |centre| centre.state("F") == LimitState::Futile));
    for id in ["T1", "T2", "T3"] {
        centre.habit(id, Habit::Obedient);
    }
    centre
}

#[test]
fn a_rule_that_found_nobody_to_shed_goes_on_when_links_are_back() {
    let mut centre = Centre::new(policy(vec![limit("F", 140)]), &sites());
    for id in ["T1", "T2", "T3"] {
        centre.link(id, false);
    }
    assert!(centre.run_until(60, |centre| centre.state("F") == LimitState::Futile));
    centre.run(300);
    assert!(centre.stands(futile()), "nobody can be reached");
    assert_eq!(centre.count(|event| matches!(event, Happening::Futile { passes: 1, .. })), 1, "which is told once");
    centre.link("T2", true);
    assert!(centre.run_until(75, |centre| centre.off() == 1));
    centre.run(10);
    assert!(!centre.stands(futile()));
    assert_eq!(centre.truth("F"), kw(130));
}

#[test]
fn a_rule_whose_plans_came_to_nothing_goes_on_only_when_a_person_says_so() {
    let mut centre = refused();
    let plans = centre.plans().len();
    centre.run(300);
    assert_eq!((centre.plans().len(), centre.off()), (plans, 0), "it is the operator's now");
    assert_eq!(centre.ask("li", try_again()), Ok(Reply::Done));
    assert!(!centre.stands(futile()));
    assert!(centre.run_until(30, |centre| centre.off() == 1));
    let audit = centre.audits().into_iter().rfind(|audit| audit.action.starts_with("try again")).unwrap();
    assert_eq!((audit.before.as_str(), audit.after.as_str()), ("given up", "planning anew"));
    assert!(centre.events().any(|event| event.to_string() == "F: the rule plans anew, by li: the fitters are through"));
}

#[test]
fn trying_again_is_refused_to_others_where_nothing_was_given_up_and_while_rules_are_stopped() {
    let mut centre = refused();
    let area = Origin {
        authority: Authority { area: Some(vec![node("A1")]), supervisor: false },
        ..Origin::new("wang", "desk 2")
    };
    assert!(matches!(centre.ask_as(area, try_again()), Err(Refusal::OutsideArea { .. })));
    centre.ask("li", Request::StopAutomatic { reason: String::new() }).unwrap();
    assert!(matches!(centre.ask("li", try_again()), Err(Refusal::AutomaticStopped { .. })));
    centre.ask("li", Request::ResumeAutomatic { reason: String::new() }).unwrap();
    assert_eq!(centre.ask("li", try_again()), Ok(Reply::Done));
    assert_eq!(centre.ask("li", try_again()), Err(Refusal::NotGivenUp { node: node("F") }));
}

#[test]
fn a_load_beyond_its_contract_sheds_nobody_and_calls_somebody_until_it_is_credible_again() {
    let beyond = AlarmCause::LoadImplausible { terminal: terminal("T1") };
    let mut centre = Centre::new(policy(vec![limit("F", 140)]), &sites());
    centre.reports("T1", false);
    centre.tell(terminal("T1"), vec![power(kw(1_000_000)), behind(round(1), kw(20))]);
    assert!(centre.run_until(61, |centre| centre.stands(beyond)));
    let detail = centre.alarm(beyond).unwrap().detail;
    assert!(detail.starts_with("1000000.0 kW; up to "), "{detail}");
    centre.run(30);
    let spared = |event: &Happening| match event {
        Happening::Planned { spared, .. } => {
            spared.iter().any(|finding| matches!(finding, Finding::LoadImplausible { .. }))
        }
        _ => false,
    };
    assert_eq!((centre.count(spared), centre.off()), (1, 1), "others are shed, and it is said why not T1");
    assert!(centre.is_closed("T1", round(1)));
    centre.reports("T1", true);
    assert!(centre.run_until(70, |centre| !centre.stands(beyond)));
}
