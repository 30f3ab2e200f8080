//! Tags: locked out is locked out, for people and for rules.

use super::fleet::{Centre, Habit};
use crate::input::{Authority, Origin, Request};
use crate::model::Power;
use crate::orders::{Action, OrderState, Step};
use crate::output::{Finding, Happening, Refusal, Reply};
use crate::tags::{TagId, TagOn};
use crate::testing::{START, Site, kw, limit, node, policy, round, site, terminal};

const TRIP: Action = Action::Trip { round: crate::model::RoundNo::ALL[0] };
const RESTORE: Action = Action::Restore { round: crate::model::RoundNo::ALL[0] };

fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20, 20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])]
}

fn centre() -> Centre {
    Centre::new(policy(vec![]), &sites())
}

fn hang(centre: &mut Centre, who: &str, on: TagOn) -> Result<TagId, Refusal> {
    match centre.ask(who, Request::SetTag { on, reason: "men at work".into() })? {
        Reply::Tag { tag } => Ok(tag),
        other => panic!("{other:?}"),
    }
}

fn on_round(id: &str, number: u8) -> TagOn {
    TagOn::Round { terminal: terminal(id), round: round(number) }
}

fn on_node(id: &str) -> TagOn {
    TagOn::Node { node: node(id) }
}

fn is_tagged<T: std::fmt::Debug>(result: &Result<T, Refusal>, by: &str) -> bool {
    matches!(result, Err(Refusal::Tagged { owner, reason, .. }) if owner == by && reason == "men at work")
}

#[test]
fn a_tag_blocks_every_command_below_it_with_its_reason_and_nothing_beside_it() {
    for on in [on_round("T1", 1), TagOn::Terminal { terminal: terminal("T1") }, on_node("A1"), on_node("R")] {
        let mut centre = centre();
        assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed);
        let tag = hang(&mut centre, "wang", on).unwrap();
        assert!(is_tagged(&centre.select("wang", "T1", RESTORE), "wang"), "its owner too: {on}");
        assert!(is_tagged(&centre.select("li", "T1", Action::SetCap { cap: kw(30) }), "wang"), "{on}");
        let other = centre.select("li", "T1", Action::Trip { round: round(2) });
        assert_eq!(other.is_ok(), on == on_round("T1", 1), "{on}");
        assert_eq!(centre.select("li", "T3", TRIP).is_ok(), on != on_node("R"), "{on}");
        assert_eq!(centre.engine.view().tags.len(), 1);
        let told = centre.engine.terminal(terminal("T1")).unwrap().summary.rounds[0].tag;
        assert_eq!(told, Some(tag), "the screen says so: {on}");
        centre.ask("wang", Request::RemoveTag { tag, reason: String::new() }).unwrap();
        assert_eq!(centre.operate("T1", RESTORE), OrderState::Confirmed, "{on}");
    }
}

#[test]
fn a_cap_may_be_lifted_beside_a_tagged_round_but_not_on_a_tagged_terminal() {
    let mut centre = centre();
    hang(&mut centre, "wang", on_round("T1", 2)).unwrap();
    let lift = Action::SetCap { cap: Power::ZERO };
    assert_eq!(centre.operate("T1", lift), OrderState::Confirmed);
    hang(&mut centre, "wang", TagOn::Terminal { terminal: terminal("T1") }).unwrap();
    assert!(is_tagged(&centre.select("li", "T1", lift), "wang"));
}

#[test]
fn an_order_selected_before_the_tag_came_is_not_executed() {
    let mut centre = centre();
    let order = centre.select("li", "T1", TRIP).unwrap();
    centre.run(2);
    hang(&mut centre, "wang", on_node("F")).unwrap();
    assert!(is_tagged(&centre.ask("li", Request::Execute { order }), "wang"));
    assert_eq!(centre.order(order).state, OrderState::Refused);
    assert!(centre.order(order).detail.contains("men at work"));
    assert_eq!(centre.commands(Step::Execute), []);
    assert_eq!(centre.commands(Step::Cancel).len(), 1, "the terminal's select is withdrawn");
    centre.run(5);
    assert!(centre.is_closed("T1", round(1)));
}

#[test]
fn only_the_owner_takes_a_tag_off_or_a_supervisor_and_each_owner_takes_off_the_own() {
    let mut centre = centre();
    let on = on_round("T1", 1);
    let (first, second) = (hang(&mut centre, "wang", on).unwrap(), hang(&mut centre, "li", on).unwrap());
    assert_eq!(hang(&mut centre, "li", on), Err(Refusal::TaggedAlready { on: on.to_string(), tag: second }));
    let off = |tag| Request::RemoveTag { tag, reason: "done".into() };
    let refused = Refusal::NotTagOwner { tag: first, on: on.to_string(), owner: "wang".into() };
    assert_eq!(centre.ask("li", off(first)), Err(refused));
    centre.ask("wang", off(first)).unwrap();
    assert!(is_tagged(&centre.select("wang", "T1", TRIP), "li"), "the other one still hangs");
    let mut chief = Origin::new("chen", "10.0.0.2");
    chief.authority = Authority { area: Some(vec![node("A2")]), supervisor: true };
    assert!(matches!(centre.ask_as(chief.clone(), off(second)), Err(Refusal::OutsideArea { .. })));
    chief.authority.area = Some(vec![node("F")]);
    centre.ask_as(chief, off(second)).unwrap();
    assert_eq!(centre.ask("li", off(second)), Err(Refusal::UnknownTag { tag: second }));
    assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed);
    let told: Vec<String> =
        centre.events().map(ToString::to_string).filter(|told| told.contains("taken off")).collect();
    assert_eq!(
        told,
        ["T1 round 1: tag L1 taken off by wang: done", "T1 round 1: tag L2 taken off by chen in place of li: done"]
    );
    assert!(centre.audits().iter().any(|audit| audit.who == "wang" && audit.action == "tag: men at work"));
}

#[test]
fn a_tag_without_a_reason_or_on_nothing_is_refused_and_changes_nothing() {
    let mut centre = centre();
    let without = Request::SetTag { on: on_round("T1", 1), reason: "  ".into() };
    assert!(matches!(centre.ask("wang", without), Err(Refusal::TagWithoutReason { .. })));
    assert!(matches!(hang(&mut centre, "wang", on_round("T1", 3)), Err(Refusal::UnknownRound { .. })));
    assert!(matches!(hang(&mut centre, "wang", on_round("T9", 1)), Err(Refusal::UnknownTerminal { .. })));
    assert!(matches!(hang(&mut centre, "wang", on_node("A9")), Err(Refusal::UnknownNode { .. })));
    assert_eq!(centre.engine.view().tags, []);
}

#[test]
fn no_rule_sheds_what_is_tagged_and_the_plan_says_why() {
    let mut centre = Centre::new(policy(vec![limit("F", 100)]), &sites());
    hang(&mut centre, "wang", on_round("T1", 1)).unwrap();
    hang(&mut centre, "wang", on_node("A2")).unwrap();
    centre.base("T3", 30);
    centre.run(60);
    let spared = centre.events().find_map(|event| match event {
        Happening::Planned { spared, .. } => Some(spared.clone()),
        _ => None,
    });
    let spared = spared.unwrap();
    assert!(spared.contains(&Finding::Tagged { terminal: terminal("T1"), round: Some(round(1)), tag: TagId(1) }));
    assert!(spared.contains(&Finding::Tagged { terminal: terminal("T3"), round: None, tag: TagId(2) }));
    assert!(centre.is_closed("T1", round(1)) && centre.is_closed("T3", round(1)));
    assert!(!centre.plans().is_empty());
}

#[test]
fn no_rule_executes_a_trip_that_was_selected_before_the_tag_came() {
    let mut centre = Centre::new(policy(vec![limit("F", 100)]), &sites());
    centre.habit("T2", Habit::Deaf);
    centre.base("T3", 30);
    assert!(centre.run_until(60, |centre| !centre.commands(Step::Select).is_empty()));
    hang(&mut centre, "wang", on_node("F")).unwrap();
    centre.run(20);
    assert_eq!(centre.commands(Step::Execute), []);
    assert_eq!(centre.off(), 0);
}

#[test]
fn no_rule_restores_what_is_tagged_until_the_tag_is_off() {
    let mut centre = Centre::new(policy(vec![limit("F", 100)]), &sites());
    centre.base("T3", 30);
    assert!(centre.run_until(60, |centre| centre.off() > 0));
    let tag = hang(&mut centre, "wang", on_node("R")).unwrap();
    centre.base("T3", 0);
    centre.base("T2", 0);
    centre.base("T1", 0);
    centre.run(400);
    assert!(centre.off() > 0);
    centre.ask("wang", Request::RemoveTag { tag, reason: String::new() }).unwrap();
    assert!(centre.run_until(400, |centre| centre.off() == 0));
}

#[test]
fn tags_hold_over_a_restart_and_a_new_inventory() {
    let mut centre = centre();
    let tag = hang(&mut centre, "wang", on_node("A1")).unwrap();
    let text = serde_json::to_string(&centre.engine).unwrap();
    centre.engine = serde_json::from_str(&text).unwrap();
    centre.restart();
    centre.links_up();
    centre.set_inventory(&sites());
    assert!(is_tagged(&centre.select("li", "T2", TRIP), "wang"));
    let hanging = centre.engine.view().tags;
    assert_eq!((hanging[0].id, hanging[0].since), (tag, START));
    centre.run(1);
    assert_eq!(centre.last_order_state("T2"), None);
    assert!(centre.is_closed("T2", round(1)));
}
