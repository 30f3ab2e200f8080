//! What choosing rounds costs, and how much is shed above what is wanted, beside the least that any choice could shed.
//!
//! The plan is that of a dry run: who may be shed, the choice, the checker. The least is exact: a dynamic programme over all
//! sums in steps of 10 W, of which every round is a multiple.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures real time")]
#![allow(clippy::cast_precision_loss, reason = "far below 2^52")]

mod measure;

use std::collections::BTreeMap;
use std::time::Instant;

use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::model::{
    Customer, Inventory, Node, NodeId, NodeKind, PointKind, Power, PriorityClass, Quality, Reading, Round, RoundNo,
    Span, SwitchPosition, Terminal, Timestamp,
};
use headroom_rules::output::Happening;
use headroom_rules::policy::Policy;
use measure::Report;
use serde_json::json;

const START: Timestamp = Timestamp::new(1_700_000_000_000);
const ROUNDS: usize = 4;
/// All powers are whole steps.
const STEP_W: i64 = 10;
/// What is wanted goes from a handful of rounds to a third of the load.
const WANTED_PERMILLE: [i64; 4] = [1, 10, 100, 300];

fn main() {
    let mut report = Report::new("plan");
    let quick = measure::quick();
    let mut per_candidate = Vec::new();
    for candidates in [1_000usize, 10_000, 100_000] {
        let fleets = match (quick, candidates) {
            (true, 100_000) => 1,
            (true, _) => 2,
            (false, 100_000) => 3,
            (false, _) => 5,
        };
        let group = &format!("candidates_{candidates}");
        let mut best = f64::INFINITY;
        for seed in 0..fleets {
            best = best.min(measure_fleet(candidates, seed, quick, group, &mut report));
        }
        per_candidate.push(best / candidates as f64);
    }
    let growth = |at: usize| per_candidate[at] / per_candidate[0];
    report.add("growth", "to_10_000_ratio", "time for a candidate, 10 000 to 1 000", growth(1));
    report.add("growth", "to_100_000_ratio", "time for a candidate, 100 000 to 1 000", growth(2));
    report.print();
}

/// The least time of a plan, ns.
fn measure_fleet(candidates: usize, seed: u64, quick: bool, group: &str, report: &mut Report) -> f64 {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + candidates as u64);
    let region: NodeId = "R".parse().unwrap();
    let (engine, rounds) = running(candidates / ROUNDS, &mut random);
    let load: i64 = rounds.iter().sum();
    let mut least = f64::INFINITY;
    for permille in WANTED_PERMILLE {
        // The limit's margin is 5 %: load less target is what is wanted.
        let target = load - load * permille / 1_000;
        let limit = Power::new(target * 100 / 95);
        let began = Instant::now();
        let run = engine.dry_run(region, Some(limit)).unwrap();
        let took = began.elapsed().as_nanos() as f64;
        let Some(Happening::Planned { wanted, expected, shed, .. }) = run.plans.first().map(|event| &event.what) else {
            // Above the limit by less than the margin: nothing is planned.
            continue;
        };
        least = least.min(took);
        report.add(group, "plan_ms", "a plan: who may be shed, the choice, the checker, ms", took / 1e6);
        report.add(group, "rounds", "  rounds that it sheds", shed.len() as f64);
        let over = |sum: i64| (sum - wanted.get()) as f64 / wanted.get() as f64 * 100.0;
        report.add(group, "overshoot_percent", "  shed above what is wanted, % of it", over(expected.get()));
        // The programme's table has a bit for each step of what is wanted.
        if steps(wanted.get()) * rounds.len() / 64 < if quick { 1 << 28 } else { 1 << 33 } {
            let optimum = optimum(wanted.get(), &rounds);
            report.add(group, "optimum_percent", "  the least that any choice sheds above it, %", over(optimum));
            let beyond = (expected.get() - optimum) as f64 / optimum as f64 * 100.0;
            report.add(group, "above_optimum_percent", "  shed above the least possible, %", beyond);
        }
    }
    least
}

/// So many steps of the programme's table.
fn steps(watts: i64) -> usize {
    usize::try_from(watts / STEP_W).unwrap()
}

/// The least sum of rounds that is at least `wanted`: exact, over all subsets.
fn optimum(wanted: i64, rounds: &[i64]) -> i64 {
    let most = *rounds.iter().max().unwrap();
    let bits = steps(wanted + most) + 1;
    let mut reached = vec![0u64; bits.div_ceil(64)];
    reached[0] = 1;
    for &round in rounds {
        let (words, shift) = (steps(round) / 64, steps(round) % 64);
        for at in (words..reached.len()).rev() {
            let low = reached[at - words] << shift;
            let carry = if shift > 0 && at > words { reached[at - words - 1] >> (64 - shift) } else { 0 };
            reached[at] |= low | carry;
        }
    }
    let first = steps(wanted + STEP_W - 1);
    let at = (first..bits).find(|at| reached[at / 64] & (1 << (at % 64)) != 0).unwrap();
    at as i64 * STEP_W
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

/// An engine with all links up and all points known, and the power of each round.
fn running(customers: usize, random: &mut Random) -> (Engine, Vec<i64>) {
    let node = |kind, parent: Option<&str>| Node {
        kind,
        name: String::new(),
        parent: parent.map(|parent| parent.parse().unwrap()),
        measured_by: None,
    };
    let mut inventory = Inventory {
        nodes: BTreeMap::from([
            ("R".parse().unwrap(), node(NodeKind::Region, None)),
            ("S".parse().unwrap(), node(NodeKind::Substation, Some("R"))),
            ("F".parse().unwrap(), node(NodeKind::Feeder, Some("S"))),
        ]),
        ..Inventory::default()
    };
    for number in 0..customers {
        let customer = Customer {
            name: String::new(),
            supplied_by: "F".parse().unwrap(),
            contract: Power::from_kw(10_000),
            guaranteed: false,
            safety_floor: Power::ZERO,
            priority: PriorityClass::try_from(1 + u8::try_from(random.below(5)).unwrap()).unwrap(),
            measures: Vec::new(),
        };
        let id = format!("C-{number}").parse().unwrap();
        inventory.customers.insert(id, customer);
        let rounds = RoundNo::ALL.into_iter().take(ROUNDS).map(|no| (no, Round { name: String::new() })).collect();
        inventory.terminals.insert(
            format!("T-{number}").parse().unwrap(),
            Terminal { customer: Some(id), rounds, warns_for: Span::ZERO },
        );
    }
    let terminals: Vec<_> = inventory.terminals.keys().copied().collect();
    let mut engine = Engine::new();
    let mut out = Vec::new();
    let mut apply = |input| {
        engine.apply(&input, &mut out);
        out.clear();
    };
    apply(Input::Started { at: START });
    apply(Input::Inventory { at: START, inventory: Box::new(inventory) });
    apply(Input::Policy { at: START, policy: Box::new(policy()) });
    let mut powers = Vec::new();
    for terminal in terminals {
        apply(Input::Link { at: START, terminal, up: true });
        let mut readings = Vec::new();
        let mut sum = 0;
        for no in RoundNo::ALL.into_iter().take(ROUNDS) {
            // From 1 to 500 kW, small ones more often.
            let scale = 10i64.pow(u32::try_from(random.below(3)).unwrap());
            let watts = (100 + i64::try_from(random.below(400)).unwrap()) * scale * STEP_W;
            powers.push(watts);
            sum += watts;
            readings.push(good(PointKind::RoundPosition(no), SwitchPosition::Closed.value()));
            readings.push(good(PointKind::RoundPower(no), watts));
        }
        readings.push(good(PointKind::ActivePower, sum));
        apply(Input::Readings { at: START, terminal, readings });
    }
    apply(Input::Tick { at: START.after(Span::from_s(1)) });
    (engine, powers)
}

/// As old journals have it: with no caps, no least times on, nothing but the limit.
fn policy() -> Policy {
    let limit = json!({
        "node": "R", "limit": 1_000_000_000_000i64, "warning_percent": 90, "delay": 10_000, "hysteresis_percent": 5,
        "verify_after": 30_000, "effect_percent_min": 50, "passes_max": 1, "off_time_min": 60_000,
        "restore_below_percent": 80, "restore_hold": 30_000, "restore_step": 20_000, "cold_load_percent": 150,
    });
    let policy = json!({
        "limits": [limit], "reading_age_max": 120_000, "order_expiry": 60_000, "select_timeout": 30_000,
    });
    serde_json::from_value(policy).unwrap()
}

fn good(point: PointKind, value: i64) -> Reading {
    Reading { point, value, quality: Quality::GOOD, source_time: None, cause: 3 }
}
