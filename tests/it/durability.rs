//! `durable-before-ack` and `stored-exactly-once` against a process that is killed, and `replay-equals-live` over all its
//! lives.

use std::collections::BTreeMap;
use std::path::Path;

use headroom::journal::{Inspector, Position, StateHash};
use headroom::store::{StoreReader, StoreSettings};
use headroom_rules::engine::Engine;
use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, TerminalId, Timestamp};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::centre::{Site, feeders};
use crate::program::PATIENCE;
use crate::station::{Sample, Station};

const LINKS: u16 = 8;
/// Of this century, as the wire's times are.
const FROM: Timestamp = Timestamp::new(1_780_300_800_000);
/// After so many more acknowledgements than the last kill it may end by itself.
const ENDS_AFTER: u64 = 800;

/// Until `total` is `count` or more.
pub(crate) async fn acknowledged(total: &watch::Sender<u64>, count: u64) {
    let mut seen = total.subscribe();
    let reached = timeout(PATIENCE, seen.wait_for(|total| *total >= count)).await;
    reached.unwrap_or_else(|_| panic!("{count} acknowledgements never came, only {}", *total.borrow())).unwrap();
}

/// Stations that never stop, as many as there are links, and what they have acknowledged together.
pub(crate) async fn endless(links: u16) -> (Vec<Station>, watch::Sender<u64>) {
    endless_from(links, FROM, watch::channel(u64::MAX).1).await
}

/// The same, with samples of `from` on, and as long as they have not acknowledged `most` together.
pub(crate) async fn endless_from(
    links: u16,
    from: Timestamp,
    most: watch::Receiver<u64>,
) -> (Vec<Station>, watch::Sender<u64>) {
    let total = watch::Sender::new(0);
    let mut stations = Vec::new();
    for common_address in 1..=links {
        stations.push(Station::endless(common_address, from, total.clone(), most.clone()).await);
    }
    (stations, total)
}

pub(crate) fn site_of(stations: &[Station]) -> Site {
    let addresses: Vec<_> = stations.iter().map(Station::address).collect();
    Site::new(&feeders(&addresses), "")
}

/// SplitMix64: what a seed makes of chance.
pub(crate) struct Chance(u64);

impl Chance {
    /// By `HEADROOM_TEST_SEED`, which is printed, so that whatever went wrong can be done again.
    pub(crate) fn of_the_environment() -> Self {
        let seed = std::env::var("HEADROOM_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2_026);
        eprintln!("HEADROOM_TEST_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, which: &[T]) -> T {
        which[usize::try_from(self.next() % which.len() as u64).unwrap()]
    }

    /// To kill at, in acknowledgements from here on: none at all, the very first one, and ever deeper in the flow.
    pub(crate) fn moment(&mut self) -> u64 {
        let z = self.next();
        // As often between 1 and 2 as between 1024 and 2048.
        let magnitude = z % 13;
        if magnitude == 12 { 0 } else { (1 << magnitude) + (z >> 8) % (1 << magnitude) }
    }
}

async fn killed_again_and_again(moments: impl Iterator<Item = u64>) {
    let (stations, total) = endless(LINKS).await;
    let site = site_of(&stations);
    let mut kills = 0;
    for more in moments {
        let before = *total.borrow();
        let centre = site.start().await;
        acknowledged(&total, before + more).await;
        centre.program.kill().await;
        kills += 1;
    }
    let before = *total.borrow();
    let centre = site.start().await;
    acknowledged(&total, before + ENDS_AFTER).await;
    let (status, said) = centre.stop("TERM").await;
    assert_eq!(status.code(), Some(0), "{said:#?}");
    let again = everything_once(&StoreSettings::default(), &site, &stations).await;
    assert!(again > 0, "no kill caught anything on its way: that was no load");
    eprintln!("{kills} kills, {} acknowledged, {again} sent again", *total.borrow());
}

/// Readings by terminal, source time and value, and how often there are such.
pub(crate) type Readings = BTreeMap<(TerminalId, Timestamp, i64), u32>;

/// All that `stations` sent and is stored.
pub(crate) async fn stored(store: &StoreSettings, site: &Site, stations: &[Station]) -> Readings {
    let reader = StoreReader::begin(store, &site.data()).await.unwrap();
    let mut stored = Readings::new();
    for n in 1..=stations.len() {
        let (terminal, power) = (terminal(n), PointKind::ActivePower);
        let (from, to) = (Timestamp::new(i64::MIN), Timestamp::new(i64::MAX));
        let mut readings = reader.readings(terminal, power, from, to).await.unwrap();
        readings.extend(reader.set_aside(terminal, power, from, to).await.unwrap());
        for reading in readings {
            *stored.entry((terminal, reading.source_time.unwrap(), reading.value)).or_default() += 1;
        }
    }
    stored
}

fn terminal(n: usize) -> TerminalId {
    format!("T-{n}").parse().unwrap()
}

/// After a centre that ended in order: all that was acknowledged is in the store; the store has what the journal has and no
/// more, and says so; and the state is that of a single engine over the whole journal. Gives how many were sent again.
pub(crate) async fn everything_once(store: &StoreSettings, site: &Site, stations: &[Station]) -> u32 {
    let stored = stored(store, site, stations).await;
    let (again, lost) = stored_once(stored.clone(), stations);
    assert!(lost.is_empty(), "{} acknowledged are lost, the first: {:?}", lost.len(), &lost[..lost.len().min(5)]);
    let (end, journaled) = same_state_as_without_a_stop(&site.data()).await;
    assert!(stored == journaled, "{} readings are stored, {} journaled", stored.len(), journaled.len());
    let reader = StoreReader::begin(store, &site.data()).await.unwrap();
    assert_eq!(reader.position().await.unwrap(), end, "the store's own word");
    again
}

/// Nothing is stored twice that was not sent twice; how many were sent again, and what was acknowledged and is not there.
pub(crate) fn stored_once(mut stored: Readings, stations: &[Station]) -> (u32, Vec<(TerminalId, Timestamp, i64)>) {
    let (mut again, mut lost) = (0, Vec::new());
    for (n, station) in (1..).zip(stations) {
        let known = station.known();
        let key = |sample: &Sample| (terminal(n), sample.at, i64::from(sample.kw) * 1_000);
        lost.extend(known.acknowledged.iter().map(key).filter(|key| !stored.contains_key(key)));
        for (sample, times) in &known.sent {
            // Sent again means that it may be there again, and nothing else does.
            let found = stored.remove(&key(sample)).unwrap_or(0);
            assert!(found <= *times, "T-{n}: {sample:?} was sent {times} times and is stored {found} times");
            again += times - 1;
        }
    }
    assert!(stored.is_empty(), "stored but never sent: {stored:?}");
    (again, lost)
}

/// The state that the last life ended with is the one that a single engine comes to over the whole journal. Gives the
/// journal's end and the readings in it.
async fn same_state_as_without_a_stop(data: &Path) -> (Position, Readings) {
    let mut journal = Inspector::open(data).await.unwrap();
    let stats = journal.stats().await.unwrap();
    assert!(stats.damaged.is_empty() && stats.gaps.is_empty(), "{stats:?}");
    let last = &stats.snapshots[0];
    assert_eq!(Some(last.position), stats.last, "it was saved at the end");
    let (mut engine, mut out, mut next, mut journaled) = (Engine::new(), Vec::new(), 1, Readings::new());
    let whole = journal.dump(Position::START, last.position, |position, input| {
        assert_eq!(position, Position(next), "nothing of it was given up");
        next += 1;
        if let Input::Readings { terminal, readings, .. } = input {
            for reading in readings {
                *journaled.entry((*terminal, reading.source_time.unwrap(), reading.value)).or_default() += 1;
            }
        }
        engine.apply(input, &mut out);
        out.clear();
        true
    });
    whole.await.unwrap();
    let state = serde_json::to_vec(&engine).unwrap();
    assert_eq!(Some(StateHash::of(&state).to_string()), last.hash, "replay-equals-live");
    (last.position, journaled)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_that_is_killed_again_and_again_under_load_has_all_that_it_acknowledged() {
    let mut chance = Chance(7);
    killed_again_and_again([1, 50, 700, 3_000, 8_000].into_iter().chain((0..3).map(|_| chance.moment()))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: ops/test runs it"]
async fn a_centre_that_is_killed_two_hundred_times_under_load_has_all_that_it_acknowledged() {
    let mut chance = Chance::of_the_environment();
    killed_again_and_again((0..200).map(|_| chance.moment())).await;
}
