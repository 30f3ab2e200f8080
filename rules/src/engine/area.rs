//! Areas of responsibility: a person who is bound to nodes commands, limits and tags there and below, and nowhere else.

use super::Engine;
use crate::input::Origin;
use crate::model::{NodeId, TerminalId};
use crate::output::Refusal;
use crate::policy::LimitRule;

impl Engine {
    /// Whether a person may command a terminal: one that serves a customer in the area, or measures a node of it.
    pub(super) fn may_command(&self, origin: &Origin, terminal: TerminalId) -> Result<(), Refusal> {
        let Some(area) = &origin.authority.area else { return Ok(()) };
        let post = self.grid.posts.get(&terminal);
        let at = post.and_then(|post| post.node().or_else(|| post.heads().first().copied()));
        if at.is_some_and(|at| self.lies_in(area, at)) {
            return Ok(());
        }
        Err(outside(origin, terminal.to_string()))
    }

    /// Whether a person may decide about a node: one of the area, or below one.
    pub(super) fn may_rule(&self, origin: &Origin, node: NodeId) -> Result<(), Refusal> {
        match &origin.authority.area {
            Some(area) if !self.lies_in(area, node) => Err(outside(origin, node.to_string())),
            _ => Ok(()),
        }
    }

    /// The limit rule of a node that a person may decide about.
    pub(super) fn rule_for(&self, origin: &Origin, node: NodeId) -> Result<&LimitRule, Refusal> {
        if !self.grid.inventory.nodes.contains_key(&node) {
            return Err(Refusal::UnknownNode { node });
        }
        self.may_rule(origin, node)?;
        self.policy.rule(node).ok_or(Refusal::NoLimitRule { node })
    }

    /// Whether a person may decide about what concerns everybody.
    pub(super) fn may_rule_all(&self, origin: &Origin, what: &str) -> Result<(), Refusal> {
        if origin.authority.area.is_none() { Ok(()) } else { Err(outside(origin, what.to_owned())) }
    }

    fn lies_in(&self, area: &[NodeId], node: NodeId) -> bool {
        self.grid.inventory.path_up(node).any(|above| area.contains(&above))
    }
}

fn outside(origin: &Origin, object: String) -> Refusal {
    let area: Vec<String> = origin.authority.area.iter().flatten().map(ToString::to_string).collect();
    Refusal::OutsideArea {
        object,
        operator: origin.operator.clone(),
        area: if area.is_empty() { "empty".to_owned() } else { area.join(", ") },
    }
}
