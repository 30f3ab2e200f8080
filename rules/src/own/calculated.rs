//! Points that no terminal tells: reckoned of others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Source;
use crate::model::{NodeId, RuleId, Span};

/// A value reckoned of others. While one that it needs may not decide, it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calculated {
    /// Its name, as rules read it: `point ID`.
    pub id: RuleId,
    /// The unit that people read behind it; may be empty.
    pub unit: String,
    /// How it comes about.
    pub formula: Formula,
}

/// How a calculated point comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Formula {
    /// By a formula: a sum, a difference, whatever the language has.
    Text {
        /// What it reads, by the names in it.
        reads: BTreeMap<String, Source>,
        /// The formula.
        text: String,
    },
    /// The sum of the loads of the nodes right below one, kW.
    SumBelow {
        /// Above them.
        node: NodeId,
    },
    /// The highest of the loads of the nodes right below one, kW.
    HighestBelow {
        /// Above them.
        node: NodeId,
    },
    /// The mean over time of another value, over the window that ended last: a demand, where that is a power.
    Mean {
        /// Of what.
        of: Source,
        /// How long: whole quarters of a minute, 15 s to 24 h.
        window: Span,
        /// One window after the other (block demand) instead of one that slides by a fifteenth of itself.
        block: bool,
    },
}
