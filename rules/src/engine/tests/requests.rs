//! What people ask, and what they are told.

use super::fleet::{Centre, Habit};
use crate::input::Request;
use crate::model::{PointKind, Power, Quality, Reading, SwitchPosition};
use crate::orders::{Action, OrderId, OrderState};
use crate::output::{AlarmId, Refusal, Reply};
use crate::policy::LimitRule;
use crate::testing::{Site, guarantee, inventory, kw, limit, node, policy, power, round, s, site, switch, terminal};

const TRIP: Action = Action::Trip { round: crate::model::RoundNo::ALL[0] };
const RESTORE: Action = Action::Restore { round: crate::model::RoundNo::ALL[0] };

fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20, 20]).floor(30), site("T2", "A1", &[20]), site("T3", "A2", &[20]).guaranteed()]
}

fn centre() -> Centre {
    Centre::new(policy(vec![]), &sites())
}

#[test]
fn never_shed_protected_holds_for_an_operators_trip() {
    let mut centre = centre();
    assert_eq!(centre.select("wang", "T3", TRIP), Err(Refusal::Guaranteed { terminal: terminal("T3") }));
    centre.told("T2", vec![guarantee(true)]);
    assert_eq!(centre.select("wang", "T2", TRIP), Err(Refusal::Guaranteed { terminal: terminal("T2") }));
    assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed, "50 kW less 20 is its floor");
    let second = Action::Trip { round: round(2) };
    let refused = Refusal::SafetyFloor { terminal: terminal("T1"), left: kw(10), floor: kw(30) };
    assert_eq!(centre.select("wang", "T1", second), Err(refused));
}

#[test]
fn never_shed_protected_holds_when_two_selects_together_would_cross_the_floor() {
    let mut centre = centre();
    let first = centre.select("wang", "T1", TRIP).unwrap();
    let second = centre.select("li", "T1", Action::Trip { round: round(2) }).unwrap();
    centre.run(2);
    centre.ask("wang", Request::Execute { order: first }).unwrap();
    assert!(matches!(centre.ask("li", Request::Execute { order: second }), Err(Refusal::SafetyFloor { .. })));
    assert_eq!(centre.order(second).state, OrderState::Refused);
    centre.run(60);
    assert_eq!(centre.drawn(terminal("T1")), kw(30));
}

#[test]
fn never_shed_protected_holds_when_a_customer_becomes_guaranteed_between_select_and_execute() {
    let mut centre = centre();
    let order = centre.select("wang", "T2", TRIP).unwrap();
    centre.run(2);
    let mut changed = sites();
    changed[1].guaranteed = true;
    centre.set_inventory(&changed);
    assert!(matches!(centre.ask("wang", Request::Execute { order }), Err(Refusal::Guaranteed { .. })));
}

#[test]
fn a_floor_that_cannot_be_proved_is_kept() {
    let not_provable = Err(Refusal::FloorNotProvable { terminal: terminal("T1"), floor: kw(30) });
    let mut bad = centre();
    bad.told("T1", vec![Reading { quality: Quality::INVALID, ..power(kw(50)) }]);
    assert_eq!(bad.select("wang", "T1", TRIP), not_provable);
    let mut old = centre();
    old.reports("T1", false);
    old.run(61);
    assert_eq!(old.select("wang", "T1", TRIP), not_provable);
    let mut beyond_reason = centre();
    beyond_reason.told("T1", vec![power(Power::new(i64::MAX))]);
    assert_eq!(beyond_reason.select("wang", "T1", TRIP), not_provable);
    let mut behind = centre();
    behind.told("T1", vec![Reading { quality: Quality::OVERFLOW, ..crate::testing::behind(round(1), kw(1)) }]);
    assert_eq!(behind.select("wang", "T1", TRIP), not_provable);
}

#[test]
fn a_cap_is_not_set_below_the_floor_nor_for_a_guaranteed_customer() {
    let mut centre = centre();
    let cap = |cap| Action::SetCap { cap };
    let below = Err(Refusal::CapBelowFloor { cap: kw(29), floor: kw(30) });
    assert_eq!(centre.select("wang", "T1", cap(kw(29))), below);
    assert!(centre.select("wang", "T1", cap(kw(-5))).is_err());
    assert!(centre.select("wang", "T1", cap(kw(30))).is_ok());
    assert!(matches!(centre.select("wang", "T3", cap(kw(10))), Err(Refusal::Guaranteed { .. })));
    assert!(centre.select("wang", "T3", cap(Power::ZERO)).is_ok(), "lifting a cap harms nobody");
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let mut centre = centre();
    let unknown = Refusal::UnknownTerminal { terminal: terminal("X") };
    assert_eq!(centre.select("wang", "X", TRIP), Err(unknown));
    let no_round = Refusal::UnknownRound { terminal: terminal("T2"), round: round(8) };
    assert_eq!(centre.select("wang", "T2", Action::Trip { round: round(8) }), Err(no_round));
    assert!(matches!(centre.select("wang", "H", TRIP), Err(Refusal::UnknownRound { .. })));
    let there = Refusal::AlreadyThere { terminal: terminal("T2"), round: round(1), position: SwitchPosition::Closed };
    assert_eq!(centre.select("wang", "T2", RESTORE), Err(there));
    centre.link("T2", false);
    assert_eq!(centre.select("wang", "T2", TRIP), Err(Refusal::LinkDown { terminal: terminal("T2") }));
    for request in [Request::Execute { order: OrderId(9) }, Request::Cancel { order: OrderId(9) }] {
        assert_eq!(centre.ask("wang", request), Err(Refusal::UnknownOrder { order: OrderId(9) }));
    }
    let alarm = AlarmId(9);
    let acknowledge = Request::AcknowledgeAlarm { alarm, comment: String::new() };
    assert_eq!(centre.ask("wang", acknowledge), Err(Refusal::UnknownAlarm { alarm }));
}

#[test]
fn a_point_has_one_order_and_an_order_one_owner() {
    let mut centre = centre();
    let order = centre.select("wang", "T2", TRIP).unwrap();
    let busy = Refusal::PointBusy { terminal: terminal("T2"), order, owner: "wang".into() };
    assert_eq!(centre.select("li", "T2", TRIP), Err(busy));
    assert!(centre.select("li", "T2", Action::SetCap { cap: kw(30) }).is_ok(), "the cap is a point of its own");
    centre.run(2);
    let not_owner = Refusal::NotOwner { order, owner: "wang".into() };
    assert_eq!(centre.ask("li", Request::Execute { order }), Err(not_owner.clone()));
    assert_eq!(centre.ask("li", Request::Cancel { order }), Err(not_owner));
    assert_eq!(centre.ask("wang", Request::Cancel { order }), Ok(Reply::Order { order }));
    assert_eq!(centre.order(order).state, OrderState::Cancelled);
    assert!(matches!(centre.ask("wang", Request::Execute { order }), Err(Refusal::NotSelected { .. })));
    assert!(centre.select("li", "T2", TRIP).is_ok());
}

#[test]
fn an_order_of_a_rule_belongs_to_no_operator() {
    let mut centre = Centre::new(policy(vec![limit("F", 90)]), &sites());
    assert!(centre.run_until(30, |centre| !centre.plans().is_empty()));
    let order = centre.engine.view().orders[0].clone();
    for name in ["wang", "limit of F"] {
        assert!(matches!(centre.ask(name, Request::Execute { order: order.id }), Err(Refusal::NotOwner { .. })));
    }
    let busy = centre.select("wang", order.terminal.as_str(), order.action);
    assert!(matches!(busy, Err(Refusal::PointBusy { owner, .. }) if owner == "limit of F"));
}

#[test]
fn a_restoration_by_hand_is_refused_where_it_would_cross_a_limit() {
    let mut centre = Centre::new(policy(vec![limit("A1", 90)]), &sites());
    assert_eq!(centre.operate("T2", TRIP), OrderState::Confirmed);
    centre.base("T1", 25);
    centre.run(3);
    // 75 kW, and 20 x 150 % would come back.
    let refusal = centre.select("wang", "T2", RESTORE).unwrap_err();
    let wanted = "restoring round 1 of T2 would take A1 to 105.0 kW, above its limit of 90.0 kW";
    assert_eq!(refusal.to_string(), wanted);
    centre.base("T1", 10);
    centre.run(3);
    let order = centre.select("wang", "T2", RESTORE).unwrap();
    centre.run(2);
    centre.base("T1", 25);
    centre.run(2);
    assert!(matches!(centre.ask("wang", Request::Execute { order }), Err(Refusal::OverLimit { .. })), "looked at anew");
}

#[test]
fn two_restorations_by_hand_do_not_fill_the_same_headroom() {
    let mut centre = Centre::new(policy(vec![limit("A1", 90)]), &sites());
    assert_eq!(centre.operate("T1", TRIP), OrderState::Confirmed);
    assert_eq!(centre.operate("T2", TRIP), OrderState::Confirmed);
    // 40 kW, and 30 would come back with each.
    let first = centre.select("wang", "T1", RESTORE).unwrap();
    let second = centre.select("li", "T2", RESTORE).unwrap();
    centre.base("T2", 15);
    centre.run(3);
    centre.ask("wang", Request::Execute { order: first }).unwrap();
    centre.base("T2", 20);
    centre.run(1);
    assert!(matches!(centre.ask("li", Request::Execute { order: second }), Err(Refusal::OverLimit { .. })));
}

#[test]
fn a_person_may_restore_where_the_load_is_not_known() {
    let mut centre = Centre::new(policy(vec![limit("A1", 500)]), &sites());
    assert_eq!(centre.operate("T2", TRIP), OrderState::Confirmed);
    centre.reports("T1", false);
    centre.run(70);
    assert_eq!(centre.node("A1").load.power(), None);
    assert_eq!(centre.operate("T2", RESTORE), OrderState::Confirmed);
}

#[test]
fn every_request_is_in_the_audit_log_granted_or_not() {
    let mut centre = centre();
    let order = centre.select("wang", "T2", TRIP).unwrap();
    centre.run(1);
    centre.ask("wang", Request::Execute { order }).unwrap();
    centre.run(10);
    let _ = centre.select("li", "T3", TRIP);
    let _ = centre.ask("li", Request::Execute { order: OrderId(99) });
    let told: Vec<_> = centre
        .audits()
        .into_iter()
        .map(|audit| {
            format!(
                "{} {} | {} | {} | {} > {}",
                audit.who, audit.from, audit.action, audit.object, audit.before, audit.after
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "wang 10.0.0.1 | select: trip round 1: test | T2 #1 | closed > selecting",
            "wang 10.0.0.1 | execute | T2 #1 | selected > executing",
            "li 10.0.0.1 | select: trip round 1: test | T3 |  > refused: T3: its customer's supply is guaranteed and is never tripped",
            "li 10.0.0.1 | execute | #99 |  > refused: order #99 does not exist",
        ]
    );
}

#[test]
fn an_operators_trip_is_not_restored_by_a_rule() {
    let rule = LimitRule { restore_hold: s(1), off_time_min: s(1), ..limit("F", 500) };
    let mut centre = Centre::new(policy(vec![rule]), &sites());
    assert_eq!(centre.operate("T2", TRIP), OrderState::Confirmed);
    centre.run(300);
    assert!(!centre.is_closed("T2", round(1)));
    let view = centre.engine.terminal(terminal("T2")).unwrap();
    assert!(view.summary.rounds[0].held_by_operator);
    assert_eq!(view.orders.len(), 1);
}

#[test]
fn a_switch_of_which_nothing_is_known_may_be_operated() {
    let mut centre = centre();
    centre.told("T2", vec![switch(round(1), SwitchPosition::Indeterminate)]);
    assert!(centre.select("wang", "T2", RESTORE).is_ok());
}

#[test]
fn a_terminal_in_full_shows_its_points_orders_and_alarms() {
    let mut centre = centre();
    centre.habit("T2", Habit::RefusesSelect);
    centre.select("wang", "T2", TRIP).unwrap();
    centre.told("T2", vec![crate::testing::good(PointKind::CoverOpen, 1)]);
    let detail = centre.engine.terminal(terminal("T2")).unwrap();
    assert_eq!((detail.orders.len(), detail.alarms.len()), (1, 1));
    assert_eq!(detail.points.len(), 5);
    assert!(detail.points.iter().all(|point| !point.stale));
    assert_eq!(centre.engine.terminal(terminal("X")), None);
}

#[test]
fn the_view_shows_each_node_behind_its_parent_with_its_links() {
    let mut centre = Centre::new(policy(vec![limit("F", 200)]), &sites());
    centre.link("T2", false);
    let view = centre.engine.view();
    let nodes: Vec<_> = view.nodes.iter().map(|n| (n.id.as_str(), n.depth, n.terminals, n.links_up)).collect();
    assert_eq!(nodes, [("R", 0, 4, 3), ("S", 1, 4, 3), ("F", 2, 4, 3), ("A1", 3, 2, 1), ("A2", 3, 1, 1)]);
    assert_eq!(view.terminals.len(), inventory(&sites()).terminals.len());
    assert_eq!(view.nodes[2].headroom(), Some(kw(200) - kw(110)));
    assert_eq!(view.nodes[0].id, node("R"));
}

#[test]
fn never_shed_protected_holds_with_a_meter_the_wrong_way_round() {
    let mut centre = centre();
    centre.told("T1", vec![crate::testing::behind(round(1), -kw(300))]);
    let refused = Refusal::FloorNotProvable { terminal: terminal("T1"), floor: kw(30) };
    assert_eq!(centre.select("wang", "T1", TRIP), Err(refused), "50 kW are not left with 350");
}

/// T1 with a round that nobody saw closed: 10 kW behind no switch, 15 behind round 2; T2 with 20. The contract of T1 is 45 kW.
fn never_seen_closed(limit_kw: i32) -> Centre {
    let sites = [site("T1", "A1", &[20, 15]), site("T2", "A1", &[]).base(20)];
    let mut centre = Centre::new(policy(vec![limit("A1", limit_kw)]), &sites);
    centre.move_switch(terminal("T1"), round(1), false);
    centre.run(3);
    centre
}

#[test]
fn restoration_under_limit_what_nobody_knows_is_taken_as_all_that_the_contract_leaves() {
    // 45 kW are drawn. 15 cold ones behind round 2 are 10 at least, which leave 35 of the contract, cold 52.5.
    let mut centre = never_seen_closed(97);
    let refusal = centre.select("wang", "T1", RESTORE).unwrap_err();
    let wanted = "restoring round 1 of T1: nobody knows what it had; with the 52.5 kW that its contract leaves for it, cold, \
                  A1 would rise to 97.5 kW, above its limit of 97.0 kW";
    assert_eq!(refusal.to_string(), wanted);
    centre.base("T2", 19);
    centre.run(3);
    assert_eq!(centre.operate("T1", RESTORE), OrderState::Confirmed);
}

#[test]
fn restoration_under_limit_a_customer_above_its_contract_proves_nothing_by_it() {
    // 75 kW of T1 are more than its contract of 45, which leaves nothing beside them; there are 20 all the same.
    let mut centre = never_seen_closed(140);
    centre.base("T1", 60);
    centre.run(3);
    let taken = centre.select("wang", "T1", RESTORE).unwrap_err();
    assert!(
        matches!(taken, Refusal::OverLimitAtMost { most, .. } if most == kw(45).percent(150)),
        "the whole contract: {taken}"
    );
    centre.base("T2", 0);
    centre.base("T1", 40);
    centre.run(3);
    assert_eq!(centre.operate("T1", RESTORE), OrderState::Confirmed, "where there is room it is no matter");
}
