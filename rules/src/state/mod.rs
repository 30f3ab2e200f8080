//! What is known of the world: the state that the engine moves and the checker reads.
//!
//! `grid` has values and loads (in `places`), `effects` what orders are about to bring about, `promised` what returns next,
//! `returned` what came back lately, `cold_load` with how much more, `recent` and `trend` the last minutes, `accounts` who went
//! without how much, `notices` who was told what, `measures` who was asked to do what, `bounds` what bears on limits.
//!
//! **Invariant:** nothing here decides anything, and nothing here knows the engine or the planner.

pub(crate) mod accounts;
pub(crate) mod bounds;
pub(crate) mod cold_load;
pub(crate) mod effects;
pub(crate) mod grid;
pub(crate) mod measures;
pub(crate) mod notices;
pub(crate) mod places;
pub(crate) mod promised;
pub(crate) mod recent;
pub(crate) mod returned;
pub(crate) mod trend;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Power, RoundNo, Span, TerminalId, Timestamp};

/// What an order was to bring about and no reading has shown by then is not counted on any more; a switch that moves yet
/// was moved by somebody else.
pub(crate) const LATE_MAX: Span = Span::from_s(600);

/// Whose trip holds a round off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Holder {
    /// A limit rule, which will restore it.
    Rule(NodeId),
    /// A person; no rule restores it.
    Operator,
}

/// A round that an order tripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shed {
    pub(crate) by: Holder,
    pub(crate) since: Timestamp,
    /// What it had before; nothing where that was not known.
    pub(crate) power: Power,
    /// What it drew at its trip where it had just come back, pick-up included: it comes back with no less.
    #[serde(default)]
    pub(crate) cold: Power,
    /// No rule tries to restore it before: an attempt failed.
    pub(crate) not_before: Timestamp,
}

/// All that is off by orders.
pub(crate) type Sheds = BTreeMap<TerminalId, BTreeMap<RoundNo, Shed>>;
