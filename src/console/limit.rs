//! Setting a node's limit: figure and reason, a look at what that means, the word, the centre's answer.

use headroom_rules::input::Request;
use headroom_rules::model::Power;
use headroom_rules::view::NodeView;
use tui_input::Input;

use super::dialogue::parse_kw;
use super::message::{Answer, Asked, Effect};
use super::state::{LimitDialogue, LimitStage, Overlay, State};

/// Opens the dialogue for the selected node.
pub(crate) fn start(state: &mut State) {
    let Some(node) = super::acts::chosen_node(state).and_then(|id| state.node(id)) else { return };
    let id = node.id;
    if node.limit.is_none() {
        state.tell(format!("{id}: no rule limits it, so there is no limit to set"));
    } else if let Some(why) = state.why_not_live() {
        state.tell(format!("{why}: no limit can be set now"));
    } else {
        state.overlay = Some(Overlay::Limit(Box::new(LimitDialogue {
            node: id,
            seen: node.limit,
            limit: Input::default(),
            reason: Input::default(),
            in_reason: false,
            stage: LimitStage::Entry,
            note: None,
        })));
    }
}

/// The limit as typed; else the sentence for the operator.
fn parse(text: &str, node: Option<&NodeView>) -> Result<Power, String> {
    let text = text.trim();
    let rated = node.and_then(|node| node.rated);
    let fits = |limit: &Power| *limit > Power::ZERO && rated.is_none_or(|rated| *limit <= rated);
    parse_kw(text).filter(fits).ok_or_else(|| {
        let most = rated.map(|rated| format!(" and at most the rating of {rated}")).unwrap_or_default();
        format!("\"{text}\" is no limit here: wanted kilowatts above 0{most}, as 250 or 62.5")
    })
}

/// Takes what was typed to the last look.
pub(crate) fn review(state: &mut State) {
    let why_not = state.why_not_live();
    let Some(Overlay::Limit(dialogue)) = &state.overlay else { return };
    let parsed = match why_not {
        Some(why) => Err(format!("{why}: nothing was sent")),
        None => parse(dialogue.limit.value(), state.node(dialogue.node)),
    };
    let Some(Overlay::Limit(dialogue)) = &mut state.overlay else { return };
    match parsed {
        Ok(limit) => (dialogue.stage, dialogue.note) = (LimitStage::Confirm(limit), None),
        Err(sentence) => dialogue.note = Some(sentence),
    }
}

/// Asks the centre to set it.
pub(crate) fn set(state: &mut State) -> Vec<Effect> {
    let why_not = state.why_not_live();
    let Some(Overlay::Limit(dialogue)) = &mut state.overlay else { return Vec::new() };
    let LimitStage::Confirm(limit) = dialogue.stage else { return Vec::new() };
    if let Some(why) = why_not {
        dialogue.note = Some(format!("{why}: nothing was sent"));
        return Vec::new();
    }
    dialogue.stage = LimitStage::Asking(limit);
    let (node, expected) = (dialogue.node, dialogue.seen);
    let reason = dialogue.reason.value().trim().to_owned();
    vec![Effect::Ask(Asked::SetLimit(node), Request::SetLimit { node, limit, expected, reason })]
}

/// Brings the centre's answer into the dialogue, which cannot be closed before.
pub(crate) fn on_answer(state: &mut State, answer: Answer) {
    let Some(Overlay::Limit(dialogue)) = &mut state.overlay else { return };
    let LimitStage::Asking(limit) = dialogue.stage else { return };
    dialogue.stage = match answer {
        Answer::Granted(_) => LimitStage::Done(limit),
        Answer::Refused(sentence) => LimitStage::Failed(format!("refused: {sentence}")),
        Answer::Unanswered(sentence) => {
            LimitStage::Failed(format!("no answer ({sentence}): look at the limit in the overview whether it was set"))
        }
    };
}
