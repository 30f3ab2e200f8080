//! Interlocks: conditions that have to hold before a switch is moved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Source;
use crate::model::{NodeId, RoundNo, RuleId, TerminalId};
use crate::orders::Action;

/// A condition that has to hold, at the select and again at the execute, whoever wants to switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interlock {
    /// Its name in refusals.
    pub id: RuleId,
    /// Which switches it guards.
    pub place: Place,
    /// Whether it guards against a trip.
    pub trip: bool,
    /// Whether it guards against a restoration.
    pub restore: bool,
    /// What it reads, by the names in its condition; a terminal that is none is the one that is switched.
    pub reads: BTreeMap<String, Source>,
    /// Has to be true. While something that it reads is not known, it is not.
    pub require: String,
}

/// Switches that an interlock guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// All below a node.
    Node(NodeId),
    /// All of a terminal.
    Terminal(TerminalId),
    /// One round.
    Round(TerminalId, RoundNo),
}

impl Interlock {
    /// Whether it guards this action at a terminal that is supplied through `above`.
    pub fn guards(&self, terminal: TerminalId, action: Action, above: impl FnOnce(NodeId) -> bool) -> bool {
        let round = match action {
            Action::Trip { round } if self.trip => round,
            Action::Restore { round } if self.restore => round,
            _ => return false,
        };
        match self.place {
            Place::Node(node) => above(node),
            Place::Terminal(of) => of == terminal,
            Place::Round(of, guarded) => (of, guarded) == (terminal, round),
        }
    }
}
