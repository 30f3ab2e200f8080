//! The stop of all automatic control, and what resuming it would do.

use proptest::prelude::*;

use super::fleet::Centre;
use crate::input::Request;
use crate::orders::{Action, OrderState, Step};
use crate::output::{AlarmCause, Happening, Refusal, Reply};
use crate::testing::{Site, limit, policy, round, site, terminal};
use crate::view::LimitState;

fn stop() -> Request {
    Request::StopAutomatic { reason: "smoke in the relay room".into() }
}

fn resume() -> Request {
    Request::ResumeAutomatic { reason: "relay replaced".into() }
}

fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20]), site("T4", "A2", &[]).base(20)]
}

fn centre() -> Centre {
    Centre::new(policy(vec![limit("F", 150)]), &sites())
}

fn sheds(centre: &Centre) -> usize {
    centre.count(|event| matches!(event, Happening::Planned { .. }))
}

#[test]
fn while_it_is_stopped_a_breach_is_told_and_nothing_is_shed() {
    let mut centre = centre();
    assert_eq!(centre.ask("li", stop()), Ok(Reply::Done));
    assert!(centre.stands(AlarmCause::AutomaticStopped));
    centre.base("T4", 100);
    centre.run(100);
    assert!(centre.stands(AlarmCause::OverLimit { node: "F".parse().unwrap() }));
    assert_eq!((centre.state("F"), centre.off(), sheds(&centre)), (LimitState::Over, 0, 0));
    let told = centre.events().find(|event| matches!(event, Happening::AutomaticStopped { .. })).unwrap();
    assert_eq!(told.to_string(), "AUTOMATIC CONTROL STOPPED by li: smoke in the relay room");

    assert_eq!(centre.ask("wang", resume()), Ok(Reply::Done));
    assert!(!centre.stands(AlarmCause::AutomaticStopped));
    centre.run(20);
    assert_eq!((sheds(&centre), centre.off()), (1, 3));
}

#[test]
fn selects_of_rules_are_withdrawn_and_what_was_executed_comes_to_its_end() {
    let mut centre = centre();
    centre.base("T4", 100);
    assert!(centre.run_until(30, |centre| !centre.commands(Step::Select).is_empty()));
    assert!(centre.commands(Step::Execute).is_empty());
    centre.ask("li", stop()).unwrap();
    assert_eq!(centre.last_order("T1").state, OrderState::Cancelled);
    centre.run(100);
    assert_eq!(centre.off(), 0);

    centre.ask("li", resume()).unwrap();
    assert!(centre.run_until(30, |centre| !centre.commands(Step::Execute).is_empty()));
    centre.ask("li", stop()).unwrap();
    centre.run(60);
    assert_eq!(centre.off(), 3);
    assert_eq!(centre.last_order("T1").state, OrderState::Verified);
    assert_eq!(centre.count(|event| matches!(event, Happening::Verified { .. })), 2, "also of what was withdrawn");
}

#[test]
fn nothing_is_restored_while_it_is_stopped_however_calm_it_is() {
    let mut centre = centre();
    centre.base("T4", 100);
    assert!(centre.run_until(60, |centre| centre.off() == 3));
    centre.base("T4", 20);
    centre.ask("li", stop()).unwrap();
    centre.run(1_000);
    assert_eq!((centre.off(), centre.state("F")), (3, LimitState::Holding));
    centre.ask("li", resume()).unwrap();
    assert!(centre.run_until(200, |centre| centre.off() == 0));
}

#[test]
fn people_go_on_giving_orders_while_it_is_stopped() {
    let mut centre = centre();
    centre.ask("li", stop()).unwrap();
    assert_eq!(centre.operate("T1", Action::Trip { round: round(1) }), OrderState::Confirmed);
    assert_eq!(centre.operate("T1", Action::Restore { round: round(1) }), OrderState::Confirmed);
}

#[test]
fn a_restart_of_the_centre_and_new_rules_leave_it_stopped() {
    let mut centre = centre();
    centre.ask("li", stop()).unwrap();
    centre.restart();
    centre.set_policy(policy(vec![limit("F", 100)]));
    centre.links_up();
    centre.run(100);
    assert_eq!(centre.off(), 0);
    let stopped = centre.engine.view().stopped.unwrap();
    assert_eq!((stopped.by.as_str(), stopped.reason.as_str()), ("li", "smoke in the relay room"));
}

#[test]
fn stopping_twice_and_resuming_what_runs_are_refused_with_who_stopped_it() {
    let mut centre = centre();
    assert_eq!(centre.ask("wang", resume()), Err(Refusal::AutomaticRunning));
    centre.ask("li", stop()).unwrap();
    let since = centre.now;
    centre.run(10);
    assert_eq!(centre.ask("wang", stop()), Err(Refusal::AutomaticStopped { by: "li".into(), since }));
    let words: Vec<_> = centre.audits().into_iter().map(|audit| (audit.who, audit.action, audit.after)).collect();
    let expected = "stop automatic control: smoke in the relay room".to_owned();
    assert_eq!(words[1], ("li".into(), expected, "stopped".into()));
}

#[test]
fn the_preview_says_what_resuming_then_does_and_changes_nothing() {
    let mut centre = centre();
    assert_eq!(centre.engine.resumption(), None);
    centre.ask("li", stop()).unwrap();
    centre.base("T4", 100);
    centre.run(100);
    let before = serde_json::to_string(&centre.engine).unwrap();
    let preview = centre.engine.resumption().unwrap();
    assert_eq!(serde_json::to_string(&centre.engine).unwrap(), before);
    let [would] = &preview.acts[..] else { panic!("one plan, not {:?}", preview.acts) };

    centre.ask("li", resume()).unwrap();
    let planned: Vec<_> = centre.events().filter(|event| matches!(event, Happening::Planned { .. })).collect();
    assert_eq!(planned, [&would.what]);
}

#[test]
fn the_preview_tells_a_breach_whose_delay_has_not_run_out() {
    let mut centre = centre();
    centre.ask("li", stop()).unwrap();
    centre.run(2);
    centre.base("T4", 100);
    centre.run(3);
    let acts = centre.engine.resumption().unwrap().acts;
    assert!(matches!(&acts[..], [event] if matches!(&event.what, Happening::Planned { shed, .. } if shed.len() == 3)));
    assert!(centre.is_closed("T1", round(1)) && centre.last_order_state("T1").is_none());
    assert!(centre.plants.contains_key(&terminal("T1")));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The guard of the fleet looks at every command.
    #[test]
    fn stopped_is_stopped(acts in prop::collection::vec((0u8..4, 5i64..60, 20i32..140), 1..20)) {
        let mut centre = centre();
        for (act, seconds, base) in acts {
            match act {
                0 => drop(centre.ask("li", stop())),
                1 => drop(centre.ask("li", resume())),
                2 => { centre.restart(); centre.links_up(); }
                _ => centre.base("T4", base),
            }
            centre.run(seconds);
        }
    }
}
