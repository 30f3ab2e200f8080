//! People who mean no good, with tokens of their own, and what the engine lets them have.

use super::fleet::Centre;
use super::groups::rules;
use crate::groups::{Group, GroupAct, GroupId, GroupScope, GroupState};
use crate::input::{Input, Origin, Request};
use crate::model::Timestamp;
use crate::orders::Step;
use crate::output::{Output, Refusal, Reply};
use crate::testing::{Site, kw, node, round, s, site, terminal};

fn sites() -> Vec<Site> {
    (1..=6).map(|n| site(&format!("T{n}"), "A1", &[20])).collect()
}

fn of(ids: &[&str]) -> GroupScope {
    GroupScope::Rounds { rounds: ids.iter().map(|id| (terminal(id), round(1))).collect() }
}

fn draft(centre: &mut Centre, who: &str, scope: GroupScope) -> Result<GroupId, Refusal> {
    match centre.ask(who, Request::DraftGroup { act: GroupAct::Trip, scope, reason: String::new(), notice_min: 0 })? {
        Reply::Group { group } => Ok(group),
        other => panic!("{other:?}"),
    }
}

fn execute(centre: &mut Centre, who: &str, group: GroupId) -> Result<Reply, Refusal> {
    centre.ask(who, Request::ExecuteGroup { group, at_once: None })
}

#[test]
fn second_person_a_large_trip_cut_into_small_ones_takes_two_all_the_same() {
    let mut centre = Centre::new(rules(), &sites());
    let one = draft(&mut centre, "wang", of(&["T1", "T2"])).unwrap();
    let two = draft(&mut centre, "wang", of(&["T3"])).unwrap();
    execute(&mut centre, "wang", one).unwrap();
    let refused = execute(&mut centre, "wang", two);
    let wanted =
        Refusal::SecondPersonWantedInAll { group: two, power: kw(60), rounds: 3, by: "wang".into(), within: s(300) };
    assert_eq!(refused, Err(wanted));
    let three = draft(&mut centre, "wang", of(&["T4"])).unwrap();
    assert!(centre.engine.group(three).unwrap().line.second_person, "as the draft says already");
    centre.run(20);
    assert_eq!(centre.off(), 2);
    // Somebody else has not tripped anything, and with a second person nothing is added up.
    let hers = draft(&mut centre, "li", of(&["T5"])).unwrap();
    execute(&mut centre, "li", hers).unwrap();
    centre.ask("li", Request::ApproveGroup { group: two, seen: None }).unwrap();
    execute(&mut centre, "wang", two).unwrap();
    centre.run(20);
    assert_eq!(centre.off(), 4);
    // Over restarts, until it is long ago.
    let text = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str(&text).unwrap();
    assert!(matches!(execute(&mut centre, "wang", three), Err(Refusal::SecondPersonWantedInAll { .. })));
    centre.run(300);
    let later = draft(&mut centre, "wang", of(&["T6"])).unwrap();
    execute(&mut centre, "wang", later).unwrap();
}

#[test]
fn a_person_has_so_many_group_orders_under_way_and_no_more() {
    let mut centre = Centre::new(rules(), &sites());
    for _ in 0..Group::OPEN_MAX {
        draft(&mut centre, "wang", of(&["T1"])).unwrap();
    }
    let refused = draft(&mut centre, "wang", of(&["T1"])).unwrap_err();
    assert!(matches!(refused, Refusal::TooManyGroups { open: 10, most: 10 }), "{refused}");
    draft(&mut centre, "li", of(&["T1"])).unwrap();
    let group = GroupId(1);
    centre.ask("wang", Request::CancelGroup { group, reason: String::new() }).unwrap();
    draft(&mut centre, "wang", of(&["T1"])).unwrap();
}

#[test]
fn a_scope_that_repeats_itself_is_taken_down_once() {
    let mut centre = Centre::new(rules(), &sites());
    let scope = GroupScope::Node { node: node("F"), class: None, numbers: vec![round(1); 5_000] };
    let id = draft(&mut centre, "wang", scope).unwrap();
    centre.ask("li", Request::ApproveGroup { group: id, seen: None }).unwrap();
    execute(&mut centre, "wang", id).unwrap();
    assert!(centre.last_order("T1").reason.starts_with("G1: trip F, rounds 1, drawn up by wang"));
    let id = draft(&mut centre, "wang", of(&["T2", "T1", "T2"])).unwrap_err();
    assert!(matches!(id, Refusal::GroupEmpty { .. }), "they are being tripped: {id}");
}

#[test]
fn an_approval_does_not_wake_a_draft_whose_time_is_over() {
    let mut centre = Centre::new(rules(), &sites());
    let id = draft(&mut centre, "wang", of(&["T1", "T2", "T3"])).unwrap();
    // The instant of its expiry, with no tick in between that would have ended it.
    let at = Timestamp::new(centre.engine.now().get() + 300_000);
    let mut out = Vec::new();
    let origin = Origin::new("li", "10.0.0.2");
    centre
        .engine
        .apply(&Input::Request { at, origin, request: Request::ApproveGroup { group: id, seen: None } }, &mut out);
    assert!(matches!(out.last(), Some(Output::Reply(Err(Refusal::GroupState { .. })))), "{:?}", out.last());
    centre.run(301);
    assert_eq!(centre.engine.group(id).unwrap().line.state, GroupState::Expired);
    assert_eq!(centre.commands(Step::Select), []);
}
