//! Notices of limits that are known to come down: told before, due at their beginning, called off.

use super::fleet::{Centre, Display};
use super::schedules::by_schedule;
use crate::input::Request;
use crate::limiting::ahead::check_ahead;
use crate::limiting::check::Violation;
use crate::limiting::plan::{Task, plan};
use crate::model::{Power, Timestamp};
use crate::notices::{Announcement, NoticeRule, Unreached};
use crate::output::{Happening, Reply};
use crate::policy::{LimitRule, Policy};
use crate::target::{LimitAhead, LimitSource, TargetId};
use crate::testing::{START, Site, kw, limit, node, policy, round, s, site, terminal};
use crate::view::LimitState;

/// Told two minutes before, whatever the load.
const NOTICE: NoticeRule = NoticeRule { before: s(120), unreached: Unreached::Trip, urgent_percent: 200 };

/// 90 kW, 60 of them behind switches.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20]).class(5), site("T2", "A1", &[20]).class(4), site("T3", "A2", &[20]).class(3)]
}

fn rules(notice: NoticeRule) -> Policy {
    policy(vec![LimitRule { notice, ..limit("F", 200) }])
}

/// Four minutes in.
fn centre() -> Centre {
    let mut centre = Centre::new(rules(NOTICE), &sites());
    centre.run(240);
    centre
}

fn reduce(centre: &mut Centre, by: Power, from_s: i64, to_s: i64) -> TargetId {
    let (from, to) = (centre.now.after(s(from_s)), centre.now.after(s(to_s)));
    let request = Request::SetTarget { node: node("F"), reduction: by, from, to, reason: "short".into() };
    let Ok(Reply::Target { target }) = centre.ask("wang", request) else { panic!("a target has a number") };
    target
}

fn announcement(centre: &Centre) -> Announcement {
    centre.engine.view().announcements.into_iter().next().unwrap()
}

/// When the first select of a trip went out.
fn first_trip(centre: &Centre) -> Option<Timestamp> {
    centre.outputs.iter().find_map(|(at, output)| match output {
        crate::output::Output::Command(command) if command.step == crate::orders::Step::Select => Some(*at),
        _ => None,
    })
}

#[test]
fn a_target_is_told_before_it_begins_and_those_who_were_told_are_tripped_at_its_beginning() {
    let mut centre = centre();
    let begins = centre.now.after(s(300));
    let target = reduce(&mut centre, kw(15), 300, 1_200);
    centre.run(115);
    assert!(centre.engine.view().announcements.is_empty(), "not earlier than the rule says");
    centre.run(185 - 5);
    let told = announcement(&centre);
    assert_eq!((told.waits, told.due), (true, begins));
    let ahead = told.ahead.unwrap();
    assert_eq!((ahead.at, ahead.limit, ahead.source), (begins, kw(75), LimitSource::Target { target }));
    assert_eq!(centre.read("T1"), ["The limit of F is lowered: rounds 1 (20 kW) may be switched off from 22:22Z."]);
    assert!(centre.read("T2").is_empty());
    assert_eq!(centre.off(), 0);
    centre.run(40);
    assert!(!centre.is_closed("T1", round(1)));
    assert!(begins <= first_trip(&centre).unwrap(), "no trip before the limit is in force");
    let over = centre.events().find(|event| matches!(event, Happening::NoticeOver { .. }));
    assert_eq!(over, Some(&Happening::NoticeOver { node: node("F"), told: 1, untold: Vec::new() }));
    let words = centre.events().find(|event| matches!(event, Happening::Announced { .. })).unwrap().to_string();
    assert!(words.starts_with("F: announced at 90.0 kW, ahead of the limit of 75.0 kW from "), "{words}");
}

#[test]
fn a_load_far_above_the_limit_that_begins_cuts_nobody_short_who_was_told_of_it() {
    let mut centre = Centre::new(rules(NoticeRule { urgent_percent: 110, ..NOTICE }), &sites());
    centre.run(240);
    reduce(&mut centre, kw(15), 130, 900);
    centre.run(170);
    assert_eq!(centre.off(), 1, "90 kW of 75");
    assert!(!centre.events().any(|event| matches!(event, Happening::NoticeCut { .. })));
    assert!(centre.events().any(|event| matches!(event, Happening::NoticeOver { told: 1, .. })));
}

#[test]
fn a_rule_without_notice_tells_nobody_of_a_target() {
    let mut centre = Centre::new(rules(NoticeRule::NONE), &sites());
    centre.run(240);
    reduce(&mut centre, kw(15), 60, 600);
    centre.run(100);
    assert!(centre.engine.view().announcements.is_empty());
    assert_eq!(centre.off(), 1);
}

#[test]
fn a_target_that_is_cancelled_before_it_begins_is_called_off_at_once() {
    let mut centre = centre();
    let target = reduce(&mut centre, kw(15), 100, 900);
    centre.run(60);
    assert_eq!(centre.read("T1").len(), 1);
    centre.ask("wang", Request::CancelTarget { target, reason: String::new() }).unwrap();
    centre.run(3);
    assert_eq!(centre.read("T1")[1], "Called off: nothing is switched off for F; the notice for 22:19Z is void.");
    assert_eq!(announcement(&centre).ended.unwrap().why, "the limit does not come down as it was to");
    centre.run(200);
    assert_eq!(centre.off(), 0);
}

#[test]
fn a_target_that_the_load_has_met_by_itself_when_it_begins_is_called_off_and_nobody_is_tripped() {
    let mut centre = centre();
    reduce(&mut centre, kw(15), 100, 900);
    centre.run(95);
    assert_eq!(centre.read("T1").len(), 1);
    centre.base("T3", -25);
    centre.run(4);
    assert_eq!(centre.read("T1").len(), 1, "not before it begins: the load may come back");
    centre.run(4);
    assert_eq!(centre.read("T1").len(), 2);
    assert_eq!(announcement(&centre).ended.unwrap().why, "the load is below the limit that came into force");
    centre.run(200);
    assert_eq!(centre.off(), 0);
}

#[test]
fn a_target_asked_for_too_late_for_its_notice_still_gives_all_of_it() {
    let mut centre = centre();
    let asked = centre.now;
    reduce(&mut centre, kw(15), 30, 900);
    centre.run(60);
    assert_eq!(centre.state("F"), LimitState::Over);
    assert_eq!(centre.off(), 0);
    let due = announcement(&centre).due;
    assert!(asked.after(s(120)) <= due && due <= asked.after(s(125)), "{due}");
    centre.run(80);
    assert_eq!(centre.off(), 1);
}

#[test]
fn who_is_newly_chosen_while_it_is_waited_for_is_told_within_a_minute() {
    let mut centre = centre();
    reduce(&mut centre, kw(15), 118, 900);
    centre.run(10);
    assert!(centre.read("T2").is_empty());
    centre.base("T3", 18);
    centre.run(70);
    assert_eq!((centre.read("T1").len(), centre.read("T2").len()), (1, 1));
}

#[test]
fn a_target_that_could_not_be_met_tells_nobody() {
    let mut centre = centre();
    // The least that is drawn is 30 kW, and 60 kW are what the customers have contracted that can be switched.
    reduce(&mut centre, kw(60), 100, 900);
    centre.base("T1", -9);
    centre.link("T2", false);
    centre.run(90);
    assert!(centre.engine.view().announcements.is_empty());
}

#[test]
fn a_step_down_of_a_schedule_is_told_before_and_a_step_up_is_not() {
    // 06:15 by the clocks is 100 s away, 06:20 five minutes more.
    let mut rules = by_schedule(&[(0, 140), (375, 80), (380, 150)]);
    rules.limits[0].notice = NOTICE;
    let mut centre = Centre::new(rules, &sites());
    centre.run(20);
    let told = announcement(&centre);
    let begins = START.after(s(100));
    // The centre started within the two minutes before: its customers have theirs all the same.
    let ahead = told.ahead.unwrap();
    assert_eq!((ahead.at, ahead.limit), (begins, kw(80)));
    assert!(told.due >= begins);
    centre.run(160);
    assert_eq!(centre.off(), 1);
    assert_eq!(centre.engine.view().announcements.len(), 1);
}

#[test]
fn a_milder_limit_before_the_announced_one_and_a_lower_one_at_its_time_call_nobody_off() {
    // 06:20 by the clocks is 400 s away.
    let mut rules = by_schedule(&[(0, 140), (380, 80), (400, 150)]);
    rules.limits[0].notice = NOTICE;
    let begins = START.after(s(400));
    // So many kW less, from so many seconds on.
    for (less, from_s) in [(5, 360), (5, 400), (9, 400), (11, 400), (20, 360)] {
        let mut centre = Centre::new(rules.clone(), &sites());
        centre.run(300);
        assert_eq!(announcement(&centre).due, begins);
        let from_s = START.after(s(from_s)).since(centre.now).s();
        reduce(&mut centre, kw(less), from_s, from_s + 500);
        centre.run(98);
        let told = announcement(&centre);
        assert_eq!((told.waits, told.due), (true, begins), "{less} kW less in {from_s} s");
        assert_eq!((centre.read("T1").len(), centre.off()), (1, 0));
        centre.run(30);
        assert!(!centre.is_closed("T1", round(1)), "who was told of 06:20 is tripped then");
        assert_eq!((centre.read("T1").len(), centre.engine.view().announcements.len()), (1, 1));
    }
}

#[test]
fn the_limits_ahead_of_a_node_are_told_with_their_times_and_sources() {
    let mut centre = Centre::new(by_schedule(&[(0, 140), (375, 80), (380, 150)]), &sites());
    centre.run(10);
    let ahead = |centre: &Centre, within_s| centre.engine.limits_ahead(node("F"), s(within_s));
    assert!(ahead(&centre, 80).is_empty());
    let times = |all: Vec<LimitAhead>| all.into_iter().map(|it| (it.at.since(START).s(), it.limit)).collect::<Vec<_>>();
    assert_eq!(times(ahead(&centre, 600)), [(100, kw(80)), (400, kw(150))]);
    let target = reduce(&mut centre, kw(30), 190, 350);
    let all = ahead(&centre, 600);
    assert_eq!(all[1].source, LimitSource::Target { target });
    assert_eq!(all[1].aim, kw(60) - Power::new(1_500), "5 % of the reduction below the limit");
    assert_eq!(times(all), [(100, kw(80)), (200, kw(60)), (360, kw(80)), (400, kw(150))]);
    assert_eq!(centre.engine.lower_limit_ahead(node("F"), s(600)).map(|it| it.limit), Some(kw(80)));
    assert!(centre.engine.lower_limit_ahead(node("A1"), s(600)).is_none(), "no rule limits it");
}

#[test]
fn while_automatic_control_is_stopped_nothing_is_told_and_what_was_told_is_called_off() {
    let mut centre = centre();
    reduce(&mut centre, kw(15), 110, 900);
    centre.run(20);
    assert_eq!(centre.read("T1").len(), 1);
    centre.ask("wang", Request::StopAutomatic { reason: String::new() }).unwrap();
    centre.run(70);
    assert_eq!(centre.read("T1").len(), 2);
}

#[test]
fn a_notice_of_a_limit_that_comes_holds_over_a_restart() {
    let mut centre = centre();
    reduce(&mut centre, kw(15), 110, 900);
    centre.run(20);
    let kept = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str(&kept).unwrap();
    centre.restart();
    centre.links_up();
    assert!(announcement(&centre).waits);
    centre.run(120);
    assert_eq!((centre.off(), centre.read("T1").len()), (1, 1));
}

#[test]
fn who_was_not_reached_is_spared_at_the_beginning_where_the_rule_says_so() {
    let notice = NoticeRule { unreached: Unreached::Spare, ..NOTICE };
    let mut centre = Centre::new(rules(notice), &sites());
    centre.display("T1", Display::Refuses);
    centre.run(240);
    reduce(&mut centre, kw(15), 110, 900);
    centre.run(100);
    assert_eq!(centre.read("T2").len(), 1, "the next one is told instead");
    centre.run(40);
    assert!(centre.is_closed("T1", round(1)));
    assert!(!centre.is_closed("T2", round(1)));
}

#[test]
fn the_checker_refuses_a_plan_for_a_limit_that_does_not_come_or_that_wants_too_much() {
    let mut centre = centre();
    reduce(&mut centre, kw(15), 100, 900);
    let ahead = centre.engine.lower_limit_ahead(node("F"), s(120)).unwrap();
    let engine = &centre.engine;
    let rule =
        LimitRule { limit: ahead.limit, margin: Some(ahead.limit - ahead.aim), ..rules(NOTICE).limits.remove(0) };
    let made = |wanted| {
        plan(&Task { rule: &rule, pass: 1, load: kw(90), wanted }, &engine.facts(node("F"), &Default::default()))
    };
    let wanted = kw(90) - ahead.aim;
    let checked = |wanted, ahead: &LimitAhead| check_ahead(&engine.world(), &made(wanted), ahead);
    assert_eq!(checked(wanted, &ahead), Ok(()));
    let more = wanted + Power::new(1);
    assert_eq!(checked(more, &ahead), Err(Violation::Double { node: node("F"), wanted: more, needed: wanted }));
    let lower = LimitAhead { limit: kw(70), ..ahead };
    assert!(matches!(checked(wanted, &lower), Err(Violation::NoSuchLimit { .. })));
    let later = LimitAhead { at: ahead.at.after(s(120)), ..ahead };
    assert!(matches!(checked(wanted, &later), Err(Violation::NoSuchLimit { .. })), "further ahead than the notice");
    assert!(centre.is_closed("T1", round(1)) && terminal("T1") == made(wanted).shed[0].terminal);
}

#[test]
fn a_target_that_cannot_begin_yet_makes_no_other_begin_late() {
    let rules = policy(vec![limit("F", 200), limit("A2", 100)]);
    let mut centre = Centre::new(rules, &sites());
    centre.run(60);
    let (from, to) = (centre.now.after(s(3_000)), centre.now.after(s(9_000)));
    let of_area = Request::SetTarget { node: node("A2"), reduction: kw(5), from, to, reason: String::new() };
    centre.ask("wang", of_area).unwrap();
    centre.reports("T3", false);
    centre.run(3_010);
    let begun = |centre: &Centre, id: &str| {
        let id = node(id);
        centre.events().any(|event| matches!(event, Happening::TargetBegun { node, .. } if *node == id))
    };
    assert!(!begun(&centre, "A2"), "nobody knows what it would be taken off");
    // Between two tries of the area's target, which come each second.
    let from = Timestamp::new(centre.now.get() + 1_500);
    let of_feeder = Request::SetTarget { node: node("F"), reduction: kw(5), from, to, reason: String::new() };
    centre.ask("wang", of_feeder).unwrap();
    for after_ms in [1_000, 1_600] {
        let at = Timestamp::new(from.get() - 1_500 + after_ms);
        centre.apply(crate::input::Input::Tick { at });
    }
    assert!(begun(&centre, "F"));
}
