//! `[collection]` of `serve.toml`: when the centre fetches what terminals remember.

use headroom_rules::model::Span;

use super::reader::Section;

/// Meter reading from the terminals' own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectionSettings {
    /// Time of day of the supply's zone at which what is missing of the days before is fetched, below a day.
    pub at: Span,
    /// Over how long the terminals are spread from then on, at most 12 h.
    pub spread: Span,
    /// Most terminals that are asked at the same time, 1..=1000.
    pub at_once: usize,
    /// Days that are looked back, 1..=60: terminals remember no more.
    pub look_back_days: u16,
    /// The supply's standard time minus UTC, minutes, -840..=840.
    pub utc_offset_minutes: i16,
}

impl Default for CollectionSettings {
    fn default() -> Self {
        Self {
            at: Span::from_s(3_600),
            spread: Span::from_s(1_800),
            at_once: 8,
            look_back_days: 3,
            utc_offset_minutes: 0,
        }
    }
}

impl CollectionSettings {
    /// The supply's standard time minus UTC.
    pub const fn utc_offset(self) -> Span {
        Span::from_s(self.utc_offset_minutes as i64 * 60)
    }
}

pub(super) fn take(section: &Section<'_>) -> CollectionSettings {
    let default = CollectionSettings::default();
    let settings = CollectionSettings {
        at: section.text_or("at", default.at, "a time of day, as \"01:00\"", time_of_day),
        spread: Span::from_s(section.int_or("spread_s", default.spread.s(), "whole number of seconds", 0..=43_200)),
        at_once: section.int_or("at_once", default.at_once, "whole number of terminals", 1..=1_000),
        look_back_days: section.int_or("look_back_days", default.look_back_days, "whole number of days", 1..=60),
        utc_offset_minutes: section.int_or(
            "utc_offset_minutes",
            default.utc_offset_minutes,
            "whole number of minutes",
            -840..=840,
        ),
    };
    section.end();
    settings
}

/// `HH:MM`.
fn time_of_day(text: &str) -> Option<Span> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str, below: i64| {
        // A sign is no digit, though a number may have one.
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|number| plain && *number < below)
    };
    Some(Span::from_s(two(hours, 24)? * 3_600 + two(minutes, 60)? * 60))
}
