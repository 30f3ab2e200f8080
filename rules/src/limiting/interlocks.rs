//! The checker's own look at interlocks: read and reckoned anew, nothing taken from the engine.

use super::check::World;
use crate::expression::{Language, Value};
use crate::model::{NodeId, PointKind, RoundNo, RuleId, SwitchPosition, TerminalId};
use crate::orders::Action;
use crate::own::Source;

impl World<'_> {
    /// The first interlock that does not permit the round to be brought to `position`.
    pub(super) fn barred(&self, terminal: TerminalId, round: RoundNo, position: SwitchPosition) -> Option<RuleId> {
        let interlocks = &self.policy.own.interlocks;
        if interlocks.is_empty() {
            return None;
        }
        let action = if position == SwitchPosition::Open { Action::Trip { round } } else { Action::Restore { round } };
        let above = self.supplied_through(terminal);
        let language = Language::new();
        let bars =
            interlocks.iter().filter(|one| one.guards(terminal, action, |node| above.contains(&node))).find(|one| {
                let values: Option<Vec<Value>> = one.reads.values().map(|source| self.read(source, terminal)).collect();
                let program = language.compile(&one.require, one.reads.keys().map(String::as_str));
                let holds = values.zip(program.ok()).and_then(|(values, program)| program.condition(&values).ok());
                holds != Some(true)
            });
        bars.map(|one| one.id)
    }

    fn read(&self, source: &Source, switched: TerminalId) -> Option<Value> {
        let limit =
            |node: &NodeId| self.policy.limits.iter().find(|rule| rule.node == *node).map(|rule| rule.limit.get());
        let load = |node: &NodeId| self.grid.load(*node).measured().map(|load| load.get());
        match source {
            Source::Load { node } => Some(Value::Number(load(node.as_ref()?)?)),
            Source::Limit { node } => Some(Value::Number(limit(node.as_ref()?)?)),
            Source::Headroom { node } => Some(Value::Number(limit(node.as_ref()?)? - load(node.as_ref()?)?)),
            // An interlock stands on what is measured alone.
            Source::Calculated { .. } => None,
            Source::Point { terminal, point } => {
                let post = self.grid.posts.get(&terminal.unwrap_or(switched))?;
                let value = post.deciding(*point, self.now, self.policy.reading_age_max)?.reading.value;
                match (point, SwitchPosition::from_value(value)) {
                    (PointKind::RoundPosition(_), SwitchPosition::Closed) => Some(Value::Flag(true)),
                    (PointKind::RoundPosition(_), SwitchPosition::Open) => Some(Value::Flag(false)),
                    (PointKind::RoundPosition(_), _) => None,
                    (point, _) if point.is_state() => Some(Value::Flag(value != 0)),
                    _ => Some(Value::Number(value)),
                }
            }
        }
    }
}
