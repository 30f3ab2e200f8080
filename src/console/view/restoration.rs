//! What a node's rule shed and how it returns, in lines of the node's screen.

use headroom_rules::model::{NodeId, Timestamp};
use headroom_rules::restoration::{Next, Restoration};
use ratatui::text::Line;

use super::text;
use crate::console::state::State;

/// Rounds shown at most.
const NEXT_MAX: usize = 4;

/// Nothing where nothing is off.
pub(super) fn lines(state: &State, id: NodeId, width: usize) -> Vec<Line<'static>> {
    let Some(restoration) = state.node(id).and_then(|node| node.restoration.as_ref()) else { return Vec::new() };
    let (theme, now) = (state.theme, state.now());
    let line = |words: String, style| Line::styled(text::fit(&format!(" {words}"), width), style);
    let mut lines = vec![line(head(restoration), theme.strong())];
    let waits = match restoration.hold {
        Some(hold) => format!("waits: {}", hold.told(now)),
        None => "the next stage is being decided".to_owned(),
    };
    lines.push(line(waits, theme.active()));
    lines.extend(restoration.next.iter().take(NEXT_MAX).map(|next| line(round(next, now), theme.normal())));
    lines
}

fn head(restoration: &Restoration) -> String {
    let Restoration { stage, back, off, power, steps_back, .. } = restoration;
    let stepped = match steps_back {
        0 => String::new(),
        1 => ", stepped back once".to_owned(),
        times => format!(", stepped back {times} times"),
    };
    format!("RETURN  stage {stage}, {back} back, {off} off, reckoned at {power}{stepped}")
}

fn round(next: &Next, now: Timestamp) -> String {
    let Next { terminal, round, class, since, power, promised } = next;
    let class = class.map(|class| format!("class {class}, ")).unwrap_or_default();
    let when = promised.map(|at| format!(", goes out in {}", at.since(now).max(headroom_rules::model::Span::ZERO)));
    format!("  {terminal} round {round}: {class}off for {}, {power}{}", now.since(*since), when.unwrap_or_default())
}
