//! What the engine costs: a reading, a tick, a view, a plan, on a small fleet and a large one.
//!
//! The measure of all is an update of one value in a `BTreeMap` with an entry for each terminal, timed beside it.
//! Allocations are not counted: a counting allocator needs `unsafe`, which the workspace forbids.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures real time")]

mod measure;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::measures::MeasureRule;
use headroom_rules::model::{
    Customer, Inventory, Node, NodeId, NodeKind, PointKind, Power, PriorityClass, Quality, Reading, Round, RoundNo,
    Span, SwitchPosition, Terminal, TerminalId, Timestamp,
};
use headroom_rules::notices::{NoticeRule, NoticeTexts};
use headroom_rules::output::{AlarmPriority, Event, Happening, Output};
use headroom_rules::own::{Act, Own, Rule};
use headroom_rules::policy::{FAIRNESS_WEEKS, Flow, GroupRules, LimitRule, PassCaps, Policy, Substitute};
use measure::Report;

const START: Timestamp = Timestamp::new(1_700_000_000_000);
const AREA_CUSTOMERS: usize = 25;
const ROUNDS: usize = 3;
const ROUND_KW: i32 = 20;
const CUSTOMER_KW: i32 = 70;
/// Between two repetitions, so that no reading is too old and none is of the same instant.
const STEP: Span = Span::from_s(60);
/// Within one step.
const TICKS: u8 = 20;
/// An update is so much faster than all else that it is timed over several rounds.
const UPDATE_PASSES: usize = 5;
/// Readings while a plan's orders are under way.
const READINGS_UNDER_WAY: i64 = 200;
/// Rules of users that are loaded beside.
const USERS_RULES: usize = 100;

/// How much is done for one sample.
struct Effort {
    repetitions: u8,
    readings: usize,
    views: u8,
    plans: u8,
}

fn main() {
    let mut report = Report::new("engine");
    let effort = |count: usize| match (measure::quick(), count) {
        (true, ..1_000) => Effort { repetitions: 9, readings: 200_000, views: 100, plans: 20 },
        (true, _) => Effort { repetitions: 9, readings: 200_000, views: 5, plans: 1 },
        (false, ..1_000) => Effort { repetitions: 31, readings: 400_000, views: 200, plans: 50 },
        (false, _) => Effort { repetitions: 31, readings: 400_000, views: 10, plans: 2 },
    };
    for count in [200, 10_000] {
        measure_fleet(count, &effort(count), &mut report);
    }
    measure_rules(if measure::quick() { 5 } else { 31 }, &mut report);
    report.print();
}

/// 1 000 nodes, whatever hangs on them: a region, 9 substations, 90 feeders, 900 areas. So a reading goes the same way in a
/// small fleet and in a large one.
const AREAS_OF_1000_NODES: usize = 900;

/// Readings with a hundred users' rules loaded, on a small and a large fleet in turn: how much a reading costs more there.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn measure_rules(repetitions: u8, report: &mut Report) {
    const FLEETS: [usize; 2] = [1_000, 100_000];
    let mut fleets = FLEETS.map(|count| {
        let inventory = supply(count, AREAS_OF_1000_NODES, 10);
        assert_eq!(inventory.nodes.len(), 1_000);
        let terminals: Vec<TerminalId> = inventory.terminals.keys().copied().collect();
        let feeders = of_kind(&inventory, NodeKind::Feeder);
        let limits: Vec<LimitRule> = feeders.iter().map(|&feeder| limit(feeder, Power::from_kw(1_000_000))).collect();
        let rules = (0..USERS_RULES).map(|n| users_rule(n, feeders[n % feeders.len()], terminals[n * 7 % count]));
        let own = Own { rules: rules.collect(), ..Own::default() };
        let engine = running(inventory, &Policy { own, ..policy(limits) });
        (terminals, engine)
    });
    let mut out = Vec::new();
    let (mut at, mut value) = (START, 0);
    for _ in 0..repetitions {
        at = at.after(STEP);
        let mut costs = [0.0; 2];
        for ((terminals, engine), cost) in fleets.iter_mut().zip(&mut costs) {
            let inputs: Vec<Input> = (0..200_000)
                .map(|n| {
                    value = (value + 7) % 7_919;
                    active_power(at, terminals[n * 7_919 % terminals.len()], i64::from(CUSTOMER_KW) * 1_000 + value)
                })
                .collect();
            let (reading_ns, ()) = each_ns(inputs.len(), || apply_all(engine, &inputs, &mut out));
            let tick = Input::Tick { at: at.after(Span::from_s(1)) };
            let (tick_ns, ()) = each_ns(1, || engine.apply(&tick, &mut out));
            let (view_ns, view) = each_ns(1, || engine.view());
            assert_eq!(view.terminals.len(), terminals.len());
            assert!(out.iter().all(|output| matches!(output, Output::Load(_))), "no rule begins");
            out.clear();
            *cost = reading_ns;
            let group = &format!("rules_{USERS_RULES}_terminals_{}", terminals.len());
            report.add(group, "reading_ns", "a reading with 100 users' rules, ns", reading_ns);
            report.add(group, "readings_per_s", "  readings a second on one core", 1e9 / reading_ns);
            report.add(group, "tick_us", "the tick that looks at the rules, µs", tick_ns / 1_000.0);
            report.add(group, "view_us", "a view, µs", view_ns / 1_000.0);
        }
        let [small, large] = costs;
        report.add("rules_100", "growth_ratio", "a reading of the large fleet to one of the small", large / small);
    }
}

/// As the centre applies what was journaled together.
fn apply_all(engine: &mut Engine, inputs: &[Input], out: &mut Vec<Output>) {
    for inputs in inputs.chunks(Engine::REACH) {
        engine.reach_for(inputs.iter());
        for input in inputs {
            engine.apply(input, out);
        }
    }
}

/// A rule on a feeder's load and a terminal's power that never begins.
fn users_rule(number: usize, feeder: NodeId, terminal: TerminalId) -> Rule {
    let reads = [
        ("load", format!("node {feeder} load")),
        ("limit", format!("node {feeder} limit")),
        ("power", format!("terminal {terminal} active power")),
    ];
    Rule {
        id: format!("RULE-{number}").parse().unwrap(),
        for_each: None,
        reads: reads.into_iter().map(|(name, source)| (name.to_owned(), source.parse().unwrap())).collect(),
        when: "load > 0.9 * limit && power > 10".into(),
        hold: Span::from_s(10),
        clear: None,
        clear_hold: Span::from_s(0),
        acts: vec![Act::Alarm { priority: AlarmPriority::Low, text: "{load} of {limit}".into() }],
    }
}

/// The time that one of `count` takes, ns.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn each_ns<T>(count: usize, work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let result = work();
    (began.elapsed().as_nanos() as f64 / count as f64, result)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn measure_fleet(count: usize, effort: &Effort, report: &mut Report) {
    let inventory = supply(count, count / AREA_CUSTOMERS, 4);
    let terminals: Vec<TerminalId> = inventory.terminals.keys().copied().collect();
    let feeders: Vec<NodeId> = of_kind(&inventory, NodeKind::Feeder);
    let region = of_kind(&inventory, NodeKind::Region)[0];
    let mut policy = policy(feeders.iter().map(|&feeder| limit(feeder, Power::from_kw(1_000_000))).collect());
    policy.limits.push(limit(region, Power::from_kw(1_000_000_000)));
    let mut engine = running(inventory, &policy);
    let mut map: BTreeMap<TerminalId, i64> = terminals.iter().map(|&terminal| (terminal, 0)).collect();
    // Neighbours in the tree do not report one after the other.
    let order: Vec<TerminalId> = (0..effort.readings).map(|n| terminals[n * 7_919 % count]).collect();

    let group = &format!("terminals_{count}");
    let mut out = Vec::new();
    let mut at = START;
    let mut value = 0;
    for _ in 0..effort.repetitions {
        at = at.after(STEP);
        let mut next_value = || {
            value = (value + 7) % 7_919;
            i64::from(CUSTOMER_KW) * 1_000 + value
        };
        let inputs: Vec<Input> = order.iter().map(|&terminal| active_power(at, terminal, next_value())).collect();
        let (update_ns, ()) = each_ns(order.len() * UPDATE_PASSES, || {
            for (terminal, value) in std::iter::repeat_n(&order, UPDATE_PASSES).flatten().zip(0..) {
                if let Some(held) = map.get_mut(terminal) {
                    *held = value;
                }
            }
            black_box(&map);
        });
        let (reading_ns, ()) = each_ns(inputs.len(), || apply_all(&mut engine, &inputs, &mut out));
        let of_load = |output: &Output| matches!(output, Output::Load(_));
        assert!(out.iter().all(of_load), "the fleet keeps its limits");
        out.clear();
        let ticks: Vec<Input> = (1..=TICKS).map(|n| Input::Tick { at: at.after(Span::from_s(i64::from(n))) }).collect();
        let (tick_ns, ()) = each_ns(ticks.len(), || ticks.iter().for_each(|tick| engine.apply(tick, &mut out)));
        assert!(out.iter().all(of_load), "nothing happens by itself");
        out.clear();
        let (view_ns, views) =
            each_ns(effort.views.into(), || (0..effort.views).map(|_| black_box(engine.view())).collect::<Vec<_>>());
        assert_eq!(views[0].terminals.len(), count);
        let feeder = planned(&engine, &policy, feeders[0], terminals[0], effort.plans);
        let whole = planned(&engine, &policy, region, terminals[0], effort.plans);

        let fleet = count as f64;
        let mut add = |key, what, sample| report.add(group, key, what, sample);
        add("map_update_ns", "one value in a BTreeMap of this size updated, ns", update_ns);
        add("reading_ns", "a reading, ns", reading_ns);
        add("reading_to_update_ratio", "  to an update", reading_ns / update_ns);
        add("tick_us", "a tick, nothing under way, µs", tick_ns / 1_000.0);
        add("tick_to_update_each_ratio", "  to an update of each terminal", tick_ns / update_ns / fleet);
        add("view_us", "a view, µs", view_ns / 1_000.0);
        add("view_to_update_each_ratio", "  to an update of each terminal", view_ns / update_ns / fleet);
        add("feeder_plan_us", "the reading that makes a feeder's plan (100 customers), µs", feeder.plan_ns / 1_000.0);
        add("feeder_plan_to_update_each_ratio", "  to an update of each terminal", feeder.plan_ns / update_ns / fleet);
        add("feeder_plan_rounds", "  rounds that it sheds", feeder.rounds);
        add("feeder_plan_tick_us", "  the tick after it, orders under way, µs", feeder.tick_ns / 1_000.0);
        add("feeder_plan_reading_ns", "  a reading then, ns", feeder.reading_ns);
        add("region_plan_us", "the reading that makes the region's plan (everybody), µs", whole.plan_ns / 1_000.0);
        add("region_plan_to_update_each_ratio", "  to an update of each terminal", whole.plan_ns / update_ns / fleet);
        add("region_plan_rounds", "  rounds that it sheds", whole.rounds);
        add("region_plan_tick_us", "  the tick after it, orders under way, µs", whole.tick_ns / 1_000.0);
        add("region_plan_reading_ns", "  a reading then, ns", whole.reading_ns);
    }
}

fn policy(limits: Vec<LimitRule>) -> Policy {
    Policy {
        limits,
        calendar: None,
        flow: Flow::default(),
        groups: GroupRules::default(),
        baseline: Span::from_s(900),
        notice_texts: NoticeTexts::default(),
        reading_age_max: Span::from_s(120),
        frozen_after: Span::from_s(1_800),
        substitute: Substitute::None,
        substitute_max: Span::from_s(900),
        order_expiry: Span::from_s(60),
        select_timeout: Span::from_s(30),
        fairness_weeks: FAIRNESS_WEEKS,
        own: Own::default(),
    }
}

/// What a plan costs.
struct Planned {
    /// The input that makes it, its orders included.
    plan_ns: f64,
    rounds: f64,
    /// The tick after it.
    tick_ns: f64,
    /// A reading from somewhere below after that: orders are under way.
    reading_ns: f64,
}

/// Makes `node` exceed a limit at 80 % of its load for as long as its rule waits, then times the plan, `times` over.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn planned(engine: &Engine, policy: &Policy, node: NodeId, below: TerminalId, times: u8) -> Planned {
    let mut over = engine.clone();
    let view = over.view();
    let load = view.nodes.iter().find(|view| view.id == node).and_then(|view| view.load.power()).unwrap();
    let mut tight = policy.clone();
    for rule in tight.limits.iter_mut().filter(|rule| rule.node == node) {
        rule.limit = load.percent(80);
    }
    let mut out = Vec::new();
    over.apply(&Input::Policy { at: over.now(), policy: Box::new(tight) }, &mut out);
    let at = over.now().after(Span::from_s(11));
    let reading = active_power(at, below, i64::from(CUSTOMER_KW) * 1_000 - 1);
    let tick = Input::Tick { at: at.after(Span::from_s(1)) };
    let mut engines = vec![over; times.into()];
    let mut outputs = vec![Vec::new(); times.into()];
    let (plan_ns, ()) = each_ns(times.into(), || {
        for (engine, out) in engines.iter_mut().zip(&mut outputs) {
            engine.apply(&reading, out);
        }
    });
    let (tick_ns, ()) = each_ns(times.into(), || engines.iter_mut().for_each(|engine| engine.apply(&tick, &mut out)));
    let readings: Vec<Input> = (0..READINGS_UNDER_WAY)
        .map(|n| active_power(at.after(Span::from_s(1)), below, i64::from(CUSTOMER_KW) * 1_000 + n))
        .collect();
    let (reading_ns, ()) = each_ns(readings.len() * engines.len(), || {
        for engine in &mut engines {
            apply_all(engine, &readings, &mut out);
        }
    });
    let shed = |output: &Output| match output {
        Output::Event(Event { what: Happening::Planned { shed, .. }, .. }) => Some(shed.len()),
        _ => None,
    };
    let rounds = outputs[0].iter().find_map(shed).expect("a plan is made");
    Planned { plan_ns, rounds: rounds as f64, tick_ns, reading_ns }
}

/// A region > substations of ten feeders > feeders > areas > customers, evenly spread, no node measured at its head: each
/// reading counts up to the region.
fn supply(count: usize, areas: usize, areas_of_feeder: usize) -> Inventory {
    let mut inventory = Inventory::default();
    let node = |kind, parent: Option<&str>| Node {
        kind,
        name: format!("a {kind}"),
        parent: parent.map(|parent| parent.parse().unwrap()),
        measured_by: None,
    };
    let nodes = &mut inventory.nodes;
    nodes.insert("R".parse().unwrap(), node(NodeKind::Region, None));
    for number in 0..count {
        let area = number * areas / count;
        let feeder = area / areas_of_feeder;
        let substation = format!("S{:02}", feeder / 10);
        let (area, feeder) = (format!("A{area:04}"), format!("F{feeder:03}"));
        nodes.entry(substation.parse().unwrap()).or_insert_with(|| node(NodeKind::Substation, Some("R")));
        nodes.entry(feeder.parse().unwrap()).or_insert_with(|| node(NodeKind::Feeder, Some(&substation)));
        nodes.entry(area.parse().unwrap()).or_insert_with(|| node(NodeKind::TransformerArea, Some(&feeder)));
        let id = format!("C-{number:05}").parse().unwrap();
        let customer = Customer {
            name: format!("Customer {number}"),
            supplied_by: area.parse().unwrap(),
            contract: Power::from_kw(100),
            guaranteed: number % 20 == 0,
            safety_floor: Power::from_kw(10),
            priority: PriorityClass::try_from(u8::try_from(number % 5 + 1).unwrap()).unwrap(),
            measures: Vec::new(),
        };
        inventory.customers.insert(id, customer);
        let rounds = RoundNo::ALL.into_iter().take(ROUNDS).map(|no| (no, Round { name: format!("group {no}") }));
        let terminal = Terminal { customer: Some(id), rounds: rounds.collect(), warns_for: Span::ZERO };
        inventory.terminals.insert(format!("T-{number:05}").parse().unwrap(), terminal);
    }
    assert_eq!(inventory.check(), []);
    inventory
}

fn of_kind(inventory: &Inventory, kind: NodeKind) -> Vec<NodeId> {
    inventory.nodes.iter().filter(|(_, node)| node.kind == kind).map(|(id, _)| *id).collect()
}

fn limit(node: NodeId, limit: Power) -> LimitRule {
    LimitRule {
        node,
        limit,
        schedule: None,
        margin: None,
        forecast: Span::ZERO,
        measures: MeasureRule::NONE,
        notice: NoticeRule::NONE,
        warning_percent: 90,
        delay: Span::from_s(10),
        hysteresis_percent: 5,
        verify_after: Span::from_s(30),
        effect_percent_min: 50,
        passes_max: 3,
        pass: PassCaps::default(),
        shed_class_from: None,
        off_time_min: Span::from_s(60),
        on_time_min: Span::from_s(60),
        restore_below_percent: 80,
        restore_hold: Span::from_s(30),
        restore_step: Span::from_s(20),
        restore_spread: Span::from_s(10),
        cold_load_percent: 150,
        cold_load_learn: true,
        settle: Span::from_s(30),
    }
}

/// An engine with all links up and all points known.
fn running(inventory: Inventory, policy: &Policy) -> Engine {
    let terminals: Vec<TerminalId> = inventory.terminals.keys().copied().collect();
    let mut engine = Engine::new();
    let mut out = Vec::new();
    let mut apply = |input| {
        engine.apply(&input, &mut out);
        out.clear();
    };
    apply(Input::Started { at: START });
    apply(Input::Inventory { at: START, inventory: Box::new(inventory) });
    apply(Input::Policy { at: START, policy: Box::new(policy.clone()) });
    for terminal in terminals {
        apply(Input::Link { at: START, terminal, up: true });
        let mut readings = vec![good(PointKind::ActivePower, i64::from(CUSTOMER_KW) * 1_000)];
        for no in RoundNo::ALL.into_iter().take(ROUNDS) {
            readings.push(good(PointKind::RoundPosition(no), SwitchPosition::Closed.value()));
            readings.push(good(PointKind::RoundPower(no), i64::from(ROUND_KW) * 1_000));
        }
        apply(Input::Readings { at: START, terminal, readings });
    }
    engine
}

fn good(point: PointKind, value: i64) -> Reading {
    Reading { point, value, quality: Quality::GOOD, source_time: None, cause: 3 }
}

fn active_power(at: Timestamp, terminal: TerminalId, watts: i64) -> Input {
    Input::Readings { at, terminal, readings: vec![good(PointKind::ActivePower, watts)] }
}
