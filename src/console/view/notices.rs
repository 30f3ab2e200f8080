//! What customers below a node were told before trips, in lines of the node's screen.

use headroom_rules::model::{NodeId, TerminalId};
use headroom_rules::notices::Announcement;
use ratatui::text::Line;

use super::text;
use crate::console::state::State;

/// Customers named at most.
const NAMED: usize = 4;

/// Nothing where nobody was told, or it is over.
pub(super) fn lines(state: &State, id: NodeId, width: usize) -> Vec<Line<'static>> {
    let standing = state.view.announcements.iter().find(|it| it.node == id && it.ended.is_none());
    let Some(standing) = standing else { return Vec::new() };
    let theme = state.theme;
    let line = |words: String, style| Line::styled(text::fit(&format!(" {words}"), width), style);
    let mut lines = vec![line(head(standing, state), theme.strong())];
    let not_reached: Vec<String> = standing.not_reached().map(|it| named(state, it.terminal, Some(&it.why))).collect();
    if !not_reached.is_empty() {
        lines.push(line(format!("not reached: {}", listed(&not_reached)), theme.active()));
    }
    let without: Vec<String> = standing.without_notice.iter().map(|it| named(state, *it, None)).collect();
    if !without.is_empty() {
        lines.push(line(format!("shed without notice: {}", listed(&without)), theme.active()));
    }
    lines
}

fn head(standing: &Announcement, state: &State) -> String {
    let (told, not_reached) = (standing.told(), standing.not_reached().count());
    let on_way = standing.notices.len() - told - not_reached;
    let on_way = if on_way > 0 { format!(", {on_way} on the way") } else { String::new() };
    let when = if standing.waits {
        let left = standing.due.since(state.now()).max(headroom_rules::model::Span::ZERO);
        let ahead = standing.ahead.filter(|ahead| state.now() < ahead.at);
        let ahead =
            ahead.map(|ahead| format!(", for a limit of {} ({})", ahead.limit, ahead.source)).unwrap_or_default();
        format!("{ahead}, looked at anew at {}Z, in {left}", text::clock(standing.due))
    } else {
        ", executed".to_owned()
    };
    format!("NOTICE  {told} told, {not_reached} not reached{on_way}{when}")
}

fn named(state: &State, terminal: TerminalId, why: Option<&str>) -> String {
    let name = state.view.terminals.iter().find(|it| it.id == terminal).map(|it| it.name.clone()).unwrap_or_default();
    let name = if name.is_empty() { terminal.to_string() } else { format!("{terminal} {name}") };
    why.map_or(name.clone(), |why| format!("{name} ({why})"))
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}
