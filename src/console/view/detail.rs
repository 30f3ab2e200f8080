//! One terminal in full.

use headroom_rules::dressing::{Dressing, DressingId};
use headroom_rules::model::{Quality, SwitchPosition, TerminalId};
use headroom_rules::view::{PointView, RoundView};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Paragraph};

use super::acts::{TAG, forbids};
use super::{below, heading, row, text};
use crate::console::client::compared;
use crate::console::layout;
use crate::console::state::State;

pub(super) fn draw(state: &State, frame: &mut Frame, body: Rect, id: TerminalId) {
    let theme = state.theme;
    let Some(terminal) = state.terminal(id) else {
        let words = match &state.detail_error {
            Some(why) => format!(" {id}: {why}"),
            None => format!(" {id}: waiting for the centre's answer"),
        };
        frame.render_widget(Line::raw(words), body);
        return;
    };
    let barring: Vec<String> = state.detail.iter().flat_map(forbids::barring).collect();
    let areas = layout::detail(body, terminal.rounds.len(), barring.len());
    let link = if terminal.link_up {
        Span::styled("● link up", theme.normal())
    } else {
        Span::styled("✖ LINK DOWN", theme.low())
    };
    let supply = if terminal.guaranteed { "GUARANTEED supply, never tripped" } else { "supply not guaranteed" };
    let class = terminal.priority.map_or_else(|| "—".to_owned(), |class| class.to_string());
    let arrived = match terminal.arrived_at {
        Some(at) => format!("{} old", text::age(state.now(), at)),
        None => "never arrived".to_owned(),
    };
    let parameters = state.detail.as_ref().and_then(|detail| detail.parameters.as_ref());
    let parameters = parameters.map(|it| format!(", parameters {}", compared(it))).unwrap_or_default();
    let customer = terminal.customer.as_ref().map_or("no customer", |c| c.as_str());
    let dressings = state.detail.as_ref().map(|detail| detail.dressings.as_slice()).unwrap_or_default();
    let by_hand = |id: Option<DressingId>| dressings.iter().find(|it| Some(it.id) == id);
    let by_hand = by_hand(terminal.dressed).map(|it| {
        let Dressing { id, owner, until, reason, .. } = it;
        format!("  ✎ by hand of {owner} until {} ({id}): {reason}", text::clock(*until))
    });
    let stands_in = terminal.stands_in.map(|by| format!("  ≈ stands in: {by}"));
    frame.render_widget(
        Paragraph::new(vec![
            Line::from(vec![Span::styled(format!(" {id}  {} ({customer})  ", terminal.name), theme.title()), link]),
            Line::from(vec![
                Span::styled(format!(" load {} kW  ", text::kw(terminal.power)), theme.strong()),
                Span::styled(
                    format!("{}, {arrived}", text::quality(terminal.quality, terminal.stale, terminal.frozen)),
                    theme.quality(terminal.quality, terminal.stale || terminal.frozen),
                ),
                Span::styled(by_hand.or(stands_in).unwrap_or_default(), theme.active()),
            ]),
            Line::styled(
                format!(
                    " contract {} kW, floor {}, class {class}, {supply}{parameters}",
                    text::kw(terminal.contract),
                    terminal.safety_floor
                ),
                theme.normal(),
            ),
        ]),
        areas.head,
    );
    heading(state, frame, areas.rounds, " ROUNDS");
    let rows = below(areas.rounds);
    if terminal.rounds.is_empty() {
        frame.render_widget(Line::raw(" none: this terminal only measures"), rows);
    }
    for (at, (index, round)) in terminal.rounds.iter().enumerate().skip(state.rounds.offset).enumerate() {
        let spans = round_spans(state, round, usize::from(rows.width));
        row(state, frame, rows, at, index == state.rounds.index, spans);
    }
    let cells = usize::from(areas.barring.width);
    let barring = barring.into_iter().map(|words| Line::styled(text::fit(&format!(" {words}"), cells), theme.medium()));
    frame.render_widget(Paragraph::new(barring.collect::<Vec<_>>()), areas.barring);
    draw_points(state, frame, areas.points);
    draw_trend(state, frame, areas.trend);
    heading(state, frame, areas.orders, " ORDERS");
    let orders = state.detail.as_ref().map(|d| d.orders.as_slice()).unwrap_or_default();
    let lines: Vec<Line> = orders
        .iter()
        .map(|order| {
            Line::from(vec![
                Span::styled(
                    format!(" {} {} {} ", order.id, text::clock(order.issued_at), order.action),
                    theme.normal(),
                ),
                Span::styled(order.state.to_string(), theme.order(order.state)),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), below(areas.orders));
}

fn round_spans<'a>(state: &State, round: &RoundView, width: usize) -> Vec<Span<'a>> {
    let theme = state.theme;
    let (shape, words) = text::position(round.position);
    let style = match round.position {
        Some(SwitchPosition::Closed) => theme.normal(),
        Some(SwitchPosition::Open) => theme.active(),
        _ => theme.medium(),
    };
    let tag = round.tag.map(|tag| format!("{TAG} {tag}")).unwrap_or_default();
    let who = match (round.shed_by, round.held_by_operator) {
        (Some(node), _) => format!("shed by {node}"),
        (None, true) => "held by operator".to_owned(),
        (None, false) => String::new(),
    };
    let back = round.cold_load.map_or_else(String::new, |cold| format!("back with {} %", cold.percent));
    let dressings = state.detail.as_ref().map(|detail| detail.dressings.as_slice()).unwrap_or_default();
    let owner = |id: DressingId| dressings.iter().find(|it| it.id == id).map_or("?", |it| it.owner.as_str());
    let switch = round.position_dressed.map_or_else(String::new, |id| format!("switch ✎ {id} {}", owner(id)));
    let power = round.power_dressed.map_or_else(String::new, |id| format!("power ✎ {id} {}", owner(id)));
    let who =
        [switch, power, tag, back, who].into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(", ");
    let name = width.saturating_sub(23 + text::width(&who)).max(3);
    vec![
        Span::styled(format!(" {} ", round.round), theme.normal()),
        Span::styled(text::fit(&format!("{shape} {words}"), 9), style),
        Span::styled(format!(" {} ", text::right(&text::kw(round.power), 8)), theme.normal()),
        Span::styled(text::fit(&round.name, name), theme.normal()),
        Span::styled(format!(" {who}"), theme.active()),
    ]
}

/// A point's value as operators read it.
fn point_value(point: &PointView) -> String {
    use headroom_rules::model::PointKind;
    let reading = point.reading;
    match reading.point {
        PointKind::RoundPosition(_) => SwitchPosition::from_value(reading.value).to_string(),
        PointKind::CoverOpen => if reading.value == 0 { "closed" } else { "OPEN" }.to_owned(),
        PointKind::Exclusion => if reading.value == 0 { "no" } else { "EXCLUDED" }.to_owned(),
        kind if kind.is_number() => reading.value.to_string(),
        PointKind::SupplyGuarantee => if reading.value == 0 { "no" } else { "IN FORCE" }.to_owned(),
        kind => {
            let tenths = (reading.value.unsigned_abs() + 50) / 100;
            let sign = if reading.value < 0 { "-" } else { "" };
            format!("{sign}{}.{} {}", tenths / 10, tenths % 10, kind.unit())
        }
    }
}

/// From here on a value was late: more than a slow network and a demo's fast clock make of it.
const LATE_MS: u64 = 10_000;

/// The terminal's own time of a value, where it is another than that of its arrival: a value kept through an outage is
/// new here and old there, and a clock that is wrong shows.
fn taken_at(point: &PointView) -> Option<String> {
    let taken = point.reading.source_time?;
    let differs = point.arrived_at.since(taken).get().unsigned_abs() > LATE_MS;
    let (full, arrived) = (text::date_clock(taken), text::date_clock(point.arrived_at));
    let same_day = full.get(..10) == arrived.get(..10);
    differs.then(|| format!("at {}", if same_day { text::clock(taken) } else { full }))
}

fn draw_points(state: &State, frame: &mut Frame, area: Rect) {
    let width = usize::from(area.width);
    heading(state, frame, area, " POINTS (PgUp PgDn)");
    let rows = below(area);
    let Some(detail) = &state.detail else {
        let words = state.detail_error.as_deref().unwrap_or("waiting for the centre's answer");
        let lines: Vec<Line> =
            text::wrap(words, width.saturating_sub(1)).into_iter().map(|line| Line::raw(format!(" {line}"))).collect();
        frame.render_widget(Paragraph::new(lines), rows);
        return;
    };
    let lines: Vec<Line> = detail
        .points
        .iter()
        .skip(state.points_scroll)
        .flat_map(|point| {
            let style = state.theme.quality(point.reading.quality, point.stale || point.frozen);
            let quality = text::quality(point.reading.quality, point.stale, point.frozen);
            let mut lines = vec![vec![
                Span::styled(format!(" {}", text::fit(&point.reading.point.to_string(), 16)), state.theme.normal()),
                Span::styled(format!("{} ", text::right(&point_value(point), 11)), state.theme.normal()),
                Span::styled(format!("{quality} {}", text::age(state.now(), point.arrived_at)), style),
            ]];
            if let Some(taken) = taken_at(point) {
                let first = lines
                    .first_mut()
                    .filter(|line| line.iter().map(Span::width).sum::<usize>() + text::width(&taken) < width);
                match first {
                    Some(line) => line.push(Span::styled(format!(" {taken}"), state.theme.quiet())),
                    None => lines.push(vec![Span::styled(format!("   {taken}"), state.theme.quiet())]),
                }
            }
            lines.into_iter().map(Line::from).collect::<Vec<_>>()
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), rows);
}

#[allow(clippy::cast_precision_loss, reason = "pixels of a chart")]
fn draw_trend(state: &State, frame: &mut Frame, area: Rect) {
    heading(state, frame, area, " ACTIVE POWER kW");
    let area = below(area);
    // A value that decides nothing is no part of the curve.
    let good: Vec<_> = state.trend.iter().filter(|p| Quality::from_bits(p.q).decides() && p.v.is_finite()).collect();
    let (Some(first), Some(last)) = (good.first(), good.last()) else {
        frame.render_widget(Line::raw(" no good values in the last hour"), area);
        return;
    };
    let data: Vec<(f64, f64)> = good.iter().map(|p| ((p.t - first.t) as f64, p.v / 1_000.0)).collect();
    let top = data.iter().map(|&(_, kw)| kw).fold(1.0, f64::max) * 1.1;
    let bottom = data.iter().map(|&(_, kw)| kw).fold(0.0, f64::min);
    let clock = |t: i64| text::clock(headroom_rules::model::Timestamp::new(t));
    let chart = Chart::new(vec![
        Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line).style(state.theme.normal()).data(&data),
    ])
    .x_axis(
        Axis::default()
            .bounds([0.0, ((last.t - first.t) as f64).max(1.0)])
            .labels([clock(first.t), clock(last.t)])
            .style(state.theme.quiet()),
    )
    .y_axis(
        Axis::default()
            .bounds([bottom, top])
            .labels([format!("{bottom:.0}"), format!("{top:.0}")])
            .style(state.theme.quiet()),
    );
    frame.render_widget(chart, area);
}
