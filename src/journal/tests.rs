use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use headroom_rules::input::{Input, Origin, Request};
use headroom_rules::model::{Inventory, PointKind, Quality, Reading, RoundNo, Span, Timestamp};
use headroom_rules::orders::{Action, NotSent, OrderId, Outcome, Step};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, watch};

use super::writer::BATCH_READINGS;
use super::*;
use crate::clock::Clock;

fn tick(ms: i64) -> Input {
    Input::Tick { at: Timestamp::new(ms) }
}

fn ticks(range: std::ops::Range<i64>) -> Vec<Input> {
    range.map(tick).collect()
}

fn one_of_each() -> Vec<Input> {
    let (at, terminal) = (Timestamp::new(1_700_000_000_000), "T-0142".parse().unwrap());
    let reading = |point, source_time| Reading {
        point,
        value: -4_310_200,
        quality: Quality::NOT_TOPICAL.with(Quality::SUBSTITUTED),
        source_time,
        cause: 20,
    };
    let origin = Origin::new("wang", "10.0.0.7:4711");
    let action = Action::Trip { round: RoundNo::ALL[2] };
    vec![
        Input::Started { at },
        Input::Inventory { at, inventory: Box::new(Inventory::default()) },
        Input::Link { at, terminal, up: true },
        Input::Readings {
            at,
            terminal,
            readings: vec![
                reading(PointKind::ActivePower, None),
                reading(PointKind::RoundPosition(RoundNo::ALL[7]), Some(at)),
            ],
        },
        Input::Outcome {
            at,
            order: OrderId(7),
            outcome: Outcome::NotSent { step: Step::Execute, why: NotSent::Expired },
        },
        Input::Request {
            at,
            origin,
            request: Request::Select { terminal, action, qualifier: None, reason: "maintenance, 检修".into() },
        },
        tick(5),
    ]
}

/// A writer's side that gives up whatever is not needed.
fn side(health: watch::Sender<Health>) -> Side {
    let clock = Clock::from_source(1.0, || Timestamp::new(1_000_000));
    Side { health, gauge: Arc::default(), retention: Retention { clock, keep: Span::ZERO, keep_bytes: u64::MAX } }
}

/// What a killed process leaves: the files as they are, with nothing closed.
fn as_if_killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The shared-memory index is rebuilt from the write-ahead log, as after a power cut.
        if !path.to_string_lossy().ends_with("-shm") {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    copy
}

fn inputs(read: Vec<(Position, Input)>) -> Vec<Input> {
    read.into_iter().map(|(_, input)| input).collect()
}

#[tokio::test]
async fn every_kind_of_input_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    assert_eq!(journal.end(), Position::START);
    assert!(journal.read_from(Position::START, 10).await.unwrap().is_empty());
    assert_eq!(journal.append(&one_of_each()).await.unwrap(), Position(7));
    assert_eq!(inputs(journal.read_from(Position::START, 10).await.unwrap()), one_of_each());
}

#[tokio::test]
async fn reading_starts_and_stops_inside_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    journal.append(&ticks(1..4)).await.unwrap();
    journal.append(&ticks(4..9)).await.unwrap();
    let read = journal.read_from(Position(1), 4).await.unwrap();
    assert_eq!(read, (2..6).map(|n| (Position(n), tick(n as i64))).collect::<Vec<_>>());
    assert_eq!(inputs(journal.read_from(Position(5), 100).await.unwrap()), ticks(6..9));
    assert!(journal.read_from(Position(8), 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).await.unwrap();
    let (submit, submissions) = mpsc::channel(64);
    let (next, mut committed) = mpsc::channel(64);
    let writer =
        tokio::spawn(write(journal, submissions, mpsc::channel(1).1, next, side(watch::channel(Health::Good).0)));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for n in 1..=20 {
        let acknowledge = acknowledged.clone();
        let durable: Box<dyn FnOnce() + Send> = Box::new(move || acknowledge.lock().unwrap().push(tick(n)));
        let submission = Submission { input: tick(n), durable: Some(durable), reply: None, received: Instant::now() };
        submit.send(submission).await.unwrap();
        if n % 5 == 0 {
            let last = committed.recv().await.unwrap().last().unwrap().position;
            let told = acknowledged.lock().unwrap().clone();
            assert!(told.len() as u64 >= last.0, "acknowledged before it goes on");
            let crashed = as_if_killed(folder.path());
            let mut again = Journal::open(crashed.path()).await.unwrap();
            let kept = inputs(again.read_from(Position::START, 100).await.unwrap());
            assert_eq!(kept.get(..told.len()), Some(told.as_slice()));
        }
    }
    drop(submit);
    while committed.recv().await.is_some() {}
    assert_eq!(writer.await.unwrap().end(), Position(20));
    assert_eq!(*acknowledged.lock().unwrap(), ticks(1..21));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_acknowledgement_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    journal.append(&ticks(1..3)).await.unwrap();
    // SQLite's own "disk full": no page may be added. It holds for this connection only, so the next one has room.
    sqlx::raw_sql("PRAGMA max_page_count = 1").execute(journal.connection().await.unwrap()).await.unwrap();
    let (submit, submissions) = mpsc::channel(8);
    let (next, mut committed) = mpsc::channel(8);
    let (health, mut seen) = watch::channel(Health::Good);
    // Big enough not to fit into the pages that are there.
    let big = Input::Request {
        at: Timestamp::new(3),
        origin: Origin::new("w".repeat(100_000), ""),
        request: Request::Cancel { order: OrderId(1) },
    };
    let told = Arc::new(Mutex::new(0));
    let count = told.clone();
    let durable: Box<dyn FnOnce() + Send> = Box::new(move || *count.lock().unwrap() += 1);
    let received = Instant::now();
    submit.send(Submission { input: big.clone(), durable: Some(durable), reply: None, received }).await.unwrap();
    drop(submit);
    let mut writing = Box::pin(write(journal, submissions, mpsc::channel(1).1, next, side(health)));
    tokio::select! {
        biased;
        changed = seen.changed() => changed.unwrap(),
        _ = &mut writing => panic!("the full disk was not noticed"),
    }
    let Health::Failing { error, .. } = seen.borrow_and_update().clone() else { panic!("not failing") };
    assert!(error.contains("journal.db") && error.contains("cannot append") && error.contains("full"), "{error}");
    assert_eq!(*told.lock().unwrap(), 0, "nothing acknowledged while the disk is full");
    assert!(committed.try_recv().is_err());
    let mut journal = writing.await;
    assert_eq!(*told.lock().unwrap(), 1);
    assert_eq!(*seen.borrow(), Health::Good);
    assert_eq!(committed.recv().await.unwrap()[0].position, Position(3));
    assert_eq!(inputs(journal.read_from(Position(2), 9).await.unwrap()), [big]);
}

#[tokio::test]
async fn a_damaged_batch_is_named_and_everything_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    for start in [1, 4, 7] {
        journal.append(&ticks(start..start + 3)).await.unwrap();
    }
    let flip = "UPDATE batch SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE first = 4";
    sqlx::raw_sql(flip).execute(journal.connection().await.unwrap()).await.unwrap();
    assert_eq!(inputs(journal.read_from(Position::START, 100).await.unwrap()), ticks(1..4));
    let error = journal.read_from(Position(3), 100).await.unwrap_err();
    assert!(matches!(error, JournalError::Damaged { position: Position(4), .. }), "{error}");
    assert!(error.to_string().contains("journal.db: the batch from position 4 on is damaged"), "{error}");
    assert_eq!(inputs(journal.read_from(Position(6), 100).await.unwrap()), ticks(7..10));
}

#[tokio::test]
async fn a_missing_batch_is_not_jumped_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    for start in [1, 4, 7] {
        journal.append(&ticks(start..start + 3)).await.unwrap();
    }
    let lose = "DELETE FROM batch WHERE first = 4";
    sqlx::raw_sql(lose).execute(journal.connection().await.unwrap()).await.unwrap();
    assert_eq!(inputs(journal.read_from(Position::START, 100).await.unwrap()), ticks(1..4));
    let error = journal.read_from(Position(3), 100).await.unwrap_err();
    assert!(matches!(error, JournalError::Damaged { position: Position(4), .. }), "{error}");
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = Journal::open(folder.path()).await.unwrap();
    let error = Journal::open(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("another headroom process has it open"), "{error}");
    drop(first);
    Journal::open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let error = Journal::open(&file.join("data")).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("a-file/data: cannot write there; make it a folder that this user may write to"), "{text}");
}

#[tokio::test]
async fn a_journal_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 9").execute(journal.connection().await.unwrap()).await.unwrap();
    drop(journal);
    let error = Journal::open(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("newer version (format 9"), "{error}");
}

#[tokio::test]
async fn the_newest_whole_snapshot_is_taken_and_two_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    assert!(journal.snapshots().await.unwrap().is_empty());
    for n in 1..=3u8 {
        assert_eq!(journal.older_snapshot().await.unwrap(), (n == 3).then_some(Position(1)));
        journal.save_snapshot(Position(n.into()), &[n; 9]).await.unwrap();
    }
    assert_eq!(journal.older_snapshot().await.unwrap(), Some(Position(2)));
    let found = journal.snapshots().await.unwrap();
    let states: Vec<_> = found.iter().map(|found| (found.position, found.state.clone())).collect();
    assert_eq!(states, [(Position(3), Ok(vec![3; 9])), (Position(2), Ok(vec![2; 9]))]);
    assert_eq!(found[0].hash, Some(StateHash::of(&[3; 9])));
    for (damage, why) in [("bytes = x'00'", "checksum"), ("hash = zeroblob(32)", "state hash")] {
        journal.save_snapshot(Position(3), &[3; 9]).await.unwrap();
        let damage = sqlx::AssertSqlSafe(format!("UPDATE snapshot SET {damage} WHERE position = 3"));
        sqlx::raw_sql(damage).execute(journal.connection().await.unwrap()).await.unwrap();
        let found = journal.snapshots().await.unwrap();
        assert!(found[0].state.as_ref().is_err_and(|said| said.contains(why)), "{found:?}");
        assert_eq!(found[1].state, Ok(vec![2; 9]));
    }
}

#[tokio::test]
async fn a_reader_beside_the_writer_sees_what_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    journal.append(&ticks(1..4)).await.unwrap();
    let mut reader = JournalReader::open(folder.path()).await.unwrap();
    assert_eq!(inputs(reader.read_from(Position(1), 9).await.unwrap()), ticks(2..4));
    journal.append(&ticks(4..6)).await.unwrap();
    assert_eq!(inputs(reader.read_from(Position(3), 9).await.unwrap()), ticks(4..6));
    assert!(reader.read_from(Position(5), 9).await.is_err());
}

#[tokio::test]
async fn the_writer_keeps_snapshots_forgets_what_lies_before_the_older_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).await.unwrap();
    // A handle that somebody keeps must not keep the writer going.
    let (submit, submissions) = mpsc::channel(8);
    let (control, controls) = mpsc::channel(8);
    let (next, mut committed) = mpsc::channel(64);
    let writer = tokio::spawn(write(journal, submissions, controls, next, side(watch::channel(Health::Good).0)));
    for n in 1..=6 {
        let submission = Submission { input: tick(n), durable: None, reply: None, received: Instant::now() };
        submit.send(submission).await.unwrap();
        let last = committed.recv().await.unwrap().last().unwrap().position;
        if n % 2 == 0 {
            control.send(Control::Snapshot { at: last, bytes: vec![7; 3] }).await.unwrap();
        }
    }
    control.send(Control::End).await.unwrap();
    let mut journal = writer.await.unwrap();
    assert!(submit.is_closed());
    let kept: Vec<_> = journal.snapshots().await.unwrap().into_iter().map(|found| found.position.0).collect();
    assert_eq!(kept, [6, 4]);
    let error = journal.read_from(Position::START, 9).await.unwrap_err();
    assert!(matches!(error, JournalError::Forgotten { oldest: Position(5), .. }), "{error}");
    assert_eq!(inputs(journal.read_from(Position(4), 9).await.unwrap()), ticks(5..7));
}

#[tokio::test]
async fn forgotten_inputs_are_refused_and_positions_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path()).await.unwrap();
    journal.append(&ticks(1..4)).await.unwrap();
    journal.append(&ticks(4..7)).await.unwrap();
    journal.forget_until(Position(5)).await.unwrap();
    let error = journal.read_from(Position::START, 9).await.unwrap_err();
    assert!(matches!(error, JournalError::Forgotten { oldest: Position(4), .. }), "{error}");
    journal.forget_until(Position(100)).await.unwrap();
    drop(journal);
    let mut journal = Journal::open(folder.path()).await.unwrap();
    assert_eq!(journal.append(&[tick(7)]).await.unwrap(), Position(7));
    assert_eq!(inputs(journal.read_from(Position(3), 9).await.unwrap()), ticks(4..8));
}

#[tokio::test]
async fn a_folder_is_made_for_its_owner_only_and_one_that_is_there_is_left_alone() {
    use std::fs::{Permissions, create_dir, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let outer = tempfile::tempdir().unwrap();
    let mode = |folder: &Path| metadata(folder).unwrap().permissions().mode() & 0o777;
    let made = outer.path().join("made");
    Journal::open(&made).await.unwrap();
    assert_eq!(mode(&made), 0o700);
    let there = outer.path().join("there");
    create_dir(&there).unwrap();
    set_permissions(&there, Permissions::from_mode(0o750)).unwrap();
    Journal::open(&there).await.unwrap();
    assert_eq!(mode(&there), 0o750);
}

#[tokio::test]
async fn a_batch_is_bounded_by_readings_too() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path()).await.unwrap();
    let (submit, submissions) = mpsc::channel(8);
    let (next, mut committed) = mpsc::channel(8);
    let reading =
        Reading { point: PointKind::ActivePower, value: 1, quality: Quality::GOOD, source_time: None, cause: 3 };
    for n in 1..=5 {
        let readings = vec![reading; BATCH_READINGS / 2];
        let input = Input::Readings { at: Timestamp::new(n), terminal: "T-1".parse().unwrap(), readings };
        submit.send(Submission { input, durable: None, reply: None, received: Instant::now() }).await.unwrap();
    }
    drop(submit);
    let writer =
        tokio::spawn(write(journal, submissions, mpsc::channel(1).1, next, side(watch::channel(Health::Good).0)));
    let mut sizes = Vec::new();
    while let Some(batch) = committed.recv().await {
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(writer.await.unwrap().end(), Position(5));
}

/// Forty batches of ten kilobytes, one a minute.
async fn aged(folder: &Path) -> Journal {
    let mut journal = Journal::open(folder).await.unwrap();
    for minute in 1_i64..=40 {
        let input = Input::Request {
            at: Timestamp::new(minute * 60_000),
            origin: Origin::new("w".repeat(10_000), ""),
            request: Request::Cancel { order: OrderId(1) },
        };
        journal.append(&[input]).await.unwrap();
    }
    journal
}

async fn oldest(journal: &mut Journal) -> u64 {
    match journal.read_from(Position::START, 1).await {
        Ok(read) => read[0].0.0,
        Err(JournalError::Forgotten { oldest, .. }) => oldest.0,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn old_inputs_go_by_age_but_none_that_a_start_may_need() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = aged(folder.path()).await;
    let kept = |minute: i64| Kept { from: Timestamp::new(minute * 60_000), bytes: u64::MAX };
    assert!(!journal.forget_some(Position(30), kept(11)).await.unwrap());
    assert_eq!(oldest(&mut journal).await, 11);
    journal.forget_some(Position(30), kept(60)).await.unwrap();
    assert_eq!(oldest(&mut journal).await, 31, "however old it is");
}

#[tokio::test]
async fn the_oldest_inputs_go_by_size_but_none_that_a_start_may_need() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = aged(folder.path()).await;
    let all = journal.bytes().await.unwrap();
    assert!((400_000..800_000).contains(&all), "{all}");
    let kept = |bytes| Kept { from: Timestamp::new(0), bytes };
    journal.forget_some(Position(30), kept(all)).await.unwrap();
    assert_eq!(oldest(&mut journal).await, 1, "there is room");
    journal.forget_some(Position(30), kept(all - 1)).await.unwrap();
    assert_eq!(oldest(&mut journal).await, 31);
    assert!(journal.bytes().await.unwrap() < all / 2);
    assert_eq!(journal.read_from(Position(30), 99).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_journal_of_format_1_is_brought_up_to_date_with_all_that_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("journal.db"));
    let mut old = SqliteConnection::connect_with(&options.create_if_missing(true)).await.unwrap();
    sqlx::raw_sql(sqlite::SCHEMA[0]).execute(&mut old).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 1").execute(&mut old).await.unwrap();
    let bytes = record::encode(&ticks(1..4)).unwrap();
    let insert = sqlx::query("INSERT INTO batch (first, count, crc, bytes) VALUES (1, 3, ?, ?)");
    insert.bind(i64::from(record::checksum(1, &bytes))).bind(bytes).execute(&mut old).await.unwrap();
    let insert = sqlx::query("INSERT INTO snapshot (position, crc, bytes) VALUES (2, ?, x'0707')");
    insert.bind(i64::from(record::checksum(2, &[7, 7]))).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    let error = Inspector::open(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("older version (format 1, wanted 2)"), "{error}");
    let mut journal = Journal::open(folder.path()).await.unwrap();
    assert_eq!(journal.append(&[tick(4)]).await.unwrap(), Position(4));
    assert_eq!(inputs(journal.read_from(Position::START, 9).await.unwrap()), ticks(1..5));
    let snapshots = journal.snapshots().await.unwrap();
    assert_eq!((&snapshots[0].state, snapshots[0].hash), (&Ok(vec![7, 7]), None));
    assert!(Inspector::open(folder.path()).await.unwrap().verify().await.unwrap().is_empty());
}
