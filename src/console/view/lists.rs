//! The lists: terminals, alarms, orders, events.

use headroom_rules::orders::Order;
use headroom_rules::output::{Alarm, AlarmState, Happening};
use headroom_rules::view::{RoundView, TerminalView};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::acts::TAG;
use super::{below, heading, row, text};
use crate::console::layout;
use crate::console::state::{Screen, State};
use crate::console::theme::priority_mark;

pub(super) fn draw_terminals(state: &State, frame: &mut Frame, body: Rect) {
    let shown = state.shown_terminals();
    let scope = match state.only_below {
        Some(node) => format!("below {node}"),
        None => "all".to_owned(),
    };
    let caret = if state.filtering { "▏" } else { "" };
    let filter = match (state.filter.value(), state.filtering) {
        ("", false) => String::new(),
        (value, _) => format!("   filter: {value}{caret}"),
    };
    let marked = match state.marked.len() {
        0 => String::new(),
        marked => format!("   {marked} marked *"),
    };
    heading(
        state,
        frame,
        body,
        &format!(" TERMINALS {scope}: {} of {}{marked}{filter}", shown.len(), state.view.terminals.len()),
    );
    let body = below(body);
    let name = usize::from(body.width).saturating_sub(62);
    heading(
        state,
        frame,
        body,
        &format!(
            " LINK   {} {} {} {} {} {} ROUNDS",
            text::fit("TERMINAL", 10),
            text::fit("NAME", name),
            text::fit("NODE", 8),
            text::right("LOAD kW", 9),
            text::fit("QUALITY", 7),
            text::right("CLASS", 7),
        ),
    );
    let rows = below(body);
    if shown.is_empty() {
        frame.render_widget(Line::raw(" No terminal fits: Esc clears the filter."), rows);
    }
    for (at, (index, terminal)) in
        shown.iter().enumerate().skip(state.terminals.offset).take(usize::from(rows.height)).enumerate()
    {
        row(state, frame, rows, at, index == state.terminals.index, terminal_spans(state, terminal, name));
    }
}

fn terminal_spans<'a>(state: &State, terminal: &TerminalView, name: usize) -> Vec<Span<'a>> {
    let theme = state.theme;
    let link = if terminal.link_up {
        Span::styled("● up   ", theme.quiet())
    } else {
        Span::styled("✖ DOWN ", theme.low())
    };
    let mark = if state.marked.contains(&terminal.id) { "*" } else { " " };
    let class = match (terminal.guaranteed, terminal.priority) {
        (true, _) => "guar.".to_owned(),
        (false, Some(class)) => class.to_string(),
        (false, None) => "—".to_owned(),
    };
    let tag = |r: &RoundView| if r.tag.is_some() { TAG } else { "" };
    let round = |r: &RoundView| format!("{}{}{}", r.round, text::position(r.position).0, tag(r));
    let rounds: String = terminal.rounds.iter().map(round).collect();
    vec![
        Span::styled(mark, theme.strong()),
        link,
        Span::styled(format!("{} ", text::fit(terminal.id.as_str(), 10)), theme.normal()),
        Span::styled(format!("{} ", text::fit(&terminal.name, name)), theme.normal()),
        Span::styled(format!("{} ", text::fit(terminal.node.as_ref().map_or("—", |n| n.as_str()), 8)), theme.quiet()),
        Span::styled(format!("{} ", text::right(&text::kw(terminal.power), 9)), theme.normal()),
        Span::styled(
            format!("{} ", text::fit(&text::quality(terminal.quality, terminal.stale, terminal.frozen), 7)),
            theme.quality(terminal.quality, terminal.stale || terminal.frozen),
        ),
        Span::styled(format!("{} ", text::right(&class, 7)), theme.normal()),
        Span::styled(rounds, theme.normal()),
    ]
}

/// An alarm's state in one column.
const fn alarm_words(state: AlarmState) -> &'static str {
    match state {
        AlarmState::Unacknowledged => "UNACKED",
        AlarmState::Acknowledged => "acked",
        AlarmState::ReturnedUnacknowledged => "gone,UNACK",
        AlarmState::Normal => "normal",
    }
}

pub(super) fn draw_alarms(state: &State, frame: &mut Frame, body: Rect) {
    let (list, full) = layout::list_and_text(body);
    let text_width = usize::from(list.width).saturating_sub(38);
    heading(state, frame, list, &format!(" PRIO   STATE      ALARM  {} WHAT", text::right("SINCE", 12)));
    let rows = below(list);
    if state.view.alarms.is_empty() {
        frame.render_widget(Line::raw(" No alarms."), rows);
    }
    for (at, (index, alarm)) in
        state.view.alarms.iter().enumerate().skip(state.alarms.offset).take(usize::from(rows.height)).enumerate()
    {
        let (shape, name) = priority_mark(alarm.priority);
        let style = state.theme.alarm(alarm.priority, alarm.state);
        let line = format!(
            " {shape} {name:4} {} {} {} {}",
            text::fit(alarm_words(alarm.state), 10),
            text::fit(&alarm.id.to_string(), 6),
            text::right(&text::age(state.now(), alarm.raised_at), 12),
            text::fit(&alarm.cause.to_string(), text_width),
        );
        row(state, frame, rows, at, index == state.alarms.index, vec![Span::styled(line, style)]);
    }
    let selected = state.view.alarms.get(state.alarms.index);
    full_text(state, frame, full, &selected.map(alarm_text).unwrap_or_default());
}

fn alarm_text(alarm: &Alarm) -> Vec<String> {
    let mut lines = vec![
        format!("{} {}", alarm.id, alarm.cause),
        format!(
            "raised {}, changed {}: {}",
            text::date_clock(alarm.raised_at),
            text::clock(alarm.changed_at),
            alarm.detail
        ),
    ];
    if let Some(who) = &alarm.acknowledged_by {
        let comment = if alarm.comment.is_empty() { String::new() } else { format!(": \"{}\"", alarm.comment) };
        lines.push(format!("acknowledged by {who}{comment}"));
    }
    lines
}

pub(super) fn draw_orders(state: &State, frame: &mut Frame, body: Rect) {
    let (list, full) = layout::list_and_text(body);
    heading(
        state,
        frame,
        list,
        &format!(
            " {} {} {} {} {} DETAIL",
            text::fit("ORDER", 6),
            text::fit("AT", 8),
            text::fit("TERMINAL", 10),
            text::fit("ACTION", 20),
            text::fit("STATE", 10)
        ),
    );
    let rows = below(list);
    if state.view.orders.is_empty() {
        frame.render_widget(Line::raw(" No orders yet."), rows);
    }
    for (at, (index, order)) in
        state.view.orders.iter().enumerate().skip(state.orders.offset).take(usize::from(rows.height)).enumerate()
    {
        let line = vec![
            Span::styled(
                format!(
                    " {} {} {} {} ",
                    text::fit(&order.id.to_string(), 6),
                    text::clock(order.issued_at),
                    text::fit(order.terminal.as_str(), 10),
                    text::fit(&order.action.to_string(), 20)
                ),
                state.theme.normal(),
            ),
            Span::styled(format!("{:10} ", order.state), state.theme.order(order.state)),
            Span::styled(
                match waits(state, order) {
                    Some(why) => format!("waits: {why}"),
                    None if order.detail.is_empty() => order.reason.clone(),
                    None => order.detail.clone(),
                },
                state.theme.quiet(),
            ),
        ];
        row(state, frame, rows, at, index == state.orders.index, line);
    }
    let selected = state.view.orders.get(state.orders.index);
    let mut text = selected.map(order_text).unwrap_or_default();
    text.extend(selected.and_then(|order| waits(state, order)).map(|why| format!("waits for its turn: {why}")));
    full_text(state, frame, full, &text);
}

/// What an approved order waits for.
fn waits<'a>(state: &'a State, order: &Order) -> Option<&'a str> {
    state.view.waiting.iter().find(|waiting| waiting.order == order.id).map(|waiting| waiting.why.as_str())
}

/// An order in full.
pub(super) fn order_text(order: &Order) -> Vec<String> {
    let mut lines = vec![format!("{} {}: {}, by {}", order.id, order.terminal, order.wish(), order.issuer)];
    if !order.reason.is_empty() {
        lines.push(format!("why: {}", order.reason));
    }
    let detail = if order.detail.is_empty() { String::new() } else { format!(": {}", order.detail) };
    lines.push(format!("{} since {}{detail}", order.state, text::clock(order.changed_at)));
    if order.power_before.is_some() || order.power_after.is_some() {
        lines.push(format!("kW before {}, after {}", text::kw(order.power_before), text::kw(order.power_after)));
    }
    lines
}

pub(super) fn full_text(state: &State, frame: &mut Frame, area: Rect, paragraphs: &[String]) {
    heading(state, frame, area, &"─".repeat(usize::from(area.width)));
    let width = usize::from(area.width).saturating_sub(2);
    let lines: Vec<Line> = paragraphs
        .iter()
        .flat_map(|paragraph| text::wrap(paragraph, width))
        .map(|line| Line::styled(format!(" {line}"), state.theme.normal()))
        .collect();
    frame.render_widget(Paragraph::new(lines), below(area));
}

/// What stands out among events: what needs a person, then what the rules do.
pub(super) fn event_style(state: &State, what: &Happening) -> Style {
    match what {
        Happening::Breach { .. }
        | Happening::Futile { .. }
        | Happening::PlanRefused { .. }
        | Happening::WentDark { .. }
        | Happening::LimitBelowGuaranteed { .. }
        | Happening::TargetDropped { .. }
        | Happening::AutomaticStopped { .. } => state.theme.high(),
        Happening::StepBack { .. } | Happening::TriesAgain { .. } | Happening::SupplyBack { .. } => {
            state.theme.medium()
        }
        Happening::NoResponse { .. } | Happening::Cover { open: true, .. } | Happening::SetLimitDropped { .. } => {
            state.theme.medium()
        }
        Happening::Link { up: false, .. }
        | Happening::RestoreHeld { .. }
        | Happening::RestoreWaits { .. }
        | Happening::ReturnHeld { .. } => state.theme.low(),
        Happening::Planned { .. }
        | Happening::Restoring { .. }
        | Happening::LimitSet { .. }
        | Happening::LimitChanged { .. }
        | Happening::TargetSet { .. }
        | Happening::TargetBegun { .. }
        | Happening::TargetEnded { .. }
        | Happening::TargetCancelled { .. }
        | Happening::AutomaticResumed { .. } => state.theme.active(),
        _ => state.theme.normal(),
    }
}

/// One line of the events' full text.
pub(crate) struct EventLine {
    /// Which event of the view.
    pub(crate) event: usize,
    pub(crate) text: String,
}

/// All events, wrapped; the expanded one as a list of what was shed and spared, with each reason.
pub(crate) fn event_lines(state: &State) -> Vec<EventLine> {
    let width = usize::from(state.size.0).saturating_sub(24).max(20);
    let mut lines = Vec::new();
    for (index, event) in state.view.events.iter().enumerate() {
        let mut push = |indent: &str, paragraph: &str| {
            let cells = text::width(indent);
            for (n, line) in text::wrap(paragraph, width.saturating_sub(cells)).into_iter().enumerate() {
                let indent = if n == 0 { indent.to_owned() } else { " ".repeat(cells) };
                lines.push(EventLine { event: index, text: format!("{indent}{line}") });
            }
        };
        push("", &event.what.to_string());
        if state.expanded.as_ref() != Some(event) {
            continue;
        }
        if let Some(at) = event.source_time {
            push("  ", &format!("at the terminal: {}", text::date_clock(at)));
        }
        match &event.what {
            Happening::Planned { shed, spared, outlook, .. } => {
                outlook.iter().flat_map(|outlook| outlook.lines()).for_each(|line| push("  ", &line));
                push("  ", &format!("shed, {}:", shed.len()));
                shed.iter().for_each(|choice| push("    ▼ ", &choice.to_string()));
                push("  ", &format!("spared, {}:", spared.len()));
                spared.iter().for_each(|finding| push("    · ", &finding.to_string()));
            }
            Happening::Restoring { restored, .. } => {
                restored.iter().for_each(|choice| push("    ▲ ", &choice.to_string()));
            }
            Happening::StepBack { again, .. } => again.iter().for_each(|choice| push("    ▼ ", &choice.to_string())),
            _ => {}
        }
    }
    lines
}

pub(super) fn draw_events(state: &State, frame: &mut Frame, body: Rect) {
    debug_assert_eq!(state.screen, Screen::Events);
    heading(state, frame, body, &format!(" EVENTS, newest first: {}", state.view.events.len()));
    let rows = below(body);
    let lines = event_lines(state);
    if lines.is_empty() {
        frame.render_widget(Line::raw(" No events yet."), rows);
    }
    let mut before = state.events.offset.checked_sub(1).and_then(|at| lines.get(at)).map(|line| line.event);
    for (at, line) in lines.iter().skip(state.events.offset).take(usize::from(rows.height)).enumerate() {
        let Some(event) = state.view.events.get(line.event) else { continue };
        let time = if before == Some(line.event) { String::new() } else { text::date_clock(event.at) };
        before = Some(line.event);
        let spans = vec![
            Span::styled(format!(" {time:19}  "), state.theme.quiet()),
            Span::styled(line.text.clone(), event_style(state, &event.what)),
        ];
        row(state, frame, rows, at, line.event == state.events.index, spans);
    }
}
