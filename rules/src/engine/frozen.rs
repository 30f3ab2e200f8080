//! Powers that are told anew, as good, and are none of now: who is called, and until when.

use super::Engine;

use crate::model::Span;
use crate::output::{AlarmCause, Output};
use crate::state::grid::Frozen;

/// From one look to the next.
const LOOK_EVERY: Span = Span::from_s(60);

impl Engine {
    /// Calls somebody where a power is frozen. The first other value ends it.
    pub(super) fn look_at_frozen(&mut self, out: &mut Vec<Output>) {
        let posts = &self.grid.posts;
        let moves = |cause| match cause {
            AlarmCause::PowerFrozen { terminal } => posts.get(&terminal).is_none_or(|post| !post.is_frozen()),
            _ => false,
        };
        self.alarms.clear_where(moves, self.now, out);
        let after = self.policy.frozen_after.s() / 60;
        let last = self.still_looked_at;
        if self.now.since(last) < LOOK_EVERY {
            return;
        }
        self.still_looked_at = self.now;
        self.grid.look_at_steps(self.now);
        if after <= 0 {
            return;
        }
        for found in self.grid.look_at_still(last, u8::try_from(after).unwrap_or(u8::MAX)) {
            let Some(terminal) = self.grid.posts.name(found.place) else { continue };
            self.alarms.raise(AlarmCause::PowerFrozen { terminal }, self.now, || told(&found), out);
        }
    }
}

fn told(found: &Frozen) -> String {
    let Frozen { power, still, node, at_head, head, others, .. } = found;
    let others = format!("from {} to {}", others.0, others.1);
    if *at_head {
        return format!("{power} in all readings of {still} min, while what lies below {node} went {others}");
    }
    let head = format!("from {} to {}", head.0, head.1);
    format!(
        "{power} in all readings of {still} min, while the meter of {node} went {head} and its other parts {others}"
    )
}
