//! A plan before the breach, where the trend is clear.

use super::fleet::Centre;
use crate::input::Request;
use crate::model::{Quality, Reading, Span};
use crate::output::Happening;
use crate::policy::LimitRule;
use crate::testing::{Site, kw, limit, node, policy, power, s, site};
use crate::view::LimitState;

/// 110 kW, 60 of them behind switches; T4 draws what the test wants.
fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20]).class(5),
        site("T2", "A1", &[20]).class(4),
        site("T3", "A2", &[20]).class(3),
        site("T4", "A2", &[]).base(20),
    ]
}

/// F limited to 200 kW, with a look five minutes ahead.
fn centre(ahead: Span) -> Centre {
    let mut centre = Centre::new(policy(vec![LimitRule { forecast: ahead, ..limit("F", 200) }]), &sites());
    centre.run(40);
    centre
}

/// T4's load in each of the next seconds.
fn draw(centre: &mut Centre, seconds: i64, kw_at: impl Fn(i64) -> i64) {
    for second in 0..seconds {
        centre.base("T4", i32::try_from(kw_at(second)).unwrap());
        centre.step();
    }
}

fn foreseen(centre: &Centre) -> usize {
    centre.count(|event| matches!(event, Happening::Foreseen { .. }))
}

fn breaches(centre: &Centre) -> usize {
    centre.count(|event| matches!(event, Happening::Breach { .. }))
}

#[test]
fn a_clear_rise_towards_the_limit_is_met_by_a_plan_before_the_breach() {
    let mut centre = centre(s(300));
    // 6 kW a minute: 180, the warning level, after 12 minutes, and 200 after 15.
    draw(&mut centre, 900, |second| 20 + second / 10);
    assert_eq!((foreseen(&centre), breaches(&centre)), (1, 0));
    assert_eq!(centre.plans(), [[("T1".to_owned(), 1)]]);
    let told = centre.events().find(|event| matches!(event, Happening::Foreseen { .. })).unwrap().to_string();
    assert!(told.starts_with("F: forecast: 180.0 kW rising by 6.0 kW a minute to 205.3 kW"), "{told}");
    assert!(told.ends_with("within 5 min, over the limit of 200.0 kW"), "{told}");
    assert!(centre.last_order("T1").reason.contains("forecast 205.3 kW"), "{}", centre.last_order("T1").reason);
    // It stops rising: nobody else goes.
    draw(&mut centre, 600, |_| 110);
    assert_eq!((centre.off(), breaches(&centre)), (1, 0));
}

#[test]
fn a_rise_that_goes_on_is_met_again_and_what_the_centre_shed_itself_is_no_fall() {
    let mut centre = centre(s(300));
    draw(&mut centre, 1_500, |second| 20 + second / 10);
    assert_eq!(breaches(&centre), 0, "170 kW rose and 60 went");
    assert!(foreseen(&centre) >= 2 && centre.off() == 3, "{} {}", foreseen(&centre), centre.off());
}

#[test]
fn without_a_look_ahead_the_breach_comes_first() {
    let mut centre = centre(Span::ZERO);
    draw(&mut centre, 960, |second| 20 + second / 10);
    assert_eq!((foreseen(&centre), breaches(&centre)), (0, 1));
    assert_eq!(centre.node("F").forecast, None);
}

#[test]
fn far_from_the_limit_nothing_is_shed_on_a_forecast() {
    let mut centre = centre(s(900));
    // 20 kW a minute; in a quarter of an hour 300 more.
    draw(&mut centre, 200, |second| 20 + second / 12);
    draw(&mut centre, 280, |second| 37 + second / 12);
    assert!(centre.node("F").forecast.is_some_and(|forecast| forecast.least > kw(200)), "{:?}", centre.node("F"));
    assert_eq!((centre.state("F"), foreseen(&centre)), (LimitState::Normal, 0));
}

#[test]
fn noise_steps_and_waves_near_the_limit_are_no_trend() {
    let shapes: [fn(i64) -> i64; 4] = [
        // Every second another value of 90 to 107, in no order.
        |second| 90 + (second * 7_919 + second / 7 * 104_729) % 18,
        // A step up, and it stays.
        |second| if second < 700 { 85 } else { 105 },
        // Up and down every two minutes.
        |second| if second / 60 % 2 == 0 { 90 } else { 106 },
        // One minute high in each five.
        |second| if second / 60 % 5 == 0 { 107 } else { 92 },
    ];
    for (number, shape) in shapes.into_iter().enumerate() {
        let mut centre = centre(s(300));
        draw(&mut centre, 1_800, shape);
        assert_eq!((foreseen(&centre), centre.off()), (0, 0), "shape {number}");
    }
}

#[test]
fn minutes_of_bad_quality_make_no_trend() {
    let mut centre = centre(s(300));
    centre.head = false;
    for minute in 0..14 {
        draw(&mut centre, 58, |_| 20);
        let load = power(kw(110 + minute * 6));
        let bad = Reading { quality: Quality::INVALID, ..load };
        centre.told("H", vec![if minute % 3 == 0 { load } else { bad }]);
    }
    assert_eq!((centre.node("F").forecast, foreseen(&centre)), (None, 0));
}

#[test]
fn stopped_is_stopped_for_what_is_foreseen() {
    let mut centre = centre(s(300));
    centre.ask("wang", Request::StopAutomatic { reason: String::new() }).unwrap();
    draw(&mut centre, 890, |second| 20 + second / 10);
    assert_eq!((foreseen(&centre), centre.off()), (0, 0));
    assert!(centre.node("F").forecast.is_some(), "it is shown all the same");
    centre.ask("wang", Request::ResumeAutomatic { reason: String::new() }).unwrap();
    centre.step();
    assert_eq!(foreseen(&centre), 1);
}

#[test]
fn what_is_foreseen_and_cannot_be_shed_leaves_the_rule_as_it_was() {
    let mut centre = centre(s(300));
    for id in ["T1", "T2", "T3"] {
        centre.link(id, false);
    }
    draw(&mut centre, 840, |second| 20 + second / 10);
    assert_eq!(centre.count(|event| matches!(event, Happening::Futile { .. })), 0);
    let plans = centre.plans().len();
    assert!((1..=4).contains(&plans), "once a minute at most: {plans}");
}

#[test]
fn restoration_is_no_trend_and_does_not_begin_while_the_load_rises_towards_the_limit() {
    let mut centre = centre(s(300));
    let down = |centre: &mut Centre| draw(centre, 100, |_| 0);
    centre.base("T4", 120);
    assert!(centre.run_until(100, |centre| centre.off() == 1), "210 of 200");
    down(&mut centre);
    centre.run(600);
    assert_eq!(centre.off(), 0, "given back");
    assert_eq!(foreseen(&centre), 0);
    // Again off, and then a steep rise from far below.
    centre.base("T4", 120);
    assert!(centre.run_until(100, |centre| centre.off() == 1));
    let before = centre.count(|event| matches!(event, Happening::Restoring { .. }));
    centre.base("T4", 0);
    centre.run(20);
    draw(&mut centre, 420, |second| second / 7);
    let forecast = centre.node("F").forecast;
    if centre.off() == 1 {
        assert!(forecast.is_some());
        assert_eq!(centre.count(|event| matches!(event, Happening::Restoring { .. })), before);
    }
}

#[test]
fn a_forecast_is_the_same_after_a_restart_from_a_snapshot() {
    let mut centre = centre(s(300));
    draw(&mut centre, 600, |second| 20 + second / 10);
    let before = centre.node("F").forecast;
    assert!(before.is_some());
    centre.engine = serde_json::from_str(&serde_json::to_string(&centre.engine).unwrap()).unwrap();
    assert_eq!(centre.node("F").forecast, before);
    draw(&mut centre, 290, |second| 80 + second / 10);
    assert_eq!((foreseen(&centre), breaches(&centre)), (1, 0));
    assert_eq!(centre.node("F").id, node("F"));
}
