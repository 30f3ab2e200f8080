//! Limits by the hour and the kind of day. The fleet's time begins on Tuesday 2023-11-14 at 22:13:20 in UTC, 06:13:20 on
//! Wednesday by the clocks of +08:00.

use std::collections::BTreeMap;

use super::fleet::Centre;
use crate::calendar::{Calendar, Dates, Schedule, Step};
use crate::engine::Engine;
use crate::input::{Input, Request};
use crate::model::{DayKind, Timestamp};
use crate::output::{Happening, Output, Refusal, Reply};
use crate::policy::{LimitRule, Policy};
use crate::target::LimitSource;
use crate::testing::{START, Site, kw, limit, node, policy, s, site};
use crate::view::LimitState;

fn kind(text: &str) -> DayKind {
    text.parse().unwrap()
}

/// 90 kW, 60 of them behind switches.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20]).class(5), site("T2", "A1", &[20]).class(4), site("T3", "A2", &[20]).class(3)]
}

/// Minutes since midnight and kilowatts.
fn steps(of: &[(u16, i32)]) -> Vec<Step> {
    of.iter().map(|&(from, limit)| Step { from, limit: kw(limit) }).collect()
}

/// F with a rating of 150 kW; on workdays these steps, on other days the rating.
pub(super) fn by_schedule(workday: &[(u16, i32)]) -> Policy {
    let (work, rest) = (kind("workday"), kind("restday"));
    let days = BTreeMap::from([(work, steps(workday)), (rest, steps(&[(0, 150)]))]);
    Policy {
        calendar: Some(Calendar {
            utc_offset_minutes: 480,
            week: [work, work, work, work, work, rest, rest],
            dates: Vec::new(),
        }),
        ..policy(vec![LimitRule { schedule: Some(Schedule { days }), ..limit("F", 150) }])
    }
}

fn changes(centre: &Centre) -> Vec<String> {
    let of_limits = |event: &&Happening| {
        matches!(
            event,
            Happening::LimitChanged { .. } | Happening::LimitSet { .. } | Happening::LimitBelowGuaranteed { .. }
        )
    };
    centre.events().filter(of_limits).map(ToString::to_string).collect()
}

/// The engine's time is brought forward without readings in between, as a night without events is.
fn at(centre: &Centre, minutes_of_day: i64) -> Timestamp {
    let midnight = START.get() - (6 * 3_600 + 13 * 60 + 20) * 1_000;
    let at = Timestamp::new(midnight + minutes_of_day * 60_000);
    assert!(at >= centre.now);
    at
}

#[test]
fn the_limit_of_the_hour_is_in_force_and_says_until_when() {
    // 06:15 is 100 s away.
    let mut centre = Centre::new(by_schedule(&[(0, 140), (375, 70), (380, 150)]), &sites());
    let view = centre.node("F");
    let in_force = view.in_force.unwrap();
    assert_eq!((view.limit, view.rated), (Some(kw(140)), Some(kw(150))));
    assert_eq!(in_force.source, LimitSource::Schedule { kind: kind("workday") });
    assert_eq!((in_force.until, in_force.next), (Some(at(&centre, 375)), Some(kw(70))));
    centre.run(99);
    assert_eq!((centre.node("F").limit, centre.state("F")), (Some(kw(140)), LimitState::Normal));
    centre.run(2);
    assert_eq!((centre.node("F").limit, centre.state("F")), (Some(kw(70)), LimitState::Over));
    assert!(centre.run_until(60, |centre| centre.off() == 2), "90 of 70, aiming at 66.5");
    // The window ends at 06:20: what was shed comes back in stages.
    assert!(centre.run_until(400, |centre| centre.state("F") == LimitState::Restoring));
    assert!(centre.run_until(200, |centre| centre.off() == 0));
    assert!(centre.count(|event| matches!(event, Happening::Restoring { .. })) == 2, "one of two at a time");
    assert_eq!(centre.node("F").limit, Some(kw(150)));
    assert_eq!(
        changes(&centre),
        [
            "F: limit now 140.0 kW, before 150.0 kW (schedule of a workday, until 2023-11-14T22:15:00.000Z)",
            "F: limit now 70.0 kW, before 140.0 kW (schedule of a workday, until 2023-11-14T22:20:00.000Z)",
            "F: limit now 150.0 kW, before 70.0 kW (rating, until 2023-11-15T16:00:00.000Z)",
        ]
    );
}

#[test]
fn the_lowest_of_rating_schedule_and_setting_is_in_force() {
    let mut centre = Centre::new(by_schedule(&[(0, 140), (375, 110), (380, 120)]), &sites());
    let set = |centre: &mut Centre, to: i32| {
        let request = Request::SetLimit { node: node("F"), limit: kw(to), expected: None, reason: String::new() };
        assert_eq!(centre.ask("wang", request), Ok(Reply::Done));
    };
    set(&mut centre, 115);
    assert_eq!(centre.node("F").limit, Some(kw(115)));
    let in_force = centre.node("F").in_force.unwrap();
    assert_eq!(
        (in_force.source, in_force.until, in_force.next),
        (LimitSource::Set, Some(at(&centre, 375)), Some(kw(110)))
    );
    centre.run(102);
    assert_eq!(centre.node("F").limit, Some(kw(110)));
    centre.run(300);
    assert_eq!(centre.node("F").limit, Some(kw(115)), "what was set holds beneath the schedule");
    set(&mut centre, 150);
    assert_eq!(centre.node("F").limit, Some(kw(120)), "the end of a setting does not end the schedule");
    assert_eq!(centre.node("F").rated, Some(kw(150)));
    let above = Request::SetLimit { node: node("F"), limit: kw(151), expected: None, reason: String::new() };
    assert!(matches!(centre.ask("wang", above), Err(Refusal::LimitAboveRating { .. })));
}

#[test]
fn a_schedule_goes_on_over_restarts_snapshots_and_the_same_rules_loaded_again() {
    let rules = by_schedule(&[(0, 140), (375, 110), (380, 150)]);
    let mut centre = Centre::new(rules.clone(), &sites());
    centre.run(50);
    centre.engine = serde_json::from_str(&serde_json::to_string(&centre.engine).unwrap()).unwrap();
    centre.restart();
    centre.set_policy(rules);
    centre.links_up();
    assert_eq!((centre.node("F").limit, centre.node("F").rated), (Some(kw(140)), Some(kw(150))));
    centre.run(60);
    assert_eq!(centre.node("F").limit, Some(kw(110)));
    assert_eq!(changes(&centre).len(), 2, "the same limit loaded again is no news: {:?}", changes(&centre));
    centre.set_policy(policy(vec![limit("F", 150)]));
    assert_eq!(centre.node("F").limit, Some(kw(150)), "rules without a schedule have none");
    centre.run(400);
    assert_eq!(centre.node("F").limit, Some(kw(150)));
}

#[test]
fn a_centre_that_was_away_over_a_change_has_it_with_the_first_input() {
    let mut engine = Engine::new();
    let mut out = Vec::new();
    let rules = by_schedule(&[(0, 140), (480, 60), (1_080, 150)]);
    engine.apply(&Input::Inventory { at: START, inventory: Box::new(crate::testing::inventory(&sites())) }, &mut out);
    engine.apply(&Input::Policy { at: START, policy: Box::new(rules) }, &mut out);
    let limit_now = |engine: &Engine| engine.view().nodes.iter().find(|view| view.id == node("F")).unwrap().limit;
    assert_eq!(limit_now(&engine), Some(kw(140)));
    engine.apply(&Input::Started { at: START.after(s(3 * 3_600)) }, &mut out);
    assert_eq!(limit_now(&engine), Some(kw(60)));
    engine.apply(&Input::Tick { at: START.after(s(100 * 3_600)) }, &mut out);
    assert_eq!(limit_now(&engine), Some(kw(150)), "it is Sunday by now");
}

#[test]
fn a_holiday_is_no_workday() {
    let mut rules = by_schedule(&[(0, 60)]);
    if let Some(calendar) = &mut rules.calendar {
        let day = Timestamp::day_of_date("2023-11-15").unwrap();
        calendar.dates = vec![Dates { first: day, last: day, kind: kind("restday") }];
    }
    let mut centre = Centre::new(rules, &sites());
    assert_eq!(centre.node("F").limit, Some(kw(150)));
    centre.run(30);
    assert_eq!(centre.off(), 0);
}

#[test]
fn a_limit_below_what_guaranteed_customers_draw_is_told_or_refused_with_the_figures() {
    let mut sites = sites();
    sites[2] = site("T3", "A2", &[20]).guaranteed();
    sites[1] = site("T2", "A1", &[20]).floor(25);
    let mut centre = Centre::new(by_schedule(&[(0, 140), (375, 50)]), &sites);
    let request = |limit| Request::SetLimit { node: node("F"), limit, expected: None, reason: String::new() };
    // T3 draws 30, and of T2 25 are never shed.
    let refused = centre.ask("wang", request(kw(54))).unwrap_err().to_string();
    assert_eq!(
        refused,
        "F: a limit of 54.0 kW is below the 55.0 kW that guaranteed customers and safety floors below it draw now, so it \
         cannot be kept"
    );
    assert_eq!(centre.node("F").limit, Some(kw(140)), "the state before stays in force");
    assert_eq!(centre.ask("wang", request(kw(55))), Ok(Reply::Done));
    centre.run(102);
    assert_eq!(
        changes(&centre).last().unwrap(),
        "F: the limit of 50.0 kW cannot be kept, guaranteed customers and safety floors draw 55.0 kW"
    );
}

#[test]
fn a_schedule_costs_no_output_until_it_changes() {
    let mut centre = Centre::new(by_schedule(&[(0, 140), (375, 110)]), &sites());
    centre.run(5);
    let told = centre.outputs.len();
    centre.run(40);
    let since = &centre.outputs[told..];
    assert!(since.iter().all(|(_, output)| matches!(output, Output::Load(_))), "{since:?}");
}
