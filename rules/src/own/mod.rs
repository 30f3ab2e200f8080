//! Users' own rules: what they read, when they speak, and what they may do.
//!
//! A rule reads values of the supply by names that it declares, decides by a condition in the language of
//! [`crate::expression`], and raises an alarm. It never switches.

mod interlock;
mod source;
mod standard;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use interlock::{Interlock, Place};
pub use source::{Source, SourceError};
pub use standard::standard_pack;

use crate::model::{NodeId, NodeKind, RuleId, Span, TerminalId};
use crate::output::AlarmPriority;

/// Everything that users laid down themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// The rules, each with an id of its own.
    pub rules: Vec<Rule>,
    /// Conditions that have to hold before something is switched, each with an id of its own.
    #[serde(default)]
    pub interlocks: Vec<Interlock>,
}

impl Own {
    /// Whether there is nothing that has to be looked at as time passes.
    pub const fn is_idle(&self) -> bool {
        self.rules.is_empty()
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
