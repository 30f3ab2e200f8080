use headroom_rules::model::{PointKind, Quality, Reading, Span, Timestamp};
use headroom_rules::output::{Audit, Event, Happening, Output};
use tokio::sync::{mpsc, watch};

use super::*;
use crate::clock::Clock;

fn entry(position: u64, source_time: Option<i64>, value: i64, quality: Quality) -> Entry {
    let terminal = "T-1".parse().unwrap();
    let at = Timestamp::new(1_000 + i64::try_from(position).unwrap());
    let point = PointKind::ActivePower;
    let reading = Reading { point, value, quality, source_time: source_time.map(Timestamp::new), cause: 3 };
    let audit = Audit {
        at,
        who: "wang".into(),
        from: "10.0.0.7".into(),
        action: "trip round 1".into(),
        object: "#1".into(),
        before: String::new(),
        after: "selecting".into(),
    };
    Entry {
        position: Position(position),
        // The same reading twice, as a terminal may send it: both are kept.
        input: Input::Readings { at, terminal, readings: vec![reading, reading] },
        outputs: vec![
            Output::Event(Event { at, source_time: None, what: Happening::Link { terminal, up: true } }),
            Output::Audit(audit),
        ],
    }
}

fn forever() -> Retention {
    Retention { clock: Clock::from_source(1.0, || Timestamp::new(0)), keep: Span::new(i64::MAX) }
}

fn entries() -> Vec<Entry> {
    (1..=5).map(|n| entry(n, Some(10 * i64::try_from(n).unwrap()), 7, Quality::GOOD)).collect()
}

async fn trend(reader: &StoreReader, max: usize) -> Vec<(i64, i64, Quality)> {
    let (from, to) = (Timestamp::new(0), Timestamp::new(10_000));
    let trend = reader.trend("T-1".parse().unwrap(), PointKind::ActivePower, from, to, max).await.unwrap();
    trend.into_iter().map(|point| (point.at.get(), point.value, point.quality)).collect()
}

#[tokio::test]
async fn entries_written_again_after_a_crash_are_stored_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).await.unwrap();
    store.write(&entries()[..3]).await.unwrap();
    drop(store);
    let mut store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.position(), Position(3));
    let count = store.write(&entries()).await.unwrap();
    assert_eq!((count.readings, count.events, count.skipped), (4, 2, 3));
    assert_eq!(store.write(&entries()).await.unwrap(), WriteCount { skipped: 5, ..WriteCount::default() });
    let reader = StoreReader::open(folder.path()).await.unwrap();
    assert_eq!(reader.count_readings().await.unwrap(), 10);
    assert_eq!(reader.position().await.unwrap(), Position(5));
    let events = reader.events(Timestamp::new(0), 100).await.unwrap();
    assert_eq!(events.iter().map(|event| event.position.0).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert_eq!((events[0].kind.as_str(), events[0].subject.as_str()), ("link", "T-1"));
    assert_eq!(reader.audit(2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_failed_write_stores_nothing_of_the_batch_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).await.unwrap();
    sqlx::raw_sql("ALTER TABLE audit RENAME TO gone").execute(store.connection()).await.unwrap();
    let error = store.write(&entries()).await.unwrap_err();
    assert!(error.to_string().contains("headroom.db: cannot store readings and events"), "{error}");
    let reader = StoreReader::open(folder.path()).await.unwrap();
    assert_eq!(reader.count_readings().await.unwrap(), 0);
    assert_eq!(store.write(&[]).await.unwrap(), WriteCount::default());
    sqlx::raw_sql("ALTER TABLE gone RENAME TO audit").execute(store.connection()).await.unwrap();
    assert_eq!(store.write(&entries()).await.unwrap().readings, 10);
}

#[tokio::test]
async fn quality_source_time_and_arrival_are_kept_and_a_trend_ascends() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).await.unwrap();
    let bad = Quality::INVALID.with(Quality::SUBSTITUTED);
    store.write(&[entry(1, None, 5, Quality::GOOD), entry(2, Some(20), -6, bad)]).await.unwrap();
    let kept: Vec<(Option<i64>, i64)> =
        sqlx::query_as("SELECT DISTINCT source_time, arrived_at FROM reading ORDER BY at")
            .fetch_all(store.connection())
            .await
            .unwrap();
    assert_eq!(kept, [(Some(20), 1_002), (None, 1_001)]);
    let reader = StoreReader::open(folder.path()).await.unwrap();
    let good = (1_001, 5, Quality::GOOD);
    assert_eq!(trend(&reader, 100).await, [(20, -6, bad), (20, -6, bad), good, good]);
    assert_eq!(trend(&reader, 3).await, [(20, -6, bad), good], "thinned: peak and bad quality stay");
    let early = store.forget_readings_before(Timestamp::new(1_000)).await.unwrap();
    assert_eq!(early, 0, "a clock that is behind makes no value old");
    assert_eq!(store.forget_readings_before(Timestamp::new(1_002)).await.unwrap(), 2);
    assert_eq!(trend(&reader, 100).await, [(20, -6, bad), (20, -6, bad)]);
}

#[tokio::test]
async fn a_clock_that_runs_ahead_takes_no_value_out_of_the_trend_or_past_retention() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).await.unwrap();
    store.write(&[entry(1, Some(4_000_000_000_000), 5, Quality::GOOD)]).await.unwrap();
    let reader = StoreReader::open(folder.path()).await.unwrap();
    assert_eq!(trend(&reader, 100).await, [(1_001, 5, Quality::GOOD), (1_001, 5, Quality::GOOD)]);
    assert_eq!(store.forget_readings_before(Timestamp::new(1_002)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (99990101000000, 'later', 1, x'00', 0)";
    sqlx::raw_sql(newer).execute(store.connection()).await.unwrap();
    drop(store);
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(error.to_string().contains("written by a newer version"), "{error}");
}

#[tokio::test]
async fn the_writer_stores_everything_before_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let (send, receive) = mpsc::channel(8);
    let (backlog, seen) = watch::channel(Backlog::default());
    for entry in entries() {
        send.send(entry).await.unwrap();
    }
    drop(send);
    assert_eq!(run_writer(store, receive, backlog, forever()).await.position(), Position(5));
    let stored = Backlog { stored: Position(5), waiting: 0, readings: 10, failing: None };
    assert_eq!(*seen.borrow(), stored);
}

#[tokio::test(start_paused = true)]
async fn the_writer_outlives_an_outage_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).await.unwrap();
    // Holds for this connection only: the next one may write again.
    sqlx::raw_sql("PRAGMA query_only = 1").execute(store.connection()).await.unwrap();
    let (send, receive) = mpsc::channel(8);
    let (backlog, mut seen) = watch::channel(Backlog::default());
    for entry in entries() {
        send.send(entry).await.unwrap();
    }
    drop(send);
    let mut writing = Box::pin(run_writer(store, receive, backlog, forever()));
    tokio::select! {
        biased;
        failing = seen.wait_for(|backlog| backlog.failing.is_some()) => {
            let backlog = failing.unwrap().clone();
            assert_eq!((backlog.stored, backlog.waiting), (Position(0), 5));
        }
        _ = &mut writing => panic!("the outage was not noticed"),
    }
    assert_eq!(writing.await.position(), Position(5));
    let stored = Backlog { stored: Position(5), waiting: 0, readings: 10, failing: None };
    assert_eq!(*seen.borrow(), stored);
}

#[tokio::test(start_paused = true)]
async fn the_writer_gives_up_old_readings_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let (send, receive) = mpsc::channel(8);
    let (backlog, mut seen) = watch::channel(Backlog::default());
    let retention = Retention { clock: Clock::from_source(1.0, || Timestamp::new(2_003)), keep: Span::new(1_000) };
    let writing = tokio::spawn(run_writer(store, receive, backlog, retention));
    seen.changed().await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    for entry in entries() {
        send.try_send(entry).unwrap();
    }
    drop(send);
    writing.await.unwrap();
    // Opening a pool counts on time that passes.
    tokio::time::resume();
    let reader = StoreReader::open(folder.path()).await.unwrap();
    let kept: Vec<_> = trend(&reader, 100).await.into_iter().map(|(at, ..)| at).collect();
    assert_eq!(kept, [30, 30, 40, 40, 50, 50], "arrived at 1001 to 1005, given up before 1003");
}
