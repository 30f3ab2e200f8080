//! Rollups: what remains of many readings of a point in one stretch of time.

use headroom_rules::model::{Quality, Span, Timestamp};
use serde::Serialize;

use super::batch::ReadingRow;

/// The stretch that one rollup stands for, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// A minute.
    Minute,
    /// 15 minutes.
    Quarter,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Resolution {
    /// From the finest to the coarsest.
    pub const ALL: [Self; 4] = [Self::Minute, Self::Quarter, Self::Hour, Self::Day];

    /// Its length.
    pub const fn span(self) -> Span {
        Span::from_s(match self {
            Self::Minute => 60,
            Self::Quarter => 900,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }

    /// The store's number of it; stays the same for ever.
    pub(super) const fn code(self) -> i16 {
        match self {
            Self::Minute => 1,
            Self::Quarter => 2,
            Self::Hour => 3,
            Self::Day => 4,
        }
    }

    /// When the stretch begins that `at` lies in.
    pub const fn start(self, at: Timestamp) -> Timestamp {
        let length = self.span().get();
        Timestamp::new(at.get().saturating_sub(at.get().rem_euclid(length)))
    }

    /// The coarsest in which a time from `from` to `to` still has `parts` stretches; none when single readings are
    /// needed for that.
    pub fn for_parts(from: Timestamp, to: Timestamp, parts: usize) -> Option<Self> {
        let parts = i64::try_from(parts).unwrap_or(i64::MAX);
        Self::ALL.into_iter().rev().find(|resolution| to.since(from).get() / resolution.span().get() >= parts)
    }
}

/// What one point told in one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// When the stretch begins.
    pub start: Timestamp,
    /// Readings of any quality.
    pub readings: i64,
    /// Those of a quality that may decide; all that follows but the marks is of these.
    pub good: i64,
    /// Their mean, rounded.
    pub mean: Option<i64>,
    /// The lowest, and when it first was.
    pub low: Option<At>,
    /// The highest, and when it first was.
    pub high: Option<At>,
    /// The first.
    pub first: Option<At>,
    /// The last.
    pub last: Option<At>,
    /// The first of a quality that may not decide, and its marks.
    pub bad: Option<(At, Quality)>,
    /// How many readings had each mark.
    pub marks: Marks,
}

/// A value and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct At {
    /// When.
    pub at: Timestamp,
    /// In the base unit of the point's kind.
    pub value: i64,
}

/// How many readings had each mark of a quality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// IV.
    pub invalid: i64,
    /// NT.
    pub not_topical: i64,
    /// SB.
    pub substituted: i64,
    /// BL.
    pub blocked: i64,
    /// OV.
    pub overflow: i64,
}

impl Marks {
    fn add(&mut self, quality: Quality) {
        let count = |mark: Quality| i64::from(quality.has(mark));
        self.invalid += count(Quality::INVALID);
        self.not_topical += count(Quality::NOT_TOPICAL);
        self.substituted += count(Quality::SUBSTITUTED);
        self.blocked += count(Quality::BLOCKED);
        self.overflow += count(Quality::OVERFLOW);
    }

    fn merge(&mut self, other: Self) {
        self.invalid += other.invalid;
        self.not_topical += other.not_topical;
        self.substituted += other.substituted;
        self.blocked += other.blocked;
        self.overflow += other.overflow;
    }
}

/// What a batch adds to one stretch of one point.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) resolution: Resolution,
    pub(super) point_id: i32,
    pub(super) start: Timestamp,
    pub(super) readings: i64,
    pub(super) good: i64,
    sum: i128,
    pub(super) low: Option<At>,
    pub(super) high: Option<At>,
    pub(super) first: Option<At>,
    pub(super) last: Option<At>,
    pub(super) bad: Option<(At, Quality)>,
    pub(super) marks: Marks,
}

impl Part {
    fn new(resolution: Resolution, point_id: i32, at: Timestamp) -> Self {
        Self {
            resolution,
            point_id,
            start: resolution.start(at),
            readings: 0,
            good: 0,
            sum: 0,
            low: None,
            high: None,
            first: None,
            last: None,
            bad: None,
            marks: Marks::default(),
        }
    }

    /// Later ones come later.
    fn add(&mut self, row: &ReadingRow) {
        let at = At { at: Timestamp::new(row.at), value: row.value };
        self.readings += 1;
        self.marks.add(row.quality);
        if !row.quality.decides() {
            self.bad.get_or_insert((at, row.quality));
            return;
        }
        self.good += 1;
        self.sum += i128::from(row.value);
        self.take(Some(at), Some(at), Some(at), Some(at));
    }

    fn merge(&mut self, later: &Self) {
        self.readings += later.readings;
        self.good += later.good;
        self.sum += later.sum;
        self.marks.merge(later.marks);
        self.bad = self.bad.or(later.bad);
        self.take(later.low, later.high, later.first, later.last);
    }

    fn take(&mut self, low: Option<At>, high: Option<At>, first: Option<At>, last: Option<At>) {
        if let Some(low) = low.filter(|low| self.low.is_none_or(|known| low.value < known.value)) {
            self.low = Some(low);
        }
        if let Some(high) = high.filter(|high| self.high.is_none_or(|known| high.value > known.value)) {
            self.high = Some(high);
        }
        self.first = self.first.or(first);
        self.last = last.or(self.last);
    }

    /// Nothing but good readings without a mark, as nearly all are.
    pub(super) fn is_plain(&self) -> bool {
        self.bad.is_none() && self.marks == Marks::default()
    }

    /// The sum of the good values, at the ends of the range where it is beyond them.
    pub(super) fn sum(&self) -> i64 {
        i64::try_from(self.sum).unwrap_or(if self.sum < 0 { i64::MIN } else { i64::MAX })
    }
}

/// What `rows`, in their order, add to the rollups of each resolution.
pub(super) fn parts(rows: &[ReadingRow]) -> Vec<Part> {
    let mut all = Vec::new();
    let mut finer: Vec<Part> = Vec::new();
    for resolution in Resolution::ALL {
        let start = |at: i64| resolution.start(Timestamp::new(at));
        let coarser: Vec<Part> = if resolution == Resolution::Minute {
            let of = |rows: &[ReadingRow]| {
                let first = rows.first()?;
                let mut part = Part::new(resolution, first.point_id, Timestamp::new(first.at));
                rows.iter().for_each(|row| part.add(row));
                Some(part)
            };
            rows.chunk_by(|a, b| a.point_id == b.point_id && start(a.at) == start(b.at)).filter_map(of).collect()
        } else {
            let of = |parts: &[Part]| {
                let first = parts.first()?;
                let mut part = Part::new(resolution, first.point_id, first.start);
                parts.iter().for_each(|finer| part.merge(finer));
                Some(part)
            };
            let same = |a: &Part, b: &Part| a.point_id == b.point_id && start(a.start.get()) == start(b.start.get());
            finer.chunk_by(same).filter_map(of).collect()
        };
        all.append(&mut finer);
        finer = coarser;
    }
    all.append(&mut finer);
    all
}

/// What is read of `rollups`, as [`BucketRow`](super::look::BucketRow) has it.
macro_rules! bucket_columns {
    () => {
        "start, readings, good, CAST(round(sum * 1.0 / nullif(good, 0)) AS bigint) AS mean, low, low_at, high, high_at,
         first, first_at, last, last_at, bad, bad_at, bad_quality, invalid, not_topical, substituted, blocked, overflow"
    };
}
pub(super) use bucket_columns;

/// Adds what comes to what is there, on either engine. A late reading corrects its stretch.
pub(super) const MERGE: &str = "ON CONFLICT (resolution, point_id, start) DO UPDATE SET
    readings = rollup.readings + excluded.readings, good = rollup.good + excluded.good,
    sum = rollup.sum + excluded.sum,
    low = CASE WHEN rollup.low IS NULL OR (excluded.low, excluded.low_at) < (rollup.low, rollup.low_at)
        THEN excluded.low ELSE rollup.low END,
    low_at = CASE WHEN rollup.low IS NULL OR (excluded.low, excluded.low_at) < (rollup.low, rollup.low_at)
        THEN excluded.low_at ELSE rollup.low_at END,
    high = CASE WHEN rollup.high IS NULL OR (excluded.high, rollup.high_at) > (rollup.high, excluded.high_at)
        THEN excluded.high ELSE rollup.high END,
    high_at = CASE WHEN rollup.high IS NULL OR (excluded.high, rollup.high_at) > (rollup.high, excluded.high_at)
        THEN excluded.high_at ELSE rollup.high_at END,
    first = CASE WHEN rollup.first_at IS NULL OR excluded.first_at < rollup.first_at
        THEN excluded.first ELSE rollup.first END,
    first_at = CASE WHEN rollup.first_at IS NULL OR excluded.first_at < rollup.first_at
        THEN excluded.first_at ELSE rollup.first_at END,
    last = CASE WHEN rollup.last_at IS NULL OR excluded.last_at >= rollup.last_at
        THEN excluded.last ELSE rollup.last END,
    last_at = CASE WHEN rollup.last_at IS NULL OR excluded.last_at >= rollup.last_at
        THEN excluded.last_at ELSE rollup.last_at END,
    bad = CASE WHEN rollup.bad_at IS NULL OR excluded.bad_at < rollup.bad_at
        THEN excluded.bad ELSE rollup.bad END,
    bad_at = CASE WHEN rollup.bad_at IS NULL OR excluded.bad_at < rollup.bad_at
        THEN excluded.bad_at ELSE rollup.bad_at END,
    bad_quality = CASE WHEN rollup.bad_at IS NULL OR excluded.bad_at < rollup.bad_at
        THEN excluded.bad_quality ELSE rollup.bad_quality END,
    invalid = rollup.invalid + excluded.invalid, not_topical = rollup.not_topical + excluded.not_topical,
    substituted = rollup.substituted + excluded.substituted, blocked = rollup.blocked + excluded.blocked,
    overflow = rollup.overflow + excluded.overflow";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_gets_the_coarsest_resolution_that_still_fills_it() {
        let (from, h) = (Timestamp::new(0), |h: i64| Timestamp::new(h * 3_600_000));
        assert_eq!(Resolution::for_parts(from, h(1), 200), None);
        assert_eq!(Resolution::for_parts(from, h(24), 200), Some(Resolution::Minute));
        assert_eq!(Resolution::for_parts(from, h(24 * 7), 200), Some(Resolution::Quarter));
        assert_eq!(Resolution::for_parts(from, h(24 * 365), 200), Some(Resolution::Day));
        assert_eq!(Resolution::for_parts(h(1), from, 200), None);
    }

    #[test]
    fn a_stretch_begins_at_or_before_its_times_even_before_1970() {
        assert_eq!(Resolution::Minute.start(Timestamp::new(60_001)), Timestamp::new(60_000));
        assert_eq!(Resolution::Minute.start(Timestamp::new(-1)), Timestamp::new(-60_000));
    }
}
