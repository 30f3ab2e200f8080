//! Times as people give and read them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use headroom_rules::model::{Span, Timestamp};

/// How far a zone's clocks are ahead of UTC, in whole minutes, -14:00 to +14:00.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(i16);

impl Offset {
    const MINUTES_MAX: i16 = 14 * 60;

    /// From whole minutes, beyond the range at its end.
    pub fn of_minutes(minutes: i16) -> Self {
        Self(minutes.clamp(-Self::MINUTES_MAX, Self::MINUTES_MAX))
    }

    fn ahead(self) -> Span {
        Span::from_s(i64::from(self.0) * 60)
    }

    /// RFC 3339 with milliseconds, by the clocks of the zone.
    pub fn show(self, at: Timestamp) -> String {
        let mut text = at.after(self.ahead()).to_string();
        if self.0 != 0 {
            text.pop();
            text.push_str(&self.to_string());
        }
        text
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.unsigned_abs();
        let sign = if self.0 < 0 { '-' } else { '+' };
        if self.0 == 0 { f.write_str("Z") } else { write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60) }
    }
}

impl FromStr for Offset {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "wanted how far the zone's clocks are ahead of UTC, as +08:00, at most 14 hours, or Z";
        if text == "Z" {
            return Ok(Self(0));
        }
        let read = || {
            let (sign, rest) = text.split_at_checked(1)?;
            let (hours, minutes) = rest.split_once(':')?;
            let two = |text: &str| text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
            let digits = |text: &str| text.parse::<i16>().ok().filter(|_| two(text));
            let (hours, minutes) = (digits(hours)?, digits(minutes).filter(|minutes| *minutes < 60)?);
            let ahead = hours * 60 + minutes;
            let ahead = match sign {
                "+" => ahead,
                "-" => -ahead,
                _ => return None,
            };
            (-Self::MINUTES_MAX..=Self::MINUTES_MAX).contains(&ahead).then_some(Self(ahead))
        };
        read().ok_or(WANTED)
    }
}

/// A time that a person gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// With its offset.
    Instant(Timestamp),
    /// By the clocks of a zone that is said elsewhere, as if it was UTC.
    Local(Timestamp),
}

impl When {
    /// The instant, where clocks are that far ahead.
    pub fn at(self, offset: Offset) -> Timestamp {
        match self {
            Self::Instant(at) => at,
            Self::Local(at) => at.after(-offset.ahead()),
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Instant(Timestamp::new(at.timestamp_millis())));
        }
        let local = |at: NaiveDateTime| Self::Local(Timestamp::new(at.and_utc().timestamp_millis()));
        for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
            if let Ok(at) = NaiveDateTime::parse_from_str(text, form) {
                return Ok(local(at));
            }
        }
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        let midnight = date.and_then(|date| date.and_hms_opt(0, 0, 0));
        midnight.map(local).ok_or("wanted a time as 2026-01-31, 2026-01-31T18:00 or 2026-01-31T18:00:00+08:00")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_shows_by_the_clocks_of_its_zone_and_comes_back_to_the_same_instant() {
        let at = Timestamp::new(1_800_000_000_250);
        for (offset, shown) in [
            ("Z", "2027-01-15T08:00:00.250Z"),
            ("+08:00", "2027-01-15T16:00:00.250+08:00"),
            ("-09:30", "2027-01-14T22:30:00.250-09:30"),
        ] {
            let offset: Offset = offset.parse().unwrap();
            assert_eq!(offset.show(at), shown);
            assert_eq!(shown.parse::<When>().unwrap(), When::Instant(at));
            let bare = shown.trim_end_matches(&offset.to_string());
            assert_eq!(bare.parse::<When>().unwrap().at(offset), at, "without its offset it is of the zone");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_zone() {
        let day: When = "2027-01-15".parse().unwrap();
        assert_eq!(day.at("+08:00".parse().unwrap()).to_string(), "2027-01-14T16:00:00.000Z");
        assert_eq!(
            "2027-01-15T18:30".parse::<When>().unwrap().at(Offset::default()).to_string(),
            "2027-01-15T18:30:00.000Z"
        );
    }

    #[test]
    fn what_is_no_time_or_offset_is_refused() {
        for text in ["", "yesterday", "2027-02-30", "2027-01-15 08:00", "2027-01-15T25:00", "1800000000"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
        for text in ["", "8", "+8:00", "+08:60", "+14:01", "08:00", "+-8:00", "é08:00", "+08:0é"] {
            assert!(text.parse::<Offset>().is_err(), "{text}");
        }
    }
}
