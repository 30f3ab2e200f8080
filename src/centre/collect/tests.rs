use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Quality, Reading, Tariff, TerminalId};
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
use crate::sentence::sentence;
use crate::store::{Entry, Store, StoreReader};

/// 2026-11-24 00:00 UTC.
const MIDNIGHT: i64 = 1_795_478_400_000;

fn at(minutes: i64) -> Timestamp {
    Timestamp::new(MIDNIGHT + 60_000 * minutes)
}

fn terminal() -> TerminalId {
    "T-1".parse().unwrap()
}

struct Bed {
    fetcher: Fetcher,
    asks: mpsc::Receiver<Ask>,
    submitted: mpsc::Receiver<Submission>,
    store: Store,
    position: u64,
    _folder: tempfile::TempDir,
}

impl Bed {
    /// At half past ten, with an empty store.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let reader = StoreReader::open(folder.path()).await.unwrap();
        let (demand, asks) = Demand::of(terminal());
        let (submissions, submitted) = mpsc::channel(8);
        let clock = Clock::from_source(1.0, || at(630));
        let fetcher = Fetcher::new(demand.lines(), submissions, reader, clock);
        Self { fetcher, asks, submitted, store, position: 0, _folder: folder }
    }

    /// Stores readings of a point with these times, as they came by themselves.
    async fn keep(&mut self, point: PointKind, minutes: &[i64]) {
        let reading = |minute: &i64| Reading {
            point,
            value: 1,
            quality: Quality::INVALID,
            source_time: Some(at(*minute)),
            cause: 3,
        };
        let readings = minutes.iter().map(reading).collect();
        let input = Input::Readings { at: at(1_440), terminal: terminal(), readings };
        self.position += 1;
        let entry = Entry { position: Position(self.position), input, outputs: Vec::new() };
        self.store.write(&[entry]).await.unwrap();
    }

    /// Reads a stretch of minutes from a terminal that answers with these objects: what goes to the journal.
    async fn fetched(&mut self, after: i64, to: i64, objects: &[Object]) -> Vec<Reading> {
        let fetcher = self.fetcher.clone();
        let mut fetching = tokio::spawn(async move { fetcher.fetch(terminal(), at(after), at(to)).await });
        asked(&mut self.asks, Ok(file(objects))).await;
        let mut all = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(Submission { input, durable, .. }) = self.submitted.recv() => {
                    let Input::Readings { readings, .. } = input else { panic!("{input:?}") };
                    all.extend(readings);
                    durable.unwrap()();
                }
                fetched = &mut fetching => {
                    assert_eq!(fetched.unwrap().unwrap(), all.len() as u64);
                    return all;
                }
            }
        }
    }
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
    let Bed { fetcher, mut asks, mut submitted, store: _store, _folder, .. } = Bed::new().await;
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
    let Bed { fetcher, mut asks, mut submitted, store: _store, _folder, .. } = Bed::new().await;
    let fetching = tokio::spawn(async move { fetcher.fetch(terminal(), at(-2_160), at(0)).await });
    let of_a_quarter = |n: i64| {
        let points = [PointKind::LoadCurve, PointKind::ImportEnergy, PointKind::TariffEnergy(Tariff::Flat)];
        points.map(|point| object(point, 15 * n - 2_160))
    };
    let mut day: Vec<_> = (1..=96).flat_map(of_a_quarter).collect();
    // Neither what is no quarter's end nor anything a second time.
    day.extend((1..=96).map(|n| object(PointKind::LoadCurve, 15 * n - 2_161)));
    day.extend(of_a_quarter(7));
    assert_eq!(asked(&mut asks, Ok(file(&day))).await[1], at(-720));
    for count in [256, 32] {
        let Submission { input, durable, .. } = submitted.recv().await.unwrap();
        assert_eq!(input.readings(), count);
        tokio::task::yield_now().await;
        assert!(submitted.is_empty() && asks.is_empty(), "it waits for the journal");
        durable.unwrap()();
    }
    assert_eq!(asked(&mut asks, Ok(Vec::new())).await, [at(-720).after(Span::new(1)), at(0)]);
    assert_eq!(fetching.await.unwrap().unwrap(), 288);
}

#[tokio::test]
async fn what_went_wrong_is_said_and_the_terminal_may_be_asked_again() {
    let Bed { fetcher, mut asks, submitted, store: _store, _folder, .. } = Bed::new().await;
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
    let mut bed = Bed::new().await;
    let lacks = async |bed: &Bed, after, to| {
        let wanted = bed.fetcher.wanted(terminal(), at(after), at(to)).await.unwrap();
        wanted.map(|stretch| (stretch.after, stretch.to))
    };
    let just_before = |minutes| at(minutes).after(-Span::new(1));
    assert_eq!(lacks(&bed, 60, 120).await, Some((just_before(75), at(120))));
    bed.keep(PointKind::LoadCurve, &[75, 120]).await;
    assert_eq!(lacks(&bed, 60, 120).await, Some((just_before(90), at(105))));
    bed.keep(PointKind::LoadCurve, &[90, 105]).await;
    assert_eq!(lacks(&bed, 60, 120).await, None);
    // Around midnight the frozen registers are wanted too.
    bed.keep(PointKind::LoadCurve, &[1_425, 1_440]).await;
    assert_eq!(lacks(&bed, 1_410, 1_440).await, Some((just_before(1_440), at(1_440))));
    bed.keep(bed.fetcher.frozen_register(terminal()).unwrap(), &[1_440]).await;
    assert_eq!(lacks(&bed, 1_410, 1_440).await, None);
}

#[tokio::test]
async fn what_came_between_two_that_are_missing_is_not_stored_a_second_time() {
    let mut bed = Bed::new().await;
    bed.keep(PointKind::LoadCurve, &[30, 45]).await;
    bed.keep(PointKind::ImportEnergy, &[30]).await;
    let mut objects: Vec<_> = [15, 30, 45, 60].map(|minutes| object(PointKind::LoadCurve, minutes)).into();
    objects.extend([15, 30, 45, 60].map(|minutes| object(PointKind::ImportEnergy, minutes)));
    let came = bed.fetched(0, 60, &objects).await;
    let mut came: Vec<_> = came.iter().map(|reading| (reading.point, reading.source_time.unwrap())).collect();
    came.sort();
    let (curve, register) = (PointKind::LoadCurve, PointKind::ImportEnergy);
    let mut wanted = vec![(curve, at(15)), (curve, at(60)), (register, at(15)), (register, at(45)), (register, at(60))];
    wanted.sort();
    assert_eq!(came, wanted);
}

#[test]
fn midnight_is_that_of_the_terminals_zone() {
    let beijing = Zone { offset_minutes: 480, summer_time: false };
    assert_eq!(midnight(at(0), at(960), beijing), Some(at(960)));
    assert_eq!(midnight(at(0), at(959), beijing), None);
    assert_eq!(midnight(at(-1), at(30), Zone::UTC), Some(at(0)));
}
