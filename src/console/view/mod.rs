//! Draws the state. Nothing here changes it.

mod acts;
pub(crate) mod detail;
pub(crate) mod lists;
mod measures;
pub(crate) mod metering;
pub(crate) mod node;
mod notices;
pub(crate) mod overlay;
pub(crate) mod overview;
mod restoration;
pub(crate) mod text;

use headroom_rules::output::AlarmPriority;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::keys;
use super::layout;
use super::state::{Connection, Screen, State};
use super::theme::priority_mark;

/// Draws one frame.
pub(crate) fn draw(state: &State, frame: &mut Frame) {
    let area = frame.area();
    if layout::too_small(area.width, area.height) {
        draw_too_small(state, frame, area);
        return;
    }
    let areas = layout::areas(state, area);
    draw_tabs(state, frame, areas.tabs);
    draw_status(state, frame, areas.status);
    match state.screen {
        Screen::Overview => overview::draw(state, frame, areas.body),
        Screen::Node(id) => node::draw(state, frame, areas.body, id),
        Screen::Terminals => lists::draw_terminals(state, frame, areas.body),
        Screen::Detail(id) => detail::draw(state, frame, areas.body, id),
        Screen::Alarms => lists::draw_alarms(state, frame, areas.body),
        Screen::Orders => lists::draw_orders(state, frame, areas.body),
        Screen::Events => lists::draw_events(state, frame, areas.body),
        Screen::Metering => metering::draw(state, frame, areas.body),
        Screen::Acts => acts::draw(state, frame, areas.body),
    }
    let notice: Vec<Line> = layout::notice(state, area.width)
        .into_iter()
        .map(|line| Line::styled(format!("! {line}"), state.theme.medium()))
        .collect();
    frame.render_widget(Paragraph::new(notice), areas.notice);
    draw_bar(state, frame, areas.bar);
    overlay::draw(state, frame, area);
}

/// Only what may be done unseen, and which keys do it.
fn draw_too_small(state: &State, frame: &mut Frame, area: Rect) {
    let (width, height) = layout::SMALLEST;
    let mut text = format!("{}x{} is too small: wanted {width}x{height} or more.", area.width, area.height);
    let context = keys::context(state);
    if context == keys::Context::Quit {
        text.push_str(" Orders of yours are selected.");
    }
    for binding in keys::bindings(context).filter(|binding| keys::acts_unseen(context, binding.command)) {
        text.push_str(&format!(" {}: {}.", binding.label, binding.short()));
    }
    let lines: Vec<Line> = text::wrap(&text, usize::from(area.width)).into_iter().map(Line::raw).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_tabs(state: &State, frame: &mut Frame, area: Rect) {
    let mut spans = vec![Span::styled(layout::title(area.width), state.theme.title())];
    for (_, name, screen) in layout::tabs(state) {
        let here = match state.screen {
            Screen::Detail(_) => screen == Screen::Terminals,
            Screen::Node(_) => screen == Screen::Overview,
            shown => screen == shown,
        };
        spans.push(Span::styled(name, if here { state.theme.selected() } else { state.theme.normal() }));
        spans.push(Span::raw(" ".repeat(layout::TAB_GAP.into())));
    }
    frame.render_widget(Line::from(spans), area);
}

fn draw_status(state: &State, frame: &mut Frame, area: Rect) {
    let theme = state.theme;
    let bad = match (&state.connection, state.shown_age_s(), state.journal_failing()) {
        (Connection::Lost { why, .. }, Some(age), _) => {
            Some(format!("✖ NO ANSWER: what is shown is {age} s OLD ({why}); trying again"))
        }
        (Connection::Lost { why, .. }, None, _) => {
            Some(format!("✖ NO ANSWER: nothing to show yet ({why}); trying again"))
        }
        (_, _, Some((since, _))) => {
            Some(format!("✖ JOURNAL NOT WRITTEN for {since} s: what is shown is OLD, no limit is kept"))
        }
        _ => None,
    };
    if let Some(text) = bad {
        frame.render_widget(
            Line::styled(text::fit(&format!(" {text}"), usize::from(area.width)), theme.high().patch(theme.selected())),
            area,
        );
        return;
    }
    let mut spans = match state.connection {
        // While the centre answers, nothing is more worth knowing.
        Connection::Live if state.view.stopped.is_some() => {
            let by = state.view.stopped.as_ref().map_or("", |stopped| &stopped.by);
            let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
            vec![Span::styled(format!(" ■ AUTOMATIC STOPPED{by} "), theme.high().patch(theme.selected()))]
        }
        Connection::Live if state.health.store.failing.is_some() => {
            vec![Span::styled(" ◆ store behind ", theme.medium())]
        }
        Connection::Live => vec![Span::styled(" ● connected ", theme.normal())],
        _ => vec![Span::styled(" ◌ connecting ", theme.medium())],
    };
    if state.received_at.is_some() {
        let factor = state.time_factor();
        let pace = if (factor - 1.0).abs() < 1e-9 { String::new() } else { format!(" x{factor}") };
        spans.push(Span::styled(format!(" {}Z{pace}  ", text::date_clock(state.now())), theme.normal()));
        spans.push(Span::styled("unacked", theme.quiet()));
        for priority in [AlarmPriority::High, AlarmPriority::Medium, AlarmPriority::Low] {
            let count = state.unacknowledged(priority);
            let (shape, name) = priority_mark(priority);
            let style = match (count, priority) {
                (0, _) => theme.quiet(),
                (_, AlarmPriority::High) => theme.high(),
                (_, AlarmPriority::Medium) => theme.medium(),
                (_, AlarmPriority::Low) => theme.low(),
            };
            spans.push(Span::styled(format!(" {shape}{name} {count}"), style));
        }
    }
    if let Some(about) = &state.about {
        spans.push(Span::styled(format!("  {}", about.operator), theme.normal()));
    }
    frame.render_widget(Line::from(spans), area);
}

fn draw_bar(state: &State, frame: &mut Frame, area: Rect) {
    let mut spans = Vec::new();
    let mut left = usize::from(area.width);
    let one_field = state.act().is_some_and(|act| act.form.fields.len() < 2);
    let works = |binding: &&keys::Binding| binding.command != keys::Command::OtherField || !one_field;
    let all = || keys::bindings(keys::context(state)).filter(|binding| binding.in_bar).filter(works);
    let words = |binding: &keys::Binding| text::width(binding.label) + text::width(binding.short()) + 2;
    // They move closer together where they would not all fit.
    let all_of_them: usize = all().map(words).sum();
    let gap = (left.saturating_sub(all_of_them) / all().count().max(1)).min(2);
    for binding in all() {
        let cells = words(binding) + gap;
        if cells > left + gap {
            break;
        }
        left = left.saturating_sub(cells);
        spans.push(Span::raw(" "));
        spans.push(Span::styled(binding.label, state.theme.selected()));
        spans.push(Span::styled(format!(" {}{}", binding.short(), " ".repeat(gap)), state.theme.normal()));
    }
    frame.render_widget(Line::from(spans), area);
}

/// A heading over a list.
fn heading(state: &State, frame: &mut Frame, area: Rect, text: &str) {
    let line = Line::styled(text::fit(text, usize::from(area.width)), state.theme.title());
    frame.render_widget(line, Rect { height: area.height.min(1), ..area });
}

/// One line of a list, reversed when selected.
fn row(state: &State, frame: &mut Frame, area: Rect, at: usize, selected: bool, spans: Vec<Span<'_>>) {
    let Ok(at) = u16::try_from(at) else { return };
    if at >= area.height {
        return;
    }
    let style = if selected { state.theme.selected() } else { Style::new() };
    let line = Rect { y: area.y + at, height: 1, ..area };
    frame.render_widget(Line::from(spans), line);
    frame.buffer_mut().set_style(line, style);
}

/// The area without its first line.
fn below(area: Rect) -> Rect {
    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area }
}
