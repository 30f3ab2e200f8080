//! What operators see of a restoration: where it stands, what it waits for, what comes next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Power, RoundNo, RuleId, Span, TerminalId, Timestamp};

/// What a round is expected to come back with, learnt from returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColdLoad {
    /// Percent of its power at the trip, 100..=400.
    pub percent: u16,
    /// From so many returns.
    pub returns: u32,
}

/// Why nothing of what a rule shed returns now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "hold")]
#[allow(missing_docs, reason = "Display says it")]
pub enum Hold {
    /// A person stopped all automatic control.
    Stopped,
    /// The node's load is not known.
    LoadUnknown,
    /// What the node supplies draws nothing: it is dark, since then.
    Dark { node: NodeId, since: Timestamp },
    /// Power came back to a dark node, then, and the load has not settled.
    Settling { node: NodeId, since: Timestamp },
    /// The load is above the level at which restoration may begin.
    NotCalm { load: Power, below: Power },
    /// The load is calm, and has to be until then.
    Calm { until: Timestamp },
    /// The rule stepped back and rests until then.
    Resting { until: Timestamp },
    /// A node above sheds, or would have to, if this came back.
    NeededAbove { node: NodeId },
    /// The load is on its way towards the limit, here or above.
    Rising,
    /// The orders of a stage are on their way.
    UnderWay { orders: u32 },
    /// Returns are promised; the next one goes out then.
    Promised { returns: u32, next: Timestamp },
    /// The next stage comes then at the earliest.
    NextStage { at: Timestamp },
    /// The first of them has to stay off until then.
    OffTime { terminal: TerminalId, round: RoundNo, until: Timestamp },
    /// The first of them cannot be reached: its link is down, its switch not known to be open, an order has it, or it is
    /// tagged.
    NotReady { terminal: TerminalId, round: RoundNo },
    /// An interlock does not permit it.
    Barred { terminal: TerminalId, round: RoundNo, interlock: RuleId },
    /// The node's load would not show the return of the first of them: a value that was not measured lies
    /// between, or stands in for one that the load is made of.
    ByHand { terminal: TerminalId, round: RoundNo, node: NodeId },
    /// The first of them would take a node too near to its limit.
    NoRoom { node: NodeId, terminal: TerminalId, round: RoundNo, would_be: Power, limit: Power },
}

/// A round that is off, in the order in which they return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The terminal.
    pub terminal: TerminalId,
    /// The round.
    pub round: RoundNo,
    /// Of the customer.
    pub class: Option<u8>,
    /// Since when it is off.
    pub since: Timestamp,
    /// With what it is reckoned to come back.
    pub power: Power,
    /// When it goes out, where that is decided.
    pub promised: Option<Timestamp>,
}

/// Where the return of what a rule shed stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoration {
    /// Stages so far.
    pub stage: u16,
    /// Rounds that are back.
    pub back: u32,
    /// Rounds that are off.
    pub off: u32,
    /// What they are reckoned to come back with, together.
    pub power: Power,
    /// How often the rule stepped back meanwhile.
    pub steps_back: u32,
    /// Why nothing returns now; none while a stage is about to be decided.
    pub hold: Option<Hold>,
    /// The first of those that are off, at most [`Restoration::NEXT_MAX`].
    pub next: Vec<Next>,
}

impl Restoration {
    /// Rounds shown at most.
    pub const NEXT_MAX: usize = 8;
}

impl Hold {
    /// As an operator reads it at `now`.
    pub fn told(&self, now: Timestamp) -> String {
        let left = |until: Timestamp| until.since(now).max(Span::ZERO);
        match self {
            Self::Dark { since, .. } | Self::Settling { since, .. } => format!("{self} for {}", now.since(*since)),
            Self::Calm { until } | Self::Resting { until } => format!("{self} for {} more", left(*until)),
            Self::Promised { next, .. } => format!("{self}, the next in {}", left(*next)),
            Self::NextStage { at } => format!("{self} in {}", left(*at)),
            Self::OffTime { until, .. } => format!("{self} for {} more", left(*until)),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("automatic control is stopped"),
            Self::LoadUnknown => f.write_str("the load is not known"),
            Self::Dark { node, .. } => write!(f, "{node} has been dark"),
            Self::Settling { node, .. } => write!(f, "{node} was dark, its load has been settling"),
            Self::NotCalm { load, below } => write!(f, "{load} is above {below}, below which restoration begins"),
            Self::Calm { .. } => f.write_str("the load has to stay calm"),
            Self::Resting { .. } => f.write_str("the rule stepped back and rests"),
            Self::NeededAbove { node } => write!(f, "{node} needs what is off"),
            Self::Rising => f.write_str("the load rises towards its limit"),
            Self::UnderWay { orders: 1 } => f.write_str("1 order is on its way"),
            Self::UnderWay { orders } => write!(f, "{orders} orders are on their way"),
            Self::Promised { returns: 1, .. } => f.write_str("1 return is decided"),
            Self::Promised { returns, .. } => write!(f, "{returns} returns are decided"),
            Self::NextStage { .. } => f.write_str("the next stage comes"),
            Self::OffTime { terminal, round, .. } => write!(f, "{terminal} round {round} has to stay off"),
            Self::NotReady { terminal, round } => {
                write!(f, "{terminal} round {round}: no link, switch not known to be open, tagged, or an order has it")
            }
            Self::Barred { terminal, round, interlock } => {
                write!(f, "{terminal} round {round}: not permitted by interlock {interlock}")
            }
            Self::ByHand { terminal, round, node } => {
                write!(f, "{terminal} round {round}: the load of {node} would not show it, not all of it is measured")
            }
            Self::NoRoom { node, terminal, round, would_be, limit } => {
                write!(f, "{terminal} round {round} would take {node} to {would_be} of {limit}")
            }
        }
    }
}
