//! Users' own rules: what they read, when they speak, and what they may do.
//!
//! A rule reads values of the supply by names that it declares, decides by a condition in the language of
//! [`crate::expression`], and raises an alarm, sets a limit below the rating or takes load off a node. It never switches: what
//! it wants is a limit, and planner and checker do the rest as for any other.

mod calculated;
mod interlock;
mod source;
mod standard;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use calculated::{Calculated, Formula};
pub use interlock::{Interlock, Place};
pub use source::{Source, SourceError};
pub use standard::standard_pack;

use crate::model::{NodeId, NodeKind, Power, RuleId, Span, TerminalId, Timestamp};
use crate::output::AlarmPriority;

/// Everything that users laid down themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// The rules, each with an id of its own.
    pub rules: Vec<Rule>,
    /// Conditions that have to hold before something is switched, each with an id of its own.
    #[serde(default)]
    pub interlocks: Vec<Interlock>,
    /// Values reckoned of others, each with an id of its own; one reads only those before it.
    #[serde(default)]
    pub calculated: Vec<Calculated>,
    /// Steps that all of them may take together in one tick. Policies of before these were counted have what is usual.
    #[serde(default = "steps_max")]
    pub steps_max: u64,
}

const fn steps_max() -> u64 {
    Own::STEPS_MAX
}

impl Default for Own {
    fn default() -> Self {
        Self { rules: Vec::new(), interlocks: Vec::new(), calculated: Vec::new(), steps_max: Self::STEPS_MAX }
    }
}

impl Own {
    /// Steps in one tick unless the rules say otherwise: about a tenth of a second of one core.
    pub const STEPS_MAX: u64 = 1_000_000;

    /// Whether there is nothing that has to be looked at as time passes.
    pub const fn is_idle(&self) -> bool {
        self.rules.is_empty() && self.calculated.is_empty()
    }
}

/// A user's rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in alarms, events and orders.
    pub id: RuleId,
    /// Each node or terminal that it is for; none for one that names all that it reads.
    pub for_each: Option<ForEach>,
    /// What it reads, by the names in its conditions.
    pub reads: BTreeMap<String, Source>,
    /// It begins when this has been true …
    pub when: String,
    /// … for so long.
    pub hold: Span,
    /// It ends when this has been true (where there is none: when `when` has not) …
    pub clear: Option<String>,
    /// … for so long.
    pub clear_hold: Span,
    /// What it does from its beginning to its end, at least one.
    pub acts: Vec<Act>,
}

/// For whom a rule is, once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForEach {
    /// All nodes of a kind.
    Node(NodeKind),
    /// All terminals.
    Terminal,
}

/// For whom one of a rule's instances is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A rule that names all that it reads.
    #[default]
    Named,
    /// A node.
    Node(NodeId),
    /// A terminal.
    Terminal(TerminalId),
}

impl Subject {
    /// The node, if it is one.
    pub const fn node(self) -> Option<NodeId> {
        if let Self::Node(node) = self { Some(node) } else { None }
    }

    /// The terminal, if it is one.
    pub const fn terminal(self) -> Option<TerminalId> {
        if let Self::Terminal(terminal) = self { Some(terminal) } else { None }
    }
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// Raises an alarm, which stands from the rule's beginning to its end.
    Alarm {
        /// How urgent.
        priority: AlarmPriority,
        /// What it says; a name of `reads` in braces becomes its value with its unit.
        text: String,
    },
    /// Sets the limit of a node that a limit rule has, never above what is in force otherwise; given back at its end.
    Limit {
        /// The node; none for the one that the rule is for.
        node: Option<NodeId>,
        /// Above zero.
        limit: Power,
    },
    /// Takes so much off the load that a node has at that instant: by itself, or once a person has approved. What the load
    /// was, less that, is the node's limit until the rule's end; the node's limit rule does the rest.
    Shed {
        /// The node; none for the one that the rule is for.
        node: Option<NodeId>,
        /// How much, above zero.
        power: Power,
        /// Without a person.
        automatic: bool,
    },
}

/// A reduction that a rule proposes: nothing of it is done until a person with authority over the node says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its number.
    pub id: ProposalId,
    /// By which rule.
    pub rule: RuleId,
    /// For whom that speaks.
    pub subject: Subject,
    /// Where.
    pub node: NodeId,
    /// So much less than the load at the approval.
    pub power: Power,
    /// Since when it stands; it lapses with the rule's end.
    pub since: Timestamp,
    /// What the rule said.
    pub text: String,
}

/// Number of a proposal, rising from 1 over the whole life of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProposalId(pub u64);

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.0)
    }
}

/// The pieces of an alarm's text: as it stands, or a value by its name.
pub(crate) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(inner) = rest.strip_prefix('{')
            && let Some((name, after)) = inner.split_once('}')
        {
            rest = after;
            return Some(Piece::Value(name));
        }
        let end = rest.char_indices().skip(1).find(|(_, c)| *c == '{').map_or(rest.len(), |(at, _)| at);
        let (plain, after) = rest.split_at(end);
        rest = after;
        Some(Piece::Plain(plain))
    })
}

/// See [`pieces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Plain(&'a str),
    Value(&'a str),
}

/// The names in braces in a text.
pub fn names_in(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| if let Piece::Value(name) = piece { Some(name) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_its_braces() {
        let all: Vec<Piece<'_>> = pieces("{a} of {limit}, {open").collect();
        let wanted =
            [Piece::Value("a"), Piece::Plain(" of "), Piece::Value("limit"), Piece::Plain(", "), Piece::Plain("{open")];
        assert_eq!(all, wanted);
        assert_eq!(names_in("no names").count(), 0);
    }
}
