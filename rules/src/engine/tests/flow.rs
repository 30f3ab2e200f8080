//! Bounds of flow: so many selects at once, so many orders a minute, and people before rules.

use super::fleet::{Centre, Habit};
use crate::groups::{GroupAct, GroupScope};
use crate::input::Request;
use crate::model::Timestamp;
use crate::orders::{Action, Issuer, OrderId, OrderState, Step};
use crate::output::{Output, Reply};
use crate::policy::{Flow, Policy};
use crate::testing::{Site, limit, node, policy, s, site};

const TRIP: Action = Action::Trip { round: crate::model::RoundNo::ALL[0] };

fn sites() -> Vec<Site> {
    (1..=6).map(|n| site(&format!("T{n}"), if n % 2 == 0 { "A1" } else { "A2" }, &[20])).collect()
}

fn bounded(flow: Flow) -> Policy {
    Policy { flow, ..policy(vec![]) }
}

fn at_once(selects: u32) -> Flow {
    Flow { selects_max: Some(selects), ..Flow::default() }
}

/// A group trip of all, just executed.
fn all_of_them(centre: &mut Centre) {
    let scope = GroupScope::Node { node: node("F"), class: None, numbers: Vec::new() };
    let draft = Request::DraftGroup { act: GroupAct::Trip, scope, reason: String::new(), notice_min: 0 };
    let Reply::Group { group } = centre.ask("wang", draft).unwrap() else { panic!("a draft has a number") };
    centre.ask("wang", Request::ExecuteGroup { group, at_once: None }).unwrap();
}

fn selected(centre: &Centre) -> Vec<(Timestamp, OrderId)> {
    let selects = centre.outputs.iter().filter_map(|(at, output)| match output {
        Output::Command(command) if command.step == Step::Select => Some((*at, command.order)),
        _ => None,
    });
    selects.collect()
}

fn standing(centre: &Centre) -> usize {
    let orders = centre.engine.view().orders;
    orders.iter().filter(|o| matches!(o.state, OrderState::Selecting | OrderState::Selected)).count()
}

#[test]
fn no_more_selects_stand_at_once_than_are_permitted_and_all_come_to_their_turn() {
    for flow in [at_once(2), Flow { selects_max_feeder: Some(2), ..Flow::default() }] {
        let mut centre = Centre::new(bounded(flow), &sites());
        all_of_them(&mut centre);
        assert_eq!(selected(&centre).len(), 2);
        for _ in 0..60 {
            assert!(standing(&centre) <= 2);
            centre.step();
        }
        assert_eq!((selected(&centre).len(), centre.off()), (6, 6));
    }
}

#[test]
fn what_waits_for_its_turn_says_for_what() {
    for (flow, why) in [
        (at_once(2), "2 of 2 selects stand"),
        (Flow { selects_max_feeder: Some(2), ..Flow::default() }, "2 of 2 selects below F stand"),
        (Flow { orders_per_min: Some(2), ..Flow::default() }, "2 of 2 orders a minute went out"),
        (Flow { orders_per_min_feeder: Some(2), ..Flow::default() }, "2 of 2 orders a minute below F went out"),
    ] {
        let mut centre = Centre::new(bounded(flow), &sites());
        assert_eq!(centre.engine.view().waiting, []);
        all_of_them(&mut centre);
        let view = centre.engine.view();
        let waiting: Vec<_> = view.waiting.iter().map(|waiting| (waiting.order.0, waiting.why.as_str())).collect();
        assert_eq!(waiting, [(3, why), (4, why), (5, why), (6, why)]);
    }
}

#[test]
fn no_more_orders_go_out_in_any_minute_than_are_permitted() {
    for flow in [
        Flow { orders_per_min: Some(2), ..Flow::default() },
        Flow { orders_per_min_feeder: Some(2), ..Flow::default() },
    ] {
        let mut centre = Centre::new(bounded(flow), &sites());
        all_of_them(&mut centre);
        centre.run(200);
        let at: Vec<Timestamp> = selected(&centre).iter().map(|(at, _)| *at).collect();
        assert_eq!(at.len(), 6);
        for from in &at {
            assert!(at.iter().filter(|to| *to >= from && to.since(*from) < s(60)).count() <= 2, "{at:?}");
        }
    }
}

#[test]
fn expired_never_sent_an_order_whose_turn_does_not_come_in_time_is_never_selected() {
    let mut centre = Centre::new(bounded(Flow { orders_per_min: Some(1), ..Flow::default() }), &sites());
    centre.select("wang", "T1", TRIP).unwrap();
    let second = centre.select("li", "T2", TRIP).unwrap();
    centre.run(59);
    assert_eq!(centre.order(second).state, OrderState::Approved);
    // Its turn and its end come in one instant: the end counts.
    centre.run(10);
    assert_eq!(centre.order(second).state, OrderState::Expired);
    assert!(centre.order(second).detail.contains("turn did not come in time"), "{}", centre.order(second).detail);
    assert!(selected(&centre).iter().all(|(_, id)| *id != second));
    assert!(
        centre.commands(Step::Cancel).iter().all(|command| command.order != second),
        "there is nothing to withdraw"
    );
}

#[test]
fn a_persons_own_order_goes_before_those_of_rules_that_wait() {
    let policy = Policy { limits: vec![limit("F", 120)], ..bounded(at_once(1)) };
    let mut centre = Centre::new(policy, &sites());
    centre.habit("T1", Habit::Deaf);
    centre.habit("T2", Habit::Deaf);
    assert!(centre.run_until(60, |centre| !selected(centre).is_empty()));
    let waiting = centre.engine.view().orders.into_iter().filter(|order| order.state == OrderState::Approved).count();
    assert!(waiting >= 2, "{waiting}");
    let own = centre.select("wang", "T6", TRIP);
    let own = own.or_else(|_| centre.select("wang", "T5", TRIP)).unwrap();
    assert!(centre.run_until(60, |centre| selected(centre).len() > 1));
    assert_eq!(selected(&centre)[1].1, own);
}

#[test]
fn stopped_is_stopped_withdraws_what_rules_have_waiting_and_nothing_of_people() {
    let policy = Policy { limits: vec![limit("F", 120)], ..bounded(at_once(1)) };
    let mut centre = Centre::new(policy, &sites());
    for id in ["T1", "T2", "T3", "T4", "T5", "T6"] {
        centre.habit(id, Habit::Deaf);
    }
    assert!(centre.run_until(60, |centre| !selected(centre).is_empty()));
    let own = centre.select("wang", "T6", TRIP).or_else(|_| centre.select("wang", "T5", TRIP)).unwrap();
    centre.ask("li", Request::StopAutomatic { reason: String::new() }).unwrap();
    let orders = centre.engine.view().orders;
    let of_rules = |issuer: &Issuer| matches!(issuer, Issuer::Limit { .. });
    assert!(orders.iter().filter(|o| of_rules(&o.issuer)).all(|o| o.state == OrderState::Cancelled), "{orders:?}");
    assert!(!centre.order(own).state.is_final());
    centre.run(5);
    assert_eq!(centre.order(own).state, OrderState::Selecting, "its turn came");
}

#[test]
fn what_is_forbidden_by_the_time_its_turn_comes_is_refused_and_not_sent() {
    let mut centre = Centre::new(bounded(at_once(1)), &sites());
    let first = centre.select("wang", "T1", TRIP).unwrap();
    let second = centre.select("li", "T2", TRIP).unwrap();
    centre.told("T2", vec![crate::testing::guarantee(true)]);
    centre.run(2);
    centre.ask("wang", Request::Cancel { order: first }).unwrap();
    centre.run(2);
    assert_eq!(centre.order(second).state, OrderState::Refused);
    assert!(selected(&centre).iter().all(|(_, id)| *id != second));
}
