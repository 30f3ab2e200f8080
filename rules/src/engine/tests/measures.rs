//! Agreed measures: asked for in their order, waited for, judged, substituted, given back.

use std::collections::BTreeSet;

use super::fleet::{Centre, Display};
use crate::input::{Authority, Input, Origin, Request};
use crate::limiting::check::{Violation, World};
use crate::limiting::measures::{Ask, Occasion, check_asks, check_pending};
use crate::limiting::plan::{Task, plan};
use crate::measures::{Measure, MeasureEnding, MeasureKind, MeasureRule, MeasureState, Unasked, Window};
use crate::model::Power;
use crate::notices::{Delivery, NoticeRule};
use crate::orders::{Action, OrderState};
use crate::output::{Happening, Output, Refusal, Reply};
use crate::policy::LimitRule;
use crate::testing::{Site, kw, limit, node, policy, round, s, site, terminal};

/// Three customers of 40 kW, half of it behind a round, each with a measure of another kind that takes off 10.
fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20]).base(20).class(5).agrees(MeasureKind::Limit, 30),
        site("T2", "A1", &[20]).base(20).class(4).agrees(MeasureKind::Avoid, 10),
        site("T3", "A2", &[20]).base(20).class(3).agrees(MeasureKind::Shift, 10),
    ]
}

/// Asks from 90 % of the limit on and waits for five minutes; above 110 % it waits for nobody.
fn rule(limit_kw: i32) -> LimitRule {
    LimitRule { measures: MeasureRule { asks: true, from_percent: 90, wait: s(300) }, ..limit("F", limit_kw) }
}

/// 120 of 115 kW, aiming at 109.25.
fn centre() -> Centre {
    Centre::new(policy(vec![rule(115)]), &sites())
}

fn measures(centre: &Centre) -> Vec<Measure> {
    centre.engine.measures().cloned().collect()
}

fn of(centre: &Centre, id: &str) -> Measure {
    measures(centre).into_iter().find(|it| it.terminal == terminal(id)).unwrap()
}

fn stages(centre: &Centre) -> Vec<(String, &'static str)> {
    let mut all = measures(centre);
    all.sort_by_key(|it| it.id);
    all.iter().map(|it| (it.terminal.to_string(), it.stage())).collect()
}

fn named(of: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    of.iter().map(|(id, stage)| ((*id).to_owned(), *stage)).collect()
}

/// Why a customer was not asked when others last were.
fn unasked(centre: &Centre, id: &str) -> Option<Unasked> {
    let asked = centre.events().filter_map(|event| match event {
        Happening::MeasuresAsked { spared, .. } => Some(spared),
        _ => None,
    });
    asked.last()?.iter().find(|it| it.terminal == terminal(id)).map(|it| it.why.clone())
}

#[test]
fn shift_is_asked_before_avoid_before_limit_and_no_more_than_is_wanted() {
    let mut centre = centre();
    centre.run(5);
    assert_eq!(stages(&centre), named(&[("T3", "told"), ("T2", "told")]));
    assert_eq!(unasked(&centre, "T1"), Some(Unasked::NotNeeded));
    assert_eq!(
        centre.read("T3"),
        ["As agreed for F: please move 10 kW to another time, from 22:14Z to 22:24Z at most."]
    );
    assert_eq!(centre.read("T2"), ["As agreed for F: please stop 10 kW from 22:14Z to 22:24Z at most."]);
    assert!(centre.read("T1").is_empty());
}

#[test]
fn customers_who_do_what_they_agreed_to_spare_everybody_a_trip() {
    let mut centre = centre();
    centre.run(70);
    assert_eq!(centre.off(), 0, "what is asked for is waited for");
    centre.base("T3", 10);
    centre.base("T2", 10);
    centre.run(60);
    assert_eq!(stages(&centre), named(&[("T3", "delivered"), ("T2", "delivered")]));
    assert_eq!((of(&centre, "T3").expected, of(&centre, "T3").gone), (kw(10), kw(10)));
    assert_eq!(centre.off(), 0);
    assert!(centre.commands(crate::orders::Step::Select).is_empty());
}

#[test]
fn who_gives_nothing_is_listed_and_the_rest_is_tripped() {
    let mut centre = centre();
    centre.run(62);
    centre.base("T3", 10);
    // T2 goes on as before; 110 of 109.25 is no breach, so a little more is drawn.
    centre.base("T1", 26);
    centre.run(40);
    assert_eq!(of(&centre, "T2").state, MeasureState::NotDelivered);
    let told =
        centre.events().find(|it| matches!(it, Happening::MeasureJudged { state: MeasureState::NotDelivered, .. }));
    assert_eq!(told.unwrap().to_string(), "F: T2 did not give its avoid (M2): 0.0 kW of 10.0 kW gone");
    // T1 is asked instead; it gives nothing either.
    assert_eq!(of(&centre, "T1").stage(), "told");
    assert_eq!(centre.off(), 0);
    centre.run(120);
    assert_eq!(centre.off(), 1, "what nobody gave is tripped");
}

#[test]
fn a_load_that_is_urgent_waits_for_nobody_and_they_are_asked_all_the_same() {
    let mut centre = Centre::new(policy(vec![rule(105)]), &sites());
    centre.run(20);
    assert!(centre.off() > 0, "120 of 105 is more than 110 %");
    assert!(!measures(&centre).is_empty());
}

#[test]
fn a_breach_waits_no_longer_than_the_rule_says() {
    let patient = rule(115);
    let hasty = LimitRule { measures: MeasureRule { wait: s(60), ..patient.measures }, ..patient };
    let mut sites = sites();
    for site in &mut sites {
        site.measures[0].notice = s(120);
    }
    let mut centre = Centre::new(policy(vec![hasty]), &sites);
    centre.run(20);
    assert_eq!(stages(&centre), [], "what comes too late is not asked for");
    assert_eq!(centre.off(), 1);
}

#[test]
fn measures_are_released_last_asked_first_one_by_one_and_only_into_room_that_is_there() {
    let mut centre = centre();
    centre.run(62);
    for id in ["T2", "T3"] {
        centre.base(id, 10);
    }
    centre.run(100);
    assert_eq!(stages(&centre), named(&[("T3", "delivered"), ("T2", "delivered")]), "100 and 10 would be 110 of 103.5");
    centre.base("T1", 8);
    centre.run(60);
    // 88 and 10: room for the one asked last, and seen coming back before the other.
    assert_eq!(stages(&centre), named(&[("T3", "delivered"), ("T2", "released")]));
    assert_eq!(centre.read("T2")[1], "Thank you: what was agreed for F from 22:14Z is over, no kW need be held back.");
    centre.run(40);
    assert_eq!(of(&centre, "T3").stage(), "delivered", "T2 is expected back");
    centre.base("T2", 20);
    centre.base("T1", 0);
    centre.run(80);
    assert_eq!(of(&centre, "T3").stage(), "released");
}

#[test]
fn a_measure_is_over_when_its_longest_time_is_and_others_are_asked_beforehand() {
    let mut sites = sites();
    sites[0].measures[0].notice = s(120);
    let mut centre = Centre::new(policy(vec![rule(115)]), &sites);
    centre.run(62);
    for id in ["T2", "T3"] {
        centre.base(id, 10);
    }
    // Both end 660 s after the beginning, and 120 come back.
    assert!(centre.run_until(700, |centre| measures(centre).iter().any(|it| it.terminal == terminal("T1"))));
    let instead = of(&centre, "T1");
    assert!(instead.due >= of(&centre, "T2").until, "{instead:?}");
    assert_eq!(of(&centre, "T2").stage(), "delivered", "asked before it ends");
    assert!(centre.run_until(200, |centre| of(centre, "T2").stage() == "over"));
    assert_eq!(centre.read("T2").len(), 1, "that it ends then was said when it was asked for");
}

#[test]
fn what_is_not_wanted_any_more_before_its_time_is_called_off() {
    let mut centre = centre();
    centre.run(20);
    centre.base("T1", -10);
    centre.run(20);
    assert_eq!(stages(&centre), named(&[("T3", "called off"), ("T2", "called off")]));
    assert_eq!(centre.read("T3").len(), 2);
}

#[test]
fn without_the_rule_the_agreement_or_with_a_guarantee_a_measure_is_called_off_with_the_reason() {
    let why = |centre: &Centre, id| of(centre, id).ended.unwrap().why;
    let mut without = centre();
    without.run(20);
    without.set_policy(policy(vec![limit("F", 115)]));
    without.run(2);
    assert_eq!(why(&without, "T3"), "the rule that asked is there no more");
    let mut changed = centre();
    changed.run(20);
    let mut sites = sites();
    sites[2].measures.clear();
    sites[1].guaranteed = true;
    changed.set_inventory(&sites);
    changed.run(2);
    assert_eq!(why(&changed, "T3"), "it is not agreed any more");
    assert_eq!(why(&changed, "T2"), "its supply is guaranteed");
}

#[test]
fn nothing_is_asked_while_automatic_control_is_stopped_and_what_has_not_begun_is_called_off() {
    let mut centre = centre();
    centre.run(20);
    centre.ask("ada", Request::StopAutomatic { reason: String::new() }).unwrap();
    assert_eq!(stages(&centre), named(&[("T3", "called off"), ("T2", "called off")]));
    centre.run(100);
    assert_eq!(measures(&centre).len(), 2, "the guard sees that no text goes out either");
}

#[test]
fn whom_no_text_reached_is_not_counted_on_and_the_next_one_is_asked() {
    let mut centre = centre();
    centre.display("T3", Display::Refuses);
    centre.run(30);
    assert_eq!(of(&centre, "T3").ended.unwrap().how, MeasureEnding::NotReached);
    assert_eq!(of(&centre, "T1").stage(), "told");
    let mut silent = self::centre();
    silent.display("T3", Display::Silent);
    silent.run(55);
    assert_eq!(of(&silent, "T3").told.delivery, Delivery::Sent);
    assert!(silent.run_until(120, |centre| of(centre, "T3").stage() == "not reached"));
}

#[test]
fn each_who_is_not_asked_has_a_reason() {
    let spared = |change: &dyn Fn(&mut Vec<Site>), after: &dyn Fn(&mut Centre)| {
        let mut sites = sites();
        change(&mut sites);
        let mut centre = Centre::new(policy(vec![rule(500)]), &sites);
        after(&mut centre);
        centre.run(3);
        centre.set_policy(policy(vec![rule(115)]));
        centre.run(12);
        assert!(measures(&centre).iter().all(|it| it.terminal != terminal("T3")), "{:?}", measures(&centre));
        unasked(&centre, "T3").unwrap()
    };
    let nothing = |_: &mut Centre| {};
    let window = Window { from: 0, to: 60, ..Window::ALWAYS };
    let outside = spared(&|sites| sites[2].measures[0].window = Window { from: 0, to: 60, ..Window::ALWAYS }, &nothing);
    assert_eq!(outside, Unasked::OutsideWindow { window });
    let late = spared(&|sites| sites[2].measures[0].notice = s(3_600), &nothing);
    assert_eq!(late, Unasked::TooLate { notice: s(3_600) });
    let at_its_floor = |centre: &mut Centre| {
        centre.base("T3", 10);
        centre.base("T1", 30);
    };
    let floor = spared(&|sites| sites[2].floor = kw(30), &at_its_floor);
    assert_eq!(floor, Unasked::NothingToGive { load: kw(30) });
    assert_eq!(spared(&|sites| sites[2].guaranteed = true, &nothing), Unasked::Guaranteed);
    assert_eq!(spared(&|_| {}, &|centre| centre.link("T3", false)), Unasked::LinkDown);
}

#[test]
fn nobody_is_asked_oftener_in_seven_days_than_was_agreed() {
    let mut sites = sites();
    sites[2].measures[0].per_week_max = Some(1);
    let mut centre = Centre::new(policy(vec![rule(115)]), &sites);
    centre.run(62);
    for id in ["T2", "T3"] {
        centre.base(id, 10);
    }
    centre.run(60);
    for id in ["T1", "T2"] {
        centre.base(id, 0);
    }
    assert!(centre.run_until(400, |centre| of(centre, "T3").stage() == "released"));
    centre.base("T3", 20);
    centre.base("T2", 22);
    centre.base("T1", 22);
    centre.run(20);
    assert_eq!(unasked(&centre, "T3"), Some(Unasked::UsedUp { most: 1 }));
}

#[test]
fn who_gave_nothing_is_asked_last_the_next_time() {
    let sites: Vec<Site> =
        ["T1", "T2", "T3"].map(|id| site(id, "A1", &[20]).base(20).agrees(MeasureKind::Avoid, 11)).into();
    let mut centre = Centre::new(policy(vec![rule(115)]), &sites);
    centre.run(5);
    assert_eq!(stages(&centre), named(&[("T1", "told")]));
    // T1 gives nothing; T2 is asked instead and gives.
    assert!(centre.run_until(200, |centre| of(centre, "T1").state == MeasureState::NotDelivered));
    assert!(centre.run_until(100, |centre| measures(centre).iter().any(|it| it.terminal == terminal("T2"))));
    centre.run(60);
    centre.base("T2", 9);
    centre.run(60);
    centre.base("T3", -15);
    assert!(centre.run_until(900, |centre| measures(centre).iter().all(|it| it.ended.is_some())));
    centre.run(3_600);
    for id in ["T2", "T3"] {
        centre.base(id, 20);
    }
    centre.run(12);
    let standing: Vec<String> =
        measures(&centre).iter().filter(|it| it.ended.is_none()).map(|it| it.terminal.to_string()).collect();
    assert_eq!(standing, ["T3"], "never asked, before asked once, before who failed");
}

#[test]
fn a_customer_that_gave_has_had_its_turn_and_its_energy_is_counted_apart() {
    let mut centre = centre();
    centre.run(62);
    centre.base("T3", 10);
    centre.base("T2", 10);
    centre.run(300);
    let burden = centre.engine.terminal(terminal("T3")).unwrap().burden;
    assert_eq!((burden.turns, burden.curtailed.get()), (1, 0));
    assert!((700..=900).contains(&burden.given.get()), "10 kW for nearly five minutes: {:?}", burden.given);
    assert_eq!(centre.engine.terminal(terminal("T1")).unwrap().burden.turns, 0);
}

#[test]
fn measures_stand_over_restarts_and_their_numbers_go_on() {
    let mut centre = centre();
    centre.run(62);
    centre.base("T3", 10);
    centre.base("T2", 10);
    centre.run(40);
    centre.restart();
    centre.links_up();
    centre.run(30);
    assert_eq!(stages(&centre), named(&[("T3", "delivered"), ("T2", "delivered")]));
    centre.base("T1", 30);
    centre.run(30);
    assert_eq!(of(&centre, "T1").id.to_string(), "M3");
}

#[test]
fn a_limit_above_leaves_to_measures_what_they_give_below() {
    let area = LimitRule { node: node("A1"), ..rule(75) };
    let mut centre = Centre::new(policy(vec![area, limit("F", 115)]), &sites());
    centre.run(40);
    let wanted = centre.events().find_map(|event| match event {
        Happening::Planned { node: of, wanted, .. } if *of == node("F") => Some(*wanted),
        _ => None,
    });
    assert_eq!(wanted, Some(Power::new(10_750)), "the feeder's own rule waits for no measures");
    let both = LimitRule { node: node("A1"), ..rule(75) };
    let mut centre = Centre::new(policy(vec![both, rule(115)]), &sites());
    centre.run(40);
    assert_eq!(centre.off(), 0);
    let asked = centre.outputs.iter().filter(|(_, output)| matches!(output, Output::Tell(_))).count();
    assert_eq!(asked, 2, "T2 for the area, T3 for what the feeder needs besides");
}

#[test]
fn an_answer_that_comes_late_does_no_harm() {
    let mut centre = centre();
    centre.display("T3", Display::Silent);
    assert!(centre.run_until(300, |centre| measures(centre).iter().any(|it| it.stage() == "not reached")));
    let notice = of(&centre, "T3").told.id;
    centre.apply(Input::Told { at: centre.now, notice, failed: None });
    centre.run(5);
    assert!(centre.is_closed("T3", round(1)) || centre.off() > 0);
    assert_eq!(of(&centre, "T3").stage(), "not reached");
}

/// Asks for a target of 15 kW off from a quarter of an hour ahead on.
fn aim_later(centre: &mut Centre) {
    let from = centre.now.after(s(900));
    let (node, reduction, to) = (node("F"), kw(15), from.after(s(600)));
    let target = Request::SetTarget { node, reduction, from, to, reason: String::new() };
    centre.ask("ada", target).unwrap();
}

#[test]
fn what_a_target_will_need_is_asked_for_so_long_ahead_as_was_agreed() {
    let mut sites = sites();
    sites[2].measures[0].notice = s(600);
    let mut centre = Centre::new(policy(vec![rule(200)]), &sites);
    centre.run(20);
    aim_later(&mut centre);
    centre.run(200);
    assert_eq!(stages(&centre), []);
    // 120 less 15, and a margin: shift and avoid. Each is told when its notice begins, for the time of the target.
    assert!(centre.run_until(100, |centre| stages(centre) == named(&[("T3", "told")])));
    let begins = of(&centre, "T3").due;
    assert_eq!(begins.since(of(&centre, "T3").asked_at).s() / 60, 10);
    assert!(centre.run_until(600, |centre| measures(centre).len() == 2));
    assert_eq!(of(&centre, "T2").due, begins);
    assert!(centre.run_until(100, |centre| centre.now >= begins));
    centre.base("T3", 10);
    centre.base("T2", 10);
    centre.run(60);
    assert_eq!(stages(&centre), named(&[("T3", "delivered"), ("T2", "delivered")]));
    assert_eq!(centre.off(), 0);
}

#[test]
fn what_was_asked_for_a_target_that_is_cancelled_is_called_off() {
    let mut centre = Centre::new(policy(vec![rule(200)]), &sites());
    centre.run(20);
    aim_later(&mut centre);
    assert!(centre.run_until(900, |centre| measures(centre).len() == 2));
    let target = centre.engine.view().targets[0].id;
    centre.ask("ada", Request::CancelTarget { target, reason: String::new() }).unwrap();
    centre.run(12);
    assert_eq!(stages(&centre), named(&[("T3", "called off"), ("T2", "called off")]));
}

#[test]
fn a_person_asks_for_one_by_hand_and_releases_it_whatever_the_rules_do() {
    let mut centre = Centre::new(policy(vec![limit("F", 500)]), &sites());
    centre.run(3);
    let ask = |id: &str, kind| Request::AskMeasure { terminal: terminal(id), kind, reason: "works".into() };
    let refused = centre.ask("ada", ask("T1", MeasureKind::Shift)).unwrap_err();
    assert_eq!(refused.to_string(), "T1: shift is not asked for: its customer agreed to none; nothing was sent");
    centre.ask("ada", Request::StopAutomatic { reason: String::new() }).unwrap();
    let Ok(Reply::Measure { measure }) = centre.ask("ada", ask("T1", MeasureKind::Limit)) else { panic!() };
    assert_eq!(centre.read("T1"), ["As agreed for F: please keep below 30 kW from 22:14Z to 22:24Z at most."]);
    let again = centre.ask("ada", ask("T1", MeasureKind::Limit)).unwrap_err();
    assert_eq!(again.to_string(), "T1: limit is not asked for: M1 stands; nothing was sent");
    centre.run(60);
    centre.base("T1", 10);
    centre.run(60);
    assert_eq!(of(&centre, "T1").stage(), "delivered");
    let release = Request::ReleaseMeasure { measure, reason: "done".into() };
    assert_eq!(centre.ask("ada", release.clone()), Ok(Reply::Done));
    assert_eq!(of(&centre, "T1").ended.unwrap().why, "by ada: done");
    assert_eq!(centre.read("T1").len(), 2);
    assert_eq!(centre.ask("ada", release), Err(Refusal::UnknownMeasure { measure }));
    let audit = centre.audits().into_iter().rev().nth(1).unwrap();
    assert_eq!(
        (audit.object.as_str(), audit.before.as_str(), audit.after.as_str()),
        ("T1 M1", "delivered", "released")
    );
}

#[test]
fn neither_is_a_trip_part_of_a_measure_nor_the_return_of_a_round_its_end() {
    let mut centre = Centre::new(policy(vec![limit("F", 500)]), &sites());
    centre.run(3);
    assert_eq!(centre.operate("T3", Action::Trip { round: round(1) }), OrderState::Confirmed);
    let ask = Request::AskMeasure { terminal: terminal("T3"), kind: MeasureKind::Shift, reason: String::new() };
    centre.ask("ada", ask).unwrap();
    centre.run(62);
    centre.base("T3", 10);
    centre.run(30);
    assert_eq!(centre.operate("T3", Action::Restore { round: round(1) }), OrderState::Confirmed);
    centre.run(30);
    assert_eq!((of(&centre, "T3").stage(), of(&centre, "T3").gone), ("delivered", kw(10)));
    assert_eq!(centre.operate("T3", Action::Trip { round: round(1) }), OrderState::Confirmed);
    centre.run(30);
    assert_eq!(of(&centre, "T3").gone, kw(10));
}

#[test]
fn a_person_releases_nobody_into_a_load_that_leaves_no_room() {
    let mut centre = centre();
    centre.run(62);
    for id in ["T2", "T3"] {
        centre.base(id, 10);
    }
    centre.run(60);
    centre.base("T1", 30);
    // What it gave comes back, though it draws otherwise by now.
    centre.base("T3", 15);
    centre.run(5);
    let measure = of(&centre, "T3").id;
    let refused = centre.ask("ada", Request::ReleaseMeasure { measure, reason: String::new() }).unwrap_err();
    assert_eq!(refused.to_string(), "releasing M1 of T3 would take F to 125.0 kW, above its limit of 115.0 kW");
    assert_eq!(of(&centre, "T3").stage(), "delivered");
    centre.ask("ada", Request::DeclineMeasure { measure, reason: "it called".into() }).unwrap();
}

#[test]
fn who_declined_is_not_counted_on_and_not_asked_again_for_a_day() {
    let mut centre = centre();
    centre.run(20);
    let measure = of(&centre, "T3").id;
    let decline = Request::DeclineMeasure { measure, reason: "a furnace is running".into() };
    let elsewhere = Authority { area: Some(vec![node("A1")]), supervisor: false };
    let bob = Origin { authority: elsewhere, ..Origin::new("bob", "test") };
    assert!(matches!(centre.ask_as(bob, decline.clone()), Err(Refusal::OutsideArea { .. })));
    centre.ask("ada", decline).unwrap();
    assert_eq!(of(&centre, "T3").stage(), "declined");
    centre.run(15);
    assert_eq!(of(&centre, "T1").stage(), "told", "the next one is asked instead");
    assert!(matches!(unasked(&centre, "T3"), Some(Unasked::Resting { .. })));
}

#[test]
fn a_dry_run_asks_first_and_plans_for_the_rest_and_a_plan_says_what_became_of_measures() {
    let mut centre = Centre::new(policy(vec![rule(500)]), &sites());
    centre.run(3);
    let run = centre.engine.dry_run(node("F"), Some(kw(110))).unwrap();
    // 120 aiming at 104.5: shift and avoid give 20.
    let asked: Vec<String> = run.measures.asked.iter().map(|it| it.terminal.to_string()).collect();
    assert_eq!(asked, ["T3", "T2"]);
    assert_eq!((run.plans.len(), run.missing), (0, Power::ZERO));
    let urgent = centre.engine.dry_run(node("F"), Some(kw(100))).unwrap();
    assert!(!urgent.measures.asked.is_empty() && urgent.rounds > 0, "what is urgent is asked for and tripped");
    let mut centre = self::centre();
    centre.run(220);
    let so_far = centre.events().find_map(|event| match event {
        Happening::Planned { outlook: Some(outlook), .. } => outlook.measures.clone(),
        _ => None,
    });
    let short: Vec<String> = so_far.unwrap().fell_short.iter().map(|it| it.terminal.to_string()).collect();
    assert!(short.contains(&"T3".to_owned()), "{short:?}");
}

/// What a rule would ask for now, and what the checker says of that with one thing changed.
fn checked(sites: &[Site], change: impl Fn(&mut Vec<Ask>, &mut Occasion)) -> Result<(), Violation> {
    checked_after(sites, |_| (), change)
}

fn checked_after(
    sites: &[Site],
    before: impl Fn(&mut Centre),
    change: impl Fn(&mut Vec<Ask>, &mut Occasion),
) -> Result<(), Violation> {
    let mut quiet = rule(115);
    quiet.measures.asks = false;
    let mut centre = Centre::new(policy(vec![quiet]), sites);
    before(&mut centre);
    centre.run(3);
    let now = centre.now;
    let ask = |id: &str, kind| {
        let due = now.after(s(60));
        Ask { terminal: terminal(id), kind, power: kw(10), due, until: due.after(s(600)) }
    };
    let mut asks = vec![ask("T3", MeasureKind::Shift), ask("T2", MeasureKind::Avoid)];
    let rule = rule(115);
    let mut occasion = Occasion { at: now, by: now.after(s(300)), load: kw(120), target: rule.target() };
    change(&mut asks, &mut occasion);
    check_asks(&centre.engine.world(), &rule, &occasion, &asks)
}

#[test]
fn the_checker_refuses_to_ask_for_what_was_not_agreed() {
    let all = sites();
    let (t2, t3) = (terminal("T2"), terminal("T3"));
    let (avoid, shift) = (MeasureKind::Avoid, MeasureKind::Shift);
    assert_eq!(checked(&all, |_, _| ()), Ok(()));
    let too_soon = checked(&all, |asks, _| asks[0].due = asks[0].due.after(s(-1)));
    assert!(matches!(too_soon, Err(Violation::MeasureTooSoon { terminal, .. }) if terminal == t3), "{too_soon:?}");
    let too_long = checked(&all, |asks, _| asks[1].until = asks[1].until.after(s(1)));
    assert!(matches!(too_long, Err(Violation::MeasureTooLong { terminal, .. }) if terminal == t2), "{too_long:?}");
    let other = checked(&all, |asks, _| asks[0].kind = avoid);
    assert_eq!(other, Err(Violation::NotAgreed { terminal: t3, kind: avoid }));
    let more = checked(&all, |asks, _| asks[0].power = kw(11));
    assert_eq!(more, Err(Violation::MeasurePower { terminal: t3, kind: shift, planned: kw(11), gives: kw(10) }));
    let late = checked(&all, |_, occasion| occasion.by = occasion.at.after(s(59)));
    assert!(matches!(late, Err(Violation::MeasureTooLate { .. })), "{late:?}");
    let twice = checked(&all, |asks, _| asks[1] = asks[0]);
    assert_eq!(twice, Err(Violation::MeasureStands { terminal: t3, kind: shift }));
}

#[test]
fn the_checker_holds_kinds_to_their_order_and_asks_to_what_is_wanted() {
    let all = sites();
    let (t1, t3) = (terminal("T1"), terminal("T3"));
    let without = checked(&all, |asks, _| *asks = asks.split_off(1));
    assert_eq!(without, Err(Violation::MeasureOutOfTurn { terminal: t3, kind: MeasureKind::Shift }));
    let needless = checked(&all, |asks, _| {
        let limit = Ask { terminal: t1, kind: MeasureKind::Limit, ..asks[1] };
        asks.push(limit);
    });
    assert!(matches!(needless, Err(Violation::MeasuresUnneeded { .. })), "{needless:?}");
    let imagined = checked(&all, |_, occasion| occasion.load = kw(121));
    assert!(matches!(imagined, Err(Violation::MeasuresUnneeded { .. })), "{imagined:?}");
    let too_low = checked(&all, |_, occasion| occasion.target = kw(100));
    assert!(matches!(too_low, Err(Violation::MeasuresUnneeded { .. })), "{too_low:?}");
}

#[test]
fn the_checker_sees_guarantees_windows_floors_and_how_often_by_itself() {
    let with = |change: &dyn Fn(&mut Site)| {
        let mut sites = sites();
        change(&mut sites[2]);
        checked(&sites, |_, _| ())
    };
    assert_eq!(with(&|site| site.guaranteed = true), Err(Violation::Guaranteed { terminal: terminal("T3") }));
    let window = with(&|site| site.measures[0].window = Window { from: 0, to: 60, ..Window::ALWAYS });
    assert!(matches!(window, Err(Violation::OutsideWindow { .. })), "{window:?}");
    let never = with(&|site| site.measures[0].per_week_max = Some(0));
    assert!(matches!(never, Err(Violation::MeasureTooOften { .. })), "{never:?}");
    let notice = with(&|site| site.measures[0].notice = s(61));
    assert!(matches!(notice, Err(Violation::MeasureTooSoon { .. })), "{notice:?}");
    let mut high = sites();
    high[2].floor = kw(30);
    let draws_less = |centre: &mut Centre| {
        centre.base("T3", 15);
        centre.base("T1", 25);
    };
    let floor = checked_after(&high, draws_less, |_, _| ());
    assert!(matches!(floor, Err(Violation::MeasurePower { gives, .. }) if gives == kw(5)), "{floor:?}");
}

#[test]
fn the_checker_refuses_a_plan_that_trips_what_measures_are_about_to_give() {
    let mut centre = centre();
    centre.run(20);
    let rule = rule(115);
    let task = Task { rule: &rule, pass: 1, load: kw(120), wanted: Power::new(10_750) };
    let plan = plan(&task, &centre.engine.facts(node("F"), &BTreeSet::new()));
    let world = centre.engine.world();
    let refused = check_pending(&world, &plan, &rule);
    assert!(matches!(refused, Err(Violation::MeasuresPending { pending, .. }) if pending == kw(20)), "{refused:?}");
    let urgent = LimitRule { notice: NoticeRule { urgent_percent: 100, ..rule.notice }, ..rule.clone() };
    assert_eq!(check_pending(&world, &plan, &urgent), Ok(()), "an urgent load waits for nobody");
    let waited = World { waits_since: Some(centre.now.after(s(-330))), ..centre.engine.world() };
    assert_eq!(check_pending(&waited, &plan, &rule), Ok(()), "a breach waits no longer than the rule says");
}

#[test]
fn a_dip_below_the_limit_begins_no_new_wait() {
    let mut sites = sites();
    sites[0].measures[0].notice = s(100);
    for site in &mut sites[1..] {
        site.measures[0].notice = s(240);
    }
    let mut centre = Centre::new(policy(vec![rule(115)]), &sites);
    centre.run(200);
    assert_eq!(stages(&centre), named(&[("T3", "told"), ("T2", "told")]));
    // 110 is below the limit and not at the target.
    centre.base("T1", 10);
    centre.run(3);
    centre.base("T1", 20);
    centre.run(137);
    assert_eq!(of(&centre, "T2").state, MeasureState::NotDelivered);
    assert!(centre.off() > 0, "five minutes after the breach began its wait is over");
}

#[test]
fn what_takes_the_place_of_a_measure_that_ends_is_no_reason_to_wait() {
    let mut sites = sites();
    sites[0].measures[0].notice = s(120);
    let mut centre = Centre::new(policy(vec![rule(115)]), &sites);
    centre.run(62);
    for id in ["T2", "T3"] {
        centre.base(id, 10);
    }
    assert!(centre.run_until(700, |centre| measures(centre).iter().any(|it| it.terminal == terminal("T1"))));
    centre.base("T1", 38);
    centre.run(20);
    assert_eq!(of(&centre, "T1").stage(), "told", "10 kW, when 20 kW come back");
    assert!(centre.off() > 0, "118 of 115 kW is not going to be less");
}

#[test]
fn a_measure_that_nobody_can_see_is_counted_on_no_longer_than_until_it_is_judged() {
    let mut centre = centre();
    centre.run(20);
    centre.reports("T3", false);
    centre.run(42);
    centre.base("T2", 10);
    centre.base("T1", 26);
    centre.run(100);
    assert_eq!(of(&centre, "T3").stage(), "not seen");
    let told = centre.events().find(|it| matches!(it, Happening::MeasureJudged { state: MeasureState::Unseen, .. }));
    assert_eq!(told.unwrap().to_string(), "F: T3 was not seen to give its shift (M1): 0.0 kW of 10.0 kW gone");
    assert!(measures(&centre).iter().any(|it| it.terminal == terminal("T1")), "asked instead");
    centre.base("T3", 10);
    centre.reports("T3", true);
    centre.run(5);
    assert_eq!(of(&centre, "T3").stage(), "delivered", "seen again");
}

#[test]
fn whom_no_text_reaches_keeps_nobody_else_from_being_asked_however_long_its_notice() {
    let mut sites = sites();
    for site in &mut sites[1..] {
        site.measures[0] =
            crate::measures::Agreed { kind: MeasureKind::Shift, notice: s(600), ..site.measures[0].clone() };
    }
    let patient = LimitRule { measures: MeasureRule { wait: s(900), ..rule(122).measures }, ..rule(122) };
    let mut centre = Centre::new(policy(vec![patient.clone()]), &sites);
    centre.display("T2", Display::Refuses);
    centre.run(60);
    assert_eq!(stages(&centre), named(&[("T2", "not reached"), ("T3", "told")]));
    let mut alone = Centre::new(policy(vec![patient]), &sites);
    for id in ["T2", "T3"] {
        alone.display(id, Display::Refuses);
    }
    alone.run(300);
    let shifts = measures(&alone).iter().filter(|it| it.agreed.kind == MeasureKind::Shift).count();
    assert_eq!(shifts, 2, "neither is asked again at once");
}

#[test]
fn what_customers_come_back_with_when_their_measures_end_soon_is_no_room_for_rounds() {
    let mut centre = centre();
    centre.run(62);
    for id in ["T2", "T3"] {
        centre.base(id, 10);
    }
    centre.run(60);
    assert_eq!(centre.engine.projected(node("F"), Power::ZERO, &[]), Some(kw(120)), "100 kW, and 20 that come back");
    assert_eq!(centre.engine.world().returning_by_measures(node("F")), kw(20), "the checker sees it by itself");
}

#[test]
fn a_text_asks_nobody_to_go_below_its_safety_floor() {
    let mut sites = sites();
    sites[2].floor = kw(30);
    let mut centre = Centre::new(policy(vec![rule(500)]), &sites);
    centre.base("T3", 15);
    centre.base("T1", 25);
    centre.run(3);
    centre.set_policy(policy(vec![rule(115)]));
    centre.run(12);
    assert!(centre.read("T3")[0].contains("please move 5 kW"), "{:?}", centre.read("T3"));
}

#[test]
fn what_is_asked_of_customers_for_a_limit_that_comes_is_not_announced_as_trips_besides() {
    let announcing =
        LimitRule { notice: NoticeRule { before: s(300), urgent_percent: 200, ..rule(200).notice }, ..rule(200) };
    let mut sites = sites();
    for site in &mut sites {
        site.measures[0].notice = s(600);
    }
    let mut centre = Centre::new(policy(vec![announcing]), &sites);
    centre.run(20);
    aim_later(&mut centre);
    centre.run(870);
    assert_eq!(measures(&centre).len(), 2);
    let planned = |event: &Happening| matches!(event, Happening::Announced { .. } | Happening::PlanRefused { .. });
    assert_eq!(centre.count(planned), 0);
}

#[test]
fn a_text_names_the_day_where_that_is_not_today() {
    let mut sites = sites();
    sites[0].measures[0].lasts_max = s(86_400);
    let mut centre = Centre::new(policy(vec![limit("F", 500)]), &sites);
    centre.run(3);
    let ask = Request::AskMeasure { terminal: terminal("T1"), kind: MeasureKind::Limit, reason: String::new() };
    centre.ask("ada", ask).unwrap();
    let text = centre.read("T1")[0].clone();
    let (from, until) = text.split_once(" to ").unwrap();
    assert!(from.ends_with(" from 22:14Z"), "{text}");
    assert!(until.contains("-") && until.ends_with(" 22:14Z at most."), "{text}");
}
