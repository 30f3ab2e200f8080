//! `[calendar]` of `rules.toml`, and the schedules of limits that are read by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use headroom_rules::calendar::{Calendar, Dates, Schedule, Step};
use headroom_rules::model::{DayKind, Power, Timestamp};

use super::reader::Section;

#[cfg(test)]
mod tests;

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u16 = 1_440;
const HALF_HOURS: u16 = 48;
const KW_MAX: i32 = 10_000_000;

const STEPS_WANTED: &str = "steps from 00:00 to 24:00, each as \"08:00-12:00 5200\": from, to, whole kW";
const HALF_HOURS_WANTED: &str = "48 whole numbers of kW apart by blanks, for 00:00, 00:30 and so on to 23:30";

/// A file's calendar, and the names of its kinds of day; none of it where anything is wrong with it.
pub(super) fn take(section: &Section<'_>) -> Option<Calendar> {
    let utc_offset_minutes = section.int("utc_offset_minutes", "whole number of minutes", -840..=840);
    if utc_offset_minutes.is_some_and(|minutes: i16| minutes % 15 != 0) {
        section.fault("utc_offset_minutes", "no clocks of this world: wanted a multiple of 15");
    }
    let mut names = BTreeSet::new();
    let mut week: [Option<DayKind>; 7] = [None; 7];
    let mut dates: Vec<Dates> = Vec::new();
    for kind in section.sections("kind") {
        let name: Option<DayKind> = kind.id("name");
        if let Some(name) = name
            && !names.insert(name)
        {
            kind.fault("name", "is there already: wanted one [[calendar.kind]] for each kind of day");
        }
        if let (Some(days), Some(name)) = (weekdays(&kind), name) {
            for day in days {
                match week.get_mut(day) {
                    Some(Some(other)) => kind.fault("weekdays", two_kinds(WEEKDAYS.get(day).unwrap_or(&""), *other)),
                    Some(place) => *place = Some(name),
                    None => {}
                }
            }
        }
        for (first, last) in dates_of(&kind) {
            let Some(name) = name else { continue };
            if let Some(other) = dates.iter().find(|other| other.first <= last && first <= other.last) {
                kind.fault("dates", two_kinds(&date(first.max(other.first)), other.kind));
            }
            dates.push(Dates { first, last, kind: name });
        }
        if !kind.has("weekdays") && !kind.has("dates") {
            kind.fault("name", "no day is ever of this kind: wanted weekdays, dates, or both");
        }
        kind.end();
    }
    section.end();
    let missing: Vec<&str> =
        WEEKDAYS.into_iter().zip(week).filter(|(_, kind)| kind.is_none()).map(|(day, _)| day).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        section.fault("kind", format_args!("no kind has the weekdays {missing}: wanted each weekday in one kind"));
    }
    dates.sort_by_key(|dates| dates.first);
    let [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f), Some(g)] = week else { return None };
    Some(Calendar { utc_offset_minutes: utc_offset_minutes?, week: [a, b, c, d, e, f, g], dates })
}

fn two_kinds(day: &str, other: DayKind) -> String {
    format!("{day} is a {other} already: wanted each day of one kind")
}

fn weekdays(kind: &Section<'_>) -> Option<Vec<usize>> {
    let place = |text: &str| WEEKDAYS.iter().position(|day| *day == text);
    kind.has("weekdays").then(|| kind.texts("weekdays", "a weekday: mon, tue, wed, thu, fri, sat or sun", place))?
}

/// First and last day of each entry, in their order; what is wrong with that order is a fault.
fn dates_of(kind: &Section<'_>) -> Vec<(i64, i64)> {
    if !kind.has("dates") {
        return Vec::new();
    }
    let wanted = "a date as \"2026-10-10\", or first and last as \"2026-10-01..2026-10-07\"";
    let range = |text: &str| {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (Timestamp::day_of_date(first)?, Timestamp::day_of_date(last)?);
        (first <= last).then_some((first, last))
    };
    let ranges = kind.texts("dates", wanted, range).unwrap_or_default();
    for pair in ranges.windows(2) {
        if let [(_, before), (after, _)] = *pair
            && after <= before
        {
            let why =
                format_args!("{} does not come after {}: wanted them sorted, none twice", date(after), date(before));
            kind.fault("dates", why);
        }
    }
    ranges
}

fn date(day: i64) -> String {
    Timestamp::new(day.saturating_mul(86_400_000)).date()
}

/// The kinds of day that a calendar has.
pub(super) fn kinds(calendar: &Calendar) -> BTreeSet<DayKind> {
    calendar.week.into_iter().chain(calendar.dates.iter().map(|dates| dates.kind)).collect()
}

/// A limit's schedule; none where it has none or anything is wrong with it.
pub(super) fn schedule(limit: &Section<'_>, calendar: Option<&Calendar>, rated: Option<Power>) -> Option<Schedule> {
    let entries = limit.sections("schedule");
    if entries.is_empty() {
        return None;
    }
    let mut days: BTreeMap<DayKind, Vec<Step>> = BTreeMap::new();
    let known = calendar.map(kinds);
    for entry in &entries {
        let named: Vec<DayKind> =
            entry.texts("kinds", "the name of a kind of day", |text| text.parse().ok()).unwrap_or_default();
        let steps = steps(entry, rated);
        entry.end();
        for kind in named {
            if known.as_ref().is_some_and(|known| !known.contains(&kind)) {
                entry.fault("kinds", format_args!("{kind} is no kind of day: wanted the name of a [[calendar.kind]]"));
            }
            if days.contains_key(&kind) {
                entry.fault("kinds", format_args!("{kind} has its steps already: wanted each kind in one entry"));
            }
            days.insert(kind, steps.clone().unwrap_or_default());
        }
    }
    match &known {
        None => limit.fault("schedule", "by which clocks and which days? wanted a [calendar] in this file"),
        Some(known) => {
            let missing: Vec<&str> =
                known.iter().filter(|kind| !days.contains_key(kind)).map(DayKind::as_str).collect();
            if !missing.is_empty() {
                let missing = missing.join(", ");
                limit.fault("schedule", format_args!("no limit on a {missing}: wanted steps for each kind of day"));
            }
        }
    }
    Some(Schedule { days })
}

fn steps(entry: &Section<'_>, rated: Option<Power>) -> Option<Vec<Step>> {
    let (key, steps) = match (entry.has("steps"), entry.has("half_hours_kw")) {
        (true, true) => {
            entry.fault("half_hours_kw", "beside steps: wanted the one or the other");
            return None;
        }
        (false, true) => ("half_hours_kw", entry.text_as("half_hours_kw", HALF_HOURS_WANTED, half_hours)?),
        (_, false) => ("steps", written_out(entry)?),
    };
    if let Some(rated) = rated
        && let Some(step) = steps.iter().find(|step| step.limit > rated)
    {
        let (limit, at) = (step.limit, clock(step.from));
        entry.fault(key, format_args!("{limit} at {at} is above limit_kw, the rating of {rated}: wanted at most that"));
        return None;
    }
    Some(steps)
}

/// From, to and limit of each step, without a hole or an overlap between them.
fn written_out(entry: &Section<'_>) -> Option<Vec<Step>> {
    let steps = entry.texts("steps", STEPS_WANTED, step)?;
    let mut at = 0;
    for &(from, to, _) in &steps {
        if from != at {
            let what = if from > at { "no limit" } else { "two limits" };
            let (first, last) = (clock(from.min(at)), clock(from.max(at)));
            entry.fault("steps", format_args!("{what} from {first} to {last}: wanted {STEPS_WANTED}"));
            return None;
        }
        at = to;
    }
    if at != DAY_MINUTES {
        entry.fault("steps", format_args!("no limit from {} to 24:00: wanted {STEPS_WANTED}", clock(at)));
        return None;
    }
    Some(steps.into_iter().map(|(from, _, limit)| Step { from, limit }).collect())
}

/// `08:00-12:00 5200`.
fn step(text: &str) -> Option<(u16, u16, Power)> {
    let (times, limit) = text.split_once(' ')?;
    let (from, to) = times.split_once('-')?;
    let (from, to) = (minute(from)?, minute(to)?);
    (from < to).then_some((from, to, whole_kw(limit.trim())?))
}

/// `HH:MM`, 24:00 included.
pub(super) fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| plain)
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MINUTES).then_some(minute)
}

fn whole_kw(text: &str) -> Option<Power> {
    let plain = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse::<i32>().ok().filter(|kw| plain && (1..=KW_MAX).contains(kw)).map(Power::from_kw)
}

fn half_hours(text: &str) -> Option<Vec<Step>> {
    let limits: Option<Vec<Power>> = text.split_ascii_whitespace().map(whole_kw).collect();
    let limits = limits.filter(|limits| limits.len() == usize::from(HALF_HOURS))?;
    Some((0..HALF_HOURS).zip(limits).map(|(at, limit)| Step { from: at * 30, limit }).collect())
}

pub(super) fn clock(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// As it is written in a file.
pub(super) fn calendar_to_toml(calendar: &Calendar) -> String {
    let mut text = format!("\n[calendar]\nutc_offset_minutes = {}\n", calendar.utc_offset_minutes);
    // Writing to a string cannot fail.
    for kind in kinds(calendar) {
        let _ = write!(text, "\n[[calendar.kind]]\nname = \"{kind}\"\n");
        let days = WEEKDAYS.iter().zip(calendar.week).filter(|(_, of)| *of == kind).map(|(day, _)| quoted(day));
        let days: Vec<String> = days.collect();
        if !days.is_empty() {
            let _ = writeln!(text, "weekdays = [{}]", days.join(", "));
        }
        let dates = calendar.dates.iter().filter(|dates| dates.kind == kind);
        let dates: Vec<String> =
            dates.map(|dates| quoted(&format!("{}..{}", date(dates.first), date(dates.last)))).collect();
        if !dates.is_empty() {
            let _ = writeln!(text, "dates = [{}]", dates.join(", "));
        }
    }
    text
}

/// As it is written beneath its limit.
pub(super) fn schedule_to_toml(schedule: &Schedule) -> String {
    let mut text = String::new();
    for (kind, steps) in &schedule.days {
        let ends = steps.iter().skip(1).map(|step| step.from).chain([DAY_MINUTES]);
        let steps = steps.iter().zip(ends).map(|(step, end)| {
            let kw = (step.limit.get() / 1_000).max(1);
            quoted(&format!("{}-{} {kw}", clock(step.from), clock(end)))
        });
        let steps: Vec<String> = steps.collect();
        let _ = write!(text, "\n[[limit.schedule]]\nkinds = \"{kind}\"\nsteps = [{}]\n", steps.join(", "));
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
