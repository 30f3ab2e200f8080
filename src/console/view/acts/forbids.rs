//! What forbids which action at a terminal's rounds now, and why.

use headroom_rules::model::{RoundNo, TerminalId};
use headroom_rules::own::Place;
use headroom_rules::view::{InterlockView, TerminalDetail};

use crate::console::state::State;
use crate::console::view::overlay::Lines;
use crate::console::view::text;

fn detail(state: &State, terminal: TerminalId) -> Option<&TerminalDetail> {
    state.detail.as_ref().filter(|detail| detail.summary.id == terminal)
}

/// Why a round cannot be tripped, or restored, now.
pub(in crate::console::view) fn why(state: &State, terminal: TerminalId, round: RoundNo, trip: bool) -> Option<&str> {
    let forbidden = detail(state, terminal)?.forbidden.iter().find(|forbidden| forbidden.round == round)?;
    if trip { forbidden.trip.as_deref() } else { forbidden.restore.as_deref() }
}

/// The interlocks that do not permit something now, each in a line.
pub(in crate::console::view) fn barring(detail: &TerminalDetail) -> impl Iterator<Item = String> + '_ {
    let bars = detail.interlocks.iter().filter_map(|interlock| Some((interlock, interlock.bars.as_ref()?)));
    bars.map(|(interlock, why)| format!("✖ {} bars {}: {why}", interlock.id, actions(interlock)))
}

fn guarded(place: Place) -> String {
    match place {
        Place::Round(terminal, round) => format!("{terminal} round {round}"),
        Place::Terminal(terminal) => terminal.to_string(),
        Place::Node(node) => format!("all below {node}"),
    }
}

const fn actions(interlock: &InterlockView) -> &'static str {
    match (interlock.trip, interlock.restore) {
        (true, true) => "trip and restore",
        (true, false) => "trip",
        (false, true) => "restore",
        (false, false) => "nothing",
    }
}

pub(super) fn look(state: &State, terminal: TerminalId, chosen: Option<RoundNo>) -> Lines {
    let theme = state.theme;
    let mut lines = vec![(format!("{terminal}: what forbids which action now, whoever wants it"), theme.strong())];
    let Some(detail) = detail(state, terminal) else {
        lines.push(("◌ waiting for the centre's answer".to_owned(), theme.active()));
        return lines;
    };
    let mut rounds: Vec<_> = detail.forbidden.iter().collect();
    rounds.sort_by_key(|forbidden| Some(forbidden.round) != chosen);
    for forbidden in rounds {
        let known = detail.summary.rounds.iter().find(|known| known.round == forbidden.round);
        let (shape, position) = text::position(known.and_then(|known| known.position));
        let name = known.map_or("", |known| &known.name);
        lines.push((format!("ROUND {} {name}: {shape} {position}", forbidden.round), theme.title()));
        for (action, why) in [("trip", &forbidden.trip), ("restore", &forbidden.restore)] {
            lines.push(match why {
                Some(why) => (format!("  ✖ {action}: {why}"), theme.medium()),
                None => (format!("  ✔ {action}: nothing forbids it"), theme.normal()),
            });
        }
    }
    let tags: Vec<_> = detail.summary.rounds.iter().filter_map(|round| round.tag).collect();
    let hanging = state.view.tags.iter().filter(|tag| tags.contains(&tag.id));
    for tag in hanging {
        let since = text::age(state.now(), tag.since);
        lines.push((format!("⚑ {} on {} by {} since {since}: {}", tag.id, tag.on, tag.owner, tag.reason), theme.low()));
    }
    if !detail.interlocks.is_empty() {
        lines.push(("INTERLOCKS".to_owned(), theme.title()));
    }
    for interlock in &detail.interlocks {
        let InterlockView { id, place, bars, .. } = interlock;
        let of = format!("{id} guards {} against {}", guarded(*place), actions(interlock));
        lines.push(match bars {
            Some(why) => (format!("✖ {of}: DOES NOT PERMIT: {why}"), theme.medium()),
            None => (format!("✔ {of}: permits"), theme.normal()),
        });
    }
    lines
}
