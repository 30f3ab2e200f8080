//! When a packet was captured.

use std::fmt;

use headroom_rules::model::Timestamp;

/// Nanoseconds since 1970-01-01 UTC. Shown to the microsecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    /// From units of `per_second` a second and an offset in whole seconds; what cannot be held is held to the last moment.
    pub fn new(units: u64, per_second: u64, offset_s: i64) -> Self {
        let per_second = u128::from(per_second.max(1));
        let ns = i128::try_from(u128::from(units) * 1_000_000_000 / per_second).unwrap_or(i128::MAX);
        let ns = ns.saturating_add(i128::from(offset_s) * 1_000_000_000);
        Self(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Nanoseconds from `earlier` on, 0 where it is later.
    pub const fn since(self, earlier: Self) -> u64 {
        if self.0 > earlier.0 { self.0.abs_diff(earlier.0) } else { 0 }
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        Self::new(moment.0.div_euclid(1_000_000))
    }
}

impl fmt::Display for Moment {
    /// `2026-01-31T18:05:12.250417Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = Timestamp::from(*self).to_string();
        write!(f, "{}{:03}Z", ms.trim_end_matches('Z'), self.0.div_euclid(1_000).rem_euclid(1_000))
    }
}
