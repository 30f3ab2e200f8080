//! The screen of one node's load curve: how high, how much, how often above the limit.

use headroom_rules::model::{NodeId, Span, Timestamp};
use serde::Deserialize;

use super::message::Effect;
use super::state::{Screen, State};
use crate::store::{LoadSummary, NodeLoad};

/// The curve is fetched this often, ms.
const FETCH_MS: u64 = 10_000;
/// Times to look back, in words and in days.
pub(crate) const BACK: [(&str, i64); 4] = [("24 hours", 1), ("7 days", 7), ("31 days", 31), ("365 days", 365)];

/// What the centre says of a node's past.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Curve {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) summary: LoadSummary,
    pub(crate) curve: Vec<NodeLoad>,
}

/// Of which node, and which of the [`BACK`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) node: NodeId,
    pub(crate) back: usize,
}

/// All that the screen knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeScreen {
    pub(crate) back: usize,
    pub(crate) curve: Option<Curve>,
    pub(crate) error: Option<String>,
    in_flight: bool,
    asked_at: Option<u64>,
}

/// What is to be fetched now.
pub(super) fn due(state: &mut State) -> Option<Effect> {
    let Screen::Node(node) = state.screen else { return None };
    let (wall, now, screen) = (state.wall, state.now(), &mut state.node_screen);
    let due = screen.asked_at.is_none_or(|at| wall.saturating_sub(at) >= FETCH_MS);
    (due && !screen.in_flight).then(|| {
        (screen.asked_at, screen.in_flight) = (Some(wall), true);
        let past = Past { node, back: screen.back };
        let (_, days) = BACK.get(past.back).copied().unwrap_or(BACK[0]);
        Effect::FetchCurve(past, now.after(-Span::from_s(days * 86_400)), now)
    })
}

pub(super) fn open(state: &mut State) -> Vec<Effect> {
    if let Some(node) = state.nodes.key {
        let in_flight = state.node_screen.in_flight;
        state.node_screen = NodeScreen { in_flight, ..NodeScreen::default() };
        state.screen = Screen::Node(node);
    }
    due(state).into_iter().collect()
}

/// Looks back farther or less far.
pub(super) fn turn(state: &mut State, by: isize) -> Vec<Effect> {
    let screen = &mut state.node_screen;
    let back = screen.back.saturating_add_signed(by).min(BACK.len() - 1);
    if back != screen.back {
        let in_flight = screen.in_flight;
        *screen = NodeScreen { back, in_flight, ..NodeScreen::default() };
    }
    due(state).into_iter().collect()
}

pub(super) fn on_answer(state: &mut State, past: Past, answer: Result<Curve, String>) {
    let here = state.screen == Screen::Node(past.node) && state.node_screen.back == past.back;
    let screen = &mut state.node_screen;
    screen.in_flight = false;
    if !here {
        // Another one was turned to meanwhile.
        screen.asked_at = None;
        return;
    }
    match answer {
        Ok(curve) => (screen.curve, screen.error) = (Some(curve), None),
        Err(sentence) => screen.error = Some(sentence),
    }
}
