//! One node's load curve with its limit, peak, energy and time above the limit.

use headroom_rules::model::{NodeId, Timestamp};
use headroom_rules::target::{LimitSource, Target};
use headroom_rules::view::Forecast;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Paragraph};

use super::{below, heading, measures, notices, restoration, text};
use crate::console::node::{BACK, Curve};
use crate::console::state::State;

pub(super) fn draw(state: &State, frame: &mut Frame, body: Rect, id: NodeId) {
    let theme = state.theme;
    let ahead = ahead(state, id);
    let returning = restoration::lines(state, id, usize::from(body.width));
    let mut told = measures::lines(state, id, usize::from(body.width));
    told.extend(notices::lines(state, id, usize::from(body.width)));
    let height = u16::try_from(4 + ahead.len() + told.len() + returning.len()).unwrap_or(u16::MAX);
    let [head, chart] = Layout::vertical([Constraint::Length(height), Constraint::Min(0)]).areas(body);
    let screen = &state.node_screen;
    let mut lines = vec![now(state, id)];
    lines.extend(ahead.into_iter().map(|words| Line::styled(words, theme.normal())));
    let (back, _) = BACK.get(screen.back).copied().unwrap_or(BACK[0]);
    match (&screen.curve, &screen.error) {
        (Some(curve), _) => lines.extend(in_words(curve).map(|words| Line::styled(words, theme.normal()))),
        (None, Some(error)) => {
            let wrapped = text::wrap(error, usize::from(head.width).saturating_sub(2));
            lines.extend(wrapped.into_iter().map(|line| Line::styled(format!(" {line}"), theme.medium())));
        }
        (None, None) => lines.push(Line::raw(" waiting for the centre's answer")),
    }
    lines.extend(told);
    lines.extend(returning);
    frame.render_widget(Paragraph::new(lines), head);
    heading(state, frame, chart, &format!(" LOAD kW, last {back}: highest of each stretch, and the limit"));
    if let Some(curve) = &screen.curve {
        draw_curve(state, frame, below(chart), curve);
    }
}

fn now(state: &State, id: NodeId) -> Line<'static> {
    let Some(node) = state.node(id) else {
        return Line::styled(format!(" {id}  no longer in the inventory"), state.theme.title());
    };
    let load = node.load.power().map_or_else(|| "unknown".to_owned(), |power| power.to_string());
    let limit = node.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
    let level = node.level.map_or_else(String::new, |level| format!(", level {level}"));
    Line::from(vec![
        Span::styled(format!(" {id}  {}  ", node.name), state.theme.title()),
        Span::styled(format!("load {load}, {limit}{level}"), state.theme.strong()),
    ])
}

/// What gives the limit in force and what comes next, where the load is going, and the targets that are planned: a line each,
/// where there is anything to say.
fn ahead(state: &State, id: NodeId) -> Vec<String> {
    const TARGETS_MAX: usize = 3;
    let Some(node) = state.node(id) else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(in_force) = node.in_force.filter(|it| it.source != LimitSource::Rating || it.until.is_some()) {
        let rated = node.rated.map(|rated| format!(" of {rated}")).unwrap_or_default();
        let until = in_force.until.map(|until| format!(" until {}Z", text::minute(until))).unwrap_or_default();
        let next = match (in_force.until, in_force.next) {
            (Some(_), Some(next)) => format!(", then {next}"),
            (Some(_), None) => ", then by a target".to_owned(),
            (None, _) => String::new(),
        };
        lines.push(format!(" limit by {}{rated}{until}{next}", in_force.source));
    }
    if let Some(Forecast { at, load, least, rise_per_minute, .. }) = node.forecast {
        lines.push(format!(
            " forecast: {load} (± {}) at {}Z, rising by {rise_per_minute} a minute",
            load - least,
            text::clock(at)
        ));
    }
    for target in state.view.targets.iter().filter(|target| target.node == id).take(TARGETS_MAX) {
        let Target { id, reduction, from, to, by, begun, .. } = target;
        let how = begun.map_or_else(|| "planned".to_owned(), |begun| format!("in force, baseline {}", begun.baseline));
        lines.push(format!(
            " target {id} by {by}: {reduction} off, {}Z to {}Z, {how}",
            text::minute(*from),
            text::minute(*to)
        ));
    }
    lines
}

fn in_words(curve: &Curve) -> [String; 3] {
    let summary = &curve.summary;
    let peak = match summary.peak {
        Some((peak, at)) => format!(" peak {peak} at {}Z", text::minute(at)),
        None => " its load was never known".to_owned(),
    };
    let known = summary.known;
    let over = if curve.curve.iter().any(|load| load.limit.is_some()) {
        let tenths = i128::from(summary.over.get()) * 1_000 / i128::from(known.get().max(1));
        format!("above its limit for {}: {}.{} % of", summary.over, tenths / 10, tenths % 10)
    } else {
        "without a limit in".to_owned()
    };
    [peak, format!(" {over} {known} with known load"), format!(" energy {}", summary.energy)]
}

#[allow(clippy::cast_precision_loss, reason = "pixels of a chart")]
fn draw_curve(state: &State, frame: &mut Frame, area: Rect, curve: &Curve) {
    let theme = state.theme;
    if curve.curve.is_empty() {
        frame.render_widget(Line::raw(" nothing is stored of this time"), area);
        return;
    }
    let x = |at: Timestamp| at.since(curve.from).get() as f64;
    let highs: Vec<(f64, f64)> = curve.curve.iter().map(|load| (x(load.start), load.high.kw())).collect();
    let limits: Vec<(f64, f64)> =
        curve.curve.iter().filter_map(|load| Some((x(load.start), load.limit?.kw()))).collect();
    let all = || highs.iter().chain(&limits).map(|&(_, kw)| kw);
    let (top, bottom) = (all().fold(1.0, f64::max) * 1.1, all().fold(0.0, f64::min));
    let line =
        |data, style| Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(style).data(data);
    let chart = Chart::new(vec![line(&limits, theme.high()), line(&highs, theme.normal())])
        .x_axis(
            Axis::default()
                .bounds([0.0, x(curve.to).max(1.0)])
                .labels([text::minute(curve.from), text::minute(curve.to)])
                .style(theme.quiet()),
        )
        .y_axis(
            Axis::default()
                .bounds([bottom, top])
                .labels([format!("{bottom:.0}"), format!("{:.0}", (bottom + top) / 2.0), format!("{top:.0}")])
                .style(theme.quiet()),
        );
    frame.render_widget(chart, area);
}
