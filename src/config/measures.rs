//! Agreed measures: `[[customer.measure]]` of `fleet.toml`, and the keys of a `[[limit]]` that say when they are asked for.

use std::collections::{BTreeMap, BTreeSet};

use headroom_rules::calendar::Calendar;
use headroom_rules::measures::{Agreed, MeasureKind, MeasureRule, Window, WrongMeasure, wrong};
use headroom_rules::model::{CustomerId, DayKind, Inventory, Power, Span};

use super::calendar::{clock, kinds, minute};
use super::fleet::{KW, KW_MAX, whole_kw};
use super::reader::Section;

const DAY_MINUTES: i64 = 1_440;
const MINUTES: &str = "whole number of minutes";
const CLOCK: &str = "a time as \"08:00\", 00:00 to 24:00";

/// All entries of a customer, in an order of their own: none of them goes before another for where it stands.
pub(super) fn take_all(customer: &Section<'_>, contract: Option<Power>, floor: Power) -> Option<Vec<Agreed>> {
    let sections = customer.sections("measure");
    // Of each entry, whatever is wrong with others.
    let taken: Vec<Option<Agreed>> = sections.iter().map(take).collect();
    let mut agreed: Vec<Agreed> = taken.into_iter().collect::<Option<_>>()?;
    let faults: Vec<_> = wrong(&agreed, contract?, floor).collect();
    for (place, why) in &faults {
        sections.get(*place).into_iter().for_each(|section| blame(section, *why));
    }
    agreed.sort_by(|a, b| (a.kind, &a.window).cmp(&(b.kind, &b.window)));
    faults.is_empty().then_some(agreed)
}

fn take(section: &Section<'_>) -> Option<Agreed> {
    let kind = section.text_as("kind", "shift, avoid or limit", |text| {
        MeasureKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    });
    let (key, other) = if kind == Some(MeasureKind::Limit) { ("to_kw", "kw") } else { ("kw", "to_kw") };
    if kind.is_some() && section.has(other) {
        section.fault(other, format_args!("is not of this kind: wanted {key}"));
    }
    let kw = section.int::<i32>(key, KW, 1..=KW_MAX);
    let notice_min = section.int::<i64>("notice_min", MINUTES, 0..=DAY_MINUTES);
    let lasts_min_max = section.int::<i64>("lasts_min_max", MINUTES, 1..=DAY_MINUTES);
    let window = window(section);
    let per_week_max = if section.has("per_week_max") {
        section.int("per_week_max", "whole number of times in seven days", 1..=1_000).map(Some)
    } else {
        Some(None)
    };
    section.end();
    Some(Agreed {
        kind: kind?,
        power: Power::from_kw(kw?),
        notice: Span::from_s(notice_min? * 60),
        lasts_max: Span::from_s(lasts_min_max? * 60),
        window: window?,
        per_week_max: per_week_max?,
    })
}

fn window(section: &Section<'_>) -> Option<Window> {
    let at = |key, default: u16| if section.has(key) { section.text_as(key, CLOCK, minute) } else { Some(default) };
    let (from, to) = (at("from", 0), at("to", 1_440));
    let days = if section.has("days") {
        section.texts("days", "the name of a kind of day", |text| text.parse().ok())
    } else {
        Some(Vec::new())
    };
    let window = Window { days: days?, from: from?, to: to? };
    if window.from >= window.to {
        let key = if section.has("to") { "to" } else { "from" };
        section.fault(key, "the window would end before it begins: wanted from before to, within one day");
        return None;
    }
    if let Some(twice) = window.days.iter().enumerate().find(|(n, day)| window.days.iter().take(*n).any(|d| d == *day))
    {
        section.fault("days", format_args!("{} is there twice: wanted each kind of day once", twice.1));
    }
    Some(window)
}

/// Puts what contradicts the contract on the line of its key.
fn blame(section: &Section<'_>, why: WrongMeasure) {
    match why {
        WrongMeasure::TooMuch { contract, floor, .. } => {
            section.fault("kw", format_args!("{why}: wanted at most {}", contract - floor));
        }
        WrongMeasure::NoLimit { contract, .. } => {
            section.fault("to_kw", format_args!("{why}: wanted less than {contract}"))
        }
        WrongMeasure::BelowFloor { floor, .. } => {
            section.fault("to_kw", format_args!("{why}: wanted at least {floor}"))
        }
        WrongMeasure::Twice => section.fault("kind", format_args!("{why}: wanted windows that do not meet")),
    }
}

/// An entry as it is written beneath its customer.
pub(super) fn to_toml(agreed: &Agreed) -> String {
    let keys = cells(agreed);
    let set = keys.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| {
        let value = match key {
            "kind" | "from" | "to" => format!("\"{value}\""),
            "days" => {
                let days: Vec<_> = value.split(' ').map(|day| format!("\"{day}\"")).collect();
                format!("[{}]", days.join(", "))
            }
            _ => value,
        };
        format!("{key} = {value}\n")
    });
    format!("[[customer.measure]]\n{}\n", set.collect::<String>())
}

/// Its keys in the order in which they are written, each with what is set, days apart by blanks.
pub(super) fn cells(agreed: &Agreed) -> [(&'static str, String); 9] {
    let Agreed { kind, power, notice, lasts_max, window, per_week_max } = agreed;
    let kw = whole_kw(*power).to_string();
    let (off, to) = if *kind == MeasureKind::Limit { (String::new(), kw) } else { (kw, String::new()) };
    let days: Vec<_> = window.days.iter().map(DayKind::as_str).collect();
    let minutes = |span: Span| ((span.s() + 59) / 60).to_string();
    // A window that is open all day need not say so.
    let all_day = (window.from, window.to) == (Window::ALWAYS.from, Window::ALWAYS.to);
    let hour = |at| if all_day { String::new() } else { clock(at) };
    [
        ("kind", kind.to_string()),
        ("days", days.join(" ")),
        ("from", hour(window.from)),
        ("to", hour(window.to)),
        ("kw", off),
        ("to_kw", to),
        ("notice_min", minutes(*notice)),
        ("lasts_min_max", minutes(*lasts_max)),
        ("per_week_max", per_week_max.map(|most| most.to_string()).unwrap_or_default()),
    ]
}

/// The keys of a limit.
pub(super) fn take_rule(section: &Section<'_>, warning_percent: u8) -> MeasureRule {
    let asks = section.flag_or("measures", false);
    for key in ["measures_percent", "measures_wait_min"] {
        if section.has(key) && !asks {
            section.fault(key, "says nothing where nobody is asked: wanted measures = true beside it");
        }
    }
    let from_percent = section.int_or("measures_percent", warning_percent, "whole number of %", 1..=100);
    let wait_min = section.int_or("measures_wait_min", MeasureRule::WAIT_MIN, MINUTES, 0..=120);
    if asks { MeasureRule { asks, from_percent, wait: Span::from_s(wait_min * 60) } } else { MeasureRule::NONE }
}

/// The keys of a limit; none where it asks nobody.
pub(super) fn rule_to_toml(rule: &MeasureRule) -> String {
    if !rule.asks {
        return String::new();
    }
    let wait_min = (rule.wait.s() + 59) / 60;
    format!("measures = true\nmeasures_percent = {}\nmeasures_wait_min = {wait_min}\n", rule.from_percent)
}

/// Windows whose days the rules do not know, or whose hours nobody could tell.
pub(super) fn windows_fit(section: &Section<'_>, calendar: Option<&Calendar>, fleet: &Inventory) {
    let known: BTreeSet<DayKind> = calendar.map(kinds).unwrap_or_default();
    let (mut without, mut unknown) = (None, BTreeMap::<DayKind, CustomerId>::new());
    for (&id, customer) in &fleet.customers {
        for Agreed { window, .. } in customer.measures.iter().filter(|agreed| !agreed.window.is_always()) {
            without.get_or_insert(id);
            for day in window.days.iter().filter(|day| !known.contains(day)) {
                unknown.entry(*day).or_insert(id);
            }
        }
    }
    match calendar {
        None => {
            if let Some(id) = without {
                let why =
                    "has a measure with a window, and nobody knows by which clocks: wanted a [calendar] in this file";
                section.fault("calendar", format_args!("customer {id} {why}"));
            }
        }
        Some(_) => {
            for (day, id) in unknown {
                let why = "which is no kind of day: wanted a [[calendar.kind]] of that name";
                section.fault("calendar", format_args!("customer {id} has a measure for {day}, {why}"));
            }
        }
    }
}
