//! Target reductions: "take 12 MW off region North from 17:00 to 20:00".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{DayKind, NodeId, Power, RuleId, Span, Timestamp};

/// Number of a target, rising from 1 over the whole life of a journal. `R` on screens, for reduction: a group order is `G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetId(pub u64);

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{}", self.0)
    }
}

/// A reduction of a node's load for a time, as somebody asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its number.
    pub id: TargetId,
    /// Of which node.
    pub node: NodeId,
    /// So much less than the baseline, above zero.
    pub reduction: Power,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends, after the beginning.
    pub to: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// What it came to, once it has begun.
    pub begun: Option<Begun>,
}

/// What a reduction is reckoned from, fixed at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Mean load of the time before.
    pub baseline: Power,
    /// Baseline minus reduction.
    pub limit: Power,
}

impl Target {
    /// Furthest ahead that a target may begin.
    pub const AHEAD_MAX: Span = Span::from_s(31 * 86_400);
    /// Longest time for which a target may stand.
    pub const LENGTH_MAX: Span = Span::from_s(86_400);
    /// Most targets of one node that are planned or in force.
    pub const PER_NODE_MAX: usize = 32;
}

/// What gives a node the limit that is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum LimitSource {
    /// The rule's own limit.
    #[default]
    Rating,
    /// The rule's schedule.
    Schedule {
        /// Of this kind of day.
        kind: DayKind,
    },
    /// A person, or the centre above.
    Set,
    /// A user's own rule.
    Rule {
        /// Which.
        rule: RuleId,
    },
    /// A target reduction.
    Target {
        /// Which.
        target: TargetId,
    },
}

impl fmt::Display for LimitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rating => f.write_str("rating"),
            Self::Schedule { kind } => write!(f, "schedule of a {kind}"),
            Self::Set => f.write_str("set by hand"),
            Self::Rule { rule } => write!(f, "rule {rule}"),
            Self::Target { target } => write!(f, "target {target}"),
        }
    }
}

/// A limit that is known to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitAhead {
    /// When it comes into force.
    pub at: Timestamp,
    /// What it is then; for a target that has not begun, as far as the load before it is known by now.
    pub limit: Power,
    /// What a plan aims at then.
    pub aim: Power,
    /// What gives it.
    pub source: LimitSource,
}

/// The limit that is in force, and what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// What gives it.
    pub source: LimitSource,
    /// When it changes by itself; none when nothing that is known changes it.
    pub until: Option<Timestamp>,
    /// What it is then; none where a target begins then, whose limit depends on the load before.
    pub next: Option<Power>,
}
