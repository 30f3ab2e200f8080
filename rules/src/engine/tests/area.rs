//! Areas of responsibility: outside one's own nothing is commanded, limited or tagged.

use super::fleet::Centre;
use crate::input::{Authority, Origin, Request};
use crate::model::Power;
use crate::orders::{Action, OrderState, Step};
use crate::output::Refusal;
use crate::tags::TagOn;
use crate::testing::{kw, limit, node, policy, round, s, site, terminal};

const TRIP: Action = Action::Trip { round: crate::model::RoundNo::ALL[0] };

fn centre() -> Centre {
    let sites = [site("T1", "A1", &[20]), site("T2", "A2", &[20])];
    Centre::new(policy(vec![limit("F", 200), limit("A1", 100)]), &sites)
}

fn bound(area: &[&str]) -> Origin {
    let mut origin = Origin::new("li", "10.0.0.3");
    origin.authority = Authority { area: Some(area.iter().map(|id| node(id)).collect()), supervisor: false };
    origin
}

fn outside<T: std::fmt::Debug>(result: &Result<T, Refusal>, what: &str) -> bool {
    matches!(result, Err(refusal @ Refusal::OutsideArea { object, .. })
        if object == what && refusal.to_string().contains("outside the area of li"))
}

fn select(id: &str) -> Request {
    Request::Select { terminal: terminal(id), action: TRIP, qualifier: None, reason: "test".into() }
}

fn set(id: &str, limit: Power) -> Request {
    Request::SetLimit { node: node(id), limit, expected: None, reason: String::new() }
}

#[test]
fn a_command_a_limit_or_a_tag_outside_ones_area_is_refused_and_nothing_moves() {
    let mut centre = centre();
    let li = bound(&["A2"]);
    assert!(outside(&centre.ask_as(li.clone(), select("T1")), "T1"));
    assert!(outside(&centre.ask_as(li.clone(), set("A1", kw(50))), "A1"));
    assert!(outside(&centre.ask_as(li.clone(), set("F", kw(50))), "F"), "what is above the own area is outside it");
    let (from, to) = (centre.now.after(s(600)), centre.now.after(s(1_200)));
    let target = Request::SetTarget { node: node("F"), reduction: kw(5), from, to, reason: String::new() };
    assert!(outside(&centre.ask_as(li.clone(), target), "F"));
    for (on, what) in [
        (TagOn::Node { node: node("F") }, "F"),
        (TagOn::Terminal { terminal: terminal("T1") }, "T1"),
        (TagOn::Round { terminal: terminal("T1"), round: round(1) }, "T1"),
    ] {
        assert!(outside(&centre.ask_as(li.clone(), Request::SetTag { on, reason: "work".into() }), what));
    }
    assert_eq!(centre.commands(Step::Select), []);
    assert_eq!(centre.engine.view().tags, []);
    assert_eq!((centre.node("A1").limit, centre.node("F").limit), (Some(kw(100)), Some(kw(200))));
    let audit = centre.audits();
    assert!(audit.iter().all(|audit| audit.who == "li" && audit.after.starts_with("refused: ")), "{audit:?}");
}

#[test]
fn within_the_area_and_below_it_everything_goes_as_ever() {
    for area in [&["A1"][..], &["F"], &["R"], &["A2", "A1"]] {
        let mut centre = centre();
        let li = bound(area);
        centre.ask_as(li.clone(), select("T1")).unwrap();
        centre.ask_as(li.clone(), set("A1", kw(50))).unwrap();
        let on = TagOn::Node { node: node("A1") };
        centre.ask_as(li, Request::SetTag { on, reason: "work".into() }).unwrap();
    }
}

#[test]
fn an_empty_area_is_nowhere_and_none_is_everywhere() {
    let mut centre = centre();
    assert!(outside(&centre.ask_as(bound(&[]), select("T1")), "T1"));
    centre.select("wang", "T1", TRIP).unwrap();
}

#[test]
fn whoever_lost_the_area_between_select_and_execute_executes_nothing() {
    let mut centre = centre();
    centre.ask_as(bound(&["A1"]), select("T1")).unwrap();
    centre.run(2);
    let order = centre.last_order("T1").id;
    assert!(outside(&centre.ask_as(bound(&["A2"]), Request::Execute { order }), "T1"));
    assert_eq!(centre.order(order).state, OrderState::Selected);
    centre.ask_as(bound(&["A2"]), Request::Cancel { order }).unwrap();
}

#[test]
fn anybody_may_stop_all_rules_but_who_is_bound_to_an_area_does_not_resume_them() {
    let mut centre = centre();
    centre.ask_as(bound(&["A2"]), Request::StopAutomatic { reason: "smoke".into() }).unwrap();
    let resume = Request::ResumeAutomatic { reason: String::new() };
    assert!(matches!(centre.ask_as(bound(&["R"]), resume.clone()), Err(Refusal::OutsideArea { .. })));
    assert!(centre.engine.stopped().is_some());
    centre.ask("wang", resume).unwrap();
}
