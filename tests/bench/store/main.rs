//! What the store takes and how fast it answers: on SQLite, on PostgreSQL where `HEADROOM_TEST_POSTGRES_URL` names one,
//! and on TimescaleDB where `HEADROOM_TEST_TIMESCALE_URL` or `HEADROOM_TEST_TIMESCALE_WASM_URL` does. Their databases
//! are wiped.
//!
//! Readings go in as a centre gives them in when it catches up: batches of 20,000, of 50 terminals with 10 points each,
//! every 10 s, arriving up to 50 ms late.

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

fn main() {
    let effort = if measure::quick() {
        Effort { repetitions: 1, readings: 200_000, asked_of: 400_000, questions: 50 }
    } else {
        Effort { repetitions: 3, readings: 1_000_000, asked_of: 5_000_000, questions: 200 }
    };
    let mut report = Report::new("store");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        on("sqlite", None, effort, &mut report).await;
        for (group, variable) in [
            ("postgresql", "HEADROOM_TEST_POSTGRES_URL"),
            ("timescaledb", "HEADROOM_TEST_TIMESCALE_URL"),
            ("timescaledb_wasm", "HEADROOM_TEST_TIMESCALE_WASM_URL"),
        ] {
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
        store.write(&data.entries(READINGS_MAX)).await.unwrap();
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
    let power = PointKind::ActivePower;
    let mut last = Vec::new();
    let mut hour = Vec::new();
    let mut day = Vec::new();
    let mut peak = Vec::new();
    let mut energy = Vec::new();
    for n in 0..effort.questions {
        let terminal = data::terminal(n);
        last.push(timed(reader.last_values(None)).await);
        hour.push(timed(reader.trend(terminal, power, ago(3_600), end, SCREEN)).await);
        day.push(timed(reader.trend(terminal, power, ago(86_400), end, SCREEN)).await);
        peak.push(timed(reader.peak(terminal, power, ago(30 * 86_400), end)).await);
        let from = Resolution::Day.start(ago(2 * 86_400));
        energy.push(timed(reader.energy(terminal, from, end, Resolution::Hour.span())).await);
    }
    let mut told = |p50, p99, what, what_p99, times: Vec<Duration>| {
        let (median, worst) = quantiles(times);
        add(p50, what, median);
        add(p99, what_p99, worst);
    };
    told("last_values_p50_ms", "last_values_p99_ms", "last values of all 500 points (p50), ms", "  (p99)", last);
    told("trend_hour_p50_ms", "trend_hour_p99_ms", "trend of one hour on a screen (p50), ms", "  (p99)", hour);
    told("trend_day_p50_ms", "trend_day_p99_ms", "trend of one day on a screen (p50), ms", "  (p99)", day);
    told("peak_p50_ms", "peak_p99_ms", "peak of a month and its time (p50), ms", "  (p99)", peak);
    told("energy_p50_ms", "energy_p99_ms", "energy of each hour of two days (p50), ms", "  (p99)", energy);
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
