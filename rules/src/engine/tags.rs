//! Tags on rounds, terminals and nodes: hung and taken off by people, in the way of every command (`never-shed-protected`).

use super::Engine;
use super::requests::Granted;
use crate::input::Origin;
use crate::model::{RoundNo, TerminalId};
use crate::orders::Action;
use crate::output::{Happening, Output, Refusal, Reply};
use crate::tags::{Tag, TagId, TagOn};

impl Engine {
    pub(super) fn hang_tag(
        &mut self,
        origin: &Origin,
        on: TagOn,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        match on {
            TagOn::Round { terminal, round } => {
                let entry = self.grid.inventory.terminals.get(&terminal);
                let entry = entry.ok_or(Refusal::UnknownTerminal { terminal })?;
                if !entry.rounds.contains_key(&round) {
                    return Err(Refusal::UnknownRound { terminal, round });
                }
            }
            TagOn::Terminal { terminal } if !self.grid.inventory.terminals.contains_key(&terminal) => {
                return Err(Refusal::UnknownTerminal { terminal });
            }
            TagOn::Node { node } if !self.grid.inventory.nodes.contains_key(&node) => {
                return Err(Refusal::UnknownNode { node });
            }
            TagOn::Terminal { .. } | TagOn::Node { .. } => {}
        }
        self.may_tag(origin, on)?;
        if reason.trim().is_empty() {
            return Err(Refusal::TagWithoutReason { on: on.to_string() });
        }
        if let Some(tag) = self.tags.hanging().find(|tag| tag.on == on && tag.owner == origin.operator) {
            return Err(Refusal::TaggedAlready { on: on.to_string(), tag: tag.id });
        }
        let tag = self.tags.hang(on, &origin.operator, reason, self.now).clone();
        let granted = Granted {
            reply: Reply::Tag { tag: tag.id },
            object: format!("{on} {}", tag.id),
            before: String::new(),
            after: "tagged".to_owned(),
        };
        self.tell(Happening::TagHung { tag }, out);
        Ok(granted)
    }

    pub(super) fn take_tag_off(
        &mut self,
        origin: &Origin,
        id: TagId,
        reason: &str,
        out: &mut Vec<Output>,
    ) -> Result<Granted, Refusal> {
        let tag = self.tags.get(id).ok_or(Refusal::UnknownTag { tag: id })?;
        if tag.owner != origin.operator {
            if !origin.authority.supervisor {
                return Err(Refusal::NotTagOwner { tag: id, on: tag.on.to_string(), owner: tag.owner.clone() });
            }
            self.may_tag(origin, tag.on)?;
        }
        let Some(tag) = self.tags.take_off(id) else { return Err(Refusal::UnknownTag { tag: id }) };
        let object = format!("{} {id}", tag.on);
        let by = origin.operator.clone();
        self.tell(Happening::TagTakenOff { tag, by, reason: reason.to_owned() }, out);
        Ok(Granted { reply: Reply::Tag { tag: id }, object, before: "tagged".to_owned(), after: "free".to_owned() })
    }

    fn may_tag(&self, origin: &Origin, on: TagOn) -> Result<(), Refusal> {
        match on {
            TagOn::Round { terminal, .. } | TagOn::Terminal { terminal } => self.may_command(origin, terminal),
            TagOn::Node { node } => self.may_rule(origin, node),
        }
    }

    /// The tag that blocks everything at a round, the oldest where there are several.
    pub(crate) fn tag_on_round(&self, terminal: TerminalId, round: RoundNo) -> Option<&Tag> {
        self.tag_in_the_way(terminal, |tagged| tagged == round)
    }

    /// The tag that blocks an action. A cap makes the terminal trip whichever round it chooses; lifting one trips none.
    pub(super) fn tag_against(&self, terminal: TerminalId, action: Action) -> Option<&Tag> {
        match action {
            Action::Trip { round } | Action::Restore { round } => self.tag_on_round(terminal, round),
            Action::SetCap { cap } => self.tag_in_the_way(terminal, |_| cap > crate::model::Power::ZERO),
        }
    }

    /// The tag that blocks a terminal or any of its rounds.
    pub(super) fn tag_on_any_part(&self, terminal: TerminalId) -> Option<&Tag> {
        self.tag_in_the_way(terminal, |_| true)
    }

    /// The tag that blocks a whole terminal.
    pub(super) fn tag_on_terminal(&self, terminal: TerminalId) -> Option<&Tag> {
        self.tag_in_the_way(terminal, |_| false)
    }

    fn tag_in_the_way(&self, terminal: TerminalId, round_counts: impl Fn(RoundNo) -> bool) -> Option<&Tag> {
        if self.tags.is_empty() {
            return None;
        }
        self.tags.hanging().find(|tag| match tag.on {
            TagOn::Round { terminal: at, round } => at == terminal && round_counts(round),
            TagOn::Terminal { terminal: at } => at == terminal,
            TagOn::Node { node } => self.grid.path(terminal).any(|above| above == node),
        })
    }
}

impl From<&Tag> for Refusal {
    fn from(tag: &Tag) -> Self {
        let Tag { id, on, owner, reason, since } = tag;
        Self::Tagged { tag: *id, on: on.to_string(), owner: owner.clone(), reason: reason.clone(), since: *since }
    }
}
