//! Tags: hung on what is under the cursor, taken off from the list.

use headroom_rules::tags::{TagId, TagOn};

use super::acts::{act_mut, chosen_node, start};
use super::message::Effect;
use super::state::{Screen, State, Step, WHY, What};

/// Opens the dialogue for what is under the cursor: a node, a terminal, or a round of the terminal on the screen.
pub(super) fn hang(state: &mut State, whole_terminal: bool) {
    let on = match state.screen {
        Screen::Overview | Screen::Node(_) => chosen_node(state).map(|node| TagOn::Node { node }),
        Screen::Terminals => state.terminals.key.map(|terminal| TagOn::Terminal { terminal }),
        Screen::Detail(terminal) => match state.rounds.key.filter(|_| !whole_terminal) {
            Some(round) => Some(TagOn::Round { terminal, round }),
            None => Some(TagOn::Terminal { terminal }),
        },
        _ => None,
    };
    if let Some(on) = on {
        start(state, What::HangTag(on), &[WHY]);
    }
}

/// Nobody is locked out without a reason.
pub(super) fn review(state: &mut State) {
    let Some(act) = act_mut(state) else { return };
    if act.form.value(WHY).is_empty() {
        act.form.note = Some("a tag wants a reason: whoever is locked out by it reads it".to_owned());
    } else {
        act.form.to(Step::Confirm);
    }
}

/// Opens the dialogue for a tag that hangs.
pub(super) fn take_off(state: &mut State, id: TagId) -> Vec<Effect> {
    match state.view.tags.iter().find(|tag| tag.id == id).cloned() {
        Some(tag) => {
            start(state, What::TakeOffTag(tag), &[WHY]);
        }
        None => state.tell(format!("tag {id} has been taken off already")),
    }
    Vec::new()
}

/// The tag that locks out the round under the cursor: its own, or the terminal's, or a node's above.
pub(super) fn take_off_here(state: &mut State) -> Vec<Effect> {
    let on = |on: TagOn| state.view.tags.iter().find(|tag| tag.on == on).map(|tag| tag.id);
    let id = match state.screen {
        Screen::Overview | Screen::Node(_) => chosen_node(state).and_then(|node| on(TagOn::Node { node })),
        Screen::Terminals => state.terminals.key.and_then(|terminal| on(TagOn::Terminal { terminal })),
        Screen::Detail(terminal) => {
            let rounds = || state.terminal(terminal).into_iter().flat_map(|terminal| &terminal.rounds);
            let of = |round| rounds().find(|known| known.round == round).and_then(|known| known.tag);
            state.rounds.key.and_then(of).or_else(|| on(TagOn::Terminal { terminal }))
        }
        _ => None,
    };
    match id {
        Some(id) => take_off(state, id),
        None => {
            state.tell("no tag hangs here");
            Vec::new()
        }
    }
}
