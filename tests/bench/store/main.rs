//! What the store takes and how fast it answers: on SQLite, on PostgreSQL where `HEADROOM_TEST_POSTGRES_URL` names one,
//! and on TimescaleDB where `HEADROOM_TEST_TIMESCALE_URL`, `HEADROOM_TEST_TIMESCALE_APACHE_URL` or
//! `HEADROOM_TEST_TIMESCALE_WASM_URL` does. Their databases are wiped.
//!
//! Readings go in as a centre gives them in when it catches up: in the writer's largest batches, of 50 terminals with 10
//! points each, every 10 s, arriving up to 50 ms late; with the loads of 10 nodes each minute.
//!
//! `--large=MILLIONS` fills the tables with so many million readings on TimescaleDB, a tenth of it on SQLite, and only asks.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod data;
#[path = "../../../rules/benches/measure/mod.rs"]
mod measure;
mod raw;

use std::path::Path;
use std::time::{Duration, Instant};

use headroom::clock::Clock;
use headroom::journal::{Journal, Position};
use headroom::store::{
    Backlog, Entry, Place, READINGS_MAX, Resolution, Server, Store, StoreReader, StoreSettings, run_writer,
};
use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Span, Timestamp};
use measure::Report;
use tokio::sync::{mpsc, watch};

use data::Readings;

/// Entries that wait for the writer.
const WAITING_MAX: usize = 8_192;
/// Inputs that the journal takes at once: what a busy centre's group commit has.
const COMMIT: usize = 256;

/// How much is written.
#[derive(Clone, Copy)]
struct Effort {
    repetitions: u8,
    /// In each repetition.
    readings: usize,
    /// In all, before it is asked.
    asked_of: usize,
    questions: u16,
}

/// How many million readings TimescaleDB is to hold; none without `--large`.
fn large() -> Option<usize> {
    let of = |argument: String| Some(argument.strip_prefix("--large=")?.parse().expect("--large=MILLIONS, a number"));
    std::env::args().find_map(of)
}

fn main() {
    let large =
        large().map(|millions| Effort { repetitions: 0, readings: 0, asked_of: millions * 1_000_000, questions: 500 });
    let effort = if let Some(large) = large {
        large
    } else if measure::quick() {
        Effort { repetitions: 1, readings: 400_000, asked_of: 400_000, questions: 50 }
    } else {
        Effort { repetitions: 3, readings: 1_000_000, asked_of: 5_000_000, questions: 200 }
    };
    let mut report = Report::new("store");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let on_sqlite = if large.is_some() { Effort { asked_of: effort.asked_of / 10, ..effort } } else { effort };
        on("sqlite", None, on_sqlite, &mut report).await;
        let servers = [
            ("postgresql", "HEADROOM_TEST_POSTGRES_URL"),
            ("timescaledb", "HEADROOM_TEST_TIMESCALE_URL"),
            ("timescaledb_apache", "HEADROOM_TEST_TIMESCALE_APACHE_URL"),
            ("timescaledb_wasm", "HEADROOM_TEST_TIMESCALE_WASM_URL"),
        ];
        // So much goes into what is meant for it only.
        let fit = |group: &str| large.is_none() || (group.starts_with("timescaledb") && !group.ends_with("wasm"));
        for (group, variable) in servers.into_iter().filter(|(group, _)| fit(group)) {
            match std::env::var(variable) {
                Ok(url) => on(group, Some(&url), effort, &mut report).await,
                Err(_) => eprintln!("{group}: left out, {variable} names no database"),
            }
        }
    });
    report.print();
}

fn settings(url: Option<&str>) -> StoreSettings {
    let Some(url) = url else { return StoreSettings::default() };
    let server = Server { url: url.parse().unwrap(), password_file: None };
    // Nothing is compressed by itself while it is measured.
    StoreSettings {
        place: Place::Server(server),
        compress_after: Span::from_s(3_650 * 86_400),
        ..StoreSettings::default()
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn on(group: &'static str, url: Option<&str>, effort: Effort, report: &mut Report) {
    // Compiled to WebAssembly its speed says nothing of a server's; what it needs for a reading does.
    let wasm = group.ends_with("wasm");
    let effort = if wasm { Effort { repetitions: 0, asked_of: effort.readings, ..effort } } else { effort };
    let settings = settings(url);
    for _ in 0..effort.repetitions {
        let folder = tempfile::tempdir().unwrap();
        let entries = Readings::new(1).entries(effort.readings);
        raw::wipe(url).await;
        let alone = written(&settings, folder.path(), &entries).await;
        let raw = raw::limit(url, folder.path()).await;
        raw::wipe(url).await;
        let folder = tempfile::tempdir().unwrap();
        let whole = through_the_journal(&settings, folder.path(), entries).await;
        let mut add = |key, what, sample| report.add(group, key, what, sample);
        add("raw_per_s", "the same rows into the same table without the store, rows/s", raw);
        add("written_per_s", "readings into the store alone, with rollups and last values, /s", alone);
        add("written_to_raw_ratio", "  ratio to that", alone / raw);
        add("whole_per_s", "readings through the journal into the store, /s", whole);
        add("whole_to_raw_ratio", "  ratio to the bare rows", whole / raw);
    }
    let folder = tempfile::tempdir().unwrap();
    raw::wipe(url).await;
    let mut store = Store::begin(&settings, folder.path()).await.unwrap();
    let mut data = Readings::new(1);
    while data.readings() < effort.asked_of {
        store.write(&data.entries(READINGS_MAX.min(effort.asked_of))).await.unwrap();
        if data.readings().is_multiple_of(5_000_000) {
            eprintln!("{group}: {} million readings", data.readings() / 1_000_000);
        }
    }
    let mut add = |key, what, sample| report.add(group, key, what, sample);
    add("readings", "readings that the following is of", data.readings() as f64);
    let bytes = raw::bytes(url, folder.path()).await;
    add("bytes_per_reading", "bytes for a reading on disk, index and all", bytes / data.readings() as f64);
    if let Some(bytes) = raw::compressed(url).await {
        add("compressed_bytes_per_reading", "  compressed", bytes / data.readings() as f64);
    }
    let reader = StoreReader::begin(&settings, folder.path()).await.unwrap();
    questions(&reader, &data, effort, &mut add).await;
}

/// Readings/s that the store takes in batches as its writer makes them.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn written(settings: &StoreSettings, folder: &Path, entries: &[Entry]) -> f64 {
    let mut store = Store::begin(settings, folder).await.unwrap();
    let began = Instant::now();
    let mut readings = 0;
    for batch in entries.chunks(READINGS_MAX / data::POINTS_OF_ONE) {
        readings += store.write(batch).await.unwrap().readings;
    }
    readings as f64 / began.elapsed().as_secs_f64()
}

/// Readings/s from the journal's append to the store's last commit, both at work at the same time.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn through_the_journal(settings: &StoreSettings, folder: &Path, entries: Vec<Entry>) -> f64 {
    let store = Store::begin(settings, folder).await.unwrap();
    let mut journal = Journal::open(&folder.join("journal")).await.unwrap();
    let (waiting, taken) = mpsc::channel(WAITING_MAX);
    let (backlog, seen) = watch::channel(Backlog::default());
    let began = Instant::now();
    let writer = tokio::spawn(run_writer(store, taken, backlog, Clock::wall()));
    let mut entries = entries.into_iter();
    let mut position = 0;
    loop {
        let inputs: Vec<Input> = entries.by_ref().take(COMMIT).map(|entry| entry.input).collect();
        if inputs.is_empty() {
            break;
        }
        journal.append(&inputs).await.unwrap();
        for input in inputs {
            position += 1;
            waiting.send(Entry { position: Position(position), input, outputs: Vec::new() }).await.unwrap();
        }
    }
    drop(waiting);
    assert_eq!(writer.await.unwrap().position(), Some(Position(position)));
    let readings = seen.borrow().readings;
    readings as f64 / began.elapsed().as_secs_f64()
}

/// The times of what a screen and a report ask.
async fn questions(
    reader: &StoreReader,
    data: &Readings,
    effort: Effort,
    add: &mut impl FnMut(&'static str, &'static str, f64),
) {
    const SCREEN: usize = 600;
    let end = data.now();
    let ago = |s: i64| Timestamp::new(end.get() - s * 1_000);
    let (hour, day, month) = (ago(3_600), ago(86_400), ago(30 * 86_400));
    let two_days = Resolution::Day.start(ago(2 * 86_400));
    let power = PointKind::ActivePower;
    let mut times: [Vec<Duration>; 9] = Default::default();
    for n in 0..effort.questions {
        let (terminal, node) = (data::terminal(n), data::node(n));
        let answers = [
            timed(reader.last_values(None)).await,
            timed(reader.trend(terminal, power, hour, end, SCREEN)).await,
            timed(reader.trend(terminal, power, day, end, SCREEN)).await,
            timed(reader.trend(terminal, power, month, end, SCREEN)).await,
            timed(reader.load_curve(node, day, end, SCREEN)).await,
            timed(reader.load_summary(node, month, end)).await,
            timed(reader.peak(terminal, power, month, end)).await,
            timed(reader.energy(terminal, two_days, end, Resolution::Hour.span())).await,
            timed(reader.gaps(terminal, power, day, end, Span::from_s(60))).await,
        ];
        times.iter_mut().zip(answers).for_each(|(times, answer)| times.push(answer));
    }
    let told = [
        ("last_values_p50_ms", "last_values_p99_ms", "last values of all 500 points (p50), ms"),
        ("trend_hour_p50_ms", "trend_hour_p99_ms", "trend of one hour on a screen (p50), ms"),
        ("trend_day_p50_ms", "trend_day_p99_ms", "trend of one day on a screen (p50), ms"),
        ("trend_month_p50_ms", "trend_month_p99_ms", "trend of a month on a screen (p50), ms"),
        ("load_curve_p50_ms", "load_curve_p99_ms", "a node's load curve of one day (p50), ms"),
        ("at_limit_p50_ms", "at_limit_p99_ms", "a node's time above its limit in a month (p50), ms"),
        ("peak_p50_ms", "peak_p99_ms", "peak of a month and its time (p50), ms"),
        ("energy_p50_ms", "energy_p99_ms", "energy of each hour of two days (p50), ms"),
        ("gaps_p50_ms", "gaps_p99_ms", "gaps of one day (p50), ms"),
    ];
    for ((p50, p99, what), times) in told.into_iter().zip(times) {
        let (median, worst) = quantiles(times);
        add(p50, what, median);
        add(p99, "  (p99)", worst);
    }
}

async fn timed<T, E: std::fmt::Debug>(question: impl Future<Output = Result<T, E>>) -> Duration {
    let began = Instant::now();
    question.await.unwrap();
    began.elapsed()
}

/// The median and the 99th percentile, ms.
fn quantiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
    (at(50), at(99))
}
