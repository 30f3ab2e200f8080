//! Real files of a journal, damaged at any place, and what a start makes of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Quality, Reading, Span, Timestamp};
use headroom_rules::output::AlarmCause;
use proptest::prelude::*;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use super::machine::Machine as _;
use super::recovery::{self, Beginning};
use super::snapshots::encode;
use super::tests::Counter;
use crate::clock::Clock;
use crate::journal::{self, Health, Journal, Position, Retention, Side, Submission};
use crate::store::{Entry, Store, StoreError};

const END: u64 = 240;
/// Bytes of the log that it takes at most: a page of the table, one above it, and one that a batch reaches over to.
const LAST_BATCH: usize = 3 * (4_096 + 24);
const DATABASE: &str = "journal.db";
const LOG: &str = "journal.db-wal";

/// Of about a page, so that a batch has pages of its own.
fn input(n: u64) -> Input {
    let reading = |place: u64| Reading {
        point: PointKind::ActivePower,
        value: i64::try_from(n * 1_000 + place).unwrap(),
        quality: Quality::GOOD,
        source_time: Some(Timestamp::new(1_780_300_800_000)),
        cause: 3,
    };
    let at = Timestamp::new(i64::try_from(n).unwrap());
    Input::Readings { at, terminal: "T-1".parse().unwrap(), readings: (0..20).map(reading).collect() }
}

fn machine_at(position: u64) -> Counter {
    let mut machine = Counter::default();
    (1..=position).for_each(|n| machine.apply(&input(n), &mut Vec::new()));
    machine
}

/// A journal of batches of six inputs with snapshots at 60 and 120, as a killed process leaves it: part of it in the
/// file, and the rest in its log.
async fn killed() -> TempDir {
    let (folder, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut journal = Journal::open(folder.path()).await.unwrap();
    let mut n = 1;
    while n <= END {
        let batch: Vec<_> = (n..n + 6).map(input).collect();
        n = journal.append(&batch).await.unwrap().0 + 1;
        if n == 61 || n == 121 {
            let position = Position(n - 1);
            journal.save_snapshot(position, &encode(&machine_at(position.0)).unwrap()).await.unwrap();
        }
        if n == 181 {
            drop(journal);
            journal = Journal::open(folder.path()).await.unwrap();
        }
    }
    for name in [DATABASE, LOG] {
        fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
    }
    left
}

/// All files that were ever kept aside.
fn kept(folder: &Path) -> Vec<Vec<u8>> {
    let asides = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    asides
        .flat_map(|aside| fs::read_dir(aside).unwrap())
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

/// A file as it was damaged.
struct Damage {
    file: Vec<u8>,
    /// Whether that may be in the log's last batch.
    at_the_end: bool,
}

/// What has to hold of any start: everything read is what was written, at its place, up to one position; what is missing
/// behind it is on record and told, the damaged files are kept, and from here on all goes on.
async fn start(folder: &Path, damaged: Option<Damage>, stored: Position) -> Beginning<Counter> {
    let journal = Journal::open(folder).await.unwrap();
    let beginning = recovery::begin::<Counter>(journal, stored).await.unwrap();
    let Beginning { mut journal, mut machine, position, marks } = beginning;
    assert_eq!(machine, machine_at(position.0), "the state of its position");
    assert!(position <= stored, "the store lacks nothing before it");
    let read = journal.read_from(position, usize::MAX).await.unwrap();
    for ((found, input_found), n) in read.iter().zip(position.0 + 1..) {
        assert_eq!((found.0, input_found), (n, &input(n)));
        machine.apply(input_found, &mut Vec::new());
    }
    let reached = position.plus(read.len() as u64);
    assert_eq!(reached, journal.last_input().max(position));
    let told = recovery::told(&journal, Timestamp::new(0));
    let at_the_end = damaged.as_ref().is_some_and(|damage| damage.at_the_end);
    // A fault of the log's last frames cannot be told from a batch whose write did not end.
    if reached < Position(END) && !(at_the_end && journal.gap_at_end().is_none()) {
        let gap = journal.gap_at_end().expect("what is missing is on record").clone();
        assert!(gap.first <= Position(END) && gap.last >= stored, "{gap:?}");
        assert!(
            matches!(&told[0], Input::Trouble { cause: AlarmCause::JournalDamaged, detail: Some(text), .. } if text.contains(&gap.kept))
        );
        assert!(kept(folder).contains(&damaged.unwrap().file), "the damaged file is kept as it was");
    }
    let end = journal.end();
    assert!(end >= stored.max(reached), "no position is given twice");
    let next = journal.append(&[input(9_999)]).await.unwrap();
    assert_eq!(next, end.plus(1));
    assert!(recovery::told(&journal, Timestamp::new(0)).is_empty(), "told once");
    drop(journal);
    let journal = Journal::open(folder).await.unwrap();
    let mut again = recovery::begin::<Counter>(journal, stored).await.unwrap();
    let last = again.journal.read_from(again.position, usize::MAX).await.unwrap().pop();
    assert_eq!(last, Some((next, input(9_999))), "over the gap");
    Beginning { journal: again.journal, machine, position, marks }
}

fn overwrite(path: &Path, at: usize, with: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    bytes.iter_mut().skip(at).zip(with).for_each(|(byte, with)| *byte = *with);
    fs::write(path, bytes).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_start_survives_damage_at_any_place_of_any_file_and_nothing_is_dropped_without_a_word(
        in_log: bool,
        place in 0.0..1.0_f64,
        with in prop_oneof![
            prop::collection::vec(any::<u8>(), 1..4),
            prop::collection::vec(any::<u8>(), 300..600),
            Just(vec![0; 4_096]),
        ],
        stored in 120..=END,
    ) {
        runtime().block_on(async {
            let left = killed().await;
            let path = left.path().join(if in_log { LOG } else { DATABASE });
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
            let at = (fs::metadata(&path).unwrap().len() as f64 * place) as usize;
            overwrite(&path, at, &with);
            let file = fs::read(&path).unwrap();
            let at_the_end = in_log && file.len() - at < with.len() + 2 * LAST_BATCH;
            start(left.path(), Some(Damage { file, at_the_end }), Position(stored)).await;
        });
    }
}

#[tokio::test]
async fn an_undamaged_journal_is_whole_and_keeps_nothing_aside() {
    let left = killed().await;
    let Beginning { position, machine, .. } = start(left.path(), None, Position(END)).await;
    assert_eq!((position, machine), (Position(120), machine_at(END)));
    assert!(kept(left.path()).is_empty());
}

#[tokio::test]
async fn a_head_that_nothing_can_be_read_with_costs_nothing_that_was_in_the_file() {
    let left = killed().await;
    // Through the log the head would be whole again.
    Journal::open(left.path()).await.unwrap().close().await;
    overwrite(&left.path().join(DATABASE), 0, &[0xA5; 100]);
    let damage = Damage { file: fs::read(left.path().join(DATABASE)).unwrap(), at_the_end: false };
    let Beginning { position, machine, .. } = start(left.path(), Some(damage), Position(END)).await;
    assert_eq!((position, machine), (Position(120), machine_at(END)));
    assert!(!kept(left.path()).is_empty());
}

#[tokio::test]
async fn a_log_that_was_cut_in_the_middle_of_a_write_loses_no_batch_that_was_written_whole() {
    let left = killed().await;
    let path = left.path().join(LOG);
    let log = fs::read(&path).unwrap();
    fs::write(&path, &log[..log.len() - 1_000]).unwrap();
    // Only the last batch, which can then not have been acknowledged.
    let mut journal = Journal::open(left.path()).await.unwrap();
    assert_eq!((journal.end(), journal.gap_at_end()), (Position(END - 6), None));
    assert_eq!(journal.read_from(Position(120), usize::MAX).await.unwrap().len() as u64, END - 126);
    assert!(kept(left.path()).is_empty());
}

#[tokio::test]
async fn a_last_frame_whose_head_is_there_without_its_page_is_a_write_that_did_not_end() {
    let left = killed().await;
    let path = left.path().join(LOG);
    let length = fs::read(&path).unwrap().len();
    overwrite(&path, length - 4_096, &[0xA5; 4_096]);
    let journal = Journal::open(left.path()).await.unwrap();
    assert_eq!((journal.end(), journal.gap_at_end()), (Position(END - 6), None));
    assert!(kept(left.path()).is_empty());
}

#[tokio::test]
async fn a_bit_lost_in_the_log_keeps_the_log_and_says_which_batches_are_in_doubt() {
    let left = killed().await;
    let path = left.path().join(LOG);
    let log = fs::read(&path).unwrap();
    overwrite(&path, log.len() / 2, &[!log[log.len() / 2]]);
    let damaged = fs::read(&path).unwrap();
    let journal = Journal::open(left.path()).await.unwrap();
    let gap = journal.gap_at_end().unwrap();
    assert!(gap.why.contains("journal.db-wal is damaged at frame"), "{gap:?}");
    assert!(journal.last_input() < Position(END) && gap.last >= Position(END), "{gap:?}");
    assert_eq!(kept(left.path()), [damaged]);
}

#[tokio::test]
async fn a_damaged_newest_snapshot_falls_back_and_the_replay_has_to_come_to_its_hash() {
    let left = killed().await;
    Journal::open(left.path()).await.unwrap().close().await;
    // The state's text stands in the file once for each snapshot.
    let bytes = fs::read(left.path().join(DATABASE)).unwrap();
    let state = encode(&machine_at(120)).unwrap();
    let at = bytes.windows(state.len()).rposition(|window| window == state).unwrap();
    overwrite(&left.path().join(DATABASE), at + 3, b"?");
    let journal = Journal::open(left.path()).await.unwrap();
    let Beginning { position, marks, .. } = recovery::begin::<Counter>(journal, Position(END)).await.unwrap();
    assert_eq!(position, Position(60));
    assert_eq!(marks.steps(position, 1_000), 60, "it stops where the hash is");
    assert_eq!(marks.differs(&machine_at(120), Position(120)), None);
    let other = marks.differs(&machine_at(119), Position(120)).unwrap();
    assert!(other.contains("position 120") && other.contains("is not the one that was saved"), "{other}");
}

#[tokio::test]
async fn with_both_snapshots_damaged_and_the_beginning_given_up_the_engine_begins_anew_and_all_is_kept() {
    let left = killed().await;
    let mut journal = Journal::open(left.path()).await.unwrap();
    journal.forget_until(Position(60)).await.unwrap();
    journal.close().await;
    let file = left.path().join(DATABASE);
    let bytes = fs::read(&file).unwrap();
    for at in [60, 120].map(|position| encode(&machine_at(position)).unwrap()) {
        let places = bytes.windows(at.len()).enumerate().filter(|(_, window)| *window == at).map(|(place, _)| place);
        places.for_each(|place| overwrite(&file, place, b"?"));
    }
    let journal = Journal::open(left.path()).await.unwrap();
    let Beginning { position, machine, journal, .. } =
        recovery::begin::<Counter>(journal, Position(END)).await.unwrap();
    assert_eq!((position, machine), (Position::START, Counter::default()));
    assert!(journal.end() >= Position(END));
    let gap = journal.gap_at_end().unwrap();
    assert!(gap.why.contains("no snapshot can be read"), "{gap:?}");
}

/// As [`killed`], with free pages of which the list is damaged: nothing that reads notices.
async fn with_damaged_free_pages() -> TempDir {
    let left = killed().await;
    let mut journal = Journal::open(left.path()).await.unwrap();
    journal.forget_until(Position(120)).await.unwrap();
    journal.close().await;
    let path = left.path().join(DATABASE);
    let bytes = fs::read(&path).unwrap();
    let free = usize::try_from(u32::from_be_bytes(*bytes[32..].first_chunk().unwrap())).unwrap();
    assert!(free > 0, "the list of free pages begins somewhere");
    overwrite(&path, (free - 1) * 4_096, &[0xFF; 4_096]);
    left
}

#[tokio::test]
async fn damage_of_free_pages_is_found_by_the_first_append_which_then_goes_into_a_new_file() {
    let left = with_damaged_free_pages().await;
    let mut inspector = journal::Inspector::open(left.path()).await.unwrap();
    assert!(!inspector.verify().await.unwrap().is_empty(), "verify finds it too");
    let journal = Journal::open(left.path()).await.unwrap();
    let Beginning { journal, .. } = recovery::begin::<Counter>(journal, Position(END)).await.unwrap();
    // Enough to need a page.
    let inputs: Vec<_> = (1..200).map(input).collect();
    let (mut journal, before, first) = recovery::begin_anew(journal, Timestamp::new(0), inputs).await.unwrap();
    assert!(before > Position(END) && first.len() == 2 + 199, "{before} {}", first.len());
    assert_eq!(journal.read_from(Position(120), usize::MAX).await.unwrap().len(), 120 + 2 + 199, "nothing was lost");
    assert!(!kept(left.path()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn damage_that_a_running_centre_writes_into_is_told_at_once_and_journal_and_store_go_on() {
    let left = with_damaged_free_pages().await;
    let mut store = Store::open(left.path()).await.unwrap();
    let entry = |position, input| Entry { position, input, outputs: Vec::new() };
    let known: Vec<_> = (1..=END).map(|n| entry(Position(n), input(n))).collect();
    store.write(&known).await.unwrap();
    let mut journal = Journal::open(left.path()).await.unwrap();
    let small = journal.append(&[Input::Tick { at: Timestamp::new(1) }]).await.unwrap();
    assert_eq!(small, Position(END + 1), "what needs no page finds nothing");
    store.write(&[entry(small, Input::Tick { at: Timestamp::new(1) })]).await.unwrap();

    let (submit, submissions) = mpsc::channel(512);
    let (next, mut committed) = mpsc::channel(512);
    let (health, mut seen) = watch::channel(Health::Good);
    let clock = Clock::from_source(1.0, || Timestamp::new(0));
    let retention = Retention { clock, keep: Span::from_s(i64::MAX / 1_000), keep_bytes: u64::MAX };
    let side = Side { health, gauge: Arc::default(), retention };
    let acknowledged = Arc::new(AtomicUsize::new(0));
    for n in 1..200 {
        let count = Arc::clone(&acknowledged);
        let durable: Box<dyn FnOnce() + Send> = Box::new(move || _ = count.fetch_add(1, Ordering::Relaxed));
        let received = std::time::Instant::now();
        submit.send(Submission { input: input(n), durable: Some(durable), reply: None, received }).await.unwrap();
    }
    drop(submit);
    let mut journal = journal::write(journal, submissions, mpsc::channel(1).1, next, side).await;
    assert!(matches!(*seen.borrow_and_update(), Health::Good) && seen.has_changed().is_err());
    assert_eq!(acknowledged.load(Ordering::Relaxed), 199);
    let mut entries = Vec::new();
    while let Some(batch) = committed.recv().await {
        entries.extend(batch.into_iter().map(|committed| entry(committed.position, committed.input)));
    }
    let Input::Trouble { cause: AlarmCause::JournalDamaged, detail: Some(detail), .. } = &entries[0].input else {
        panic!("not told first: {:?}", entries[0])
    };
    assert!(detail.contains("damaged-1") && detail.contains("nothing is lost"), "{detail}");
    let (first, last) = (entries[0].position, entries.last().unwrap().position);
    assert!(first > small.plus(1), "behind a gap");
    // The store that was open all the time.
    store.write(&entries).await.unwrap();
    assert_eq!(store.position(), Some(last));
    let read = journal.read_from(Position(120), usize::MAX).await.unwrap();
    assert_eq!(read.len(), 120 + 1 + 2 + 199, "nothing was lost");
    assert_eq!(read.last().map(|(position, _)| *position), Some(last));
    assert!(!kept(left.path()).is_empty());
}

#[tokio::test]
async fn a_hole_of_which_nothing_tells_is_not_stored_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).await.unwrap();
    let hole = Entry { position: Position(7), input: input(7), outputs: Vec::new() };
    assert!(matches!(store.write(&[hole]).await, Err(StoreError::Gap { .. })));
}

#[tokio::test]
async fn a_last_batch_that_lies_about_its_length_or_its_place_is_not_believed() {
    for lie in ["count = 0", "count = 1000000000000", "first = 1000000000000", "first = -7", "bytes = x'00'"] {
        let left = killed().await;
        let path = left.path().join(DATABASE);
        Journal::open(left.path()).await.unwrap().close().await;
        let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
        let damage = sqlx::AssertSqlSafe(format!("UPDATE batch SET {lie} WHERE first = {}", END - 5));
        sqlx::raw_sql(damage).execute(&mut database).await.unwrap();
        database.close().await.unwrap();
        let damage = Damage { file: fs::read(&path).unwrap(), at_the_end: false };
        // Where the row went to the other end, the store alone knows that there was one.
        let Beginning { journal, machine, .. } = start(left.path(), Some(damage), Position(END)).await;
        assert_eq!(machine, machine_at(END - 6), "{lie}");
        assert!(journal.end() < Position(10_000), "{lie}: {}", journal.end());
    }
}

#[tokio::test]
async fn a_salvage_that_was_killed_is_ended_or_begun_anew() {
    let left = killed().await;
    let new = left.path().join("journal.db.new");
    // Killed while it was written: it counts for nothing.
    fs::write(&new, b"SQLite format 3\0 and no more").unwrap();
    let journal = Journal::open(left.path()).await.unwrap();
    assert_eq!(journal.end(), Position(END));
    assert!(!new.exists());
    drop(journal);
    // Killed when it was whole: the old log must not be taken for its own.
    let whole = killed().await;
    Journal::open(whole.path()).await.unwrap().close().await;
    let left = killed().await;
    fs::copy(whole.path().join(DATABASE), left.path().join("journal.db.new")).unwrap();
    let mut journal = Journal::open(left.path()).await.unwrap();
    assert_eq!(journal.read_from(Position(120), usize::MAX).await.unwrap().len() as u64, END - 120);
    let gone = matches!(journal.read_from(Position(END), 1).await, Ok(none) if none.is_empty());
    assert!(gone && !left.path().join("journal.db.new").exists());
}
