//! Notices before trips: told, due, executed anew or called off.

use std::collections::BTreeSet;

use super::fleet::{Centre, Display};
use crate::input::{Input, Request};
use crate::limiting::check::Violation;
use crate::limiting::notice::check_notice;
use crate::limiting::plan::{Task, plan};
use crate::model::Power;
use crate::notices::{Announcement, Delivery, NoticeRule, Unreached};
use crate::output::{Finding, Happening, Output};
use crate::policy::LimitRule;
use crate::testing::{Site, kw, limit, node, policy, round, s, site, terminal};
use crate::view::LimitState;

/// Two customers of a round each and one of two, 20 kW all of them; 110 kW together.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20]).class(5), site("T2", "A1", &[20]).class(4), site("T3", "A2", &[20, 20]).class(3)]
}

/// Told two minutes before; above 120 of 100 kW nobody waits.
fn rule(unreached: Unreached) -> LimitRule {
    LimitRule { notice: NoticeRule { before: s(120), unreached, urgent_percent: 120 }, ..limit("F", 100) }
}

fn centre(unreached: Unreached) -> Centre {
    Centre::new(policy(vec![rule(unreached)]), &sites())
}

fn announcement(centre: &Centre) -> Announcement {
    centre.engine.view().announcements.into_iter().next().unwrap()
}

fn over_of(centre: &Centre) -> Vec<Happening> {
    let of = |event: &&Happening| matches!(event, Happening::NoticeOver { .. } | Happening::NoticeCut { .. });
    centre.events().filter(of).cloned().collect()
}

#[test]
fn customers_are_told_first_and_tripped_when_the_time_has_come_not_before() {
    let mut centre = centre(Unreached::Trip);
    centre.run(14);
    let told = announcement(&centre);
    assert!(told.waits);
    assert_eq!(told.notices.len(), 1, "110 of 100, aiming at 95: one round of the least important");
    assert!(matches!(told.notices[0].told.delivery, Delivery::Delivered { .. }));
    assert_eq!(centre.read("T1"), ["F is near its limit: rounds 1 (20 kW) may be switched off from 22:15Z."]);
    assert!(centre.read("T2").is_empty());
    centre.run(110);
    assert_eq!(centre.off(), 0);
    assert_eq!(centre.state("F"), LimitState::Over);
    centre.run(20);
    assert_eq!(centre.off(), 1);
    assert!(!centre.is_closed("T1", round(1)));
    assert_eq!(over_of(&centre), [Happening::NoticeOver { node: node("F"), told: 1, untold: Vec::new() }]);
    assert_eq!(centre.read("T1").len(), 1, "what came true is not called off");
}

#[test]
fn a_rule_without_notice_trips_as_ever_and_tells_nobody() {
    let mut centre = Centre::new(policy(vec![limit("F", 100)]), &sites());
    centre.run(20);
    assert_eq!(centre.off(), 1);
    assert!(centre.engine.view().announcements.is_empty());
    assert!(!centre.outputs.iter().any(|(_, output)| matches!(output, Output::Tell(_))));
}

#[test]
fn when_the_load_falls_back_by_itself_what_was_announced_is_called_off() {
    let mut centre = centre(Unreached::Trip);
    centre.run(60);
    centre.base("T3", -20);
    centre.run(10);
    assert_eq!(centre.read("T1").len(), 2);
    assert_eq!(centre.read("T1")[1], "Called off: nothing is switched off for F; the notice for 22:15Z is void.");
    let told = announcement(&centre);
    assert_eq!(told.ended.unwrap().why, "the load is back below the limit");
    centre.run(200);
    assert_eq!(centre.off(), 0);
}

#[test]
fn who_was_not_reached_is_tripped_all_the_same_and_listed_with_the_reason() {
    let mut centre = centre(Unreached::Trip);
    centre.display("T1", Display::Refuses);
    centre.run(150);
    assert!(!centre.is_closed("T1", round(1)));
    let text = over_of(&centre)[0].to_string();
    assert_eq!(text, "F: the notice is over: of those to be shed 0 were told, 1 not: T1 (it refused the file)");
    assert_eq!(announcement(&centre).without_notice, [terminal("T1")]);
}

#[test]
fn a_notice_without_an_answer_has_reached_nobody() {
    let mut centre = centre(Unreached::Trip);
    centre.display("T1", Display::Silent);
    centre.run(60);
    assert_eq!(announcement(&centre).notices[0].told.delivery, Delivery::Sent);
    centre.run(90);
    assert_eq!(announcement(&centre).notices[0].not_reached(), Some("no answer in time"));
}

#[test]
fn who_was_not_reached_is_spared_where_the_rule_says_so_and_others_are_told() {
    let mut centre = centre(Unreached::Spare);
    centre.display("T1", Display::Refuses);
    centre.run(80);
    assert_eq!(centre.off(), 0);
    assert_eq!(centre.read("T2").len(), 1, "the next one is told instead");
    centre.run(70);
    assert!(centre.is_closed("T1", round(1)));
    assert!(!centre.is_closed("T2", round(1)));
    let spared = centre.events().any(|event| {
        matches!(event, Happening::Planned { spared, .. } if spared.contains(&Finding::NotReached { terminal: terminal("T1") }))
    });
    assert!(spared);
}

#[test]
fn an_urgent_load_does_not_wait_and_says_who_was_not_told() {
    let mut centre = centre(Unreached::Spare);
    centre.base("T3", 25);
    centre.run(20);
    assert!(centre.off() > 0);
    let text = over_of(&centre)[0].to_string();
    assert!(
        text.starts_with("F: 125.0 kW is over 120 % of the limit of 100.0 kW: no waiting; without notice: T1"),
        "{text}"
    );
}

#[test]
fn a_load_that_becomes_urgent_cuts_a_notice_short() {
    let mut centre = centre(Unreached::Trip);
    centre.run(30);
    assert_eq!(centre.off(), 0);
    centre.base("T3", 25);
    centre.run(10);
    assert!(centre.off() > 0);
    assert!(over_of(&centre)[0].to_string().contains("T1 (told "));
}

#[test]
fn at_its_time_a_plan_is_made_anew_and_who_is_newly_chosen_is_marked() {
    let mut centre = centre(Unreached::Trip);
    centre.run(125);
    // Just before the time there is more to be shed than anybody was told of.
    centre.base("T3", 18);
    centre.run(12);
    assert!(!centre.is_closed("T1", round(1)));
    assert!(!centre.is_closed("T2", round(1)));
    let text = over_of(&centre)[0].to_string();
    assert_eq!(text, "F: the notice is over: of those to be shed 1 were told, 1 not: T2 (chosen after the notice)");
}

#[test]
fn who_is_chosen_while_a_notice_runs_is_told_within_a_minute() {
    let mut centre = centre(Unreached::Trip);
    centre.run(20);
    centre.base("T3", 18);
    centre.run(70);
    assert_eq!(centre.read("T2").len(), 1);
    centre.run(60);
    assert_eq!(over_of(&centre), [Happening::NoticeOver { node: node("F"), told: 2, untold: Vec::new() }]);
}

#[test]
fn the_stop_of_automatic_control_calls_off_what_was_announced_and_nothing_is_announced_meanwhile() {
    let mut centre = centre(Unreached::Trip);
    centre.run(30);
    centre.ask("wang", Request::StopAutomatic { reason: String::new() }).unwrap();
    centre.run(300);
    assert_eq!(centre.read("T1").len(), 2);
    assert_eq!(centre.off(), 0);
    centre.ask("wang", Request::ResumeAutomatic { reason: String::new() }).unwrap();
    centre.run(60);
    assert_eq!(centre.read("T1").len(), 3, "told anew");
    assert_eq!(centre.off(), 0);
    centre.run(90);
    assert_eq!(centre.off(), 1);
}

#[test]
fn what_was_announced_survives_a_restart_and_is_looked_at_anew() {
    let mut centre = centre(Unreached::Trip);
    centre.display("T1", Display::Silent);
    centre.run(30);
    let kept = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str(&kept).unwrap();
    centre.restart();
    centre.links_up();
    let told = announcement(&centre);
    assert!(told.waits);
    assert_eq!(told.notices[0].not_reached(), Some("the centre was stopped before an answer came"));
    centre.run(60);
    assert_eq!(centre.off(), 0);
    centre.run(70);
    assert_eq!(centre.off(), 1);
}

#[test]
fn a_second_plan_of_a_breach_tells_those_who_were_not_told_yet() {
    let mut centre = centre(Unreached::Trip);
    centre.run(140);
    assert_eq!(centre.off(), 1);
    // What went off was not enough, and the effect of the plan has been judged.
    centre.base("T3", 25);
    centre.run(60);
    assert_eq!(centre.off(), 1);
    assert_eq!(centre.read("T2").len(), 1);
    centre.run(120);
    assert!(!centre.is_closed("T2", round(1)));
}

#[test]
fn a_link_that_is_down_is_no_way_to_tell_anybody() {
    let mut centre = centre(Unreached::Trip);
    centre.run(30);
    centre.base("T3", -20);
    centre.apply(Input::Link { at: centre.now, terminal: terminal("T1"), up: false });
    centre.run(10);
    let called_off = announcement(&centre).notices[0].called_off.clone().unwrap();
    assert_eq!(called_off.delivery, Delivery::NotReached { why: "the link is down".into() });
    assert_eq!(centre.truth("F") - kw(80), Power::ZERO);
}

#[test]
fn customers_below_a_rule_that_is_taken_away_learn_that_nothing_comes() {
    let mut centre = centre(Unreached::Trip);
    centre.run(30);
    centre.set_policy(policy(vec![limit("F", 300)]));
    centre.run(5);
    assert_eq!(centre.read("T1").len(), 2);
}

#[test]
fn where_all_who_were_told_were_not_reached_others_are_told_at_the_due_time() {
    let mut centre = centre(Unreached::Spare);
    centre.display("T1", Display::Silent);
    centre.run(140);
    assert_eq!(centre.off(), 0);
    assert_eq!(centre.read("T2").len(), 1);
    centre.run(125);
    assert!(centre.is_closed("T1", round(1)));
    assert!(!centre.is_closed("T2", round(1)));
}

/// What the checker says of a plan that is made now, whatever the rule was doing.
fn checked(centre: &Centre, rule: &LimitRule) -> Result<(), Violation> {
    let engine = &centre.engine;
    let task = Task { rule, pass: 1, load: kw(110), wanted: kw(15) };
    let plan = plan(&task, &engine.facts(node("F"), &BTreeSet::new()));
    assert!(!plan.shed.is_empty());
    check_notice(&engine.world(), &plan, rule)
}

#[test]
fn the_checker_refuses_a_plan_whose_customers_were_not_told_or_before_the_time_that_they_were_told() {
    let mut centre = centre(Unreached::Trip);
    let (trip, spare) = (rule(Unreached::Trip), rule(Unreached::Spare));
    let (terminal, round) = (terminal("T1"), round(1));
    centre.run(5);
    assert_eq!(checked(&centre, &trip), Err(Violation::NotAnnounced { terminal, round }));
    centre.display("T1", Display::Refuses);
    centre.run(15);
    let due = announcement(&centre).due;
    assert_eq!(checked(&centre, &trip), Err(Violation::BeforeNotice { node: node("F"), due }));
    assert!(centre.run_until(200, |centre| centre.now >= due.after(s(-1))));
    centre.apply(Input::Told {
        at: due,
        notice: announcement(&centre).notices[0].told.id,
        failed: Some("late".into()),
    });
    let plain = limit("F", 100);
    assert_eq!(checked(&centre, &plain), Ok(()), "a rule without notice waits for nobody");
    assert_eq!(checked(&centre, &spare), Err(Violation::NotReached { terminal }));
}
