//! Meter reading: how complete a day is, the least complete terminal first.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::lists::full_text;
use super::{below, heading, row, text};
use crate::api::OfTerminal;
use crate::console::layout;
use crate::console::state::State;
use crate::store::{Completeness, Registers};

pub(super) fn draw(state: &State, frame: &mut Frame, body: Rect) {
    let (list, full) = layout::list_and_text(body);
    let metering = &state.metering;
    let Some(day) = &metering.day else {
        heading(state, frame, list, " METER READING");
        let words = metering.error.as_deref().unwrap_or("waiting for the centre's answer");
        let lines = text::wrap(words, usize::from(list.width).saturating_sub(2));
        let lines = lines.into_iter().map(|line| Line::raw(format!(" {line}"))).collect::<Vec<_>>();
        frame.render_widget(ratatui::widgets::Paragraph::new(lines), below(list));
        return;
    };
    let shown = metering.shown();
    let complete = shown.iter().filter(|one| one.completeness.rate_e4 == 10_000).count();
    let rate = day.rate_e4.map_or_else(|| "no quarter is over".to_owned(), percent);
    let today = if metering.wanted.is_none() { " so far" } else { "" };
    let title = format!(" METER READING {}{today}: {rate}, {complete} of {} terminals complete", day.day, shown.len());
    heading(state, frame, list, &title);
    let list = below(list);
    let name = usize::from(list.width).saturating_sub(66);
    let columns = format!(
        " {} {} {}  READ  LATE FILLED INVALID MISSING REGISTERS",
        text::fit("TERMINAL", 10),
        text::fit("NAME", name),
        text::right("RATE", 8),
    );
    heading(state, frame, list, &columns);
    let rows = below(list);
    if shown.is_empty() {
        frame.render_widget(Line::raw(" No terminal has a load curve in its point map."), rows);
    }
    let visible = shown.iter().enumerate().skip(metering.rows.offset).take(usize::from(rows.height));
    for (at, (index, one)) in visible.enumerate() {
        row(state, frame, rows, at, index == metering.rows.index, spans(state, one, name));
    }
    let selected = shown.get(metering.rows.index);
    full_text(state, frame, full, &selected.map(|one| in_words(state, one)).unwrap_or_default());
}

fn spans<'a>(state: &State, one: &OfTerminal, name: usize) -> Vec<Span<'a>> {
    let theme = state.theme;
    let Completeness { read, late, filled, invalid, missing, rate_e4, registers, expected } = one.completeness;
    let known = state.terminal(one.terminal).map_or("", |terminal| terminal.name.as_str());
    let lacking = |count: u16| if count == 0 { theme.quiet() } else { theme.medium() };
    let rate = if expected == 0 { "—".to_owned() } else { percent(rate_e4) };
    vec![
        Span::styled(format!(" {} ", text::fit(one.terminal.as_str(), 10)), theme.normal()),
        Span::styled(format!("{} ", text::fit(known, name)), theme.normal()),
        Span::styled(format!("{} ", text::right(&rate, 8)), theme.strong()),
        Span::styled(format!("{read:>5} "), theme.normal()),
        Span::styled(format!("{late:>5} "), theme.normal()),
        Span::styled(format!("{filled:>6} "), theme.normal()),
        Span::styled(format!("{invalid:>7} "), lacking(invalid)),
        Span::styled(format!("{missing:>7} "), lacking(missing)),
        match registers {
            None => Span::styled("none", theme.quiet()),
            Some(Registers::NotYet) => Span::styled("not yet", theme.quiet()),
            Some(Registers::Read) => Span::styled("read", theme.normal()),
            Some(Registers::Missing) => Span::styled("MISSING", theme.medium()),
        },
    ]
}

fn in_words(state: &State, one: &OfTerminal) -> Vec<String> {
    let Completeness { expected, read, late, filled, invalid, missing, .. } = one.completeness;
    let mut words = vec![format!(
        "{}: of {expected} quarters of an hour {read} came in time, {late} later than 15 min by themselves, {filled} from \
         its memory; {invalid} measured in part, {missing} missing",
        one.terminal
    )];
    if state.metering.collecting.contains(&one.terminal) {
        words.push("its memory is being read".to_owned());
    }
    let collecting = &state.health.collecting;
    if collecting.under_way + collecting.waiting > 0 {
        let (under_way, waiting) = (collecting.under_way, collecting.waiting);
        words.push(format!("by schedule: {under_way} terminals are being read, {waiting} stretches of time wait"));
    }
    words.extend(collecting.last_failure.as_ref().map(|failure| format!("last failure: {failure}")));
    words
}

/// Of hundredths of a percent; 100 % only where nothing is missing.
fn percent(e4: u16) -> String {
    format!("{}.{:02} %", e4 / 100, e4 % 100)
}
