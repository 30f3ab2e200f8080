//! The terminal's local time, as control functions are written in it.

use crate::model::{Span, Timestamp, civil_from_days};

const DAY_MS: i64 = 86_400_000;
const HALF_HOUR_MS: i64 = 1_800_000;

/// An instant on the clock of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local(i64);

impl Local {
    pub(super) const fn of(now: Timestamp, zone: Span) -> Self {
        Self(now.after(zone).get())
    }

    /// Days since 1970-01-01.
    pub(super) const fn day(self) -> i64 {
        self.0.div_euclid(DAY_MS)
    }

    /// 0..=47.
    pub(super) fn half_hour(self) -> u8 {
        u8::try_from(self.0.rem_euclid(DAY_MS) / HALF_HOUR_MS).unwrap_or(0)
    }

    /// 0..=23.
    pub(super) fn hour(self) -> u8 {
        self.half_hour() / 2
    }

    /// Hours since 1970-01-01.
    pub(super) const fn hours(self) -> i64 {
        self.0.div_euclid(2 * HALF_HOUR_MS)
    }

    /// Months since the year 0.
    pub(super) fn month(self) -> i64 {
        let (year, month, _) = civil_from_days(self.day());
        year * 12 + month - 1
    }

    /// Half hours since 1970-01-01.
    pub(super) const fn half_hours(self) -> i64 {
        self.0.div_euclid(HALF_HOUR_MS)
    }
}

/// 1 = Monday to 7 = Sunday. The first of 1970 was a Thursday.
pub(super) fn weekday(day: i64) -> u8 {
    u8::try_from((day + 3).rem_euclid(7) + 1).unwrap_or(1)
}
