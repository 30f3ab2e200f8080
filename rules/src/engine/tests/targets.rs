//! Target reductions: a limit below the load of the time before, for a time.

use super::fleet::Centre;
use crate::input::Request;
use crate::model::{Power, Quality, Reading, Span, Timestamp};
use crate::orders::Step;
use crate::output::{AlarmCause, Happening, Refusal, Reply};
use crate::target::{LimitSource, TargetId};
use crate::testing::{Site, kw, limit, node, policy, power, s, site, terminal};
use crate::view::LimitState;

/// 130 kW, 100 of them behind switches.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20, 20]).class(5), site("T2", "A1", &[20, 20]).class(4), site("T3", "A2", &[20]).class(3)]
}

fn centre() -> Centre {
    Centre::new(policy(vec![limit("F", 200)]), &sites())
}

fn target(centre: &Centre, reduction: Power, from_s: i64, to_s: i64) -> Request {
    let (from, to) = (centre.now.after(s(from_s)), centre.now.after(s(to_s)));
    Request::SetTarget { node: node("F"), reduction, from, to, reason: "the region is short".into() }
}

fn ask(centre: &mut Centre, reduction_kw: i32, from_s: i64, to_s: i64) -> Result<TargetId, Refusal> {
    let request = target(centre, kw(reduction_kw), from_s, to_s);
    centre.ask("wang", request).map(|reply| match reply {
        Reply::Target { target } => target,
        other => panic!("a target has a number: {other:?}"),
    })
}

fn told(centre: &Centre) -> Vec<String> {
    let of_targets = |event: &&Happening| {
        matches!(
            event,
            Happening::TargetSet { .. }
                | Happening::TargetBegun { .. }
                | Happening::TargetEnded { .. }
                | Happening::TargetCancelled { .. }
                | Happening::TargetDropped { .. }
        )
    };
    centre.events().filter(of_targets).map(ToString::to_string).collect()
}

fn out_of_reach(centre: &Centre) -> bool {
    centre.stands(AlarmCause::TargetOutOfReach { node: node("F") })
}

#[test]
fn a_reduction_is_taken_off_the_load_before_it_for_its_time_and_then_given_back_in_stages() {
    let mut centre = centre();
    centre.run(240);
    assert_eq!(ask(&mut centre, 35, 60, 660), Ok(TargetId(1)));
    let before = centre.node("F").in_force.unwrap();
    assert_eq!((before.source, before.until, before.next), (LimitSource::Rating, Some(centre.now.after(s(60))), None));
    centre.run(59);
    assert_eq!((centre.node("F").limit, centre.off()), (Some(kw(200)), 0));
    centre.run(2);
    assert_eq!((centre.node("F").limit, centre.state("F")), (Some(kw(95)), LimitState::Over));
    let during = centre.node("F").in_force.unwrap();
    assert_eq!(during.source, LimitSource::Target { target: TargetId(1) });
    assert_eq!((during.until, during.next), (Some(centre.now.after(s(599))), Some(kw(200))));
    centre.run(120);
    assert_eq!(centre.truth("F"), kw(90), "35 wanted and 5 % of them for the margin: two rounds, not three");
    centre.run(470);
    assert_eq!((centre.off(), centre.node("F").limit), (2, Some(kw(95))));
    assert!(centre.run_until(200, |centre| centre.off() == 0));
    assert!(centre.count(|event| matches!(event, Happening::Restoring { .. })) == 2, "in stages as ever");
    assert_eq!(centre.node("F").limit, Some(kw(200)));
    assert!(centre.engine.view().targets.is_empty());
    assert_eq!(
        told(&centre),
        [
            "F: target R1 by wang: 35.0 kW off from 2023-11-14T22:18:20.000Z to 2023-11-14T22:28:20.000Z",
            "F: target R1 begins: 35.0 kW off the baseline of 130.0 kW is a limit of 95.0 kW until \
             2023-11-14T22:28:20.000Z",
            "F: target R1 of 35.0 kW is over",
        ]
    );
}

#[test]
fn the_baseline_is_the_mean_of_the_minutes_before_and_not_the_load_of_the_moment() {
    let mut centre = centre();
    centre.run(400);
    centre.base("T3", 70);
    centre.run(30);
    ask(&mut centre, 20, 0, 600).unwrap();
    let limit = centre.node("F").limit.unwrap();
    assert!((kw(110)..kw(115)).contains(&limit), "130 and not 190 for nearly all of the time before: {limit}");
}

#[test]
fn what_a_limit_that_comes_down_asks_for_is_decided_with_all_that_the_same_input_tells() {
    let mut rule = limit("F", 200);
    rule.delay = Span::ZERO;
    let mut centre = Centre::new(policy(vec![rule]), &sites());
    centre.run(240);
    ask(&mut centre, 35, 60, 660).unwrap();
    centre.run(59);
    // The first that is heard at the instant of the limit: the link of the first in turn is down.
    centre.now = centre.now.after(s(1));
    centre.link("T1", false);
    assert_eq!(centre.node("F").limit, Some(kw(95)));
    assert!(centre.commands(Step::Select).iter().all(|select| select.terminal != terminal("T1")));
}

#[test]
fn a_target_above_the_rating_leaves_the_rating_in_force() {
    let mut centre = centre();
    centre.base("T1", 90);
    centre.set_policy(policy(vec![limit("F", 180)]));
    centre.run(4);
    // The baseline is 210, above the limit already.
    ask(&mut centre, 10, 0, 600).unwrap();
    assert_eq!(
        (centre.node("F").limit, centre.node("F").in_force.unwrap().source),
        (Some(kw(180)), LimitSource::Rating)
    );
}

#[test]
fn a_target_that_nothing_can_meet_is_refused_with_the_figures_before_anything_moves() {
    let mut centre = centre();
    centre.run(2);
    let beyond = ask(&mut centre, 131, 3_600, 7_200).unwrap_err().to_string();
    assert_eq!(
        beyond,
        "F: nothing takes 131.0 kW off; the customers below it who can be switched have contracted 130.0 kW above their \
         safety floors"
    );
    centre.link("T2", false);
    let unmet = ask(&mut centre, 70, 0, 600).unwrap_err().to_string();
    assert_eq!(
        unmet,
        "F: 70.0 kW off the baseline of 130.0 kW leave a limit of 60.0 kW: 70.0 kW would have to be shed, and 60.0 kW can \
         be"
    );
    assert_eq!(
        ask(&mut centre, 0, 0, 600).unwrap_err(),
        Refusal::TargetNotPositive { node: node("F"), reduction: kw(0) }
    );
    centre.run(60);
    assert_eq!((centre.off(), centre.node("F").limit, told(&centre).len()), (0, Some(kw(200)), 0));
    assert_eq!(ask(&mut centre, 50, 0, 600), Ok(TargetId(1)), "a refused one takes no number");
}

#[test]
fn a_planned_target_that_cannot_be_met_calls_somebody_before_it_begins_and_is_dropped_then() {
    let mut centre = centre();
    centre.run(2);
    ask(&mut centre, 70, 400, 1_000).unwrap();
    centre.run(100);
    assert!(!out_of_reach(&centre));
    centre.link("T2", false);
    centre.run(70);
    assert!(out_of_reach(&centre), "minutes before it begins");
    centre.run(240);
    assert_eq!((centre.off(), centre.node("F").limit), (0, Some(kw(200))));
    assert!(
        centre.alarm(AlarmCause::TargetOutOfReach { node: node("F") }).is_some(),
        "it stays until somebody sees it"
    );
    assert!(
        told(&centre)[1].starts_with("F: target R1 is dropped: 70.0 kW off the baseline of "),
        "{:?}",
        told(&centre)
    );
}

#[test]
fn a_planned_target_that_can_be_met_again_clears_its_alarm() {
    let mut centre = centre();
    centre.run(2);
    ask(&mut centre, 70, 400, 1_000).unwrap();
    centre.link("T2", false);
    centre.run(70);
    assert!(out_of_reach(&centre));
    centre.link("T2", true);
    centre.run(70);
    assert!(!out_of_reach(&centre));
    assert!(centre.run_until(400, |centre| centre.truth("F") <= kw(60)));
}

#[test]
fn a_target_without_a_baseline_is_refused_now_and_waits_when_it_was_planned() {
    let mut centre = centre();
    ask(&mut centre, 30, 300, 900).unwrap();
    let unknown = Reading { quality: Quality::INVALID, ..power(kw(1)) };
    centre.head = false;
    centre.told("H", vec![unknown]);
    assert_eq!(ask(&mut centre, 30, 0, 100), Err(Refusal::BaselineUnknown { node: node("F") }));
    // Nothing is known of the minutes before its beginning either.
    centre.run(310);
    assert_eq!(centre.node("F").limit, Some(kw(200)));
    centre.head = true;
    centre.run(4);
    assert_eq!(centre.node("F").limit, Some(kw(100)), "with the first load that is known");
}

#[test]
fn a_target_is_cancelled_before_and_while_it_is_in_force() {
    let mut centre = centre();
    centre.run(2);
    let planned = ask(&mut centre, 30, 600, 900).unwrap();
    let cancel = |centre: &mut Centre, target| {
        centre.ask("li", Request::CancelTarget { target, reason: "the storm is over".into() })
    };
    assert_eq!(cancel(&mut centre, planned), Ok(Reply::Done));
    assert_eq!(cancel(&mut centre, planned), Err(Refusal::UnknownTarget { target: planned }));
    let second = ask(&mut centre, 30, 0, 900).unwrap();
    centre.run(60);
    assert_eq!(centre.off(), 2);
    assert_eq!(cancel(&mut centre, second), Ok(Reply::Done));
    assert_eq!(centre.node("F").limit, Some(kw(200)));
    assert!(centre.run_until(200, |centre| centre.off() == 0));
    let audits = centre.audits();
    let last = audits.last().unwrap();
    assert_eq!(
        (last.who.as_str(), last.action.as_str(), last.object.as_str(), last.before.as_str(), last.after.as_str()),
        ("li", "cancel the target: the storm is over", "F R2", "in force", "cancelled")
    );
}

#[test]
fn times_that_make_no_sense_or_overlap_are_refused() {
    let mut centre = centre();
    centre.run(2);
    for (from, to) in [(600, 600), (600, 500), (-600, -1), (0, 86_401), (32 * 86_400, 33 * 86_400)] {
        assert!(matches!(ask(&mut centre, 10, from, to), Err(Refusal::TargetTimes { .. })), "{from} to {to}");
    }
    for extreme in [i64::MIN, i64::MAX] {
        let request = Request::SetTarget {
            node: node("F"),
            reduction: Power::new(i64::MAX),
            from: Timestamp::new(extreme),
            to: Timestamp::new(i64::MAX),
            reason: String::new(),
        };
        assert!(centre.ask("wang", request).is_err());
    }
    let first = ask(&mut centre, 10, 600, 1_200).unwrap();
    assert!(
        matches!(ask(&mut centre, 10, 1_199, 1_300), Err(Refusal::TargetOverlaps { target, .. }) if target == first)
    );
    assert!(matches!(ask(&mut centre, 10, 0, 601), Err(Refusal::TargetOverlaps { target, .. }) if target == first));
    ask(&mut centre, 10, 1_200, 1_300).unwrap();
    ask(&mut centre, 10, 300, 600).unwrap();
    let order: Vec<_> = centre.engine.view().targets.iter().map(|target| target.id.0).collect();
    assert_eq!(order, [3, 1, 2], "by time");
    let nowhere = |of: &str, centre: &mut Centre| {
        let Request::SetTarget { reduction, from, to, reason, .. } = target(centre, kw(1), 0, 60) else {
            unreachable!()
        };
        centre.ask("wang", Request::SetTarget { node: node(of), reduction, from, to, reason })
    };
    assert_eq!(nowhere("X", &mut centre), Err(Refusal::UnknownNode { node: node("X") }));
    assert_eq!(nowhere("A1", &mut centre), Err(Refusal::NoLimitRule { node: node("A1") }));
}

#[test]
fn a_target_holds_over_restarts_snapshots_and_new_rules_and_goes_with_its_rule() {
    let mut centre = centre();
    centre.run(2);
    ask(&mut centre, 30, 0, 3_600).unwrap();
    centre.run(60);
    centre.engine = serde_json::from_str(&serde_json::to_string(&centre.engine).unwrap()).unwrap();
    centre.restart();
    centre.set_policy(policy(vec![limit("F", 180)]));
    centre.links_up();
    assert_eq!((centre.node("F").limit, centre.node("F").rated), (Some(kw(100)), Some(kw(180))));
    centre.run(60);
    assert_eq!(centre.off(), 2);
    centre.set_policy(policy(vec![]));
    centre.set_policy(policy(vec![limit("F", 180)]));
    assert_eq!(centre.node("F").limit, Some(kw(180)));
    assert_eq!(told(&centre).last().unwrap(), "F: target R1 is dropped: no rule limits it any more");
}

#[test]
fn stopped_is_stopped_while_a_target_is_in_force() {
    let mut centre = centre();
    centre.run(2);
    centre.ask("wang", Request::StopAutomatic { reason: String::new() }).unwrap();
    ask(&mut centre, 30, 0, 600).unwrap();
    centre.run(120);
    assert_eq!((centre.node("F").limit, centre.off()), (Some(kw(100)), 0));
    assert!(centre.stands(AlarmCause::OverLimit { node: node("F") }), "what is not kept is told");
    centre.ask("wang", Request::ResumeAutomatic { reason: String::new() }).unwrap();
    assert!(centre.run_until(30, |centre| centre.off() == 2));
}

#[test]
fn a_target_whose_time_was_over_before_the_centre_came_back_is_told_and_does_nothing() {
    let mut centre = centre();
    centre.run(2);
    ask(&mut centre, 30, 60, 120).unwrap();
    centre.now = centre.now.after(Span::from_s(300));
    centre.restart();
    assert_eq!(told(&centre).last().unwrap(), "F: target R1 is dropped: its time was over before it could begin");
    assert!(centre.plans().is_empty());
}
