//! What a headless demonstration came to, as one JSON object.

use serde::Serialize;

use super::Options;
use crate::centre::Figures;

/// Printed on stdout at the end. Spans are of the supply's time, powers in kW.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    scenario: String,
    seed: u64,
    terminals: u32,
    /// Just before the end.
    links_up: usize,
    /// How long the supply's time ran.
    supply_s: i64,
    time_factor: f64,
    readings_received: u64,
    readings_stored: u64,
    breaches: u64,
    orders: Orders,
    rounds_shed: u64,
    rounds_restored: u64,
    /// From a node's rising above its limit until it was back at its target.
    longest_over_limit_s: i64,
    /// Of the node whose load was highest in relation to its limit.
    peak_node: Option<String>,
    peak_kw: Option<f64>,
    limit_kw: Option<f64>,
    /// Trips of customers whose supply is guaranteed.
    protected_shed: u64,
    /// From the arrival of the input that made a rule shed to the select's bytes on the wire, real time.
    reaction_ms: Reaction,
}

#[derive(Debug, Serialize)]
struct Orders {
    issued: u64,
    confirmed: u64,
    failed: u64,
    unknown: usize,
}

#[derive(Debug, Serialize)]
struct Reaction {
    p50: Option<f64>,
    p99: Option<f64>,
}

impl Report {
    pub(super) fn new(options: &Options, links_up: usize, supply_s: i64, figures: &Figures) -> Self {
        let orders = &figures.orders;
        let peak = figures.worst_peak.as_ref();
        Self {
            scenario: options.scenario.clone(),
            seed: options.seed,
            terminals: options.terminals,
            links_up,
            supply_s,
            time_factor: options.time_factor,
            readings_received: figures.readings_received,
            readings_stored: figures.readings_stored,
            breaches: figures.breaches,
            orders: Orders {
                issued: orders.issued,
                confirmed: orders.confirmed,
                failed: orders.failed,
                unknown: orders.unknown,
            },
            rounds_shed: figures.rounds_shed,
            rounds_restored: figures.rounds_restored,
            longest_over_limit_s: figures.longest_over_limit.s(),
            peak_node: peak.map(|peak| peak.node.to_string()),
            peak_kw: peak.map(|peak| peak.load.kw()),
            limit_kw: peak.map(|peak| peak.limit.kw()),
            protected_shed: figures.protected_shed,
            reaction_ms: Reaction { p50: figures.reaction_ms_p50, p99: figures.reaction_ms_p99 },
        }
    }
}
