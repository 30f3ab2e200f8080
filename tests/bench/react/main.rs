//! How long a centre takes from a reading that breaks a limit to the order's select at the terminal, under a steady
//! stream of readings, beside a bare echo that syncs as many octets to the same disk in the same minutes.
//!
//! Stations, echo and centre share the processors and the disk. The rule's delay is zero, so the reading that breaks the
//! limit is the one that makes the plan.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod echo;
#[path = "../machine.rs"]
mod machine;
#[path = "../../../rules/benches/measure/mod.rs"]
mod measure;
mod station;
#[path = "../wire.rs"]
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use headroom::centre::{Centre, Parts};
use headroom::clock::Clock;
use headroom::config::{self, CollectionSettings, Iec104Settings, JournalSettings, LinkEntry, Transport};
use headroom::store::StoreSettings;
use headroom_rules::model::{Customer, CustomerId, Inventory, Node, NodeId, NodeKind, Power, Span, TerminalId};
use headroom_rules::policy::{LimitRule, Policy};
use headroom_sim::fleet::Fleet;
use headroom_sim::scenario::Scenario;
use measure::Report;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::time::{sleep, timeout};

use self::echo::Echo;
use self::station::{Common, Station, VALUES};

/// Links, each with a limit of its own.
const LINKS: u16 = 20;
/// Readings a second over all links.
const READINGS_PER_S: u64 = 20_000;
/// Of a feeder; `station` stays below it and goes above it.
const LIMIT: Power = Power::from_kw(100);
/// Between one measurement and the next, ms: by chance, so that no clock of the centre's keeps step with them.
const PAUSE_MS: std::ops::Range<u64> = 10..50;
/// What is waited for takes no longer, or the benchmark fails.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Clone, Copy)]
struct Effort {
    repetitions: u64,
    warm_up: Duration,
    /// Breaches in each repetition, and as many echoes.
    breaches: usize,
    syncs: Duration,
}

/// Times of one repetition.
struct Times {
    reactions: Vec<Duration>,
    echoes: Vec<Duration>,
}

fn main() {
    let ms = Duration::from_millis;
    let effort = if measure::quick() {
        Effort { repetitions: 3, warm_up: ms(1_000), breaches: 100, syncs: ms(200) }
    } else {
        Effort { repetitions: 7, warm_up: ms(3_000), breaches: 400, syncs: ms(1_000) }
    };
    let mut report = Report::new("react");
    let mut all = Times { reactions: Vec::new(), echoes: Vec::new() };
    for seed in 0..effort.repetitions {
        // A runtime for each, so that nothing of the last repetition runs on.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let times = runtime.block_on(repetition(seed, effort, &mut report));
        runtime.shutdown_timeout(PATIENCE);
        all.reactions.extend(times.reactions);
        all.echoes.extend(times.echoes);
    }
    compare("all_repetitions_together", &mut all, &mut report);
    report.print();
}

/// Percentiles of both and their ratios.
fn compare(group: &str, times: &mut Times, report: &mut Report) {
    let Times { reactions, echoes } = times;
    let mut add = |key, what, sample| report.add(group, key, what, sample);
    let [[r50, r99], [e50, e99]] = [reactions, echoes].map(|times| {
        times.sort_unstable();
        [50, 99].map(|percent| percentile_ms(times, percent))
    });
    add("reaction_p50_ms", "a breaching reading sent to the select received, p50, ms", r50);
    add("reaction_p99_ms", "  p99, ms", r99);
    add("echo_p50_ms", "echo with one sync of as many octets, p50, ms", e50);
    add("echo_p99_ms", "  p99, ms", e99);
    add("reaction_to_echo_p50_ratio", "reaction to echo, p50", r50 / e50);
    add("reaction_to_echo_p99_ratio", "  p99", r99 / e99);
}

/// By nearest rank.
fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1_000.0
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn repetition(seed: u64, effort: Effort, report: &mut Report) -> Times {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let syncs = machine::syncs(folder, effort.syncs).await;
    let common = Arc::<Common>::default();
    let period = Duration::from_secs(u64::from(LINKS) * VALUES) / u32::try_from(READINGS_PER_S).unwrap();
    let mut stations = Vec::new();
    for number in 1..=LINKS {
        stations.push(Station::start(number, period, Arc::clone(&common)).await);
    }
    let centre = Centre::start(parts(&folder.join("centre"), &stations)).await.unwrap();
    until("all links are up", || centre.figures().links_up == stations.len()).await;
    common.reporting.send_replace(true);
    sleep(effort.warm_up).await;

    let mut echo = Echo::start(&folder.join("echo"), stations[0].frame_octets()).await;
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut times = Times { reactions: Vec::new(), echoes: Vec::new() };
    let (began, sent, cpu) = (Instant::now(), common.sent.load(Ordering::Relaxed), machine::processors_s());
    for station in stations.iter().cycle().take(effort.breaches) {
        sleep(Duration::from_millis(chance.random_range(PAUSE_MS))).await;
        let reaction = timeout(PATIENCE, station.breach()).await;
        times.reactions.push(reaction.unwrap_or_else(|_| panic!("no select within {PATIENCE:?}")));
        sleep(Duration::from_millis(chance.random_range(PAUSE_MS))).await;
        times.echoes.push(echo.once().await);
    }
    let seconds = began.elapsed().as_secs_f64();
    let readings = (common.sent.load(Ordering::Relaxed) - sent) as f64;
    let cpu_s = cpu.zip(machine::processors_s()).map(|([before, _], [after, _])| after - before);
    common.reporting.send_replace(false);
    let figures = centre.stop().await.unwrap();
    assert_eq!(figures.readings_stored, figures.readings_received);
    assert_eq!((figures.malformed_messages, figures.unmapped_objects), (0, 0), "{figures:?}");
    assert_eq!((figures.breaches, figures.reactions), (effort.breaches as u64, effort.breaches as u64), "{figures:?}");
    let readings_per_s = readings / seconds;
    assert!(readings_per_s > 0.95 * READINGS_PER_S as f64, "only {readings_per_s:.0} readings/s: no steady load");

    let mut add = |key, what, sample| report.add("under_load", key, what, sample);
    add("readings_per_s", "readings/s meanwhile", readings_per_s);
    if let Some(cpu_s) = cpu_s {
        add("processors", "processors in use meanwhile, stations and echo included", cpu_s / seconds);
    }
    add("page_sync_ms", "a page appended to a plain file and synced before, p50, ms", syncs.page_ms);
    add("journal_append_ms", "a reading appended to the journal before, p50, ms", syncs.reading_ms);
    if let Some((p50, p99)) = figures.reaction_ms_p50.zip(figures.reaction_ms_p99) {
        add("inside_p50_ms", "of the reaction within the centre, read to written, p50, ms", p50);
        add("inside_p99_ms", "  p99, ms", p99);
    }
    compare("reaction", &mut times, report);
    times
}

/// A centre whose every feeder has one customer, one terminal and one limit.
fn parts(data: &Path, stations: &[Station]) -> Parts {
    // As fleets are made, with other figures.
    let made = Fleet::generate(LINKS.into(), 1, Scenario::named("quiet").unwrap()).unwrap();
    let like_rule = made.policy.limits.first().unwrap();
    let node = |kind| made.inventory.nodes.values().find(|node| node.kind == kind).unwrap();
    let like_feeder = node(NodeKind::Feeder);
    let like_customer = made.inventory.customers.values().next().unwrap();
    let like_terminal = made.inventory.terminals.values().find(|terminal| terminal.customer.is_some()).unwrap();
    let (region, substation): (NodeId, NodeId) = ("R1".parse().unwrap(), "S1".parse().unwrap());
    let mut inventory = Inventory::default();
    inventory.nodes.insert(region, node(NodeKind::Region).clone());
    inventory.nodes.insert(substation, node(NodeKind::Substation).clone());
    let (mut limits, mut links) = (Vec::new(), Vec::new());
    for station in stations {
        let number = station.common_address;
        let feeder: NodeId = format!("F{number:02}").parse().unwrap();
        let customer: CustomerId = format!("C-{number:04}").parse().unwrap();
        let terminal: TerminalId = format!("T-{number:04}").parse().unwrap();
        inventory.nodes.insert(feeder, Node { parent: Some(substation), measured_by: None, ..like_feeder.clone() });
        let like = like_customer.clone();
        let supply = Customer { supplied_by: feeder, guaranteed: false, safety_floor: Power::ZERO, ..like };
        inventory.customers.insert(customer, supply);
        let mut served = like_terminal.clone();
        served.customer = Some(customer);
        inventory.terminals.insert(terminal, served);
        limits.push(LimitRule {
            node: feeder,
            limit: LIMIT,
            delay: Span::ZERO,
            verify_after: Span::ZERO,
            ..like_rule.clone()
        });
        links.push(LinkEntry::dialled(terminal, station.address.to_string(), number));
    }
    assert_eq!(inventory.check(), []);
    Parts {
        data: data.to_owned(),
        fleet: config::Fleet { inventory, links },
        fleet_file: PathBuf::new(),
        policy: Policy { limits, ..made.policy },
        iec104: Iec104Settings { objects_per_s: 1_000_000, objects_burst: 1_000_000, ..Iec104Settings::default() },
        transport: Transport::default(),
        clock: Clock::wall(),
        store: StoreSettings::default(),
        journal: JournalSettings::default(),
        collection: CollectionSettings::default(),
    }
}

async fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let looking = async {
        while !reached() {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}
