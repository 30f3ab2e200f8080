//! How a world is made: a tree, a fleet and rules, out of a number.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::plant::{Device, Head, Plant};
use crate::model::{
    Customer, Inventory, Node, NodeId, NodeKind, Power, PriorityClass, Round, RoundNo, Span, Terminal, TerminalId,
};
use crate::notices::{NoticeRule, NoticeTexts, Unreached};
use crate::output::AlarmPriority;
use crate::own::{Act, Own, Rule, Source};
use crate::policy::{Flow, GroupRules, LimitRule, Policy, Substitute};
use crate::testing::{kw, limit, policy, s};

fn tree(dice: &mut Dice) -> (Inventory, BTreeMap<TerminalId, Head>) {
    let mut inventory = Inventory::default();
    let mut heads = BTreeMap::new();
    let mut add = |dice: &mut Dice, id: &str, kind, parent: Option<&str>, measured_percent| {
        let node: NodeId = id.parse().unwrap();
        let measured_by = dice.percent(measured_percent).then(|| format!("H-{id}").parse::<TerminalId>().unwrap());
        if let Some(head) = measured_by {
            heads.insert(head, Head { node, link: true, silent: false, bad: false });
            inventory
                .terminals
                .insert(head, Terminal { customer: None, rounds: BTreeMap::new(), warns_for: Span::ZERO });
        }
        let parent = parent.map(|parent| parent.parse().unwrap());
        inventory.nodes.insert(node, Node { kind, name: String::new(), parent, measured_by });
    };
    add(dice, "R", NodeKind::Region, None, 10);
    for substation in 1..=dice.range(1, 2) {
        let substation = format!("S{substation}");
        add(dice, &substation, NodeKind::Substation, Some("R"), 20);
        for feeder in 1..=dice.range(1, 2) {
            let feeder = format!("{substation}F{feeder}");
            add(dice, &feeder, NodeKind::Feeder, Some(&substation), 60);
            for area in 1..=dice.range(0, 2) {
                add(dice, &format!("{feeder}A{area}"), NodeKind::TransformerArea, Some(&feeder), 20);
            }
        }
    }
    (inventory, heads)
}

/// Feeders and areas, which supply customers.
pub(super) fn supplying(inventory: &Inventory) -> Vec<NodeId> {
    let low = |node: &Node| matches!(node.kind, NodeKind::Feeder | NodeKind::TransformerArea);
    inventory.nodes.iter().filter(|(_, node)| low(node)).map(|(id, _)| *id).collect()
}

fn customers(dice: &mut Dice, inventory: &mut Inventory) -> BTreeMap<TerminalId, Device> {
    let nodes = supplying(inventory);
    let mut devices = BTreeMap::new();
    for number in 1..=dice.range(2, 9) {
        let node = dice.pick(&nodes);
        let base = dice.kw(2, 30);
        let rounds: Vec<Power> = (0..dice.range(0, 3)).map(|_| dice.kw(3, 30)).collect();
        let sum = rounds.iter().copied().sum::<Power>() + base;
        let floor = if dice.percent(30) { sum.percent(dice.range(5, 80)) } else { Power::ZERO };
        let clock = dice.percent(40).then(|| s(dice.range(-5, 5)));
        let id: TerminalId = format!("T{number}").parse().unwrap();
        let customer = format!("C{number}").parse().unwrap();
        let entry = Customer {
            name: format!("customer {number}"),
            supplied_by: node,
            contract: sum.percent(dice.range(100, 160)),
            guaranteed: dice.percent(10),
            safety_floor: floor,
            priority: PriorityClass::try_from(u8::try_from(dice.range(1, 5)).unwrap()).unwrap(),
            measures: Vec::new(),
        };
        inventory.customers.insert(customer, entry);
        let named = RoundNo::ALL.into_iter().zip(&rounds).map(|(round, _)| (round, Round { name: "group".into() }));
        let warns_for = if dice.one_in(4) { s(dice.range(10, 90)) } else { Span::ZERO };
        inventory.terminals.insert(id, Terminal { customer: Some(customer), rounds: named.collect(), warns_for });
        let mut device = Device::new(node, base, &rounds, clock);
        device.warns = warns_for;
        devices.insert(id, device);
    }
    devices
}

pub(super) fn plant(dice: &mut Dice) -> Plant {
    let (mut inventory, heads) = tree(dice);
    let devices = customers(dice, &mut inventory);
    assert_eq!(inventory.check(), []);
    let cold = (dice.range(100, 180), dice.range(5, 120));
    Plant::new(inventory, devices, heads, cold)
}

/// Limits somewhere around what is drawn, with every figure that a person may lay down.
pub(super) fn rules(dice: &mut Dice, plant: &Plant) -> Policy {
    let mut limits = Vec::new();
    for node in plant.inventory.nodes.keys() {
        if !dice.percent(45) {
            continue;
        }
        let share = dice.range(60, 130);
        let restore_below_percent = u8::try_from(dice.range(50, 100)).unwrap();
        let rule = LimitRule {
            limit: plant.load(*node).percent(share).max(kw(5)),
            delay: s(dice.pick(&[0, 3, 10])),
            hysteresis_percent: u8::try_from(dice.range(0, 20)).unwrap(),
            verify_after: s(dice.pick(&[5, 10, 30])),
            effect_percent_min: u8::try_from(dice.range(1, 100)).unwrap(),
            passes_max: u8::try_from(dice.range(1, 4)).unwrap(),
            off_time_min: s(dice.pick(&[0, 10, 60])),
            restore_below_percent,
            restore_hold: s(dice.pick(&[0, 5, 30])),
            restore_step: s(dice.pick(&[1, 10, 20])),
            restore_spread: s(dice.pick(&[0, 0, 5, 30])),
            cold_load_percent: u16::try_from(plant.cold_percent + dice.range(0, 30)).unwrap(),
            // A third of the rules gives notice, each other one of these spares whom it does not reach.
            notice: match share % 6 {
                0 => NoticeRule { before: s(20), unreached: Unreached::Spare, urgent_percent: 120 },
                3 => NoticeRule { before: s(8), unreached: Unreached::Trip, urgent_percent: 105 },
                _ => NoticeRule::NONE,
            },
            ..limit(&node.to_string(), 1)
        };
        limits.push(rule);
    }
    let mut policy = policy(limits);
    policy.reading_age_max = s(dice.pick(&[10, 20, 60]));
    policy.order_expiry = s(dice.pick(&[5, 20, 60]));
    policy.select_timeout = s(dice.pick(&[3, 10, 30]));
    policy.groups = GroupRules {
        second_person_above: dice.pick(&[None, Some(kw(20)), Some(kw(60))]),
        second_person_rounds: dice.pick(&[None, Some(1), Some(3)]),
        expiry: s(dice.pick(&[120, 300, 900])),
        growth_percent: u16::try_from(dice.range(0, 30)).unwrap(),
    };
    if dice.one_in(3) {
        policy.flow = Flow {
            orders_per_min: dice.pick(&[None, Some(6), Some(20)]),
            orders_per_min_feeder: dice.pick(&[None, Some(4)]),
            selects_max: dice.pick(&[None, Some(1), Some(3)]),
            selects_max_feeder: dice.pick(&[None, Some(1)]),
        };
    }
    policy.own = own(dice, plant, &policy.limits);
    policy.substitute = dice.pick(&[Substitute::None, Substitute::Balance, Substitute::Last]);
    policy.substitute_max = s(dice.pick(&[30, 120]));
    policy.frozen_after = s(dice.pick(&[0, 60, 180]));
    // So that whoever reads knows what it is about.
    let text = |what: &str| format!("{what} {{node}}");
    policy.notice_texts = NoticeTexts {
        trip: text("trip"),
        ahead: text("trip"),
        group: text("group"),
        cancelled: text("void"),
        ..NoticeTexts::default()
    };
    policy
}

/// What users lay down: alarms, limits and reductions, by themselves or as proposals, on a load that is now and then reached.
fn own(dice: &mut Dice, plant: &Plant, limits: &[LimitRule]) -> Own {
    let mut own = Own::default();
    if limits.is_empty() || !dice.percent(60) {
        return own;
    }
    for number in 1..=dice.range(1, 2) {
        let limited: Vec<NodeId> = limits.iter().map(|rule| rule.node).collect();
        let (seen, node) = (dice.pick(&limited), dice.pick(&limited));
        let kw_of = |node, percent| plant.load(node).percent(percent).get() / 1_000;
        let above = kw_of(seen, dice.range(50, 130));
        let act = match dice.below(4) {
            0 => Act::Alarm { priority: AlarmPriority::Low, text: "{load}".into() },
            1 => {
                let limit = plant.load(node).percent(dice.range(40, 110)).max(kw(1));
                Act::Limit { node: Some(node), limit }
            }
            automatic => {
                let power = plant.load(node).percent(dice.range(2, 40)).max(kw(1));
                Act::Shed { node: Some(node), power, automatic: automatic == 2 }
            }
        };
        own.rules.push(Rule {
            id: format!("U{number}").parse().unwrap(),
            for_each: None,
            reads: BTreeMap::from([("load".to_owned(), Source::Load { node: Some(seen) })]),
            when: format!("load > {above}"),
            hold: s(dice.pick(&[0, 3, 10])),
            clear: dice.one_in(2).then(|| format!("load < {}", above * 8 / 10)),
            clear_hold: s(dice.pick(&[0, 5])),
            acts: vec![act],
        });
    }
    own
}

/// The same rules with room for everything, and nothing of the users' own.
pub(super) fn with_room(policy: &Policy, plant: &Plant) -> Policy {
    let mut policy = policy.clone();
    policy.own = Own::default();
    for rule in &mut policy.limits {
        rule.limit = Power::new(1_000_000 + plant.load(rule.node).get() * 20);
    }
    policy
}
