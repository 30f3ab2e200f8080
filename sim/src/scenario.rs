//! Scenarios: what happens to a fleet's load, from `scenarios/*.toml`.

use headroom_rules::model::{Span, Timestamp};
use serde::Deserialize;

/// Minutes since the start, and load in percent.
type Course = Vec<(f64, f64)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    about: String,
    starts_at: String,
    peak_feeders_percent: u8,
    peak: Course,
    others: Course,
    stuck_switches_percent: u8,
    repeat_minutes: Option<f64>,
}

/// What happens to the load of a fleet.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// In one line, for people.
    pub about: String,
    /// The day on which it plays, its first instant; 2026-01-15 unless the caller wants another.
    day: Timestamp,
    /// Time of day at the start.
    pub starts_at: Span,
    /// Share of the feeders that follow [`Self::peak`], 0..=100 %; the others follow [`Self::others`].
    pub peak_feeders_percent: u8,
    /// Load of the feeders that peak: minutes since the start, rising, and percent of the natural load.
    pub peak: Course,
    /// Load of the other feeders, likewise.
    pub others: Course,
    /// Share of the switches that never move, 0..=100 %.
    pub stuck_switches_percent: u8,
    /// After so many minutes the courses begin anew; none where their last point holds.
    pub repeat_minutes: Option<f64>,
}

/// What is wrong with a scenario.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ScenarioError {
    #[error("no scenario \"{name}\": wanted one of {known}", known = Scenario::NAMES.join(", "))]
    Unknown { name: String },
    #[error("scenario: not readable")]
    Syntax(#[from] toml::de::Error),
    #[error("scenario: starts_at = \"{0}\": wanted a time of day as \"18:30\"")]
    Start(String),
    #[error("scenario: {key} = {percent}: wanted 0 to 100")]
    Percent { key: &'static str, percent: u8 },
    #[error("scenario: repeat_minutes = {0}: wanted a number from 1 to 1440")]
    Repeat(f64),
    #[error("scenario: {key}: wanted rising minutes of at least 0 and percents of 0 to 1000")]
    Course { key: &'static str },
}

impl Scenario {
    /// The scenarios that ship; the first is the default.
    pub const NAMES: [&'static str; 3] = ["evening-peak", "quiet", "stuck-switch"];

    /// 2026-01-15T00:00:00Z.
    const DAY: Timestamp = Timestamp::new(1_768_435_200_000);

    const DAY_MS: i64 = 86_400_000;

    /// One that ships.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str) -> Result<Self, ScenarioError> {
        Self::parse(match name {
            "evening-peak" => include_str!("../scenarios/evening-peak.toml"),
            "quiet" => include_str!("../scenarios/quiet.toml"),
            "stuck-switch" => include_str!("../scenarios/stuck-switch.toml"),
            _ => return Err(ScenarioError::Unknown { name: name.to_owned() }),
        })
    }

    /// From TOML.
    ///
    /// # Errors
    /// The file is refused whole for an unknown key or a figure out of range.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let raw: Raw = toml::from_str(text)?;
        let starts_at = time_of_day(&raw.starts_at).ok_or(ScenarioError::Start(raw.starts_at))?;
        for (key, percent) in
            [("peak_feeders_percent", raw.peak_feeders_percent), ("stuck_switches_percent", raw.stuck_switches_percent)]
        {
            if percent > 100 {
                return Err(ScenarioError::Percent { key, percent });
            }
        }
        for (key, course) in [("peak", &raw.peak), ("others", &raw.others)] {
            let rising = course.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let ranged = course.iter().all(|(minute, percent)| *minute >= 0.0 && (0.0..=1_000.0).contains(percent));
            if !(rising && ranged) {
                return Err(ScenarioError::Course { key });
            }
        }
        if let Some(minutes) = raw.repeat_minutes.filter(|minutes| !(1.0..=1_440.0).contains(minutes)) {
            return Err(ScenarioError::Repeat(minutes));
        }
        Ok(Self {
            about: raw.about,
            day: Self::DAY,
            starts_at,
            peak_feeders_percent: raw.peak_feeders_percent,
            peak: raw.peak,
            others: raw.others,
            stuck_switches_percent: raw.stuck_switches_percent,
            repeat_minutes: raw.repeat_minutes,
        })
    }

    /// The same at the same time of day, on the day of `instant`: a journal that holds an earlier run can only go on
    /// with a later one.
    #[must_use]
    pub fn starting_on(self, instant: Timestamp) -> Self {
        let since = instant.get().rem_euclid(Self::DAY_MS);
        Self { day: Timestamp::new(instant.get().saturating_sub(since)), ..self }
    }

    /// The same from `instant` on, whatever time of day that is.
    #[must_use]
    pub fn starting_at(self, instant: Timestamp) -> Self {
        let since = Span::new(instant.get().rem_euclid(Self::DAY_MS));
        Self { starts_at: since, ..self }.starting_on(instant)
    }

    /// The same at the same time of day, on the last day on which that time has come by `now`.
    #[must_use]
    pub fn started_before(self, now: Timestamp) -> Self {
        let today = self.starting_on(now);
        if today.start() <= now {
            return today;
        }
        today.starting_on(now.after(Span::new(-Self::DAY_MS)))
    }

    /// The simulated instant at which the scenario starts.
    pub const fn start(&self) -> Timestamp {
        self.day.after(self.starts_at)
    }

    /// How many of `feeders` peak: at most three, and at least one where any is to.
    pub fn peak_feeders(&self, feeders: u32) -> u32 {
        if self.peak_feeders_percent == 0 {
            return 0;
        }
        (feeders * u32::from(self.peak_feeders_percent)).div_ceil(100).clamp(1, 3).min(feeders)
    }

    /// After so long the courses begin anew.
    #[allow(clippy::cast_possible_truncation, reason = "a day at most")]
    pub fn repeat_every(&self) -> Option<Span> {
        self.repeat_minutes.map(|minutes| Span::new((minutes * 60_000.0) as i64))
    }

    /// Factor on a feeder's natural load, `elapsed` after the start.
    pub fn factor(&self, peaks: bool, elapsed: Span) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "minutes of a simulation")]
        let minute = elapsed.get() as f64 / 60_000.0;
        let minute = self.repeat_minutes.map_or(minute, |every| minute.rem_euclid(every));
        let course = if peaks { &self.peak } else { &self.others };
        let next = course.partition_point(|(at, _)| *at <= minute);
        let percent = match (next.checked_sub(1).and_then(|at| course.get(at)), course.get(next)) {
            (Some((m0, p0)), Some((m1, p1))) => p0 + (p1 - p0) * (minute - m0) / (m1 - m0),
            (Some((_, percent)), None) | (None, Some((_, percent))) => *percent,
            (None, None) => 100.0,
        };
        percent / 100.0
    }
}

fn time_of_day(text: &str) -> Option<Span> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    ((0..24).contains(&hour) && (0..60).contains(&minute)).then(|| Span::from_s(hour * 3_600 + minute * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_scenario_is_sound_and_others_are_refused() {
        for name in Scenario::NAMES {
            Scenario::named(name).unwrap();
        }
        assert!(Scenario::named("flood").unwrap_err().to_string().contains("wanted one of evening-peak, quiet"));
    }

    #[test]
    fn a_course_runs_straight_between_its_points_and_holds_at_the_ends() {
        let peak = Scenario::named("evening-peak").unwrap();
        let at = |s: i64| (peak.factor(true, Span::from_s(s)) * 1_000.0).round();
        assert_eq!([at(0), at(60), at(120), at(300), at(1_500)], [1_000.0, 1_000.0, 1_100.0, 1_200.0, 880.0]);
        assert_eq!([at(1_800), at(1_920), at(7_500)], [1_000.0, 1_100.0, 1_200.0], "it begins anew each half hour");
        assert_eq!(Scenario::named("quiet").unwrap().factor(true, Span::from_s(5)), 1.0);
        assert_eq!([1, 4, 8].map(|n| peak.peak_feeders(n)), [1, 2, 3]);
    }

    #[test]
    fn a_scenario_can_start_on_another_day_or_at_another_instant() {
        const HOUR_MS: i64 = 3_600_000;
        let quiet = || Scenario::named("quiet").unwrap();
        assert_eq!(quiet().start(), Timestamp::new(1_768_435_200_000 + 10 * HOUR_MS));
        let day = 1_777_680_000_000;
        let start = |scenario: Scenario| scenario.start().get() - day;
        for hour in [0, 9, 23] {
            let instant = Timestamp::new(day + hour * HOUR_MS + 1);
            assert_eq!(start(quiet().starting_on(instant)), 10 * HOUR_MS);
            assert_eq!(start(quiet().starting_at(instant)), hour * HOUR_MS + 1);
        }
        let before = |hour| start(quiet().started_before(Timestamp::new(day + hour * HOUR_MS)));
        assert_eq!([before(9), before(10), before(11)], [-14 * HOUR_MS, 10 * HOUR_MS, 10 * HOUR_MS]);
    }

    #[test]
    fn a_scenario_out_of_range_is_refused() {
        let base = include_str!("../scenarios/quiet.toml");
        for (from, to) in [
            ("10:00", "24:00"),
            ("= 0\npeak", "= 101\npeak"),
            ("others = []", "others = [[2.0, 1.0], [1.0, 1.0]]"),
            ("others = []", "others = []\nrepeat_minutes = 0.5"),
        ] {
            assert!(Scenario::parse(&base.replace(from, to)).is_err(), "{to}");
        }
    }
}
