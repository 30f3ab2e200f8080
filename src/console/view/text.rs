//! Text that fits: widths are those of the terminal's cells, so that CJK names line up.

use headroom_rules::model::{Power, Quality, SwitchPosition, Timestamp};
use ratatui::text::Span;

/// Cells that a text takes.
pub(crate) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text in exactly `cells` cells: cut with an ellipsis, or filled with spaces.
pub(crate) fn fit(text: &str, cells: usize) -> String {
    let mut out = cut(text, cells);
    out.extend(std::iter::repeat_n(' ', cells.saturating_sub(width(&out))));
    out
}

/// The text in exactly `cells` cells, at their right end.
pub(crate) fn right(text: &str, cells: usize) -> String {
    let cut = cut(text, cells);
    let mut out: String = std::iter::repeat_n(' ', cells.saturating_sub(width(&cut))).collect();
    out.push_str(&cut);
    out
}

fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if width(&out) >= cells {
            out.pop();
            break;
        }
    }
    if cells > 0 {
        out.push('…');
    }
    out
}

/// The text in lines of at most `cells` cells, broken at spaces where there are any.
pub(crate) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let gap = usize::from(!line.is_empty());
        if width(&line) + gap + width(word) <= cells {
            if gap == 1 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if width(&line) > cells {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// The time of day, `18:05:12`.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or("--:--:--").to_owned()
}

/// The date and the time of day in UTC, `2026-01-31 18:05:12`.
pub(crate) fn date_clock(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(date), Some(time)) => format!("{date} {time}"),
        _ => text,
    }
}

/// Date and time to the minute, `2026-01-31 18:05`.
pub(crate) fn minute(at: Timestamp) -> String {
    let full = date_clock(at);
    full.get(..16).unwrap_or(&full).to_owned()
}

/// As [`minute`], with the sign of UTC, for where times are typed too.
pub(crate) fn minute_utc(at: Timestamp) -> String {
    format!("{}Z", minute(at))
}

/// How long ago, `3 min 20 s`; never negative, as centre and terminal clocks may differ.
pub(crate) fn age(now: Timestamp, then: Timestamp) -> String {
    let span = now.since(then);
    if span.get() < 0 { "0 s".to_owned() } else { span.to_string() }
}

/// Kilowatts without their unit, for a column that names it; `—` where there are none.
pub(crate) fn kw(power: Option<Power>) -> String {
    match power {
        Some(power) if power.get().unsigned_abs() >= 99_999_950 => format!("{:.0}", power.kw()),
        Some(power) => format!("{:.1}", power.kw()),
        None => "—".to_owned(),
    }
}

/// A quality, and whether the value is too old or frozen, as words.
pub(crate) fn quality(quality: Quality, stale: bool, frozen: bool) -> String {
    let doubt = match (stale, frozen) {
        (true, _) => "OLD",
        (false, true) => "FROZEN",
        (false, false) => "",
    };
    match (quality == Quality::GOOD, doubt) {
        (true, "") => "good".to_owned(),
        (true, doubt) => doubt.to_owned(),
        (false, "") => quality.to_string(),
        (false, doubt) => format!("{quality} {doubt}"),
    }
}

/// A switch position's shape and word.
pub(crate) const fn position(position: Option<SwitchPosition>) -> (&'static str, &'static str) {
    match position {
        Some(SwitchPosition::Closed) => ("●", "closed"),
        Some(SwitchPosition::Open) => ("○", "OPEN"),
        Some(SwitchPosition::Intermediate) => ("◐", "moving"),
        Some(SwitchPosition::Indeterminate) => ("✖", "INDET."),
        None => ("?", "unknown"),
    }
}
