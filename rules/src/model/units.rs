//! Quantities in whole base units, so that totals are exact and replays compare equal.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            #[doc = concat!("From a whole number of ", $unit, ".")]
            pub const fn new(value: i64) -> Self {
                Self(value)
            }

            #[doc = concat!("The whole number of ", $unit, ".")]
            pub const fn get(self) -> i64 {
                self.0
            }

            /// This quantity times `percent` / 100, rounded towards zero; saturates at the ends of the range.
            pub const fn percent(self, percent: i64) -> Self {
                // A division of i128 is slow, and nearly no product needs it.
                if let Some(product) = self.0.checked_mul(percent) {
                    return Self(product / 100);
                }
                // i128 holds any product of two i64.
                let scaled = self.0 as i128 * percent as i128 / 100;
                if scaled > i64::MAX as i128 {
                    Self(i64::MAX)
                } else if scaled < i64::MIN as i128 {
                    Self(i64::MIN)
                } else {
                    #[allow(clippy::cast_possible_truncation, reason = "bounds checked above")]
                    Self(scaled as i64)
                }
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(self.0.saturating_neg())
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self::ZERO, Self::add)
            }
        }
    };
}

quantity! {
    /// Active power in whole watts; positive flows to the customer. Instantaneous: an average over a window is a demand.
    Power, "W"
}
quantity! {
    /// Active energy in whole watt-hours.
    Energy, "Wh"
}
quantity! {
    /// Voltage in whole millivolts.
    Voltage, "mV"
}
quantity! {
    /// Current in whole milliamperes.
    Current, "mA"
}
quantity! {
    /// A length of time in whole milliseconds.
    Span, "ms"
}
quantity! {
    /// An instant: milliseconds since 1970-01-01T00:00:00Z. Always handed in from outside, never read here.
    Timestamp, "ms since the epoch"
}

impl Power {
    /// From whole kilowatts.
    pub const fn from_kw(kw: i32) -> Self {
        Self(kw as i64 * 1_000)
    }

    /// In kilowatts, for showing; not for arithmetic.
    #[allow(clippy::cast_precision_loss, reason = "only shown")]
    pub fn kw(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// The energy of this power held for `span`, rounded towards zero.
    pub fn over(self, span: Span) -> Energy {
        let wh = i128::from(self.0) * i128::from(span.0) / 3_600_000;
        Energy(i64::try_from(wh).unwrap_or(if wh < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl Span {
    /// From whole seconds.
    pub const fn from_s(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// In whole seconds, rounded towards zero.
    pub const fn s(self) -> i64 {
        self.0 / 1_000
    }
}

impl Timestamp {
    /// The instant `span` later.
    #[must_use]
    pub const fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The day since 1970-01-01 that a date as `2026-01-31` names; none where it is no date.
    pub fn day_of_date(text: &str) -> Option<i64> {
        let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
        let (year, month, number) = (parts.next()??, parts.next()??, parts.next()??);
        let day = days_from_civil(year, month, number);
        // As it is written back: no 30th of February, no other way to write it.
        (Self(day.saturating_mul(86_400_000)).date() == text).then_some(day)
    }

    /// Its date in UTC, as `2026-01-31`.
    pub fn date(self) -> String {
        let (year, month, day) = civil_from_days(self.0.div_euclid(86_400_000));
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// How long ago `earlier` was; negative when it is in the future.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Power {
    /// In kilowatts with one decimal, as an operator reads it: `4310.2 kW`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0.unsigned_abs() + 50) / 100;
        let sign = if self.0 < 0 && tenths > 0 { "-" } else { "" };
        write!(f, "{sign}{}.{} kW", tenths / 10, tenths % 10)
    }
}

impl fmt::Display for Energy {
    /// In kilowatt-hours with one decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0.unsigned_abs() + 50) / 100;
        let sign = if self.0 < 0 && tenths > 0 { "-" } else { "" };
        write!(f, "{sign}{}.{} kWh", tenths / 10, tenths % 10)
    }
}

impl fmt::Display for Span {
    /// In the largest two fitting units: `1 h 05 min`, `2 min 30 s`, `45 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.s().unsigned_abs();
        let sign = if self.0 <= -1_000 { "-" } else { "" };
        match s {
            0..60 => write!(f, "{sign}{s} s"),
            60..3_600 if s.is_multiple_of(60) => write!(f, "{sign}{} min", s / 60),
            60..3_600 => write!(f, "{sign}{} min {:02} s", s / 60, s % 60),
            _ => write!(f, "{sign}{} h {:02} min", s / 3_600, s % 3_600 / 60),
        }
    }
}

impl fmt::Display for Timestamp {
    /// In UTC, ISO 8601 with milliseconds: `2026-01-31T18:05:12.250Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.0.div_euclid(86_400_000);
        let ms = self.0.rem_euclid(86_400_000);
        let (year, month, day) = civil_from_days(days);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        )
    }
}

/// The inverse of [`civil_from_days`] (`days_from_civil`, ibid.), for four-digit years from 1 on; others give another day.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let (year, month, day) = (year.clamp(1, 9_999), month.clamp(1, 12), day.clamp(1, 31));
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month, day of the proleptic Gregorian calendar from days since 1970-01-01
/// (Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_utc() {
        assert_eq!(Timestamp::new(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::new(951_782_399_999).to_string(), "2000-02-28T23:59:59.999Z");
        assert_eq!(Timestamp::new(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Timestamp::new(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_comes_back_from_its_date_and_no_other_text_is_one() {
        for day in -200_000..200_000 {
            let at = Timestamp::new(day * 86_400_000);
            assert_eq!(Timestamp::day_of_date(&at.date()), Some(day));
        }
        for bad in
            ["2026-02-29", "2026-13-01", "2026-00-10", "2026-1-01", "+026-01-01", "99999-01-01", "2026-01-01-", "", "-"]
        {
            assert_eq!(Timestamp::day_of_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn power_shows_kilowatts_rounded() {
        assert_eq!(Power::new(4_310_249).to_string(), "4310.2 kW");
        assert_eq!(Power::new(-50).to_string(), "-0.1 kW");
        assert_eq!(Power::new(-49).to_string(), "0.0 kW");
    }

    #[test]
    fn energy_is_power_over_time() {
        assert_eq!(Power::from_kw(6).over(Span::from_s(600)), Energy::new(1_000));
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Power::new(i64::MAX) + Power::new(1), Power::new(i64::MAX));
        assert_eq!(Power::new(i64::MAX).percent(200), Power::new(i64::MAX));
    }
}
