//! Why a round was chosen, or was not.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Power, PriorityClass, RoundNo, RuleId, Span, TerminalId};
use crate::orders::OrderId;
use crate::tags::TagId;

/// A round that a plan switches, with why it was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The terminal.
    pub terminal: TerminalId,
    /// The round.
    pub round: RoundNo,
    /// Power expected to go away, or to come back, cold-load pick-up included.
    pub power: Power,
    /// Why this one.
    pub reason: Reason,
}

/// Why a round was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
#[allow(missing_docs, reason = "Display says it")]
pub enum Reason {
    /// The least important class that had load to give, and within it the one curtailed least so far.
    LeastImportant { class: u8, curtailed_wh: i64 },
    /// Of the last ones that would do, the one that sheds the least too much.
    BestFit { class: u8 },
    /// Back for less than the rule's least time on: shed again because nothing else would do.
    NothingElse { class: u8, on_for: Span },
    /// Brought back by this stage of restoration, and the load broke the limit soon after: what came back last goes first.
    StepBack { stage: u16 },
    /// The most important class still off, and within it the one off longest.
    MostImportant { class: u8, off_for: Span },
}

/// Why a round was *not* chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
#[allow(missing_docs, reason = "Display says it")]
pub enum Finding {
    Guaranteed { terminal: TerminalId },
    GuaranteeAtTerminal { terminal: TerminalId },
    ExcludedAtTerminal { terminal: TerminalId },
    ClassSpared { terminal: TerminalId, class: PriorityClass },
    Tagged { terminal: TerminalId, round: Option<RoundNo>, tag: TagId },
    LinkDown { terminal: TerminalId },
    ByHand { terminal: TerminalId, node: NodeId },
    ReadingTooOld { terminal: TerminalId },
    ReadingBad { terminal: TerminalId },
    ReadingFrozen { terminal: TerminalId },
    LoadImplausible { terminal: TerminalId, load: Power, most: Power },
    SafetyFloor { terminal: TerminalId, round: RoundNo, left: Power, floor: Power },
    AlreadyOpen { terminal: TerminalId, round: RoundNo },
    PositionUnknown { terminal: TerminalId, round: RoundNo },
    NoLoad { terminal: TerminalId, round: RoundNo },
    PowerUnknown { terminal: TerminalId, round: RoundNo },
    OrderUnderWay { terminal: TerminalId, round: RoundNo, order: OrderId },
    DidNotRespond { terminal: TerminalId, round: RoundNo },
    OtherDidNotRespond { terminal: TerminalId, round: RoundNo },
    NotOnLongEnough { terminal: TerminalId, round: RoundNo, on_for: Span },
    NotReturnedLast { terminal: TerminalId, round: RoundNo },
    Interlocked { terminal: TerminalId, round: RoundNo, interlock: RuleId },
    NotNeeded { terminal: TerminalId, round: RoundNo },
    NotReached { terminal: TerminalId },
    PassCap { terminal: TerminalId, round: RoundNo },
}
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeastImportant { class, curtailed_wh } => {
                write!(f, "class {class}, curtailed {:.1} kWh so far", *curtailed_wh as f64 / 1_000.0)
            }
            Self::BestFit { class } => write!(f, "class {class}, closest fit"),
            Self::NothingElse { class, on_for } => {
                write!(f, "class {class}, nothing else would do though it has been back for {on_for} only")
            }
            Self::StepBack { stage } => write!(f, "came back last, by stage {stage}"),
            Self::MostImportant { class, off_for } => write!(f, "class {class}, off for {off_for}"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guaranteed { terminal } => write!(f, "{terminal}: guaranteed customer"),
            Self::GuaranteeAtTerminal { terminal } => write!(f, "{terminal}: supply guarantee set at the terminal"),
            Self::ExcludedAtTerminal { terminal } => {
                write!(f, "{terminal}: excluded from orders to many at the terminal")
            }
            Self::ClassSpared { terminal, class } => write!(f, "{terminal}: class {class} is spared by the rule"),
            Self::ByHand { terminal, node } => {
                write!(
                    f,
                    "{terminal}: a value that was not measured lies between, the load of {node} would not show it"
                )
            }
            Self::Tagged { terminal, round: Some(round), tag } => write!(f, "{terminal} round {round}: tagged ({tag})"),
            Self::Tagged { terminal, round: None, tag } => write!(f, "{terminal}: tagged ({tag})"),
            Self::LinkDown { terminal } => write!(f, "{terminal}: link down"),
            Self::ReadingTooOld { terminal } => write!(f, "{terminal}: reading too old"),
            Self::ReadingBad { terminal } => write!(f, "{terminal}: reading of bad quality"),
            Self::ReadingFrozen { terminal } => write!(f, "{terminal}: reading frozen"),
            Self::LoadImplausible { terminal, load, most } => {
                write!(f, "{terminal}: its load of {load} is more than its contract makes credible ({most})")
            }
            Self::SafetyFloor { terminal, round, left, floor } => {
                write!(f, "{terminal} round {round}: would leave {left}, safety floor {floor}")
            }
            Self::AlreadyOpen { terminal, round } => write!(f, "{terminal} round {round}: open already"),
            Self::PositionUnknown { terminal, round } => {
                write!(f, "{terminal} round {round}: switch position not known")
            }
            Self::NoLoad { terminal, round } => write!(f, "{terminal} round {round}: no load to shed"),
            Self::PowerUnknown { terminal, round } => {
                write!(f, "{terminal} round {round}: power behind the switch not known")
            }
            Self::OrderUnderWay { terminal, round, order } => {
                write!(f, "{terminal} round {round}: order {order} under way")
            }
            Self::DidNotRespond { terminal, round } => write!(f, "{terminal} round {round}: did not respond before"),
            Self::OtherDidNotRespond { terminal, round } => {
                write!(f, "{terminal} round {round}: another round here did not respond, so it comes last")
            }
            Self::NotOnLongEnough { terminal, round, on_for } => {
                write!(f, "{terminal} round {round}: back for {on_for} only")
            }
            Self::NotReturnedLast { terminal, round } => {
                write!(f, "{terminal} round {round}: what came back last goes first")
            }
            Self::Interlocked { terminal, round, interlock } => {
                write!(f, "{terminal} round {round}: not permitted by interlock {interlock}")
            }
            Self::NotReached { terminal } => write!(f, "{terminal}: no notice reached it"),
            Self::NotNeeded { terminal, round } => write!(f, "{terminal} round {round}: not needed"),
            Self::PassCap { terminal, round } => {
                write!(f, "{terminal} round {round}: more than one plan may shed")
            }
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} round {} ({}; {})", self.terminal, self.round, self.power, self.reason)
    }
}
