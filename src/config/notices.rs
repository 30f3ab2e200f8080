//! Notices before trips: keys of a `[[limit]]`, and what customers read (`[notice]`).

use std::fmt::Write as _;

use headroom_rules::model::Span;
use headroom_rules::notices::{NoticeRule, NoticeTexts, TEXT_MAX, Unreached};
use toml::Value;

use super::reader::Section;

const URGENT: [i64; 2] = [100, 200];

/// The keys of a limit.
pub(super) fn take_rule(section: &Section<'_>) -> NoticeRule {
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
    for key in ["unreached", "urgent_percent"] {
        if section.has(key) && !rule.is_given() {
            section.fault(key, "says nothing where nobody is told: wanted notice_min above 0 beside it");
        }
    }
    rule
}

/// `[notice]`.
pub(super) fn take_texts(section: &Section<'_>) -> NoticeTexts {
    let usual = NoticeTexts::default();
    let text = |key, usual: String| {
        let wanted = format!(
            "1 to {TEXT_MAX} characters in one line, with {{node}}, {{rounds}}, {{kw}}, {{time}} or {{minutes}} for what they say"
        );
        section.text_or(key, usual, &wanted, |text| is_text(text).then(|| text.to_owned()))
    };
    let texts = NoticeTexts {
        trip: text("trip_text", usual.trip),
        ahead: text("ahead_text", usual.ahead),
        group: text("group_text", usual.group),
        cancelled: text("cancelled_text", usual.cancelled),
    };
    section.end();
    texts
}

/// Whether a text can be shown, and each brace in it is one that is known.
fn is_text(text: &str) -> bool {
    const KNOWN: [&str; 5] = ["{node}", "{rounds}", "{kw}", "{time}", "{minutes}"];
    let plain = KNOWN.iter().fold(text.to_owned(), |text, known| text.replace(known, ""));
    (1..=TEXT_MAX).contains(&text.chars().count()) && !plain.chars().any(|c| c.is_control() || matches!(c, '{' | '}'))
}

/// The keys of a limit; none where it gives no notice.
pub(super) fn rule_to_toml(rule: &NoticeRule) -> String {
    if !rule.is_given() {
        return String::new();
    }
    let minutes = (rule.before.s() + 59) / 60;
    format!("notice_min = {minutes}\nunreached = \"{}\"\nurgent_percent = {}\n", rule.unreached, rule.urgent_percent)
}

/// `[notice]`.
pub(super) fn texts_to_toml(texts: &NoticeTexts) -> String {
    let quoted = |text: &str| Value::String(text.to_owned()).to_string();
    let mut toml = String::from("\n[notice]\n");
    // Writing to a string cannot fail.
    let all =
        [("trip", &texts.trip), ("ahead", &texts.ahead), ("group", &texts.group), ("cancelled", &texts.cancelled)];
    for (key, text) in all {
        let _ = writeln!(toml, "{key}_text = {}", quoted(text));
    }
    toml
}
