//! Notices before trips: keys of a `[[limit]]`, and what customers read (`[notice]`).

use std::fmt::Write as _;

use headroom_rules::model::Span;
use headroom_rules::notices::{MeasureTexts, NoticeRule, NoticeTexts, TEXT_MAX, Unreached};
use toml::Value;

use super::reader::Section;

const URGENT: [i64; 2] = [100, 200];

/// The keys of a limit.
pub(super) fn take_rule(section: &Section<'_>, measures: bool) -> NoticeRule {
    let none = NoticeRule::NONE;
    let minutes = section.int_or("notice_min", 0, "whole number of minutes", 0..=60);
    let [least, most] = URGENT;
    let rule = NoticeRule {
        before: Span::from_s(minutes * 60),
        unreached: section.text_or("unreached", none.unreached, "\"trip\" or \"spare\"", |text| match text {
            "trip" => Some(Unreached::Trip),
            "spare" => Some(Unreached::Spare),
            _ => None,
        }),
        urgent_percent: section.int_or("urgent_percent", none.urgent_percent, "whole number of %", least..=most),
    };
    if section.has("unreached") && !rule.is_given() {
        section.fault("unreached", "says nothing where nobody is told: wanted notice_min above 0 beside it");
    }
    if section.has("urgent_percent") && !rule.is_given() && !measures {
        let wanted = "wanted notice_min above 0, or measures = true, beside it";
        section.fault("urgent_percent", format_args!("says nothing where nothing is waited for: {wanted}"));
    }
    rule
}

/// `[notice]`.
pub(super) fn take_texts(section: &Section<'_>) -> NoticeTexts {
    let usual = NoticeTexts::default();
    let text = |key, usual: String, known: &[&str]| {
        let names = known.join(", ");
        let wanted = format!("1 to {TEXT_MAX} characters in one line, of {names} those wanted for what they say");
        section.text_or(key, usual, &wanted, |text| is_text(text, known).then(|| text.to_owned()))
    };
    let of_trip = ["{node}", "{rounds}", "{kw}", "{time}", "{minutes}"];
    let of_measure = ["{node}", "{kw}", "{time}", "{until}", "{minutes}"];
    let texts = NoticeTexts {
        trip: text("trip_text", usual.trip, &of_trip),
        ahead: text("ahead_text", usual.ahead, &of_trip),
        group: text("group_text", usual.group, &of_trip),
        cancelled: text("cancelled_text", usual.cancelled, &of_trip),
        measures: MeasureTexts {
            shift: text("shift_text", usual.measures.shift, &of_measure),
            avoid: text("avoid_text", usual.measures.avoid, &of_measure),
            limit: text("limit_text", usual.measures.limit, &of_measure),
            release: text("release_text", usual.measures.release, &of_measure),
        },
    };
    section.end();
    texts
}

/// Whether a text can be shown, and each brace in it is one that is known.
fn is_text(text: &str, known: &[&str]) -> bool {
    let plain = known.iter().fold(text.to_owned(), |text, known| text.replace(known, ""));
    (1..=TEXT_MAX).contains(&text.chars().count()) && !plain.chars().any(|c| c.is_control() || matches!(c, '{' | '}'))
}

/// The keys of a limit; none where it gives no notice, but what is urgent where it waits for measures.
pub(super) fn rule_to_toml(rule: &NoticeRule, measures: bool) -> String {
    if !rule.is_given() {
        return if measures { format!("urgent_percent = {}\n", rule.urgent_percent) } else { String::new() };
    }
    let minutes = (rule.before.s() + 59) / 60;
    format!("notice_min = {minutes}\nunreached = \"{}\"\nurgent_percent = {}\n", rule.unreached, rule.urgent_percent)
}

/// `[notice]`.
pub(super) fn texts_to_toml(texts: &NoticeTexts) -> String {
    let quoted = |text: &str| Value::String(text.to_owned()).to_string();
    let mut toml = String::from("\n[notice]\n");
    // Writing to a string cannot fail.
    let MeasureTexts { shift, avoid, limit, release } = &texts.measures;
    let keys = [
        ("trip_text", &texts.trip),
        ("ahead_text", &texts.ahead),
        ("group_text", &texts.group),
        ("cancelled_text", &texts.cancelled),
        ("shift_text", shift),
        ("avoid_text", avoid),
        ("limit_text", limit),
        ("release_text", release),
    ];
    for (key, text) in keys {
        let _ = writeln!(toml, "{key} = {}", quoted(text));
    }
    toml
}
