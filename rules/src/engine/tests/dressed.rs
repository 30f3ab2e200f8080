//! Values by hand: they let sums and limits be judged, and verify, prove, permit and switch nothing.

use super::fleet::Centre;
use super::own::id;
use crate::dressing::{DressOn, Dressing, DressingId};
use crate::engine::Engine;
use crate::input::{Authority, Input, Origin, Request};
use crate::model::{PointKind, Quality, Reading, RoundNo, Timestamp};
use crate::orders::{Action, OrderState, Step};
use crate::output::{AlarmCause, AlarmState, Finding, Happening, Refusal, Reply};
use crate::own::{Interlock, Own, Place};
use crate::policy::Policy;
use crate::testing::{Site, behind, good, kw, limit, node, policy, power, round, s, site, switch, terminal};
use crate::view::{Load, RoundView};

const TRIP: Action = Action::Trip { round: RoundNo::ALL[0] };

/// 30 kW at T1 and T2 in A1, 30 kW at T3 in A2; F is measured by H.
fn sites() -> Vec<Site> {
    vec![site("T1", "A1", &[20]), site("T2", "A1", &[20]), site("T3", "A2", &[20])]
}

fn centre(limits: Vec<crate::policy::LimitRule>) -> Centre {
    let mut centre = Centre::new(policy(limits), &sites());
    centre.run(5);
    centre
}

fn on_power(id: &str) -> DressOn {
    DressOn::Power { terminal: terminal(id) }
}

fn on_load(id: &str) -> DressOn {
    DressOn::Load { node: node(id) }
}

fn request(on: DressOn, value: i64, until: Timestamp) -> Request {
    Request::Dress { on, value, until, reason: "meter out, read by phone".into() }
}

fn dress(centre: &mut Centre, who: &str, on: DressOn, value: i64) -> Result<DressingId, Refusal> {
    let until = centre.now.after(s(3_600));
    match centre.ask(who, request(on, value, until))? {
        Reply::Dressing { dressing } => Ok(dressing),
        other => panic!("{other:?}"),
    }
}

fn undress(dressing: DressingId) -> Request {
    Request::Undress { dressing, reason: String::new() }
}

fn by_hand(kw_: i32) -> Load {
    Load::Substituted { power: kw(kw_) }
}

fn watt(kw_: i32) -> i64 {
    kw(kw_).get()
}

fn round_1(centre: &Centre, id: &str) -> RoundView {
    centre.engine.terminal(terminal(id)).unwrap().summary.rounds[0].clone()
}

#[test]
fn a_value_by_hand_makes_the_sums_above_whole_and_all_of_them_say_so() {
    let mut centre = centre(vec![]);
    centre.reports("T1", false);
    centre.run(70);
    assert_eq!(centre.node("A1").load, Load::Unknown);
    let dressing = dress(&mut centre, "wang", on_power("T1"), watt(25)).unwrap();
    assert_eq!(centre.node("A1").load, by_hand(55));
    assert_eq!(centre.node("F").load, Load::Measured { power: kw(90) }, "a meter above knows nothing of it");
    let shown = centre.engine.terminal(terminal("T1")).unwrap();
    assert_eq!((shown.summary.power, shown.summary.quality), (Some(kw(25)), Quality::SUBSTITUTED));
    assert_eq!((shown.summary.dressed, shown.summary.stale), (Some(dressing), false));
    assert_eq!((shown.dressings[0].owner.as_str(), shown.dressings[0].told()), ("wang", "25.0 kW".to_owned()));
    let beneath = shown.points.iter().find(|point| point.reading.point == PointKind::ActivePower).unwrap();
    assert_eq!((beneath.reading.value, beneath.stale), (watt(30), true), "what was measured stays beneath");
    assert_eq!(centre.engine.view().dressings.len(), 1);
}

#[test]
fn what_is_measured_is_received_beneath_and_counts_again_when_the_value_by_hand_is_taken_off() {
    let mut centre = centre(vec![]);
    let dressing = dress(&mut centre, "wang", on_power("T1"), watt(25)).unwrap();
    centre.base("T1", 40);
    centre.run(5);
    assert_eq!(centre.node("A1").load, by_hand(55));
    centre.ask("wang", undress(dressing)).unwrap();
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(90) });
    let told = centre.events().filter_map(|event| match event {
        Happening::DressingEnded { by, beneath, .. } => Some((by.clone(), beneath.clone())),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(Some("wang".to_owned()), "60.0 kW".to_owned())]);
    let audit = centre.audits().pop().unwrap();
    assert_eq!((audit.before.as_str(), audit.after.as_str()), ("25.0 kW", "60.0 kW"));
}

#[test]
fn a_value_by_hand_ends_by_itself_with_an_alarm_that_stays_until_somebody_has_seen_it() {
    let mut centre = centre(vec![]);
    dress(&mut centre, "wang", on_load("A1"), watt(70)).unwrap();
    centre.run(3_599);
    assert_eq!(centre.node("A1").load, by_hand(70));
    centre.run(2);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(60) });
    let alarm = centre.alarm(AlarmCause::DressingOver { on: on_load("A1") }).unwrap();
    assert_eq!(alarm.state, AlarmState::ReturnedUnacknowledged);
    assert!(alarm.detail.contains("70.0 kW by hand (H1 of wang)"), "{}", alarm.detail);
    assert!(alarm.detail.contains("without it: 60.0 kW"), "{}", alarm.detail);
    assert!(centre.engine.view().dressings.is_empty());
}

#[test]
fn only_its_owner_or_a_supervisor_changes_or_ends_a_value_by_hand() {
    let mut centre = centre(vec![]);
    let first = dress(&mut centre, "wang", on_power("T1"), watt(25)).unwrap();
    let refused = dress(&mut centre, "li", on_power("T1"), watt(5));
    assert!(matches!(&refused, Err(Refusal::DressedAlready { owner, .. }) if owner == "wang"), "{refused:?}");
    let refused = centre.ask("li", undress(first));
    assert!(matches!(refused, Err(Refusal::NotDressingOwner { .. })), "{refused:?}");
    let second = dress(&mut centre, "wang", on_power("T1"), watt(26)).unwrap();
    assert_eq!(centre.node("A1").load, by_hand(56), "its owner sets it anew");
    assert!(matches!(centre.ask("wang", undress(first)), Err(Refusal::UnknownDressing { .. })));
    let elsewhere = Authority { area: Some(vec![node("A2")]), supervisor: true };
    let zhao = Origin { authority: elsewhere, ..Origin::new("zhao", "10.0.0.9") };
    assert!(matches!(centre.ask_as(zhao, undress(second)), Err(Refusal::OutsideArea { .. })));
    let here = Authority { area: Some(vec![node("A1")]), supervisor: true };
    let chen = Origin { authority: here, ..Origin::new("chen", "10.0.0.9") };
    centre.ask_as(chen.clone(), undress(second)).unwrap();
    let above = centre.ask_as(chen, request(on_load("F"), watt(9), centre.now.after(s(9))));
    assert!(matches!(above, Err(Refusal::OutsideArea { .. })), "a node above the area is another's: {above:?}");
}

#[test]
fn what_cannot_be_is_not_put_in_by_hand() {
    let mut centre = centre(vec![]);
    let now = centre.now;
    let hour = now.after(s(3_600));
    let position = DressOn::RoundPosition { terminal: terminal("T1"), round: round(1) };
    let no_round = DressOn::RoundPower { terminal: terminal("T1"), round: round(7) };
    let long = now.after(Dressing::LENGTH_MAX).after(s(1));
    let cases = [
        (request(on_power("X"), 1, hour), "terminal X is not in the inventory"),
        (request(on_load("X"), 1, hour), "node X is not in the inventory"),
        (request(no_round, 1, hour), "terminal T1 has no round 7"),
        (request(on_power("T1"), watt(101), hour), "wanted in W, at most 100000 in either direction"),
        (request(position, 0, hour), "wanted 1 (open) or 2 (closed)"),
        (request(on_power("T1"), 1, now), "wanted after now and at most"),
        (request(on_power("T1"), 1, long), "wanted after now and at most"),
        (Request::Dress { on: on_power("T1"), value: 1, until: hour, reason: " ".into() }, "needs a reason"),
    ];
    for (request, why) in cases {
        let refusal = centre.ask("wang", request).unwrap_err().to_string();
        assert!(refusal.contains(why), "{refusal}");
    }
    assert!(centre.engine.view().dressings.is_empty());
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(60) });
}

#[test]
fn a_limit_is_judged_by_a_load_by_hand_but_no_rule_sheds_what_that_load_would_not_show() {
    let mut centre = centre(vec![limit("F", 100)]);
    dress(&mut centre, "wang", on_load("F"), watt(130)).unwrap();
    centre.run(30);
    assert!(centre.stands(AlarmCause::OverLimit { node: node("F") }));
    assert!(centre.stands(AlarmCause::LimitFutile { node: node("F") }), "a person is called");
    assert!(centre.commands(Step::Select).is_empty());
    let spared = centre.events().find_map(|event| match event {
        Happening::Planned { spared, .. } => Some(spared.clone()),
        _ => None,
    });
    let by_hand = Finding::ByHand { terminal: terminal("T1"), node: node("F") };
    assert!(spared.is_none_or(|spared| spared.contains(&by_hand)));
}

#[test]
fn beside_a_value_by_hand_a_rule_sheds_what_the_sum_shows() {
    // Without a meter at its head the feeder is the sum of its parts.
    let mut centre = centre(vec![]);
    centre.head = false;
    let mut tree = crate::testing::inventory(&sites());
    tree.nodes.get_mut(&node("F")).unwrap().measured_by = None;
    centre.apply(Input::Inventory { at: centre.now, inventory: Box::new(tree) });
    centre.set_policy(policy(vec![limit("F", 100)]));
    dress(&mut centre, "wang", on_load("A1"), watt(80)).unwrap();
    centre.run(3);
    assert_eq!(centre.node("F").load, by_hand(110));
    centre.run(15);
    assert_eq!(centre.plans(), [[("T3".to_owned(), 1)]], "not T1 or T2, behind the value by hand");
}

#[test]
fn restoration_under_limit_no_rule_restores_on_a_load_by_hand() {
    let mut centre = centre(vec![limit("F", 100)]);
    centre.base("T3", 30);
    centre.run(60);
    assert_eq!(centre.off(), 1);
    centre.base("T3", 5);
    dress(&mut centre, "wang", on_load("F"), watt(10)).unwrap();
    centre.run(300);
    assert_eq!(centre.off(), 1, "what comes back would not show");
    let hold = centre.node("F").restoration.and_then(|restoration| restoration.hold).unwrap();
    assert!(hold.to_string().contains("not all of it is measured"), "{hold}");
    let id = centre.engine.view().dressings[0].id;
    centre.ask("wang", undress(id)).unwrap();
    centre.run(120);
    assert_eq!(centre.off(), 0);
}

#[test]
fn a_position_by_hand_confirms_no_order_and_a_power_by_hand_verifies_none() {
    let mut centre = centre(vec![]);
    centre.reports("T1", false);
    let position = DressOn::RoundPosition { terminal: terminal("T1"), round: round(1) };
    let behind = DressOn::RoundPower { terminal: terminal("T1"), round: round(1) };
    dress(&mut centre, "wang", behind, 0).unwrap();
    assert_eq!(centre.operate("T1", TRIP), OrderState::Executed, "the terminal confirmed it, the switch did not tell");
    dress(&mut centre, "wang", position, 1).unwrap();
    centre.run(10);
    assert_eq!(centre.last_order_state("T1"), Some(OrderState::Executed));
    let shown = round_1(&centre, "T1");
    assert_eq!(shown.position, Some(crate::model::SwitchPosition::Open), "people see it");
    assert!(shown.position_dressed.is_some() && shown.power_dressed.is_some());
    centre.told("T1", vec![switch(round(1), crate::model::SwitchPosition::Open)]);
    assert_eq!(centre.last_order_state("T1"), Some(OrderState::Confirmed));
    centre.run(130);
    let order = centre.last_order("T1");
    assert_eq!(order.state, OrderState::Confirmed, "not verified: {}", order.detail);
}

#[test]
fn never_shed_protected_no_value_by_hand_proves_a_safety_floor_and_a_lower_one_protects() {
    let sites = [site("T1", "A1", &[20]).floor(30).base(40), site("T2", "A1", &[20])];
    let mut centre = Centre::new(policy(vec![]), &sites);
    centre.run(5);
    let low = dress(&mut centre, "wang", on_power("T1"), watt(45)).unwrap();
    let refused = centre.select("li", "T1", TRIP);
    assert!(matches!(refused, Err(Refusal::SafetyFloor { left, .. }) if left == kw(25)), "{refused:?}");
    centre.ask("wang", undress(low)).unwrap();
    assert!(centre.select("li", "T1", TRIP).is_ok(), "40 of 60 are left");
    centre.run(60);
    centre.told("T1", vec![Reading { quality: Quality::INVALID, ..power(kw(60)) }]);
    centre.reports("T1", false);
    dress(&mut centre, "wang", on_power("T1"), watt(60)).unwrap();
    let refused = centre.select("li", "T1", TRIP);
    assert!(matches!(refused, Err(Refusal::FloorNotProvable { .. })), "{refused:?}");
}

#[test]
fn an_interlock_is_not_satisfied_by_a_value_by_hand_and_a_users_rule_sees_it() {
    let interlock = |name: &str, source: &str, require: &str| Interlock {
        id: id(name),
        place: Place::Round(terminal("T1"), round(1)),
        trip: true,
        restore: true,
        reads: [("x".to_owned(), source.parse().unwrap())].into(),
        require: require.into(),
    };
    let with = |interlock| Policy { own: Own { interlocks: vec![interlock], ..Own::default() }, ..policy(vec![]) };
    let mut centre = centre(vec![]);
    centre.set_policy(with(interlock("I1", "node F load", "x > 100000")));
    dress(&mut centre, "wang", on_load("F"), watt(200)).unwrap();
    let refusal = centre.select("li", "T1", TRIP).unwrap_err().to_string();
    assert!(refusal.contains("is not all measured"), "{refusal}");
    centre.set_policy(with(interlock("I2", "terminal T2 round 1 switch", "x")));
    centre.told("T2", vec![switch(round(1), crate::model::SwitchPosition::Open)]);
    let position = DressOn::RoundPosition { terminal: terminal("T2"), round: round(1) };
    dress(&mut centre, "wang", position, 2).unwrap();
    assert!(matches!(centre.select("li", "T1", TRIP), Err(Refusal::Interlocked { .. })));
}

#[test]
fn energies_and_baselines_are_made_of_what_was_measured() {
    let mut centre = centre(vec![]);
    centre.run(120);
    dress(&mut centre, "wang", on_load("A1"), watt(70)).unwrap();
    let minutes = |centre: &Centre| {
        let of = |output: &&(Timestamp, crate::output::Output)| matches!(&output.1, crate::output::Output::Load(minute) if minute.node == node("A1") && minute.max == kw(70));
        centre.outputs.iter().filter(of).count()
    };
    centre.run(300);
    assert_eq!(minutes(&centre), 0);
}

#[test]
fn a_value_by_hand_holds_over_a_restart_new_rules_and_a_snapshot_and_goes_with_its_point() {
    let mut centre = centre(vec![limit("A1", 1_000)]);
    dress(&mut centre, "wang", on_power("T1"), watt(25)).unwrap();
    dress(&mut centre, "wang", on_load("A2"), watt(44)).unwrap();
    centre.restart();
    centre.links_up();
    centre.set_policy(policy(vec![limit("A1", 900)]));
    let text = serde_json::to_string(&centre.engine).unwrap();
    let saved: Engine = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&saved).unwrap(), text);
    assert_eq!(saved.view(), centre.engine.view());
    centre.engine = saved;
    centre.run(5);
    assert_eq!((centre.node("A1").load, centre.node("A2").load), (by_hand(55), by_hand(44)));
    let left: Vec<Site> = sites().into_iter().filter(|site| site.terminal != terminal("T1")).collect();
    centre.set_inventory(&left);
    assert_eq!(centre.node("A1").load, Load::Summed { power: kw(30) });
    assert_eq!(centre.node("A2").load, by_hand(44), "the others stay");
    assert_eq!(centre.engine.view().dressings.len(), 1);
}

/// Every sum is what it would be if it were made anew.
#[test]
fn sums_with_values_by_hand_are_what_a_rebuild_makes_of_them() {
    let mut centre = centre(vec![]);
    let steps: [(DressOn, Option<i32>); 8] = [
        (on_power("T1"), Some(25)),
        (on_load("A2"), Some(12)),
        (on_power("H"), Some(77)),
        (on_load("S"), Some(140)),
        (on_power("T1"), None),
        (on_load("F"), Some(66)),
        (on_load("S"), None),
        (on_power("H"), None),
    ];
    for (on, value) in steps {
        match value {
            Some(value) => drop(dress(&mut centre, "wang", on, watt(value)).unwrap()),
            None => {
                let dressing = centre.engine.view().dressings.iter().find(|it| it.on == on).unwrap().id;
                centre.ask("wang", undress(dressing)).unwrap();
            }
        }
        let loads = |centre: &Centre| ["R", "S", "F", "A1", "A2"].map(|id| centre.node(id).load);
        let before = loads(&centre);
        centre.set_policy(policy(vec![]));
        assert_eq!(loads(&centre), before, "after {on} {value:?}");
        centre.told("T1", vec![power(kw(31)), behind(round(1), kw(21)), good(PointKind::VoltageA, 220_000)]);
        centre.told("T1", vec![power(kw(30)), behind(round(1), kw(20))]);
        assert_eq!(loads(&centre), before, "after {on} {value:?} and back");
    }
    assert_eq!(centre.node("R").load, by_hand(66));
}
