use headroom_rules::input::Input;
use headroom_rules::model::{Quality, Reading};
use headroom_terminals::agent::CURVE_FILE;
use headroom_terminals::iec104::Object;
use headroom_terminals::iec104::asdu::pack;
use headroom_terminals::iec104::controlling::{FileAnswer, FileRequest};
use headroom_terminals::iec104::files::Failure;
use headroom_terminals::iec104::task::Ask;
use headroom_terminals::profile::Profile;
use tokio::sync::mpsc;

use super::*;
use crate::centre::demand::Demand;
use crate::journal::{Position, Submission};
use crate::store::{Entry, Store};

/// 2026-11-24 00:00 UTC.
const MIDNIGHT: i64 = 1_795_478_400_000;

fn at(minutes: i64) -> Timestamp {
    Timestamp::new(MIDNIGHT + 60_000 * minutes)
}

fn terminal() -> TerminalId {
    "T-1".parse().unwrap()
}

/// At half past ten.
fn fetcher() -> (Fetcher, mpsc::Receiver<Ask>, mpsc::Receiver<Submission>) {
    let (demand, asks) = Demand::of(terminal());
    let (submissions, submitted) = mpsc::channel(8);
    (Fetcher::new(demand.lines(), submissions, Clock::from_source(1.0, || at(630))), asks, submitted)
}

fn object(point: PointKind, minutes: i64) -> Object {
    let value = if point.is_state() { 1 } else { 60_000 };
    Profile::standard().object(point, 1, value, Quality::GOOD, Some(at(minutes)), 3).unwrap()
}

fn file(objects: &[Object]) -> Vec<u8> {
    pack(objects, Zone::UTC).into_iter().flat_map(|(message, _)| message).collect()
}

async fn asked(asks: &mut mpsc::Receiver<Ask>, answer: Result<Vec<u8>, Failure>) -> [Timestamp; 2] {
    let Some(Ask::Files(FileRequest::QueryLog(CURVE_FILE, times), reply)) = asks.recv().await else { panic!() };
    reply.send(answer.map(FileAnswer::Read)).unwrap();
    times
}

#[tokio::test]
async fn a_file_gives_what_meters_said_in_the_time_that_was_asked_for_and_nothing_else() {
    let (fetcher, mut asks, mut submitted) = fetcher();
    let mut curve: Vec<_> = (1..=42).map(|n| object(PointKind::LoadCurve, 15 * n)).collect();
    curve.extend([object(PointKind::ImportEnergy, 60), object(PointKind::TariffEnergy(Tariff::Sharp), 60)]);
    // None of these may come through: what decides, what is out of time, without time, of another station.
    curve.extend([object(PointKind::ActivePower, 60), object(PointKind::CoverOpen, 60)]);
    curve.extend([object(PointKind::LoadCurve, 645), object(PointKind::LoadCurve, 9_999_999)]);
    curve.extend([
        Object { time: None, ..object(PointKind::LoadCurve, 60) },
        Object { common_address: 2, ..object(PointKind::LoadCurve, 60) },
    ]);
    let fetching = tokio::spawn({
        let fetcher = fetcher.clone();
        // Up to noon, which is yet to come.
        async move { fetcher.fetch(terminal(), at(15), at(720)).await }
    });
    assert_eq!(asked(&mut asks, Ok(file(&curve))).await, [at(15).after(Span::new(1)), at(630)]);
    let Submission { input, durable, .. } = submitted.recv().await.unwrap();
    let Input::Readings { at: arrived, readings, .. } = input else { panic!("{input:?}") };
    assert_eq!((arrived, readings.len()), (at(630), 43));
    let first = Reading {
        point: PointKind::LoadCurve,
        value: 60_000,
        quality: Quality::GOOD,
        source_time: Some(at(30)),
        cause: 13,
    };
    assert_eq!(readings[0], first);
    assert!(readings.iter().all(|reading| reading.cause == 13));
    assert!(matches!(fetcher.fetch(terminal(), at(0), at(15)).await, Err(NotCollected::UnderWay(_))));
    durable.unwrap()();
    assert_eq!(fetching.await.unwrap().unwrap(), 43);
}

#[tokio::test]
async fn many_days_are_read_one_by_one_and_no_batch_goes_before_the_one_ahead_of_it_is_on_disk() {
    let (fetcher, mut asks, mut submitted) = fetcher();
    let fetching = tokio::spawn(async move { fetcher.fetch(terminal(), at(-2_160), at(0)).await });
    let day: Vec<_> = (1..=300).map(|n| object(PointKind::LoadCurve, n - 2_160)).collect();
    assert_eq!(asked(&mut asks, Ok(file(&day))).await[1], at(-720));
    for count in [256, 44] {
        let Submission { input, durable, .. } = submitted.recv().await.unwrap();
        assert_eq!(input.readings(), count);
        tokio::task::yield_now().await;
        assert!(submitted.is_empty() && asks.is_empty(), "it waits for the journal");
        durable.unwrap()();
    }
    assert_eq!(asked(&mut asks, Ok(Vec::new())).await, [at(-720).after(Span::new(1)), at(0)]);
    assert_eq!(fetching.await.unwrap().unwrap(), 300);
}

#[tokio::test]
async fn what_went_wrong_is_said_and_the_terminal_may_be_asked_again() {
    let (fetcher, mut asks, submitted) = fetcher();
    let mut say = async |answer| {
        let (result, _) = tokio::join!(fetcher.fetch(terminal(), at(0), at(60)), asked(&mut asks, answer));
        sentence(&result.unwrap_err())
    };
    assert_eq!(say(Err(Failure::Refused)).await, "T-1: its memory was not read: the peer refused the file");
    assert!(say(Ok(b"not a record".to_vec())).await.starts_with("T-1: what it sent is no record of values: "));
    drop(submitted);
    let whole = file(&[object(PointKind::LoadCurve, 15)]);
    assert_eq!(say(Ok(whole)).await, "T-1 was not asked: the centre is stopping");
    let unknown = fetcher.fetch("T-2".parse().unwrap(), at(0), at(60)).await.unwrap_err();
    assert_eq!(unknown.to_string(), "terminal T-2 is not in the inventory");
}

#[tokio::test]
async fn only_what_the_store_lacks_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).await.unwrap();
    let reader = StoreReader::open(folder.path()).await.unwrap();
    let mut keep = async |position, point, minutes: &[i64]| {
        let reading = |minute: &i64| Reading {
            point,
            value: 1,
            quality: Quality::INVALID,
            source_time: Some(at(*minute)),
            cause: 3,
        };
        let readings = minutes.iter().map(reading).collect();
        let input = Input::Readings { at: at(1_440), terminal: terminal(), readings };
        store.write(&[Entry { position: Position(position), input, outputs: Vec::new() }]).await.unwrap();
    };
    let lacks = async |after, to| {
        let stretch = Stretch { after: at(after), to: at(to) };
        let lacking = lacking(&reader, terminal(), stretch, Zone::UTC).await.unwrap();
        lacking.map(|stretch| (stretch.after, stretch.to))
    };
    let just_before = |minutes| at(minutes).after(-Span::new(1));
    assert_eq!(lacks(60, 120).await, Some((just_before(75), at(120))));
    keep(1, PointKind::LoadCurve, &[75, 120]).await;
    assert_eq!(lacks(60, 120).await, Some((just_before(90), at(105))));
    keep(2, PointKind::LoadCurve, &[90, 105]).await;
    assert_eq!(lacks(60, 120).await, None);
    // Around midnight the frozen registers are wanted too.
    keep(3, PointKind::LoadCurve, &[1_425, 1_440]).await;
    assert_eq!(lacks(1_410, 1_440).await, Some((just_before(1_440), at(1_440))));
    keep(4, PointKind::TariffEnergy(Tariff::Flat), &[1_440]).await;
    assert_eq!(lacks(1_410, 1_440).await, None);
}

#[test]
fn midnight_is_that_of_the_terminals_zone() {
    let beijing = Zone { offset_minutes: 480, summer_time: false };
    assert_eq!(midnight(at(0), at(960), beijing), Some(at(960)));
    assert_eq!(midnight(at(0), at(959), beijing), None);
    assert_eq!(midnight(at(-1), at(30), Zone::UTC), Some(at(0)));
}
