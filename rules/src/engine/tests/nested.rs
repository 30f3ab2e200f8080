//! Limits within limits: what is shed below counts above, and nothing is shed twice.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::fleet::Centre;
use crate::engine::Engine;
use crate::input::Input;
use crate::model::{
    Customer, Inventory, Node, NodeId, NodeKind, Power, PriorityClass, Round, RoundNo, Span, SwitchPosition, Terminal,
    TerminalId,
};
use crate::output::{AlarmCause, Happening, Output};
use crate::policy::LimitRule;
use crate::testing::{START, Site, behind, kw, limit, node, policy, power, round, s, site, switch, terminal};
use crate::view::LimitState;

/// A1 with 80 kW, A2 with 60.
fn sites() -> Vec<Site> {
    vec![
        site("T1", "A1", &[20]).class(3),
        site("T2", "A1", &[20]).class(3).base(30),
        site("T3", "A2", &[20]).class(5),
        site("T4", "A2", &[20]).class(4),
    ]
}

fn plans_of(centre: &Centre) -> Vec<(String, Vec<String>)> {
    let plans = centre.events().filter_map(|event| match event {
        Happening::Planned { node, shed, .. } => {
            Some((node.to_string(), shed.iter().map(|choice| choice.terminal.to_string()).collect()))
        }
        _ => None,
    });
    plans.collect()
}

fn plan(of: &str, shed: &[&str]) -> (String, Vec<String>) {
    (of.to_owned(), shed.iter().map(|id| (*id).to_owned()).collect())
}

#[test]
fn what_an_area_sheds_counts_for_the_feeder_above_it() {
    // 140 of 130 at F and 80 of 70 at A1: T3 would be F's choice, but A1 has to shed and that is enough for both.
    let mut centre = Centre::new(policy(vec![limit("F", 130), limit("A1", 70)]), &sites());
    centre.run(120);
    assert_eq!(plans_of(&centre), [plan("A1", &["T1"])]);
    assert_eq!((centre.state("A1"), centre.state("F")), (LimitState::Holding, LimitState::Warning));
}

#[test]
fn the_node_above_sheds_only_what_is_left() {
    // F has to come to 95, 45 less: A1 gives 20, and two rounds of those who come first go for F.
    let mut centre = Centre::new(policy(vec![limit("F", 100), limit("A1", 70)]), &sites());
    centre.run(60);
    assert_eq!(plans_of(&centre), [plan("A1", &["T1"]), plan("F", &["T3", "T4"])]);
}

#[test]
fn what_a_node_below_is_about_to_shed_is_left_to_it() {
    let slow = LimitRule { delay: s(35), ..limit("A1", 70) };
    let mut centre = Centre::new(policy(vec![limit("F", 120), slow]), &sites());
    centre.run(20);
    assert_eq!(plans_of(&centre), [plan("F", &["T3"])], "26 to go, of which A1 will take 13.5");
    centre.run(40);
    assert_eq!(plans_of(&centre), [plan("F", &["T3"]), plan("A1", &["T1"])]);
    centre.run(100);
    assert_eq!(plans_of(&centre).len(), 2);
}

#[test]
fn a_node_does_not_wait_for_one_below_that_acts_too_late() {
    let slow = LimitRule { delay: s(300), ..limit("A1", 70) };
    let mut centre = Centre::new(policy(vec![limit("F", 120), slow]), &sites());
    centre.run(20);
    assert_eq!(plans_of(&centre), [plan("F", &["T3", "T4"])]);
}

#[test]
fn a_node_does_not_wait_for_one_below_that_can_do_nothing() {
    let mut sites = sites();
    sites[0] = sites[0].clone().guaranteed();
    sites[1] = sites[1].clone().guaranteed();
    let slow = LimitRule { delay: s(30), ..limit("A1", 70) };
    let mut centre = Centre::new(policy(vec![limit("F", 120), slow]), &sites);
    centre.run(20);
    assert_eq!(plans_of(&centre), [plan("F", &["T3", "T4"])]);
}

#[test]
fn what_went_off_below_stays_off_while_the_node_above_needs_it() {
    let mut centre = Centre::new(policy(vec![limit("F", 100), limit("A1", 70)]), &sites());
    centre.run(60);
    assert_eq!(centre.off(), 3);
    // A1 is calm at 30 of 70, but F has 88 of 100 with two rounds of its own off.
    centre.base("T2", 0);
    centre.base("T4", 48);
    centre.run(300);
    assert_eq!((centre.off(), centre.node("A1").load.power()), (3, Some(kw(30))));
    let waits = |event: &Happening| matches!(event, Happening::RestoreWaits { node: below, above } if *below == node("A1") && *above == node("F"));
    assert_eq!(centre.count(waits), 1);
    assert_eq!(centre.count(|event| matches!(event, Happening::Restoring { .. })), 0);
    centre.base("T4", 10);
    assert!(centre.run_until(300, |centre| centre.is_closed("T1", round(1))), "F is calm as well");
}

#[test]
fn a_breach_above_holds_back_what_would_have_fitted_by_the_limit_alone() {
    let mut centre = Centre::new(policy(vec![limit("F", 150), limit("A1", 70)]), &sites());
    centre.run(60);
    assert_eq!(centre.off(), 1);
    centre.base("T2", 0);
    // F comes to 160 and sheds T3: 140 of 150, between its target and its limit at first.
    centre.base("T4", 80);
    assert!(centre.run_until(60, |centre| centre.off() == 2));
    centre.run(200);
    assert!(!centre.is_closed("T1", round(1)), "calm at A1, but F holds a round of its own");
}

/// A region with a tree below it: for each substation its feeders, for each feeder its areas, for each area its customers
/// with class, guarantee and rounds.
type Shape = Vec<Vec<Vec<Vec<(u8, bool, Vec<i32>)>>>>;

fn any_shape() -> impl Strategy<Value = Shape> {
    let rounds = proptest::collection::vec(5..60i32, 1..4);
    let customer = (1..=5u8, proptest::bool::weighted(0.15), rounds);
    let area = proptest::collection::vec(customer, 1..4);
    let feeder = proptest::collection::vec(area, 1..3);
    let substation = proptest::collection::vec(feeder, 1..3);
    proptest::collection::vec(substation, 1..3)
}

/// The tree, and what each terminal draws: all of it behind switches.
fn grown(shape: &Shape) -> (Inventory, BTreeMap<TerminalId, Vec<Power>>) {
    let (mut nodes, mut customers, mut terminals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut drawn = BTreeMap::new();
    let mut add = |kind, parent: Option<NodeId>, id: String| {
        let id = node(&id);
        nodes.insert(id, Node { kind, name: String::new(), parent, measured_by: None });
        id
    };
    let region = add(NodeKind::Region, None, "R".to_owned());
    for (s, feeders) in shape.iter().enumerate() {
        let substation = add(NodeKind::Substation, Some(region), format!("S{s}"));
        for (f, areas) in feeders.iter().enumerate() {
            // Ids in no order of depth.
            let feeder = add(NodeKind::Feeder, Some(substation), format!("{}-{s}{f}", ["Z", "B"][f % 2]));
            for (a, of_area) in areas.iter().enumerate() {
                let area = add(NodeKind::TransformerArea, Some(feeder), format!("{}-{s}{f}{a}", ["A", "Y"][a % 2]));
                for (c, (class, guaranteed, rounds)) in of_area.iter().enumerate() {
                    let id = terminal(&format!("T{s}{f}{a}{c}"));
                    let customer = id.to_string().parse().unwrap();
                    let powers: Vec<Power> = rounds.iter().map(|power| kw(*power)).collect();
                    customers.insert(
                        customer,
                        Customer {
                            name: String::new(),
                            supplied_by: area,
                            contract: powers.iter().copied().sum(),
                            guaranteed: *guaranteed,
                            safety_floor: Power::ZERO,
                            priority: PriorityClass::try_from(*class).unwrap(),
                            measures: Vec::new(),
                        },
                    );
                    let named =
                        RoundNo::ALL.into_iter().zip(&powers).map(|(no, _)| (no, Round { name: String::new() }));
                    terminals.insert(
                        id,
                        Terminal { customer: Some(customer), rounds: named.collect(), warns_for: Span::ZERO },
                    );
                    drawn.insert(id, powers);
                }
            }
        }
    }
    let inventory = Inventory { nodes, customers, terminals };
    assert_eq!(inventory.check(), []);
    (inventory, drawn)
}

/// What has to go at least at and below a node, if everything could be shed in any portion.
fn needed(inventory: &Inventory, rules: &BTreeMap<NodeId, (Power, LimitRule)>, at: NodeId) -> Power {
    let below = inventory.nodes.iter().filter(|(_, node)| node.parent == Some(at));
    let below: Power = below.map(|(child, _)| needed(inventory, rules, *child)).sum();
    let own = rules.get(&at).filter(|(load, rule)| *load > rule.limit).map(|(load, rule)| *load - rule.target());
    own.unwrap_or_default().max(below)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// After the plans of one instant every node is expected at or below its limit or says what is missing, no round is there
    /// twice, and together no more goes than the tree needs and each node's last round.
    #[test]
    fn nodes_within_nodes_are_brought_under_their_limits_together_without_double_shedding(
        shape in any_shape(),
        percents in proptest::collection::vec(proptest::option::of(40..130i64), 1 + 2 + 4 + 8),
    ) {
        let (inventory, drawn) = &grown(&shape);
        let below = |at: NodeId| drawn.iter().filter(move |(id, _)| {
            let (_, customer) = inventory.customer_of(**id).unwrap();
            inventory.path_up(customer.supplied_by).any(|above| above == at)
        });
        let load = |at: NodeId| below(at).flat_map(|(_, powers)| powers).copied().sum::<Power>();
        let mut rules = BTreeMap::new();
        for (&id, percent) in inventory.nodes.keys().zip(&percents) {
            if let Some(percent) = percent {
                rules.insert(id, (load(id), LimitRule { limit: load(id).percent(*percent), ..limit(id.as_str(), 1) }));
            }
        }
        let mut engine = Engine::new();
        let mut out = Vec::new();
        let policy = policy(rules.values().map(|(_, rule)| rule.clone()).collect());
        engine.apply(&Input::Policy { at: START, policy: Box::new(policy) }, &mut out);
        engine.apply(&Input::Inventory { at: START, inventory: Box::new(inventory.clone()) }, &mut out);
        for (&terminal, powers) in drawn {
            engine.apply(&Input::Link { at: START, terminal, up: true }, &mut out);
            let mut readings = vec![power(powers.iter().copied().sum())];
            for (no, of) in RoundNo::ALL.into_iter().zip(powers) {
                readings.extend([switch(no, SwitchPosition::Closed), behind(no, *of)]);
            }
            engine.apply(&Input::Readings { at: START, terminal, readings }, &mut out);
        }
        for second in 1..=12 {
            engine.apply(&Input::Tick { at: START.after(s(second)) }, &mut out);
        }

        let mut shed = BTreeMap::new();
        let mut short = BTreeSet::new();
        for output in &out {
            let Output::Event(event) = output else { continue };
            prop_assert!(!matches!(event.what, Happening::PlanRefused { .. }), "{}", event.what);
            let Happening::Planned { node, wanted, expected, shed: choices, .. } = &event.what else { continue };
            prop_assert_eq!(event.at, START.after(s(10)));
            for choice in choices {
                prop_assert_eq!(shed.insert((choice.terminal, choice.round), choice.power), None, "twice: {}", choice);
            }
            if expected < wanted {
                short.insert(*node);
            }
        }
        let shed = &shed;
        let total = |at: NodeId| shed.iter().filter(|((id, _), _)| below(at).any(|(of, _)| of == id)).map(|(_, power)| *power).sum::<Power>();
        for (&id, (load, rule)) in &rules {
            let missing = short.contains(&id) || engine.view().alarms.iter().any(|alarm| {
                alarm.cause == AlarmCause::LimitFutile { node: id }
            });
            prop_assert!(*load - total(id) <= rule.limit || missing, "{id}: {load} less {} of {}", total(id), rule.limit);
        }
        let root = node("R");
        let largest = |at: NodeId| below(at).flat_map(|(_, powers)| powers).copied().max().unwrap_or_default();
        let most = needed(inventory, &rules, root) + rules.keys().map(|id| largest(*id)).sum::<Power>();
        prop_assert!(total(root) <= most, "{} shed, {most} needed at most", total(root));
    }
}
