//! Group orders: one act, a result for each round, and two people where it is large.

use super::fleet::{Centre, Display, Habit};
use crate::groups::{Group, GroupAct, GroupId, GroupScope, GroupState, Member, MemberState};
use crate::input::{Authority, Origin, Request};
use crate::model::PointKind;
use crate::orders::{Action, Issuer, OrderState, Step};
use crate::output::{Happening, Output, Refusal, Reply};
use crate::policy::{GroupRules, Policy};
use crate::tags::TagOn;
use crate::testing::{Site, good, guarantee, kw, limit, node, policy, power, round, s, site, terminal};

/// Two people from above 50 kW or three rounds, for 300 s, 10 %.
pub(super) fn rules() -> Policy {
    let groups = GroupRules {
        second_person_above: Some(kw(50)),
        second_person_rounds: Some(3),
        expiry: s(300),
        growth_percent: 10,
    };
    Policy { groups, ..policy(vec![]) }
}

fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20, 20]).class(5),
        site("T2", "A1", &[20]),
        site("T3", "A2", &[20]).class(5),
        site("T4", "A2", &[20]).guaranteed(),
    ]
}

fn centre() -> Centre {
    Centre::new(rules(), &sites())
}

fn below(id: &str) -> GroupScope {
    GroupScope::Node { node: node(id), class: None, numbers: Vec::new() }
}

fn these(rounds: &[(&str, u8)]) -> GroupScope {
    GroupScope::Rounds { rounds: rounds.iter().map(|(id, number)| (terminal(id), round(*number))).collect() }
}

fn draft_as(centre: &mut Centre, origin: Origin, act: GroupAct, scope: GroupScope) -> Result<GroupId, Refusal> {
    match centre.ask_as(origin, Request::DraftGroup { act, scope, reason: "storm".into(), notice_min: 0 })? {
        Reply::Group { group } => Ok(group),
        other => panic!("{other:?}"),
    }
}

fn draft(centre: &mut Centre, who: &str, act: GroupAct, scope: GroupScope) -> Result<GroupId, Refusal> {
    draft_as(centre, Origin::new(who, "10.0.0.1"), act, scope)
}

fn approve(centre: &mut Centre, who: &str, group: GroupId) -> Result<Reply, Refusal> {
    centre.ask(who, Request::ApproveGroup { group, seen: None })
}

fn execute(centre: &mut Centre, who: &str, group: GroupId) -> Result<Reply, Refusal> {
    let request = Request::ExecuteGroup { group, at_once: None };
    centre.ask_as(Origin::new(who, "10.0.0.1"), request)
}

fn group(centre: &Centre, id: GroupId) -> Group {
    centre.engine.group(id).unwrap().clone()
}

fn member<'a>(group: &'a Group, id: &str, number: u8) -> &'a Member {
    group.members.iter().find(|m| (m.terminal, m.round) == (terminal(id), round(number))).unwrap()
}

fn bound(who: &str, area: &str, supervisor: bool) -> Origin {
    let authority = Authority { area: Some(vec![node(area)]), supervisor };
    Origin { authority, ..Origin::new(who, "10.0.0.4") }
}

#[test]
fn a_small_group_takes_one_person_and_each_round_has_its_result() {
    let mut centre = centre();
    centre.habit("T3", Habit::RefusesSelect);
    let id = draft(&mut centre, "wang", GroupAct::Trip, these(&[("T3", 1), ("T2", 1), ("T4", 1)])).unwrap();
    let drafted = group(&centre, id);
    assert_eq!(
        (drafted.line.state, drafted.line.second_person, drafted.line.power),
        (GroupState::Drafted, false, kw(40))
    );
    assert_eq!(member(&drafted, "T4", 1).state, MemberState::LeftOut);
    assert!(member(&drafted, "T4", 1).why.contains("guaranteed"));
    assert_eq!(centre.commands(Step::Select), [], "a draft sends nothing");
    assert!(matches!(approve(&mut centre, "li", id), Err(Refusal::NoSecondPersonWanted { .. })));
    assert!(matches!(execute(&mut centre, "li", id), Err(Refusal::NotOfGroup { .. })));
    execute(&mut centre, "wang", id).unwrap();
    centre.run(20);
    let done = group(&centre, id);
    assert_eq!(
        (done.line.state, done.line.confirmed, done.line.failed, done.line.left_out),
        (GroupState::Done, 1, 1, 1)
    );
    assert_eq!(member(&done, "T2", 1).state, MemberState::Ordered(OrderState::Confirmed));
    assert_eq!(member(&done, "T3", 1).state, MemberState::Ordered(OrderState::Refused));
    assert!(member(&done, "T3", 1).why.contains("refused the select"));
    let order = centre.last_order("T2");
    assert_eq!(order.issuer, Issuer::Group { group: id, name: "wang".into() });
    assert!(order.reason.contains("drawn up by wang: storm"), "{}", order.reason);
    let held = centre.engine.terminal(terminal("T2")).unwrap().summary.rounds[0].held_by_operator;
    assert!(held, "no rule restores what people shed");
    let told =
        centre.events().filter(|e| matches!(e, Happening::GroupDone { confirmed: 1, failed: 1, left_out: 1, .. }));
    assert_eq!(told.count(), 1);
    assert!(matches!(execute(&mut centre, "wang", id), Err(Refusal::GroupState { .. })), "once");
}

#[test]
fn second_person_a_large_trip_executes_only_when_two_different_people_said_so() {
    let mut centre = centre();
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("F")).unwrap();
    let line = group(&centre, id).line;
    assert!(line.second_person);
    assert_eq!((line.power, line.rounds, line.left_out), (kw(80), 5, 1));
    assert!(matches!(execute(&mut centre, "wang", id), Err(Refusal::SecondPersonWanted { .. })));
    assert!(matches!(approve(&mut centre, "wang", id), Err(Refusal::SamePerson { .. })));
    let outside = centre.ask_as(bound("li", "A1", false), Request::ApproveGroup { group: id, seen: None });
    assert!(matches!(outside, Err(Refusal::OutsideArea { .. })), "authority over that area");
    assert_eq!((group(&centre, id).line.state, centre.commands(Step::Select).len()), (GroupState::Drafted, 0));
    approve(&mut centre, "li", id).unwrap();
    assert!(matches!(approve(&mut centre, "li", id), Err(Refusal::GroupState { .. })));
    assert!(matches!(execute(&mut centre, "zhao", id), Err(Refusal::NotOfGroup { .. })));
    execute(&mut centre, "wang", id).unwrap();
    centre.run(20);
    let done = group(&centre, id).line;
    assert_eq!((done.state, done.confirmed, done.approved_by.as_deref()), (GroupState::Done, 4, Some("li")));
    assert_eq!(centre.off(), 4);
    let audit: Vec<String> = centre.audits().iter().map(|a| format!("{} {}", a.who, a.action)).collect();
    for wanted in ["wang draw up a group order: trip: storm", "li approve", "wang execute"] {
        assert!(audit.iter().any(|line| line == wanted), "{wanted}: {audit:?}");
    }
}

#[test]
fn second_person_counts_rounds_too_and_what_nobody_measured_weighs_as_the_contract() {
    let light = || vec![site("T1", "A1", &[1, 1, 1, 1]), site("T2", "A2", &[60])];
    let mut centre = Centre::new(rules(), &light());
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("A1")).unwrap();
    assert!(group(&centre, id).line.second_person, "four rounds");
    let mut dark = Centre::new(
        Policy { groups: GroupRules { second_person_above: Some(kw(65)), ..rules().groups }, ..policy(vec![]) },
        &light(),
    );
    let id = draft(&mut dark, "wang", GroupAct::Trip, below("A2")).unwrap();
    assert!(!group(&dark, id).line.second_person, "60 kW as measured");
    let bad =
        crate::model::Reading { quality: crate::model::Quality::INVALID, ..good(PointKind::RoundPower(round(1)), 0) };
    dark.told("T2", vec![bad]);
    let id = draft(&mut dark, "wang", GroupAct::Trip, below("A2")).unwrap();
    assert!(group(&dark, id).line.second_person, "70 kW by the contract");
}

#[test]
fn second_person_a_small_draft_that_has_grown_large_is_not_executed_by_one() {
    let mut centre = centre();
    let id = draft(&mut centre, "wang", GroupAct::Trip, these(&[("T2", 1), ("T3", 1)])).unwrap();
    assert!(!group(&centre, id).line.second_person);
    centre.told("T2", vec![crate::testing::behind(round(1), kw(35))]);
    assert!(matches!(execute(&mut centre, "wang", id), Err(Refusal::SecondPersonWanted { .. })));
    approve(&mut centre, "li", id).unwrap();
    execute(&mut centre, "wang", id).unwrap();
}

#[test]
fn an_approval_that_has_grown_stale_by_power_or_time_executes_nothing() {
    let mut centre = centre();
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("F")).unwrap();
    approve(&mut centre, "li", id).unwrap();
    centre.told("T2", vec![crate::testing::behind(round(1), kw(29))]);
    let stale = Refusal::GroupStale { group: id, approved: kw(80), power: kw(89), by: "li".into() };
    assert_eq!(execute(&mut centre, "wang", id), Err(stale));
    assert_eq!((group(&centre, id).line.state, group(&centre, id).line.approved_by), (GroupState::Drafted, None));
    assert_eq!(centre.commands(Step::Select), []);
    approve(&mut centre, "li", id).unwrap();
    centre.run(301);
    assert_eq!(group(&centre, id).line.state, GroupState::Expired);
    assert!(matches!(execute(&mut centre, "wang", id), Err(Refusal::GroupState { .. })));
    assert!(matches!(approve(&mut centre, "li", id), Err(Refusal::GroupState { .. })));
    assert_eq!(centre.commands(Step::Select), []);
}

#[test]
fn second_person_approves_what_was_on_the_list_and_nothing_that_grew_behind_it() {
    let mut centre = centre();
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("F")).unwrap();
    let now = centre.engine.group_now(id).unwrap();
    assert_eq!(now.taking_part().map(|member| member.power).sum::<crate::model::Power>(), kw(80));
    let approve = |centre: &mut Centre, seen| centre.ask("li", Request::ApproveGroup { group: id, seen: Some(seen) });
    let refused = approve(&mut centre, kw(70)).unwrap_err();
    assert_eq!(refused, Refusal::GroupGrown { group: id, seen: kw(70), power: kw(80) });
    assert_eq!(group(&centre, id).line.state, GroupState::Drafted);
    approve(&mut centre, kw(75)).unwrap();
    assert_eq!(group(&centre, id).line.power, kw(80), "within 10 %");
}

#[test]
fn a_draft_shows_who_would_be_left_out_now_and_stays_as_it_was_drawn_up() {
    let mut centre = centre();
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("F")).unwrap();
    let tag = Request::SetTag { on: TagOn::Terminal { terminal: terminal("T2") }, reason: "works".into() };
    centre.ask("zhao", tag).unwrap();
    let now = centre.engine.group_now(id).unwrap();
    assert_eq!((member(&now, "T2", 1).state, now.line.left_out), (MemberState::LeftOut, 2));
    assert!(member(&now, "T2", 1).why.contains("tagged by zhao"));
    assert_eq!(
        (member(&group(&centre, id), "T2", 1).state, group(&centre, id).line.left_out),
        (MemberState::Waiting, 1)
    );
}

#[test]
fn excluded_tagged_unlinked_and_outside_ones_area_are_refused_with_their_reason() {
    let mut centre = centre();
    centre.told("T1", vec![good(PointKind::Exclusion, 1)]);
    centre
        .ask("zhao", Request::SetTag { on: TagOn::Terminal { terminal: terminal("T2") }, reason: "work".into() })
        .unwrap();
    centre.link("T3", false);
    for (id, why) in [("T1", "excluded"), ("T2", "tagged by zhao"), ("T3", "link is down"), ("T4", "guaranteed")] {
        let refused = draft(&mut centre, "wang", GroupAct::Trip, these(&[(id, 1)]));
        assert!(
            matches!(&refused, Err(Refusal::GroupEmpty { why: said, .. }) if said.contains(why)),
            "{id}: {refused:?}"
        );
    }
    let li = bound("li", "A1", false);
    assert!(matches!(draft_as(&mut centre, li.clone(), GroupAct::Trip, below("F")), Err(Refusal::OutsideArea { .. })));
    let mixed = these(&[("T2", 1), ("T3", 1)]);
    assert!(matches!(draft_as(&mut centre, li, GroupAct::Trip, mixed), Err(Refusal::OutsideArea { .. })));
    assert!(matches!(draft(&mut centre, "wang", GroupAct::Trip, below("F9")), Err(Refusal::UnknownNode { .. })));
    assert!(matches!(
        draft(&mut centre, "wang", GroupAct::Trip, these(&[("T2", 7)])),
        Err(Refusal::UnknownRound { .. })
    ));
    assert_eq!((centre.engine.view().groups.len(), centre.commands(Step::Select).len()), (0, 0));
    // An order to that one terminal is no broadcast.
    centre.select("wang", "T1", Action::Trip { round: round(1) }).unwrap();
}

#[test]
fn what_becomes_forbidden_between_approval_and_execute_is_left_out() {
    let mut centre = centre();
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("F")).unwrap();
    approve(&mut centre, "li", id).unwrap();
    centre.told("T2", vec![guarantee(true)]);
    centre.told("T3", vec![good(PointKind::Exclusion, 1)]);
    execute(&mut centre, "wang", id).unwrap();
    centre.run(20);
    let done = group(&centre, id);
    assert_eq!((done.line.confirmed, done.line.left_out), (2, 3));
    assert!(centre.is_closed("T2", round(1)) && centre.is_closed("T3", round(1)));
}

#[test]
fn never_shed_protected_two_rounds_of_one_group_do_not_cross_a_floor_together() {
    let sites = [site("T1", "A1", &[20, 20]).floor(30), site("T2", "A1", &[20])];
    let mut centre = Centre::new(policy(vec![]), &sites);
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("F")).unwrap();
    execute(&mut centre, "wang", id).unwrap();
    let executed = group(&centre, id);
    assert_eq!(member(&executed, "T1", 2).state, MemberState::LeftOut);
    assert!(member(&executed, "T1", 2).why.contains("below the safety floor"), "{executed:?}");
    centre.run(20);
    assert_eq!((centre.off(), centre.drawn(terminal("T1"))), (2, kw(30)));
}

#[test]
fn restoration_under_limit_a_group_comes_back_as_far_as_the_limit_leaves_room() {
    let mut centre = Centre::new(
        Policy { limits: vec![limit("F", 100)], ..rules() },
        &[site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])],
    );
    for id in ["T1", "T2", "T3"] {
        assert_eq!(centre.operate(id, Action::Trip { round: round(1) }), OrderState::Confirmed);
    }
    centre.base("T1", 25);
    centre.run(5);
    let id = draft(&mut centre, "wang", GroupAct::Restore, below("F")).unwrap();
    assert!(!group(&centre, id).line.second_person, "only trips take two");
    execute(&mut centre, "wang", id).unwrap();
    centre.run(20);
    let done = group(&centre, id);
    // 45 kW, and each comes back with 30: one fits under 100, a second would make 105.
    assert_eq!((done.line.confirmed, done.line.left_out), (1, 2), "{done:?}");
    assert!(centre.truth("F") <= kw(100));
}

#[test]
fn a_group_is_called_off_as_a_whole_by_its_people_or_a_supervisor() {
    let mut centre = centre();
    for id in ["T1", "T2", "T3"] {
        centre.habit(id, Habit::Deaf);
    }
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("F")).unwrap();
    let off = |group| Request::CancelGroup { group, reason: "storm is over".into() };
    assert!(matches!(centre.ask("zhao", off(id)), Err(Refusal::NotOfGroup { .. })));
    assert!(matches!(centre.ask_as(bound("chen", "A1", true), off(id)), Err(Refusal::OutsideArea { .. })));
    approve(&mut centre, "li", id).unwrap();
    execute(&mut centre, "li", id).unwrap();
    centre.run(2);
    centre.ask_as(bound("chen", "R", true), off(id)).unwrap();
    let cancelled = group(&centre, id);
    assert_eq!(cancelled.line.state, GroupState::Cancelled);
    let states = cancelled.taking_part().map(|member| member.state);
    assert!(states.into_iter().all(|state| state == MemberState::Ordered(OrderState::Cancelled)), "{cancelled:?}");
    centre.run(60);
    assert_eq!((centre.commands(Step::Execute).len(), centre.off()), (0, 0));
    assert!(centre.events().any(|e| matches!(e, Happening::GroupCancelled { withdrawn: 4, .. })));
}

#[test]
fn a_group_goes_on_while_the_rules_are_stopped_and_holds_over_a_snapshot() {
    let mut centre = centre();
    centre.ask("zhao", Request::StopAutomatic { reason: String::new() }).unwrap();
    let id = draft(&mut centre, "wang", GroupAct::Trip, below("F")).unwrap();
    approve(&mut centre, "li", id).unwrap();
    let text = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str(&text).unwrap();
    execute(&mut centre, "wang", id).unwrap();
    centre.run(3);
    let text = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str(&text).unwrap();
    centre.run(20);
    assert_eq!(group(&centre, id).line.confirmed, 4);
    assert!(
        centre
            .outputs
            .iter()
            .any(|(_, output)| matches!(output, Output::Order(order) if order.state == OrderState::Confirmed))
    );
    centre.told("T1", vec![power(kw(10))]);
}

#[test]
fn restoration_under_limit_a_group_order_leaves_out_what_nobody_knows_near_a_limit() {
    let mut centre = Centre::new(Policy { limits: vec![limit("A1", 100)], ..rules() }, &sites());
    centre.move_switch(terminal("T2"), round(1), false);
    // T2 has a contract of 30 kW and draws more behind no switch.
    centre.base("T2", 40);
    centre.run(3);
    let restored = draft(&mut centre, "wang", GroupAct::Restore, these(&[("T2", 1)]));
    let Err(Refusal::GroupEmpty { why, .. }) = restored else { panic!("{restored:?}") };
    assert!(why.contains("nobody knows what it had; with the 45.0 kW that its contract leaves"), "{why}");
    centre.base("T1", 0);
    centre.base("T2", 10);
    centre.run(3);
    let id = draft(&mut centre, "wang", GroupAct::Restore, these(&[("T2", 1)])).unwrap();
    assert_eq!(group(&centre, id).line.power, kw(45));
    execute(&mut centre, "wang", id).unwrap();
    centre.run(10);
    assert!(centre.is_closed("T2", round(1)));
}

/// The same fleet, a trip of T1's first round and T2's by wang alone with two minutes of notice.
fn told(centre: &mut Centre) -> GroupId {
    let scope = these(&[("T1", 1), ("T2", 1)]);
    let request = Request::DraftGroup { act: GroupAct::Trip, scope, reason: "storm".into(), notice_min: 2 };
    match centre.ask("wang", request).unwrap() {
        Reply::Group { group } => group,
        other => panic!("{other:?}"),
    }
}

fn told_off(centre: &Centre, id: &str) -> usize {
    centre.read(id).iter().filter(|text| text.starts_with("Called off")).count()
}

#[test]
fn a_group_trip_with_notice_tells_its_customers_and_goes_out_when_the_time_is_over() {
    let mut centre = centre();
    centre.run(60);
    let id = told(&mut centre);
    assert_eq!(centre.read("T1"), ["A1: rounds 1 (20 kW) are going to be switched off from 22:16Z."]);
    let due = centre.now.after(s(120));
    assert_eq!(execute(&mut centre, "wang", id), Err(Refusal::NoticeRuns { group: id, due }));
    centre.run(60);
    let notice = group(&centre, id).notice.unwrap();
    assert_eq!((notice.due, notice.delivered(), notice.not_reached().count()), (Some(due), 2, 0));
    centre.run(60);
    execute(&mut centre, "wang", id).unwrap();
    centre.run(30);
    assert!(!centre.is_closed("T1", round(1)) && !centre.is_closed("T2", round(1)));
    let over = Happening::GroupNoticeOver { group: id, told: 2, untold: Vec::new(), at_once: None };
    assert!(centre.events().any(|event| *event == over));
    assert!(group(&centre, id).notice.unwrap().told.iter().all(|notice| notice.tripped));
    assert_eq!(told_off(&centre, "T1"), 0);
}

#[test]
fn a_group_trip_goes_out_before_its_notice_is_over_only_with_a_reason_which_is_audited() {
    let mut centre = centre();
    centre.run(60);
    let id = told(&mut centre);
    centre.run(30);
    let at_once = |why: &str| Request::ExecuteGroup { group: id, at_once: Some(why.into()) };
    assert!(matches!(centre.ask("wang", at_once(" ")), Err(Refusal::NoticeRuns { .. })));
    centre.ask("wang", at_once("the line burns")).unwrap();
    centre.run(30);
    assert_eq!(centre.off(), 2);
    assert_eq!(centre.audits().last().unwrap().action, "execute at once: the line burns");
    let words = centre.events().find(|event| matches!(event, Happening::GroupNoticeOver { .. })).unwrap().to_string();
    assert_eq!(
        words,
        "group order G1: its notice is cut short: the line burns; 0 were told in time, 2 not: T1 (told 30 s before instead \
         of 2 min), T2 (told 30 s before instead of 2 min)"
    );
}

#[test]
fn a_large_group_trip_tells_nobody_before_a_second_person_has_approved_it() {
    let mut centre = centre();
    centre.run(60);
    let request = Request::DraftGroup { act: GroupAct::Trip, scope: below("F"), reason: String::new(), notice_min: 2 };
    let Ok(Reply::Group { group: id }) = centre.ask("wang", request) else { panic!() };
    centre.run(10);
    assert!(centre.read("T1").is_empty());
    approve(&mut centre, "li", id).unwrap();
    assert_eq!(centre.read("T1").len(), 1);
    assert!(centre.read("T4").is_empty(), "the hospital is left out");
    centre.run(120);
    execute(&mut centre, "wang", id).unwrap();
    centre.run(30);
    assert_eq!(centre.off(), 4);
}

#[test]
fn a_group_that_a_second_person_approves_while_its_notice_runs_lives_until_it_is_over() {
    let mut centre = centre();
    centre.run(60);
    let scope = these(&[("T1", 1), ("T2", 1)]);
    let request = Request::DraftGroup { act: GroupAct::Trip, scope, reason: "storm".into(), notice_min: 10 };
    let Ok(Reply::Group { group: id }) = centre.ask("wang", request) else { panic!() };
    let due = centre.now.after(s(600));
    let other = draft(&mut centre, "wang", GroupAct::Trip, these(&[("T3", 1)])).unwrap();
    execute(&mut centre, "wang", other).unwrap();
    // With what he has tripped alone it takes two by now.
    let at_once = Request::ExecuteGroup { group: id, at_once: Some("the line burns".into()) };
    assert!(matches!(centre.ask("wang", at_once), Err(Refusal::SecondPersonWantedInAll { .. })));
    approve(&mut centre, "li", id).unwrap();
    centre.run(590);
    assert_eq!(execute(&mut centre, "wang", id), Err(Refusal::NoticeRuns { group: id, due }));
    centre.run(12);
    execute(&mut centre, "wang", id).unwrap();
    assert_eq!(told_off(&centre, "T1"), 0);
}

#[test]
fn whom_the_notice_of_a_group_did_not_reach_is_listed_before_the_execute() {
    let mut centre = centre();
    centre.display("T1", Display::Refuses);
    centre.run(60);
    let id = told(&mut centre);
    centre.run(5);
    let listed: Vec<String> = group(&centre, id).notice.unwrap().not_reached().map(|it| it.to_string()).collect();
    assert_eq!(listed, ["T1 (it refused the file)"]);
    centre.run(120);
    execute(&mut centre, "wang", id).unwrap();
    let words = centre.events().find(|event| matches!(event, Happening::GroupNoticeOver { .. })).unwrap().to_string();
    assert_eq!(words, "group order G1: its notice is over; 1 were told, 1 not: T1 (it refused the file)");
}

#[test]
fn customers_of_a_group_order_that_is_called_off_or_expires_learn_that_nothing_comes() {
    let mut centre = centre();
    centre.run(60);
    let id = told(&mut centre);
    centre.run(10);
    centre.ask("wang", Request::CancelGroup { group: id, reason: String::new() }).unwrap();
    centre.run(3);
    assert_eq!((told_off(&centre, "T1"), told_off(&centre, "T2")), (1, 1));
    let id = told(&mut centre);
    // Two minutes of notice, and then as long as any draft.
    centre.run(415);
    assert_eq!(group(&centre, id).line.state, GroupState::Drafted);
    centre.run(10);
    assert_eq!(group(&centre, id).line.state, GroupState::Expired);
    assert_eq!((told_off(&centre, "T1"), told_off(&centre, "T2")), (2, 2));
    assert_eq!(centre.off(), 0);
}

#[test]
fn who_was_told_and_is_left_out_of_the_execute_learns_that_nothing_comes() {
    let mut centre = centre();
    centre.run(60);
    let id = told(&mut centre);
    centre.told("T1", vec![guarantee(true)]);
    centre.run(121);
    execute(&mut centre, "wang", id).unwrap();
    centre.run(30);
    assert!(centre.is_closed("T1", round(1)) && !centre.is_closed("T2", round(1)));
    assert_eq!((told_off(&centre, "T1"), told_off(&centre, "T2")), (1, 0));
}

#[test]
fn notice_is_given_before_a_trip_only_and_for_an_hour_at_most() {
    let mut centre = centre();
    centre.run(60);
    let mut ask = |act, notice_min| {
        let scope = these(&[("T2", 1)]);
        centre.ask("wang", Request::DraftGroup { act, scope, reason: String::new(), notice_min })
    };
    assert!(matches!(ask(GroupAct::Restore, 1), Err(Refusal::NoSuchNotice { minutes: 1, .. })));
    assert!(matches!(ask(GroupAct::Trip, 61), Err(Refusal::NoSuchNotice { minutes: 61, .. })));
    assert!(ask(GroupAct::Trip, 60).is_ok());
}
