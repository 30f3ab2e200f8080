//! What users' own rules propose: a look at what it would do, then approved or declined.

use headroom_rules::own::ProposalId;

use super::acts::start;
use super::dry_run;
use super::message::Effect;
use super::state::{Preview, State, WHY, What};

/// Opens the dialogue, and asks what it would do.
pub(super) fn decide(state: &mut State, id: ProposalId) -> Vec<Effect> {
    let Some(proposal) = state.view.proposals.iter().find(|proposal| proposal.id == id).cloned() else {
        state.tell(format!("proposal {id} has lapsed or been decided"));
        return Vec::new();
    };
    if start(state, What::Decide { proposal, preview: Preview::default() }, &[WHY]) { look(state) } else { Vec::new() }
}

/// Asks what the rule of its node would do with the load of now, less what is proposed.
pub(super) fn look(state: &mut State) -> Vec<Effect> {
    let of = match state.act().map(|act| &act.what) {
        Some(What::Decide { proposal, .. }) => (proposal.node, proposal.power),
        _ => return Vec::new(),
    };
    dry_run::less(state, of.0, of.1)
}
