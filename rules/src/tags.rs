//! Tags (挂牌): a person locks a round, a terminal or a node, with all that lies below, out of every command.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, RoundNo, TerminalId, Timestamp};

/// Number of a tag, rising from 1 over the whole life of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TagId(pub u64);

impl fmt::Display for TagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}", self.0)
    }
}

/// What a tag hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum TagOn {
    /// One round. A cap that could make its terminal trip is blocked too.
    Round {
        /// The terminal.
        terminal: TerminalId,
        /// The round.
        round: RoundNo,
    },
    /// A terminal with all its rounds.
    Terminal {
        /// Which.
        terminal: TerminalId,
    },
    /// A node with all that it supplies.
    Node {
        /// Which.
        node: NodeId,
    },
}

impl fmt::Display for TagOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Round { terminal, round } => write!(f, "{terminal} round {round}"),
            Self::Terminal { terminal } => terminal.fmt(f),
            Self::Node { node } => node.fmt(f),
        }
    }
}

/// A tag: while it hangs, nobody switches what it hangs on. Several people may each hang their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its number.
    pub id: TagId,
    /// What is locked out.
    pub on: TagOn,
    /// Who hung it, and alone takes it off; but for a supervisor.
    pub owner: String,
    /// Why; never empty.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// All tags that hang. They hold over restarts, new rules and new inventories until somebody takes them off.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tags {
    last: u64,
    hanging: BTreeMap<TagId, Tag>,
}

impl Tags {
    pub(crate) fn hanging(&self) -> impl Iterator<Item = &Tag> {
        self.hanging.values()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.hanging.is_empty()
    }

    pub(crate) fn get(&self, id: TagId) -> Option<&Tag> {
        self.hanging.get(&id)
    }

    /// Goes on with numbers higher by `count`.
    pub(crate) const fn skip_numbers(&mut self, count: u64) {
        self.last = self.last.saturating_add(count);
    }

    pub(crate) fn hang(&mut self, on: TagOn, owner: &str, reason: &str, since: Timestamp) -> &Tag {
        self.last += 1;
        let id = TagId(self.last);
        let tag = Tag { id, on, owner: owner.to_owned(), reason: reason.to_owned(), since };
        self.hanging.entry(id).or_insert(tag)
    }

    pub(crate) fn take_off(&mut self, id: TagId) -> Option<Tag> {
        self.hanging.remove(&id)
    }
}
