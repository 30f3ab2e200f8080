//! What is asked and answered when somebody looks back, in the engines' rows and in ours.

use headroom_rules::model::{PointKind, Quality, Span, TerminalId, Timestamp};
use serde::Serialize;

use super::instant::Instant;
use super::rollup::{At, Bucket, Marks, Resolution};

/// Which alarms, orders, events or entries of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The terminal or node that it is about, or the person in the audit log; none for all.
    pub about: Option<String>,
    /// From then on.
    pub from: Timestamp,
    /// Before then.
    pub to: Timestamp,
    /// The newest of them, so many at most.
    pub limit: u32,
}

impl History {
    /// The newest of all.
    pub const fn newest(limit: u32) -> Self {
        Self { about: None, from: Timestamp::new(i64::MIN), to: Timestamp::new(i64::MAX), limit }
    }

    pub(super) fn subject(&self) -> &str {
        self.about.as_deref().unwrap_or_default()
    }

    pub(super) fn from(&self) -> Instant {
        self.from.into()
    }

    pub(super) fn to(&self) -> Instant {
        self.to.into()
    }
}

/// A reading as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StoredReading {
    /// The earlier of source time and arrival; the arrival where the source time is impossible.
    pub at: Timestamp,
    /// As it came; none where the wire carried none.
    pub source_time: Option<Timestamp>,
    /// When it came.
    pub arrived_at: Timestamp,
    /// In the base unit of the point's kind.
    pub value: i64,
    /// As it came.
    pub quality: Quality,
    /// Cause of transmission.
    pub cause: u8,
}

/// The newest reading of a point, impossible times left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastValue {
    /// Whose.
    pub terminal: TerminalId,
    /// Which.
    pub point: PointKind,
    /// What and when.
    pub reading: StoredReading,
}

/// What a meter's register says of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EnergyPeriod {
    /// When it begins.
    pub from: Timestamp,
    /// By how much the register rose in it, Wh; none where nothing tells.
    pub wh: Option<i64>,
    /// The register fell in it, as after a change of the meter; what it counted around that is not known.
    pub reset: bool,
}

/// A stretch without a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The last reading before it, or the begin of what was asked.
    pub after: Timestamp,
    /// The first reading after it, or the end of what was asked.
    pub until: Timestamp,
}

/// Which of the tables that hold the newest state of something.
#[derive(Clone, Copy, Debug)]
pub(super) enum StateKind {
    Alarm,
    Order,
}

/// At, source time, arrival, value, quality, cause.
pub(super) type ReadingColumns = (Instant, Option<Instant>, Instant, i64, i16, i16);
/// Terminal, kind, and a reading.
pub(super) type LastRow = (String, i16, Instant, Option<Instant>, Instant, i64, i16, i16);
/// Position, at, source time, kind, subject, text, JSON.
pub(super) type EventColumns = (i64, Instant, Option<Instant>, String, String, String, String);

#[derive(sqlx::FromRow)]
pub(super) struct BucketRow {
    start: Instant,
    readings: i64,
    good: i64,
    mean: Option<i64>,
    low: Option<i64>,
    low_at: Option<Instant>,
    high: Option<i64>,
    high_at: Option<Instant>,
    first: Option<i64>,
    first_at: Option<Instant>,
    last: Option<i64>,
    last_at: Option<Instant>,
    bad: Option<i64>,
    bad_at: Option<Instant>,
    bad_quality: Option<i16>,
    invalid: i64,
    not_topical: i64,
    substituted: i64,
    blocked: i64,
    overflow: i64,
}

impl From<BucketRow> for Bucket {
    fn from(row: BucketRow) -> Self {
        let at = |value: Option<i64>, at: Option<Instant>| Some(At { at: at?.timestamp(), value: value? });
        Self {
            start: row.start.timestamp(),
            readings: row.readings,
            good: row.good,
            mean: row.mean,
            low: at(row.low, row.low_at),
            high: at(row.high, row.high_at),
            first: at(row.first, row.first_at),
            last: at(row.last, row.last_at),
            bad: at(row.bad, row.bad_at).zip(row.bad_quality.map(quality)),
            marks: Marks {
                invalid: row.invalid,
                not_topical: row.not_topical,
                substituted: row.substituted,
                blocked: row.blocked,
                overflow: row.overflow,
            },
        }
    }
}

/// From a column; bits that no quality has are dropped.
pub(super) fn quality(bits: i16) -> Quality {
    Quality::from_bits(u8::try_from(bits).unwrap_or_default())
}

pub(super) fn reading((at, source, arrived, value, marks, cause): ReadingColumns) -> StoredReading {
    StoredReading {
        at: at.timestamp(),
        source_time: source.map(Instant::timestamp),
        arrived_at: arrived.timestamp(),
        value,
        quality: quality(marks),
        cause: u8::try_from(cause).unwrap_or_default(),
    }
}

/// None for a terminal or kind that only a later version knows.
pub(super) fn last_value(row: LastRow) -> Option<LastValue> {
    let (code, kind, at, source, arrived, value, marks, cause) = row;
    let point = u16::try_from(kind).ok().and_then(PointKind::from_code)?;
    let reading = reading((at, source, arrived, value, marks, cause));
    Some(LastValue { terminal: code.parse().ok()?, point, reading })
}

/// A time in pieces that are whole in some resolution, and single readings (none) at its ends.
pub(super) fn pieces(from: Timestamp, to: Timestamp) -> Vec<(Option<Resolution>, Timestamp, Timestamp)> {
    let mut pieces = Vec::new();
    cut(&Resolution::ALL, from, to, &mut pieces);
    pieces
}

fn cut(
    resolutions: &[Resolution],
    from: Timestamp,
    to: Timestamp,
    pieces: &mut Vec<(Option<Resolution>, Timestamp, Timestamp)>,
) {
    if from >= to {
        return;
    }
    let Some((&coarsest, finer)) = resolutions.split_last() else {
        pieces.push((None, from, to));
        return;
    };
    let down = coarsest.start(from);
    let begin = if down == from { from } else { down.after(coarsest.span()) };
    let end = coarsest.start(to);
    if begin < end {
        cut(finer, from, begin, pieces);
        pieces.push((Some(coarsest), begin, end));
        cut(finer, end, to, pieces);
    } else {
        cut(finer, from, to, pieces);
    }
}

/// Rises of a register, in the order of `buckets`, by periods of `period` from `from` on.
pub(super) fn energy(
    before: Option<i64>,
    buckets: &[Bucket],
    from: Timestamp,
    period: Span,
    periods: usize,
) -> Vec<EnergyPeriod> {
    let begin = |n: usize| from.after(Span::new(period.get().saturating_mul(i64::try_from(n).unwrap_or(i64::MAX))));
    let mut energy: Vec<EnergyPeriod> =
        (0..periods).map(|n| EnergyPeriod { from: begin(n), wh: None, reset: false }).collect();
    let mut register = before;
    for bucket in buckets {
        let n = bucket.start.since(from).get() / period.get().max(1);
        let Some(of) = usize::try_from(n).ok().and_then(|n| energy.get_mut(n)) else { continue };
        for at in [bucket.first, bucket.last].into_iter().flatten() {
            if let Some(rise) = register.map(|register| at.value.saturating_sub(register)) {
                of.reset |= rise < 0;
                of.wh = Some(of.wh.unwrap_or(0).saturating_add(rise.max(0)));
            }
            register = Some(at.value);
        }
    }
    energy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_cut_into_whole_stretches_without_a_hole_or_an_overlap() {
        let (from, to) = (Timestamp::new(86_399_000 - 3_700_123), Timestamp::new(3 * 86_400_000 + 61_500));
        let pieces = pieces(from, to);
        assert_eq!(pieces.first().map(|piece| piece.1), Some(from));
        assert_eq!(pieces.last().map(|piece| piece.2), Some(to));
        assert!(pieces.windows(2).all(|pair| pair[0].2 == pair[1].1), "{pieces:?}");
        for (resolution, begin, end) in &pieces {
            let Some(resolution) = resolution else { continue };
            assert!(resolution.start(*begin) == *begin && resolution.start(*end) == *end && begin < end);
        }
        assert!(pieces.iter().any(|piece| piece.0 == Some(Resolution::Day)));
        assert_eq!(pieces.iter().filter(|piece| piece.0.is_none()).count(), 2, "only the ends are of single readings");
        assert!(super::pieces(to, from).is_empty());
    }
}
