//! The task, on SQLite.

use std::time::Duration;

use headroom_rules::model::{Quality, Span, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::bed::{Bed, entries, power, readings, t, trend};
use crate::clock::Clock;
use crate::journal::Position;
use crate::store::writer::collect;
use crate::store::{Backlog, READINGS_MAX, run_writer};

fn at(now: Timestamp) -> Clock {
    Clock::from_source(1.0, move || now)
}

#[tokio::test]
async fn the_writer_stores_everything_before_it_ends() {
    let bed = Bed::sqlite();
    let store = bed.store().await;
    let (send, receive) = mpsc::channel(8);
    let (backlog, seen) = watch::channel(Backlog::default());
    for entry in entries() {
        send.send(entry).await.unwrap();
    }
    drop(send);
    assert_eq!(run_writer(store, receive, backlog, at(t(0))).await.position(), Some(Position(5)));
    let stored = Backlog { stored: Position(5), readings: 10, ..Backlog::default() };
    assert_eq!(*seen.borrow(), stored);
}

#[tokio::test(start_paused = true)]
async fn few_readings_wait_for_company_and_many_do_not() {
    let of = |position, count| readings(position, t(0), vec![power(None, 7, Quality::GOOD); count]);
    let (send, mut waiting) = mpsc::channel(8);
    send.try_send(of(1, 1)).unwrap();
    let began = Instant::now();
    assert_eq!(collect(&mut waiting).await.unwrap().len(), 1);
    assert!(began.elapsed() > Duration::ZERO);
    for entry in [of(2, READINGS_MAX / 2), of(3, READINGS_MAX / 4), of(4, READINGS_MAX), of(5, READINGS_MAX / 2)] {
        send.try_send(entry).unwrap();
    }
    let began = Instant::now();
    assert_eq!(collect(&mut waiting).await.unwrap().len(), 3, "what was there, until it was enough");
    assert_eq!(collect(&mut waiting).await.unwrap().len(), 1);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_writer_outlives_an_outage_and_loses_nothing() {
    let bed = Bed::sqlite();
    let mut store = bed.store().await;
    // Holds for this connection only: the next one may write again.
    sqlx::raw_sql("PRAGMA query_only = 1").execute(store.connection()).await.unwrap();
    let (send, receive) = mpsc::channel(8);
    let (backlog, mut seen) = watch::channel(Backlog::default());
    for entry in entries() {
        send.send(entry).await.unwrap();
    }
    drop(send);
    let mut writing = Box::pin(run_writer(store, receive, backlog, at(t(0))));
    tokio::select! {
        biased;
        failing = seen.wait_for(|backlog| backlog.failing.is_some()) => {
            let backlog = failing.unwrap().clone();
            assert_eq!((backlog.stored, backlog.waiting, backlog.oldest), (Position(0), 5, Some(t(1_001))));
        }
        _ = &mut writing => panic!("the outage was not noticed"),
    }
    assert_eq!(writing.await.position(), Some(Position(5)));
    let stored = Backlog { stored: Position(5), readings: 10, ..Backlog::default() };
    assert_eq!(*seen.borrow(), stored);
}

#[tokio::test(start_paused = true)]
async fn the_writer_gives_up_old_readings_and_keeps_the_rest() {
    let mut bed = Bed::sqlite();
    bed.settings.readings_keep = Span::new(1_000);
    let store = bed.store().await;
    let (send, receive) = mpsc::channel(8);
    let (backlog, _seen) = watch::channel(Backlog::default());
    let writing = tokio::spawn(run_writer(store, receive, backlog, at(t(2_003))));
    // Until it waits for entries, so that its day has begun.
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(61)).await;
    for entry in entries() {
        send.try_send(entry).unwrap();
    }
    drop(send);
    writing.await.unwrap();
    // Opening a pool counts on time that passes.
    tokio::time::resume();
    let kept: Vec<_> = trend(&bed.reader().await, 0, 10_000, 100).await.into_iter().map(|(at, ..)| at).collect();
    assert_eq!(kept, [30, 30, 40, 40, 50, 50], "arrived at 1001 to 1005, given up before 1003");
}
