//! A rule that gave up is let try again, with a look at what it would do.

use headroom_rules::view::LimitState;

use super::acts::{chosen_node, start};
use super::dry_run;
use super::message::Effect;
use super::state::{Preview, State, WHY, What};

/// Opens the dialogue for the node under the cursor, and asks what its rule would do.
pub(super) fn begin(state: &mut State) -> Vec<Effect> {
    let Some(node) = chosen_node(state) else { return Vec::new() };
    if state.node(node).is_none_or(|node| node.state != LimitState::Futile) {
        state.tell(format!("{node}: its limit rule has not given up, so there is nothing to try again"));
        return Vec::new();
    }
    if start(state, What::TryAgain { node, preview: Preview::default() }, &[WHY]) {
        dry_run::in_force(state, node)
    } else {
        Vec::new()
    }
}
