//! Readings as a fleet sends them.

use headroom::journal::Position;
use headroom::store::Entry;
use headroom_rules::input::Input;
use headroom_rules::model::{NodeId, PointKind, Power, Quality, Reading, RoundNo, Span, TerminalId, Timestamp};
use headroom_rules::output::{LoadMinute, Output};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const TERMINALS: u16 = 50;
/// Of one terminal.
pub(crate) const POINTS_OF_ONE: usize = 10;
const CYCLE_MS: i64 = 10_000;
/// Whose load the engine tells by the minute.
const NODES: u16 = 10;
const MINUTE_MS: i64 = 60_000;
/// Of the arrival after the source time.
const DELAY_MS: std::ops::RangeInclusive<i64> = 15..=50;
/// 2026-11-01.
const FROM_MS: i64 = 1_793_491_200_000;

/// An endless course of readings; the same from the same seed.
pub(crate) struct Readings {
    random: ChaCha8Rng,
    now: i64,
    next: u16,
    position: u64,
    values: Vec<i64>,
}

pub(crate) fn terminal(n: u16) -> TerminalId {
    format!("T-{:04}", n % TERMINALS).parse().unwrap()
}

pub(crate) fn node(n: u16) -> NodeId {
    format!("F-{:02}", n % NODES).parse().unwrap()
}

fn kinds() -> [PointKind; POINTS_OF_ONE] {
    let round = |n: u8| PointKind::RoundPower(RoundNo::try_from(n).unwrap());
    [
        PointKind::ActivePower,
        PointKind::ReactivePower,
        PointKind::VoltageA,
        PointKind::VoltageB,
        PointKind::VoltageC,
        PointKind::CurrentA,
        PointKind::CurrentB,
        PointKind::CurrentC,
        PointKind::ImportEnergy,
        round(1),
    ]
}

impl Readings {
    pub(crate) fn new(seed: u64) -> Self {
        let values = vec![300_000; usize::from(TERMINALS) * POINTS_OF_ONE];
        Self { random: ChaCha8Rng::seed_from_u64(seed), now: FROM_MS, next: 0, position: 0, values }
    }

    /// Source time of the newest ones.
    pub(crate) const fn now(&self) -> Timestamp {
        Timestamp::new(self.now)
    }

    /// How many there were so far.
    pub(crate) fn readings(&self) -> usize {
        usize::try_from(self.position).unwrap() * POINTS_OF_ONE
    }

    /// The next so many readings, with what carries them.
    pub(crate) fn entries(&mut self, readings: usize) -> Vec<Entry> {
        (0..readings / POINTS_OF_ONE).map(|_| self.entry()).collect()
    }

    fn entry(&mut self) -> Entry {
        let terminal = terminal(self.next);
        let first = usize::from(self.next) * POINTS_OF_ONE;
        let source = Timestamp::new(self.now);
        let reading = |(n, point): (usize, PointKind)| {
            let value = &mut self.values[first + n];
            // A register only rises; the rest wanders by a few per mille, to the resolution of a meter.
            *value += if point == PointKind::ImportEnergy { 830 } else { self.random.random_range(-20..=20) * 100 };
            Reading { point, value: *value, quality: Quality::GOOD, source_time: Some(source), cause: 3 }
        };
        let readings = kinds().into_iter().enumerate().map(reading).collect();
        let at = Timestamp::new(self.now + self.random.random_range(DELAY_MS));
        self.position += 1;
        self.next += 1;
        let mut outputs = Vec::new();
        if self.next == TERMINALS {
            self.next = 0;
            self.now += CYCLE_MS;
            if self.now.rem_euclid(MINUTE_MS) == 0 {
                outputs = (0..NODES).map(|n| Output::Load(self.load(n))).collect();
            }
        }
        Entry { position: Position(self.position), input: Input::Readings { at, terminal, readings }, outputs }
    }

    /// What the node drew in the minute that is over; some are above the limit.
    fn load(&mut self, n: u16) -> LoadMinute {
        let mean = self.random.random_range(1_000..=1_500);
        let kw = Power::from_kw;
        LoadMinute {
            node: node(n),
            from: Timestamp::new(self.now - MINUTE_MS),
            min: kw(mean - 50),
            max: kw(mean + 50),
            mean: kw(mean),
            last: kw(mean),
            known: Span::new(MINUTE_MS),
            over: Span::from_s(if mean > 1_450 { 20 } else { 0 }),
            limit: Some(kw(1_500)),
        }
    }
}
