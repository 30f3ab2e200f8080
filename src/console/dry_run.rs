//! What a node's rule would do now, under the limit in force or another one; nothing of it is done.

use headroom_rules::model::{NodeId, Power};
use headroom_rules::view::DryRun;

use super::acts::{act_mut, chosen_node, look};
use super::message::Effect;
use super::state::{LIMIT, Preview, State, What};

/// Opens the look for the node under the cursor.
pub(super) fn start(state: &mut State) -> Vec<Effect> {
    let Some(node) = chosen_node(state) else { return Vec::new() };
    look(state, What::DryRun { node, preview: Preview::default() }, &[LIMIT]);
    run(state)
}

/// Asks for it under the limit that was typed.
pub(super) fn run(state: &mut State) -> Vec<Effect> {
    let Some(act) = act_mut(state) else { return Vec::new() };
    let What::DryRun { node, .. } = act.what else { return Vec::new() };
    let limit = match act.form.value(LIMIT) {
        "" => Ok(None),
        text => match text.parse::<u32>().ok().filter(|kw| (1..=10_000_000).contains(kw)) {
            Some(kw) => Ok(Some(kw)),
            None => Err(format!("\"{text}\" is no limit: wanted whole kilowatts from 1 to 10000000, or nothing")),
        },
    };
    match limit {
        Ok(limit) => fetch(state, node, limit),
        Err(sentence) => {
            act.form.note = Some(sentence);
            Vec::new()
        }
    }
}

/// Asks for it under the limit in force.
pub(super) fn in_force(state: &mut State, node: NodeId) -> Vec<Effect> {
    fetch(state, node, None)
}

/// Asks for it under the load of now less a reduction, where that is below the limit in force.
pub(super) fn less(state: &mut State, node: NodeId, reduction: Power) -> Vec<Effect> {
    let known = state.node(node).map(|node| (node.load.power(), node.limit));
    let Some((Some(load), limit)) = known else {
        return failed(state, format!("{node}: its load is not known, so nobody can say what it would do"));
    };
    let limit = limit.map_or(load - reduction, |limit| limit.min(load - reduction));
    match u32::try_from(limit.get() / 1_000).ok().filter(|kw| *kw >= 1) {
        Some(kw) => fetch(state, node, Some(kw)),
        None => failed(state, format!("{node} has {load}: so much cannot be taken off it")),
    }
}

fn failed(state: &mut State, sentence: String) -> Vec<Effect> {
    if let Some(preview) = act_mut(state).and_then(|act| act.what.preview_mut()) {
        *preview = Preview { asked: None, answer: Some(Err(sentence)) };
    }
    Vec::new()
}

fn fetch(state: &mut State, node: NodeId, limit_kw: Option<u32>) -> Vec<Effect> {
    let Some(act) = act_mut(state) else { return Vec::new() };
    (act.form.note, act.form.scroll) = (None, 0);
    let Some(preview) = act.what.preview_mut() else { return Vec::new() };
    *preview = Preview { asked: Some(limit_kw), answer: None };
    vec![Effect::FetchDryRun(node, limit_kw)]
}

pub(super) fn on_answer(state: &mut State, node: NodeId, limit_kw: Option<u32>, answer: Result<Box<DryRun>, String>) {
    let Some(act) = act_mut(state) else { return };
    let here = match &act.what {
        What::DryRun { node, .. } | What::SetTarget { node, .. } | What::TryAgain { node, .. } => *node,
        What::Decide { proposal, .. } => proposal.node,
        _ => return,
    };
    // What was asked before under another limit is not what is looked at now.
    if let Some(preview) = act.what.preview_mut().filter(|preview| here == node && preview.asked == Some(limit_kw)) {
        preview.answer = Some(answer);
    }
}
