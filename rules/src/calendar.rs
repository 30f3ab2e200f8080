//! Days and hours by the supply's own clocks: of which kind a day is, and which limit a schedule gives at an hour.
//!
//! Parsed and checked by the centre's `config`: here every day has a kind, and every minute of every kind a limit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{DayKind, Power, Timestamp};

const MINUTE_MS: i64 = 60_000;
pub(crate) const DAY_MINUTES: i64 = 1_440;
/// Days that are looked ahead for a schedule's next change. One that never changes is looked at again then.
const LOOK_AHEAD_DAYS: i64 = 32;

/// Which kind of day each day is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// The supply's clocks minus UTC, minutes, -840..=840.
    pub utc_offset_minutes: i16,
    /// Monday first.
    pub week: [DayKind; 7],
    /// Days that are of another kind than their weekday: sorted, none twice.
    pub dates: Vec<Dates>,
}

/// Days from a first to a last one, both counted in, that are of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// Days since 1970-01-01.
    pub first: i64,
    /// At least the first.
    pub last: i64,
    /// Of which kind they are.
    pub kind: DayKind,
}

/// A limit from a minute of the day on, until the next step or the day's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Minutes since midnight, 0..=1439.
    pub from: u16,
    /// Above zero and at most the rating.
    pub limit: Power,
}

/// The limits of each kind of day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schedule {
    /// Each kind of the calendar, with its steps in their order, the first at minute 0.
    pub days: BTreeMap<DayKind, Vec<Step>>,
}

/// What a schedule gives at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The limit.
    pub limit: Power,
    /// The kind of the day.
    pub kind: DayKind,
    /// When it changes.
    pub until: Timestamp,
    /// What it is then.
    pub next: Power,
}

impl Calendar {
    /// The kind of a day since 1970-01-01.
    pub fn kind_of(&self, day: i64) -> DayKind {
        let at = self.dates.partition_point(|dates| dates.last < day);
        if let Some(dates) = self.dates.get(at).filter(|dates| dates.first <= day) {
            return dates.kind;
        }
        // 1970-01-01 was a Thursday.
        let [monday, tuesday, wednesday, thursday, friday, saturday, sunday] = self.week;
        match (day + 3).rem_euclid(7) {
            0 => monday,
            1 => tuesday,
            2 => wednesday,
            3 => thursday,
            4 => friday,
            5 => saturday,
            _ => sunday,
        }
    }

    /// The day and the minute of it that the clocks show.
    pub(crate) fn local(&self, at: Timestamp) -> (i64, i64) {
        let minute = at.get().div_euclid(MINUTE_MS) + i64::from(self.utc_offset_minutes);
        (minute.div_euclid(DAY_MINUTES), minute.rem_euclid(DAY_MINUTES))
    }

    /// When the clocks show the beginning of a minute of a day.
    pub(crate) fn instant(&self, day: i64, minute: i64) -> Timestamp {
        let minute = day.saturating_mul(DAY_MINUTES) + minute - i64::from(self.utc_offset_minutes);
        Timestamp::new(minute.saturating_mul(MINUTE_MS))
    }
}

impl Schedule {
    /// The limit at an instant; none where the kind of its day has no steps.
    pub fn at(&self, calendar: &Calendar, at: Timestamp) -> Option<Slot> {
        let (today, minute) = calendar.local(at);
        let kind = calendar.kind_of(today);
        let limit = self.days.get(&kind)?.iter().rev().find(|step| i64::from(step.from) <= minute)?.limit;
        for day in today..=today + LOOK_AHEAD_DAYS {
            let steps = self.days.get(&calendar.kind_of(day))?;
            let later = |step: &&Step| day > today || i64::from(step.from) > minute;
            if let Some(step) = steps.iter().filter(later).find(|step| step.limit != limit) {
                let until = calendar.instant(day, i64::from(step.from));
                return Some(Slot { limit, kind, until, next: step.limit });
            }
        }
        Some(Slot { limit, kind, until: calendar.instant(today + LOOK_AHEAD_DAYS, 0), next: limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::kw;

    fn kind(text: &str) -> DayKind {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let (date, time) = text.split_once(' ').unwrap();
        let (hour, minute) = time.split_once(':').unwrap();
        let minutes: i64 = hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap();
        Timestamp::new((Timestamp::day_of_date(date).unwrap() * DAY_MINUTES + minutes) * MINUTE_MS)
    }

    /// China: eight hours ahead; National Day, and the Saturday that is worked for it.
    fn calendar() -> Calendar {
        let (work, rest) = (kind("workday"), kind("restday"));
        let day = |date| Timestamp::day_of_date(date).unwrap();
        Calendar {
            utc_offset_minutes: 480,
            week: [work, work, work, work, work, rest, rest],
            dates: vec![
                Dates { first: day("2026-10-01"), last: day("2026-10-07"), kind: kind("holiday") },
                Dates { first: day("2026-10-10"), last: day("2026-10-10"), kind: work },
            ],
        }
    }

    fn schedule() -> Schedule {
        let day = |steps: &[(u16, i32)]| steps.iter().map(|&(from, limit)| Step { from, limit: kw(limit) }).collect();
        Schedule {
            days: BTreeMap::from([
                (kind("workday"), day(&[(0, 900), (480, 600), (720, 900)])),
                (kind("restday"), day(&[(0, 900)])),
                (kind("holiday"), day(&[(0, 900), (1_080, 700)])),
            ]),
        }
    }

    #[test]
    fn a_date_goes_before_its_weekday() {
        let calendar = calendar();
        let kinds = [
            ("2026-09-30", "workday"),
            ("2026-10-01", "holiday"),
            ("2026-10-04", "holiday"),
            ("2026-10-07", "holiday"),
            ("2026-10-08", "workday"),
            ("2026-10-10", "workday"),
            ("2026-10-11", "restday"),
            ("1969-12-28", "restday"),
        ];
        for (date, wanted) in kinds {
            assert_eq!(calendar.kind_of(Timestamp::day_of_date(date).unwrap()), kind(wanted), "{date}");
        }
    }

    #[test]
    fn a_step_begins_and_ends_by_the_clocks_of_the_zone() {
        let (calendar, schedule) = (calendar(), schedule());
        let slot = |text| schedule.at(&calendar, at(text)).unwrap();
        // 08:00 to 12:00 at +08:00 is 00:00 to 04:00 in UTC.
        let morning = slot("2026-09-30 00:00");
        assert_eq!((morning.limit, morning.until, morning.next), (kw(600), at("2026-09-30 04:00"), kw(900)));
        let night = slot("2026-09-29 23:59");
        assert_eq!((night.limit, night.until, night.next), (kw(900), at("2026-09-30 00:00"), kw(600)));
        // The evening of a workday reaches into the holiday, to the first hour that differs.
        let evening = slot("2026-09-30 04:00");
        assert_eq!((evening.limit, evening.until, evening.next), (kw(900), at("2026-10-01 10:00"), kw(700)));
        assert_eq!(slot("2026-10-01 10:00").until, at("2026-10-01 16:00"), "a day's end ends its last step");
        // Friday noon: the Saturday is worked.
        assert_eq!(slot("2026-10-09 04:00").until, at("2026-10-10 00:00"));
    }

    #[test]
    fn what_holds_at_an_instant_holds_until_it_says() {
        let (calendar, schedule) = (calendar(), schedule());
        let mut now = at("2026-09-20 07:13");
        for _ in 0..60 {
            let slot = schedule.at(&calendar, now).unwrap();
            let before = schedule.at(&calendar, Timestamp::new(slot.until.get() - 1)).unwrap();
            let after = schedule.at(&calendar, slot.until).unwrap();
            assert!(slot.until > now);
            assert_eq!((before.limit, after.limit), (slot.limit, slot.next));
            now = slot.until;
        }
    }

    #[test]
    fn a_limit_that_never_changes_is_looked_at_again_after_a_month() {
        let all = Schedule {
            days: ["workday", "restday", "holiday"].map(|of| (kind(of), vec![Step { from: 0, limit: kw(5) }])).into(),
        };
        let slot = all.at(&calendar(), at("2026-10-01 00:00")).unwrap();
        assert_eq!((slot.limit, slot.next, slot.until), (kw(5), kw(5), at("2026-11-01 16:00")));
    }
}
