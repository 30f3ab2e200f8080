//! The supply tree with its headroom, and what happens.

use headroom_rules::output::{Event, Happening};
use headroom_rules::tags::TagOn;
use headroom_rules::view::{LimitState, Load, NodeView};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::acts::TAG;
use super::{below, heading, lists, row, text};
use crate::console::layout;
use crate::console::state::State;
use crate::console::theme::limit_mark;

/// Lines of one event; the events' screen has all of them.
const EVENT_LINES_MAX: usize = 3;
/// Cells beside the name and the bar: load, limit, headroom, state, links, gaps.
const FIXED: usize = 8 + 8 + 8 + 13 + 7 + 6;

/// The columns whose widths are not given.
#[derive(Clone, Copy)]
struct Columns {
    name: usize,
    /// The rating of nodes whose limit is set below it, with a gap before it; 0 without any, or without room.
    rated: usize,
    bar: usize,
}

/// A name in fewer cells than this tells nobody which node it is.
const NAME_MIN: usize = 12;

impl Columns {
    fn of(state: &State, width: usize) -> Self {
        let with = |rated: usize| {
            let left = width.saturating_sub(FIXED + rated);
            let bar = (left / 3).clamp(8, 40);
            Self { name: left.saturating_sub(bar), rated, bar }
        };
        let widest = state.view.nodes.iter().filter_map(set_below).map(|of| text::width(&of) + 1).max();
        widest.map(with).filter(|columns| columns.name >= NAME_MIN).unwrap_or_else(|| with(0))
    }
}

/// "of 2400" for a node whose limit is set below its rating.
fn set_below(node: &NodeView) -> Option<String> {
    let rated = node.rated.filter(|rated| node.limit.is_some_and(|limit| limit < *rated))?;
    Some(format!("of {:.0}", rated.kw()))
}

pub(super) fn draw(state: &State, frame: &mut Frame, body: Rect) {
    let (tree, fold, feed) = layout::overview(state, body);
    let width = usize::from(tree.width);
    let columns = Columns::of(state, width);
    let Columns { name, rated, bar } = columns;
    heading(
        state,
        frame,
        tree,
        &format!(
            "{} {} {}{} {} {} {} {}",
            text::fit(" SUPPLY", name),
            text::right("LOAD kW", 8),
            text::right("LIMIT", 8),
            text::fit(" RATED", rated),
            text::right("HEADROOM", 8),
            text::fit("", bar),
            text::fit("STATE", 13),
            text::right("LINKS", 7)
        ),
    );
    let rows = below(tree);
    let shown = state.shown_nodes();
    if shown.is_empty() {
        let words = if state.received_at.is_some() {
            " The centre has no supply tree loaded."
        } else {
            " Waiting for the centre's first answer."
        };
        frame.render_widget(Line::raw(words), rows);
    }
    for (at, (index, node)) in
        shown.iter().enumerate().skip(state.nodes.offset).take(usize::from(rows.height)).enumerate()
    {
        row(state, frame, rows, at, index == state.nodes.index, node_spans(state, node, &columns));
    }
    let above = state.nodes.offset.min(shown.len());
    let below_fold = (above + usize::from(rows.height)).min(shown.len());
    let hidden = [("▲", "above", shown.get(..above)), ("▼", "below", shown.get(below_fold..))];
    let spans = hidden
        .into_iter()
        .flat_map(|(shape, whither, nodes)| fold_spans(state, shape, whither, nodes.unwrap_or_default()));
    frame.render_widget(Line::from_iter(spans), fold);
    heading(state, frame, feed, " EVENTS");
    let feed = below(feed);
    let mut lines = Vec::new();
    // Each switch and link has its own place; the events' screen has all of it.
    let told = |event: &&Event| !matches!(event.what, Happening::Switch { .. } | Happening::Link { .. });
    for event in state.view.events.iter().filter(told) {
        if lines.len() >= usize::from(feed.height) {
            break;
        }
        let mut wrapped = text::wrap(&event.what.to_string(), usize::from(feed.width).saturating_sub(12));
        if wrapped.len() > EVENT_LINES_MAX {
            wrapped.truncate(EVENT_LINES_MAX);
            wrapped.iter_mut().skip(EVENT_LINES_MAX - 1).for_each(|line| line.push_str(" …"));
        }
        for (n, line) in wrapped.into_iter().enumerate() {
            let time = if n == 0 { text::clock(event.at) } else { String::new() };
            lines.push(Line::from(vec![
                Span::styled(format!(" {time:8} "), state.theme.quiet()),
                Span::styled(line, lists::event_style(state, &event.what)),
            ]));
        }
    }
    frame.render_widget(Paragraph::new(lines), feed);
}

/// How many rows are hidden on one side, and how many of them an operator would have to see.
fn fold_spans(state: &State, shape: &str, whither: &str, hidden: &[&NodeView]) -> Vec<Span<'static>> {
    if hidden.is_empty() {
        return Vec::new();
    }
    let mut spans = vec![Span::styled(format!("  {shape} {} more {whither}", hidden.len()), state.theme.normal())];
    let over = hidden.iter().any(|node| matches!(node.state, LimitState::Over | LimitState::Futile));
    let style = if over { state.theme.high() } else { state.theme.medium() };
    match hidden.iter().filter(|node| needs_attention(node)).count() {
        0 => {}
        1 => spans.push(Span::styled(", 1 needs attention", style)),
        n => spans.push(Span::styled(format!(", {n} need attention"), style)),
    }
    spans
}

/// Its limit is not watched at all.
fn unwatched(node: &NodeView) -> bool {
    node.limit.is_some() && node.load == Load::Unknown
}

/// Whether the limit is, or may soon be, not kept. A node that is holding or restoring is in hand; links have alarms.
fn needs_attention(node: &NodeView) -> bool {
    match node.state {
        LimitState::Warning | LimitState::Over | LimitState::Shedding | LimitState::Verifying | LimitState::Futile => {
            true
        }
        LimitState::Unlimited | LimitState::Normal | LimitState::Holding | LimitState::Restoring => unwatched(node),
    }
}

fn node_spans<'a>(state: &State, node: &NodeView, columns: &Columns) -> Vec<Span<'a>> {
    let theme = state.theme;
    let Columns { name, rated, bar } = *columns;
    let unwatched = unwatched(node);
    let (shape, words) = if unwatched { ("?", "NOT WATCHED") } else { limit_mark(node.state) };
    let style = if unwatched { theme.medium() } else { theme.limit(node.state) };
    let twig = match (state.has_children(node.id), state.collapsed.contains(&node.id)) {
        (true, true) => "▸",
        (true, false) => "▾",
        (false, _) => "·",
    };
    let tagged = state.view.tags.iter().any(|tag| tag.on == TagOn::Node { node: node.id });
    let tag = if tagged { TAG } else { "" };
    let label = format!(" {}{twig} {}{tag} {}", "  ".repeat(usize::from(node.depth.min(8))), node.id, node.name);
    let shed = if node.rounds_shed > 0 { format!("{words} {}", node.rounds_shed) } else { words.to_owned() };
    let load = match node.load {
        Load::Summed { .. } => format!("Σ{}", text::kw(node.load.power())),
        Load::Substituted { .. } => format!("✎{}", text::kw(node.load.power())),
        _ => text::kw(node.load.power()),
    };
    let headroom = node.headroom();
    let links = if node.links_up < node.terminals { theme.low() } else { theme.quiet() };
    let mark = if node.links_up < node.terminals { "!" } else { "" };
    vec![
        Span::styled(text::fit(&label, name), theme.normal()),
        Span::raw(" "),
        Span::styled(text::right(&load, 8), theme.normal()),
        Span::styled(format!(" {}", text::right(&text::kw(node.limit), 8)), theme.quiet()),
        // Grey is normal; a limit that people set is not.
        Span::styled(text::fit(&set_below(node).map(|of| format!(" {of}")).unwrap_or_default(), rated), theme.normal()),
        Span::raw(" "),
        Span::styled(
            text::right(&text::kw(headroom), 8),
            if headroom.is_some_and(|h| h.get() < 0) { theme.high() } else { theme.normal() },
        ),
        Span::raw(" "),
        Span::styled(bar_text(node, bar), style),
        Span::raw(" "),
        Span::styled(text::fit(&format!("{shape} {shed}"), 13), style),
        Span::raw(" "),
        Span::styled(text::right(&format!("{mark}{}/{}", node.links_up, node.terminals), 7), links),
    ]
}

/// The load as a bar whose full length is 125 % of the limit, the limit marked with `┃`; empty without a limit.
pub(crate) fn bar_text(node: &NodeView, cells: usize) -> String {
    let Some(limit) = node.limit.filter(|limit| limit.get() > 0) else { return " ".repeat(cells) };
    let mark = cells * 4 / 5;
    let filled = match node.load.power() {
        Some(load) => {
            let share = i128::from(load.get().max(0)) * i128::try_from(mark).unwrap_or(0) / i128::from(limit.get());
            // Above the limit at least one cell lies beyond the mark, however small the excess.
            let least = if load > limit { mark + 1 } else { 0 };
            usize::try_from(share).unwrap_or(cells).max(least).min(cells)
        }
        None => 0,
    };
    let over = node.state == LimitState::Over || filled > mark;
    (0..cells)
        .map(|cell| match cell {
            _ if cell == mark => '┃',
            _ if cell < mark && cell < filled => '█',
            _ if cell <= filled && over && cell > mark => '▓',
            _ if node.load == Load::Unknown => '?',
            _ => '·',
        })
        .collect()
}
