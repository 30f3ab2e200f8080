//! `headroom demo` as a process: what a whole centre with its simulated fleet comes to, and what it uses.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod machine;
#[path = "../../rules/benches/measure/mod.rs"]
mod measure;

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use measure::Report;
use serde_json::Value;

/// For the start, and for the end in order.
const GRACE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SMALL: u32 = 200;
const LARGE: u32 = 1_000;

/// A running demonstration, killed should it be left behind.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail where it has ended, as it should have.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a demonstration came to.
struct Outcome {
    report: Value,
    cpu_s: Option<f64>,
    rss_mb: Option<f64>,
}

fn main() {
    let (repetitions, time_s) = if measure::quick() { (1, 15) } else { (3, 30) };
    let mut report = Report::new("demo");
    for _ in 0..repetitions {
        let [small, large] = [SMALL, LARGE].map(|terminals| repetition(terminals, time_s, &mut report));
        let mut compare = |key, what, of: fn(&Used) -> Option<f64>| {
            if let Some((large, small)) = of(&large).zip(of(&small)) {
                report.add("terminals_1000_to_200", key, what, large / small);
            }
        };
        compare("cpu_per_reading_ratio", "processor time of a reading", |used| used.cpu_us);
        compare("reaction_p50_ratio", "reaction, p50", |used| used.reaction_ms);
        compare("rss_ratio", "memory", |used| used.rss_mb);
    }
    report.print();
}

/// What is compared between fleets.
struct Used {
    cpu_us: Option<f64>,
    reaction_ms: Option<f64>,
    rss_mb: Option<f64>,
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn repetition(terminals: u32, time_s: u32, report: &mut Report) -> Used {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let syncs = runtime.block_on(machine::syncs(folder.path(), Duration::from_millis(500)));
    let Outcome { report: told, cpu_s, rss_mb } = run(terminals, time_s, &folder.path().join("data"));

    let group = &format!("terminals_{terminals}");
    let mut add = |key, what, sample: Option<f64>| {
        if let Some(sample) = sample {
            report.add(group, key, what, sample);
        }
    };
    let number = |pointer: &str| told.pointer(pointer).and_then(Value::as_f64);
    let readings = number("/readings_received").unwrap();
    assert_eq!(number("/readings_stored"), Some(readings), "{told}");
    assert_eq!(number("/protected_shed"), Some(0.0), "{told}");
    let reaction_ms = number("/reaction_ms/p50");
    let cpu_us = cpu_s.map(|seconds| seconds * 1e6 / readings);
    add("page_sync_ms", "a page appended to a plain file and synced (p50), ms", Some(syncs.page_ms));
    add("journal_append_ms", "a reading appended to the bare journal (p50), ms", Some(syncs.reading_ms));
    add("reaction_p50_ms", "reaction, a reading arrived to a select written, p50, ms", reaction_ms);
    add("reaction_p50_to_append_ratio", "  to that append", reaction_ms.map(|ms| ms / syncs.reading_ms));
    add("reaction_p99_ms", "reaction, p99, ms", number("/reaction_ms/p99"));
    add(
        "readings_per_s",
        "readings/s, the first interrogation included, all stored",
        Some(readings / f64::from(time_s)),
    );
    add("cpu_s", "processor time, the fleet's included, s", cpu_s);
    add("cpu_cores", "  processors in use", cpu_s.map(|seconds| seconds / f64::from(time_s)));
    add("cpu_per_reading_us", "  of a reading, µs", cpu_us);
    add("rss_mb", "memory at most, MB", rss_mb);
    add("links_up", "links up at the end", number("/links_up"));
    add("breaches", "breaches", number("/breaches"));
    add("orders_issued", "orders issued", number("/orders/issued"));
    add("orders_confirmed", "  confirmed", number("/orders/confirmed"));
    add("orders_failed", "  failed", number("/orders/failed"));
    add("orders_unknown", "  of unknown outcome", number("/orders/unknown"));
    add("rounds_shed", "rounds shed", number("/rounds_shed"));
    add("rounds_restored", "rounds restored", number("/rounds_restored"));
    add("longest_over_limit_s", "longest time over a limit, s of the supply's time", number("/longest_over_limit_s"));
    Used { cpu_us, reaction_ms, rss_mb }
}

fn run(terminals: u32, time_s: u32, data: &Path) -> Outcome {
    let before = machine::processors_s();
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command.args(["demo", "--headless", "--for", &format!("{time_s}s"), "--terminals", &terminals.to_string()]);
    command.arg("--data").arg(data).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut demo = Demo(command.spawn().unwrap());
    let end = Instant::now() + Duration::from_secs(time_s.into()) + GRACE;
    let mut rss_mb = None;
    let status = loop {
        if let Some(status) = demo.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < end, "{terminals} terminals: not over {GRACE:?} after its time");
        rss_mb = rss_highest_mb(demo.0.id()).or(rss_mb);
        sleep(LOOK_EVERY);
    };
    assert!(status.success(), "{terminals} terminals: {status}");
    let mut said = String::new();
    demo.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let cpu_s = before.zip(machine::processors_s()).map(|([_, before], [_, after])| after - before);
    Outcome { report: serde_json::from_str(&said).unwrap(), cpu_s, rss_mb }
}

/// The most memory that a running process has had in use, where there is a /proc.
fn rss_highest_mb(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let kb = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    kb.parse::<f64>().ok().map(|kb| kb / 1_024.0)
}
