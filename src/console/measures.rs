//! Agreed measures that stand: called off, released, or noted as declined.

use headroom_rules::measures::MeasureId;

use super::acts::start;
use super::message::Effect;
use super::state::{State, WHY, What};

/// Opens the dialogue for a measure that stands.
pub(super) fn end(state: &mut State, id: MeasureId) -> Vec<Effect> {
    match state.view.measures.iter().find(|it| it.id == id && it.ended.is_none()).cloned() {
        Some(measure) => {
            start(state, What::Measure(Box::new(measure)), &[WHY]);
        }
        None => state.tell(format!("measure {id} is over already")),
    }
    Vec::new()
}
