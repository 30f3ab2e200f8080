//! Calendars and schedules, and what is wrong with them.

use std::path::{Path, PathBuf};

use headroom_rules::model::{Power, Timestamp};
use headroom_rules::policy::Policy;
use insta::assert_snapshot;

use crate::config::{ConfigErrors, Fleet, rules};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/examples")
}

fn said<T: std::fmt::Debug>(result: Result<T, ConfigErrors>) -> String {
    result.unwrap_err().to_string()
}

fn parsed(text: &str) -> Result<Policy, ConfigErrors> {
    rules::parse(Path::new("rules.toml"), text, None)
}

/// Half of a calendar, for the other half to be wrong.
const WEEK: &str = "[calendar]\nutc_offset_minutes = 480\n[[calendar.kind]]\nname = \"workday\"\nweekdays = [\"mon\", \
                    \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\n";

fn scheduled(entries: &str) -> String {
    format!("[[limit]]\nnode = \"F1\"\nlimit_kw = 900\n{entries}")
}

#[test]
fn a_calendar_and_its_schedules_are_read_and_written_back() {
    let text = format!(
        "{WEEK}[[calendar.kind]]\nname = \"holiday\"\ndates = [\"2026-10-01..2026-10-07\", \"2027-01-01\"]\n{}",
        scheduled(
            "[[limit.schedule]]\nkinds = \"workday\"\nsteps = [\"00:00-08:00 900\", \"08:00-12:30 600\", \"12:30-24:00 \
             900\"]\n[[limit.schedule]]\nkinds = [\"holiday\"]\nhalf_hours_kw = \"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 \
             18 19 20 21 22 23 24 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24\"\n"
        )
    );
    let policy = parsed(&text).unwrap();
    let days = &policy.limits[0].schedule.as_ref().unwrap().days;
    let (work, holiday) = (&days[&"workday".parse().unwrap()], &days[&"holiday".parse().unwrap()]);
    let of = |steps: &[headroom_rules::calendar::Step]| steps.iter().map(|step| step.from).collect::<Vec<_>>();
    assert_eq!(of(work), [0, 480, 750]);
    assert_eq!((holiday.len(), holiday[47].from, holiday[47].limit), (48, 1_410, Power::from_kw(24)));
    let calendar = policy.calendar.as_ref().unwrap();
    assert_eq!(calendar.kind_of(Timestamp::day_of_date("2026-10-07").unwrap()).as_str(), "holiday");
    assert_eq!(rules::parse(Path::new("rules.toml"), &rules::to_toml(&policy), None).unwrap(), policy);
}

#[test]
fn a_calendar_with_holes_or_days_of_two_kinds_is_refused() {
    let kind = |name: &str, rest: &str| format!("[[calendar.kind]]\nname = \"{name}\"\n{rest}\n");
    let text = format!(
        "[calendar]\nutc_offset_minutes = 900\n{}{}{}{}{}",
        kind("workday", "weekdays = [\"mon\", \"tue\", \"wed\", \"thu\"]\ndates = [\"2026-10-03\"]"),
        kind("restday", "weekdays = [\"sat\", \"mon\"]"),
        kind("holiday", "dates = [\"2026-10-01..2026-10-07\"]"),
        kind("holiday", "dates = [\"2027-01-02\", \"2027-01-01\", \"2027-02-30\"]"),
        kind("never", ""),
    );
    assert_snapshot!(said(parsed(&text)), @r#"
    rules.toml:2: calendar.utc_offset_minutes = 900: wanted a whole number of minutes, -840 to 840
    rules.toml:3: calendar.kind = [[calendar.kind]]: no kind has the weekdays fri, sun: wanted each weekday in one kind
    rules.toml:9: calendar.kind.weekdays = ["sat", "mon"]: mon is a workday already: wanted each day of one kind
    rules.toml:12: calendar.kind.dates = ["2026-10-01..2026-10-07"]: 2026-10-03 is a workday already: wanted each day of one kind
    rules.toml:14: calendar.kind.name = "holiday": is there already: wanted one [[calendar.kind]] for each kind of day
    rules.toml:15: calendar.kind.dates = ["2027-01-02", "2027-01-01", "2027-02-30"]: wanted a date as "2026-10-10", or first and last as "2026-10-01..2026-10-07"; several stand in brackets
    rules.toml:17: calendar.kind.name = "never": no day is ever of this kind: wanted weekdays, dates, or both
    "#);
    assert_snapshot!(said(parsed(&WEEK.replace("480", "481"))), @"rules.toml:2: calendar.utc_offset_minutes = 481: no clocks of this world: wanted a multiple of 15");
    let unsorted = format!("{WEEK}{}", kind("holiday", "dates = [\"2027-01-02\", \"2027-01-01\"]"));
    assert_snapshot!(said(parsed(&unsorted)), @r#"rules.toml:8: calendar.kind.dates = ["2027-01-02", "2027-01-01"]: 2027-01-01 does not come after 2027-01-02: wanted them sorted, none twice"#);
}

#[test]
fn a_schedule_with_holes_or_above_its_rating_is_refused() {
    let entry = |kinds: &str, rest: &str| format!("[[limit.schedule]]\nkinds = {kinds}\n{rest}\n");
    let holiday = "[[calendar.kind]]\nname = \"holiday\"\ndates = [\"2026-10-01\"]\n";
    let faults = |entries: String| said(parsed(&format!("{WEEK}{holiday}{}", scheduled(&entries))));
    let all = "[\"workday\", \"holiday\"]";
    assert_snapshot!(faults(entry(all, "steps = [\"00:00-08:00 900\", \"09:00-24:00 900\"]")), @r#"rules.toml:14: limit.schedule.steps = ["00:00-08:00 900", "09:00-24:00 900"]: no limit from 08:00 to 09:00: wanted steps from 00:00 to 24:00, each as "08:00-12:00 5200": from, to, whole kW"#);
    assert_snapshot!(faults(entry(all, "steps = [\"00:00-08:00 900\", \"07:00-24:00 900\"]")), @r#"rules.toml:14: limit.schedule.steps = ["00:00-08:00 900", "07:00-24:00 900"]: two limits from 07:00 to 08:00: wanted steps from 00:00 to 24:00, each as "08:00-12:00 5200": from, to, whole kW"#);
    assert_snapshot!(faults(entry(all, "steps = [\"00:00-08:00 900\"]")), @r#"rules.toml:14: limit.schedule.steps = ["00:00-08:00 900"]: no limit from 08:00 to 24:00: wanted steps from 00:00 to 24:00, each as "08:00-12:00 5200": from, to, whole kW"#);
    assert_snapshot!(faults(entry(all, "steps = [\"00:00-08:00 900\", \"08:00-24:00 901\"]")), @r#"rules.toml:14: limit.schedule.steps = ["00:00-08:00 900", "08:00-24:00 901"]: 901.0 kW at 08:00 is above limit_kw, the rating of 900.0 kW: wanted at most that"#);
    assert_snapshot!(faults(entry(all, "half_hours_kw = \"900 900\"")), @r#"rules.toml:14: limit.schedule.half_hours_kw = "900 900": wanted 48 whole numbers of kW apart by blanks, for 00:00, 00:30 and so on to 23:30"#);
    let all_day = "steps = [\"00:00-24:00 900\"]";
    assert_snapshot!(faults(entry("\"workday\"", all_day)), @r#"rules.toml:12: limit.schedule = [[limit.schedule]]: no limit on a holiday: wanted steps for each kind of day"#);
    assert_snapshot!(faults(entry("[\"workday\", \"feast\", \"workday\", \"holiday\"]", all_day)), @r#"
    rules.toml:13: limit.schedule.kinds = ["workday", "feast", "workday", "holiday"]: feast is no kind of day: wanted the name of a [[calendar.kind]]
    rules.toml:13: limit.schedule.kinds = ["workday", "feast", "workday", "holiday"]: workday has its steps already: wanted each kind in one entry
    "#);
    assert_snapshot!(said(parsed(&scheduled(&entry("\"workday\"", all_day)))), @r#"rules.toml:4: limit.schedule = [[limit.schedule]]: by which clocks and which days? wanted a [calendar] in this file"#);
}

#[test]
fn a_limit_below_the_safety_floors_below_its_node_is_refused_with_the_figures() {
    let mut fleet = Fleet::read(&examples().join("fleet.toml")).unwrap().inventory;
    fleet.customers.values_mut().for_each(|customer| customer.safety_floor = Power::from_kw(40));
    let with = |text: &str| said(rules::parse(Path::new("rules.toml"), &text.replace("F1\"", "F11\""), Some(&fleet)));
    assert_snapshot!(with("[[limit]]\nnode = \"F1\"\nlimit_kw = 30\n"), @r#"rules.toml:3: limit.limit_kw = 30: 30.0 kW is below the safety floors below the node, 120.0 kW together, so it cannot be kept: wanted more"#);
    let steps = "[[limit.schedule]]\nkinds = \"workday\"\nsteps = [\"00:00-24:00 30\"]\n";
    assert_snapshot!(with(&format!("{WEEK}{}", scheduled(steps))), @r#"rules.toml:9: limit.schedule = [[limit.schedule]]: 30.0 kW is below the safety floors below the node, 120.0 kW together, so it cannot be kept: wanted more"#);
}
