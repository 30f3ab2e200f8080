//! How many readings a centre takes in: from sockets through journal and engine into the store, beside what the bare
//! journal and the bare store take of the same data on the same disk.
//!
//! The stations run in the same process and share its processors.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod machine;
#[path = "../../rules/benches/measure/mod.rs"]
mod measure;
mod station;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use headroom::centre::{Centre, Parts};
use headroom::clock::Clock;
use headroom::config::{self, CollectionSettings, Iec104Settings, JournalSettings, LinkEntry, Transport};
use headroom::journal::{Journal, Position};
use headroom::store::{Entry, Store, StoreSettings};
use headroom_rules::input::Input;
use headroom_sim::fleet::Fleet;
use headroom_sim::scenario::Scenario;
use measure::Report;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Row as _};
use station::{Common, Station};
use tokio::time::{sleep, timeout};

/// What is waited for takes no longer, or the benchmark fails.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long the store's writer waits for more, ms.
const STORE_WINDOW_MS: i64 = 200;

/// How long one repetition is.
#[derive(Clone, Copy)]
struct Effort {
    repetitions: u8,
    warm_up: Duration,
    window: Duration,
    /// Of the bare journal, and of the bare store.
    bare: Duration,
    syncs: Duration,
}

fn main() {
    let ms = Duration::from_millis;
    let effort = if measure::quick() {
        Effort { repetitions: 3, warm_up: ms(300), window: ms(1_500), bare: ms(800), syncs: ms(300) }
    } else {
        Effort { repetitions: 7, warm_up: ms(1_000), window: ms(5_000), bare: ms(2_000), syncs: ms(1_000) }
    };
    let mut report = Report::new("ingest");
    for links in [8, 100] {
        for _ in 0..effort.repetitions {
            // A runtime for each, so that nothing of the last repetition runs on.
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(repetition(links, effort, &mut report));
            runtime.shutdown_timeout(PATIENCE);
        }
    }
    report.print();
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn repetition(links: u32, effort: Effort, report: &mut Report) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let syncs = machine::syncs(folder, effort.syncs).await;
    let data = folder.join("centre");
    let whole = Box::pin(through_the_centre(links, &data, effort)).await;
    let batches = journaled(&data).await;
    let mean_of =
        |count: fn(&Vec<Input>) -> usize| batches.iter().map(count).sum::<usize>() as f64 / batches.len() as f64;
    let journal_per_s = into_the_journal(&batches, &folder.join("journal"), effort.bare).await;
    let store_per_s = into_the_store(&batches, &folder.join("store"), effort.bare).await;

    let group = &format!("links_{links}");
    let mut add = |key, what, sample| report.add(group, key, what, sample);
    add("page_sync_ms", "a page appended to a plain file and synced (p50), ms", syncs.page_ms);
    add("journal_append_ms", "a reading appended to the journal (p50), ms", syncs.reading_ms);
    add("journal_append_to_page_sync_ratio", "  to that page", syncs.reading_ms / syncs.page_ms);
    add("acknowledged_per_s", "readings acknowledged/s", whole.acknowledged_per_s);
    add("stored_per_s", "readings stored/s", whole.stored_per_s);
    add("catch_up_ms", "until the last reading is stored, ms", whole.catch_up_ms);
    if let Some(cpu_us) = whole.cpu_us {
        add("cpu_per_reading_us", "processor time of a reading, its station's included, µs", cpu_us);
    }
    add("batch_readings", "readings in a batch of the journal, mean", mean_of(|batch| readings(batch)));
    add("batch_inputs", "  inputs, each what one link had to say at once", mean_of(Vec::len));
    add("bare_journal_per_s", "the same batches into the bare journal, readings/s", journal_per_s);
    add("acknowledged_to_bare_journal_ratio", "  acknowledged to that", whole.acknowledged_per_s / journal_per_s);
    add("bare_store_per_s", "the same rows into the bare store, readings/s", store_per_s);
    add("stored_to_bare_store_ratio", "  stored to that", whole.stored_per_s / store_per_s);
}

struct Whole {
    acknowledged_per_s: f64,
    stored_per_s: f64,
    catch_up_ms: f64,
    cpu_us: Option<f64>,
}

/// Readings in all from all links at once, journaled in `data`.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn through_the_centre(links: u32, data: &Path, effort: Effort) -> Whole {
    let common = Arc::<Common>::default();
    let fleet = Fleet::generate(links, 1, Scenario::named("quiet").unwrap()).unwrap();
    let mut stations = Vec::new();
    let mut entries = Vec::new();
    for &(terminal, common_address) in &fleet.links {
        let station = Station::start(common_address, Arc::clone(&common)).await;
        let address = station.address.to_string();
        entries.push(LinkEntry::dialled(terminal, address, common_address));
        stations.push(station);
    }
    let parts = Parts {
        data: data.to_owned(),
        fleet: config::Fleet { inventory: fleet.inventory, links: entries },
        fleet_file: PathBuf::new(),
        policy: fleet.policy,
        iec104: Iec104Settings { objects_per_s: 1_000_000, objects_burst: 1_000_000, ..Iec104Settings::default() },
        transport: Transport::default(),
        clock: Clock::wall(),
        store: StoreSettings::default(),
        journal: JournalSettings::default(),
        collection: CollectionSettings::default(),
    };
    let centre = Centre::start(parts).await.unwrap();
    until("all links are up", || centre.figures().links_up == stations.len()).await;
    common.reporting.send_replace(true);
    until("every link reports", || common.acknowledged.load(Ordering::Relaxed) > u64::from(links)).await;
    sleep(effort.warm_up).await;

    let counts = || (common.acknowledged.load(Ordering::Relaxed), centre.figures().readings_stored);
    let cpu = machine::processors_s();
    let (began, (acknowledged, stored)) = (Instant::now(), counts());
    sleep(effort.window).await;
    let (seconds, (acknowledged_after, stored_after)) = (began.elapsed().as_secs_f64(), counts());
    let cpu_s = cpu.zip(machine::processors_s()).map(|([before, _], [after, _])| after - before);

    common.reporting.send_replace(false);
    let ended = Instant::now();
    let mut received = u64::MAX;
    until("everything is stored", || {
        let figures = centre.figures();
        // Stored, and nothing new since the last look.
        let last = std::mem::replace(&mut received, figures.readings_received);
        figures.readings_stored == figures.readings_received && last == figures.readings_received
    })
    .await;
    let catch_up_ms = ended.elapsed().as_secs_f64() * 1_000.0;
    let figures = centre.stop().await.unwrap();
    assert_eq!(figures.readings_stored, figures.readings_received);
    assert!(common.acknowledged.load(Ordering::Relaxed) <= figures.readings_received, "{figures:?}");
    assert_eq!((figures.malformed_messages, figures.unmapped_objects, figures.breaches), (0, 0, 0), "{figures:?}");

    let acknowledged = (acknowledged_after - acknowledged) as f64;
    Whole {
        acknowledged_per_s: acknowledged / seconds,
        stored_per_s: (stored_after - stored) as f64 / seconds,
        catch_up_ms,
        cpu_us: cpu_s.map(|seconds| seconds * 1e6 / acknowledged),
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

/// The journal's batches as they were written, those without a reading left out.
async fn journaled(data: &Path) -> Vec<Vec<Input>> {
    let options = SqliteConnectOptions::new().filename(data.join("journal.db")).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let query = sqlx::query("SELECT first, count FROM batch ORDER BY first");
    let rows = query.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut journal = Journal::open(data).await.unwrap();
    let mut batches = Vec::with_capacity(rows.len());
    for row in rows {
        let (first, count): (i64, i64) = (row.get("first"), row.get("count"));
        let before = Position(u64::try_from(first).unwrap() - 1);
        let inputs = journal.read_from(before, usize::try_from(count).unwrap()).await.unwrap();
        let inputs: Vec<Input> = inputs.into_iter().map(|(_, input)| input).collect();
        if readings(&inputs) > 0 {
            batches.push(inputs);
        }
    }
    batches
}

fn readings(inputs: &[Input]) -> usize {
    let of = |input: &Input| if let Input::Readings { readings, .. } = input { readings.len() } else { 0 };
    inputs.iter().map(of).sum()
}

/// Readings/s, appended batch by batch for at most `within`.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn into_the_journal(batches: &[Vec<Input>], folder: &Path, within: Duration) -> f64 {
    let mut journal = Journal::open(folder).await.unwrap();
    let began = Instant::now();
    let mut count = 0;
    for batch in batches {
        journal.append(batch).await.unwrap();
        count += readings(batch);
        if began.elapsed() >= within {
            break;
        }
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// Readings/s, written for at most `within`: as much in one transaction as arrived while the store's writer waits for
/// more.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn into_the_store(batches: &[Vec<Input>], folder: &Path, within: Duration) -> f64 {
    std::fs::create_dir(folder).unwrap();
    let mut store = Store::open(folder).await.unwrap();
    let entry = |(position, input): (u64, &Input)| Entry {
        position: Position(position),
        input: input.clone(),
        outputs: Vec::new(),
    };
    let entries: Vec<Entry> = (1..).zip(batches.iter().flatten()).map(entry).collect();
    let window = |entry: &Entry| entry.input.at().get() / STORE_WINDOW_MS;
    let mut count = 0;
    let began = Instant::now();
    for transaction in entries.chunk_by(|one, next| window(one) == window(next)) {
        count += store.write(transaction).await.unwrap().readings;
        if began.elapsed() >= within {
            break;
        }
    }
    count as f64 / began.elapsed().as_secs_f64()
}
