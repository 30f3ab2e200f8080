//! Meter reading: how complete a day is and how its values came, and the frozen registers.

use std::collections::BTreeMap;

use headroom_rules::model::{PointKind, Span, Tariff, TerminalId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{StoreError, StoreReader, StoredReading};

const QUARTER: Span = Span::from_s(900);
const DAY: Span = Span::from_s(86_400);
/// Cause of transmission of what came by file transfer (60870-5-101, 7.2.3).
const BY_FILE: u8 = 13;
/// What a clock that is ahead told stands at its arrival, earlier than its own time by as much as a store may permit.
const AHEAD_MAX: Span = DAY;

/// What a day of a terminal should have: its quarters of an hour, and its registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// That are due: ended a quarter of an hour ago, or there already. 96 once the day is over.
    pub expected: u16,
    /// Arrived within a quarter of an hour after their end.
    pub read: u16,
    /// Arrived later, by themselves.
    pub late: u16,
    /// Fetched from the terminal's memory.
    pub filled: u16,
    /// There, but of a quality that may not decide: measured in part.
    pub invalid: u16,
    /// Not there.
    pub missing: u16,
    /// Of those that are due, how many are there and good, in hundredths of a percent, rounded down.
    pub rate_e4: u16,
    /// Its registers as they stood at its end; none of a terminal that freezes none.
    pub registers: Option<Registers>,
}

/// Whether the registers of a midnight are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registers {
    /// The day is not over.
    NotYet,
    /// Read.
    Read,
    /// Not there.
    Missing,
}

/// A terminal's registers as they stood at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrozenRegisters {
    /// When.
    pub at: Timestamp,
    /// Imported energy, Wh, in all.
    pub import: Option<StoredReading>,
    /// By tariff, Wh.
    pub tariffs: BTreeMap<Tariff, StoredReading>,
}

impl Completeness {
    /// Counts readings of a load curve. Of several with one time the first to arrive counts.
    fn of(readings: &[StoredReading], begin: Timestamp, now: Timestamp) -> Self {
        let end = begin.after(DAY).min(now);
        let ended = (end.since(begin).get() / QUARTER.get()).max(0);
        let mut quarters: BTreeMap<i64, &StoredReading> = BTreeMap::new();
        for reading in readings {
            let Some(source) = reading.source_time else { continue };
            let since = source.since(begin).get();
            if since.rem_euclid(QUARTER.get()) == 0 && (1..=ended).contains(&(since / QUARTER.get())) {
                let first = quarters.entry(since).or_insert(reading);
                if reading.arrived_at < first.arrived_at {
                    *first = reading;
                }
            }
        }
        // One that is still on its way is not missing.
        let due = (now.after(-QUARTER).since(begin).get() / QUARTER.get()).clamp(0, ended);
        let early = quarters.keys().filter(|since| **since > due * QUARTER.get()).count();
        let expected = u16::try_from(due).unwrap_or(0) + u16::try_from(early).unwrap_or(0);
        let mut counted = Self { expected, ..Self::default() };
        for (since, reading) in &quarters {
            let in_time = reading.arrived_at.since(begin.after(Span::new(*since))) <= QUARTER;
            *match reading {
                reading if !reading.quality.decides() => &mut counted.invalid,
                reading if reading.cause == BY_FILE => &mut counted.filled,
                _ if in_time => &mut counted.read,
                _ => &mut counted.late,
            } += 1;
        }
        let good = counted.read + counted.late + counted.filled;
        counted.missing = counted.expected.saturating_sub(good + counted.invalid);
        let share = u32::from(good) * 10_000 / u32::from(counted.expected.max(1));
        counted.rate_e4 = u16::try_from(share).unwrap_or(10_000);
        counted
    }
}

impl StoreReader {
    /// How complete the day of a terminal is that begins at `begin`, as far as it is over at `now`; `frozen` is one of the
    /// registers that it freezes, and when.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn completeness(
        &self,
        terminal: TerminalId,
        begin: Timestamp,
        now: Timestamp,
        frozen: Option<(PointKind, Timestamp)>,
    ) -> Result<Completeness, StoreError> {
        let (from, to) = (begin.after(-AHEAD_MAX), begin.after(DAY).after(Span::new(1)));
        let readings = self.readings(terminal, PointKind::LoadCurve, from, to).await?;
        let registers = match frozen {
            None => None,
            Some((_, at)) if at > now => Some(Registers::NotYet),
            Some((register, at)) => match self.readings_of(terminal, register, &[at]).await?.is_empty() {
                false => Some(Registers::Read),
                true => Some(Registers::Missing),
            },
        };
        Ok(Completeness { registers, ..Completeness::of(&readings, begin, now) })
    }

    /// A terminal's registers as they stood at each of these times, which ascend; of those it has nothing of there is no
    /// entry.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn frozen_registers(
        &self,
        terminal: TerminalId,
        times: &[Timestamp],
    ) -> Result<Vec<FrozenRegisters>, StoreError> {
        let import = self.readings_of(terminal, PointKind::ImportEnergy, times).await?;
        let mut tariffs = Vec::new();
        for tariff in Tariff::ALL {
            tariffs.push((tariff, self.readings_of(terminal, PointKind::TariffEnergy(tariff), times).await?));
        }
        let frozen = |&at: &Timestamp| {
            let import = import.get(&at).copied();
            let of = tariffs.iter().filter_map(|(tariff, readings)| Some((*tariff, *readings.get(&at)?)));
            FrozenRegisters { at, import, tariffs: of.collect() }
        };
        let is_there = |frozen: &FrozenRegisters| frozen.import.is_some() || !frozen.tariffs.is_empty();
        Ok(times.iter().map(frozen).filter(is_there).collect())
    }

    /// The readings of a point with these very source times, of each the first that came.
    async fn readings_of(
        &self,
        terminal: TerminalId,
        point: PointKind,
        times: &[Timestamp],
    ) -> Result<BTreeMap<Timestamp, StoredReading>, StoreError> {
        let mut found: BTreeMap<Timestamp, StoredReading> = BTreeMap::new();
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return Ok(found) };
        let readings = self.readings(terminal, point, first.after(-AHEAD_MAX), last.after(Span::new(1))).await?;
        for reading in readings {
            let Some(at) = reading.source_time.filter(|at| times.binary_search(at).is_ok()) else { continue };
            let kept = found.entry(at).or_insert(reading);
            if reading.arrived_at < kept.arrived_at {
                *kept = reading;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use headroom_rules::model::Quality;

    use super::*;

    /// A quarter's end, its arrival in minutes after it, and cause.
    fn reading(quarter: i64, late_min: i64, cause: u8, quality: Quality) -> StoredReading {
        let at = Timestamp::new(quarter * QUARTER.get());
        let arrived_at = at.after(Span::from_s(60 * late_min));
        StoredReading { at, source_time: Some(at), arrived_at, value: 1, quality, cause }
    }

    #[test]
    fn each_quarter_counts_once_by_how_it_came_first() {
        let good = Quality::GOOD;
        let readings = [
            // The end of the day before, and one that is none.
            reading(0, 0, 3, good),
            StoredReading { source_time: Some(Timestamp::new(900_001)), ..reading(1, 0, 3, good) },
            reading(1, 15, 3, good),
            reading(2, 16, 3, good),
            reading(3, 300, 13, good),
            // By file, and then what had waited for the link: and the other way round.
            reading(4, 61, 3, good),
            reading(4, 60, 13, good),
            reading(5, 0, 3, good),
            reading(5, 60, 13, good),
            reading(6, 0, 3, Quality::INVALID),
            reading(96, 0, 3, good),
            reading(97, 0, 3, good),
        ];
        let begin = Timestamp::new(0);
        let whole = Completeness::of(&readings, begin, begin.after(DAY).after(DAY));
        let counted = Completeness {
            expected: 96,
            read: 3,
            late: 1,
            filled: 2,
            invalid: 1,
            missing: 89,
            rate_e4: 625,
            registers: None,
        };
        assert_eq!(whole, counted);
        // At twenty past one, five quarters have ended; without the fifth, four are due.
        let today = Completeness::of(&readings, begin, Timestamp::new(4_800_000));
        assert_eq!((today.expected, today.missing, today.rate_e4), (5, 0, 10_000));
        let today = Completeness::of(&readings[..7], begin, Timestamp::new(4_800_000));
        assert_eq!((today.expected, today.missing, today.rate_e4), (4, 0, 10_000));
        assert_eq!(Completeness::of(&readings, begin, Timestamp::new(-1)), Completeness::default());
    }
}
