//! Orders: from the wish to switch to its proven effect, select before execute.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::groups::GroupId;
use crate::model::{NodeId, Power, RoundNo, SwitchPosition, TerminalId, Timestamp};

/// Number of an order, rising from 1 over the whole life of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub u64);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What an order does at its terminal. Absolute and idempotent, never a toggle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    /// Open a round's switch (double command OFF).
    Trip {
        /// Which.
        round: RoundNo,
    },
    /// Permit and, where the switch has a drive, perform closing (double command ON).
    Restore {
        /// Which.
        round: RoundNo,
    },
    /// Set the terminal's own power cap (set-point command); zero lifts it.
    SetCap {
        /// The cap.
        cap: Power,
    },
}

impl Action {
    /// The round that is switched, if any.
    pub const fn round(self) -> Option<RoundNo> {
        match self {
            Self::Trip { round } | Self::Restore { round } => Some(round),
            Self::SetCap { .. } => None,
        }
    }

    /// The position that a switch shows when the order took effect.
    pub const fn wanted_position(self) -> Option<SwitchPosition> {
        match self {
            Self::Trip { .. } => Some(SwitchPosition::Open),
            Self::Restore { .. } => Some(SwitchPosition::Closed),
            Self::SetCap { .. } => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trip { round } => write!(f, "trip round {round}"),
            Self::Restore { round } => write!(f, "restore round {round}"),
            Self::SetCap { cap } if *cap == Power::ZERO => f.write_str("lift the power cap"),
            Self::SetCap { cap } => write!(f, "cap power at {cap}"),
        }
    }
}

/// What a command says of its output (QU of SCO, DCO and RCO, IEC 60870-5-101, 7.2.6.26).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Qualifier {
    /// Nothing: the terminal knows what its output does.
    #[default]
    None,
    /// A short pulse; the terminal has its length.
    Short,
    /// A long pulse; the terminal has its length.
    Long,
    /// The output stays.
    Persistent,
}

impl Qualifier {
    /// Every one, in the order of the codes.
    pub const ALL: [Self; 4] = [Self::None, Self::Short, Self::Long, Self::Persistent];

    /// As on the wire, 0..=3.
    pub const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Short => 1,
            Self::Long => 2,
            Self::Persistent => 3,
        }
    }

    /// None for what the standard reserves, or leaves to a manufacturer.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "no additional definition",
            Self::Short => "short pulse",
            Self::Long => "long pulse",
            Self::Persistent => "persistent output",
        })
    }
}

/// An action as somebody wants it done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// What.
    pub action: Action,
    /// Of the command's output; none leaves it to the terminal's point map.
    pub qualifier: Option<Qualifier>,
}

impl From<Action> for Wish {
    fn from(action: Action) -> Self {
        Self { action, qualifier: None }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.action)?;
        self.qualifier.map_or(Ok(()), |qualifier| write!(f, " ({qualifier})"))
    }
}

/// Who wants an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Issuer {
    /// The limit rule of a node.
    Limit {
        /// The node.
        node: NodeId,
    },
    /// Two people, or one where no second is wanted: a group order.
    Group {
        /// Which.
        group: GroupId,
        /// Who executed it.
        name: String,
    },
    /// A person.
    Operator {
        /// Name, as the token says.
        name: String,
    },
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { node } => write!(f, "limit of {node}"),
            Self::Group { group, name } => write!(f, "group order {group} of {name}"),
            Self::Operator { name } => f.write_str(name),
        }
    }
}

/// Where an order stands. The last six are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Wanted by all whose word it takes. It waits for its turn: so many selects, and so many orders a minute, are permitted.
    Approved,
    /// The select is under way.
    Selecting,
    /// The terminal confirmed the select and waits for the execute.
    Selected,
    /// The execute is under way: the switch may have moved.
    Executing,
    /// The terminal took the execute; its effect is not yet measured.
    Executed,
    /// Nobody knows whether the execute took effect: the point is being read, the order never sent again.
    Unknown,
    /// Final: the point shows the wanted position or value.
    Confirmed,
    /// Final: confirmed, and the power behind the switch was measured to be gone, two minutes later.
    Verified,
    /// Final: refused by the terminal or by a rule; nothing was switched.
    Refused,
    /// Final: withdrawn before its execute.
    Cancelled,
    /// Final: ran out of time before its execute, and was not sent.
    Expired,
    /// Final: executed, or perhaps executed, without the wanted effect.
    Failed,
}

impl OrderState {
    /// Whether nothing more will happen to the order.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Confirmed | Self::Verified | Self::Refused | Self::Cancelled | Self::Expired | Self::Failed
        )
    }

    /// Whether its execute has not gone out yet and may still do so.
    pub const fn awaits_execute(self) -> bool {
        matches!(self, Self::Approved | Self::Selecting | Self::Selected)
    }

    /// Whether it had its effect.
    pub const fn took_effect(self) -> bool {
        matches!(self, Self::Confirmed | Self::Verified)
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Approved => "approved",
            Self::Selecting => "selecting",
            Self::Selected => "selected",
            Self::Executing => "executing",
            Self::Executed => "executed",
            Self::Unknown => "unknown",
            Self::Confirmed => "confirmed",
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Failed => "failed",
        })
    }
}

/// An order with its history, as the store, the API and the screen show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// To whom.
    pub terminal: TerminalId,
    /// What.
    pub action: Action,
    /// What its commands say of the output; none leaves it to the terminal's point map.
    #[serde(default)]
    pub qualifier: Option<Qualifier>,
    /// From whom.
    pub issuer: Issuer,
    /// Why, in a sentence.
    pub reason: String,
    /// Where it stands.
    pub state: OrderState,
    /// What its last step said: the terminal's refusal, the time-out, the value read back. Empty when nothing is to be said.
    pub detail: String,
    /// When it was wanted.
    pub issued_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Not to be selected or executed from here on (`expired-never-sent`).
    pub expires_at: Timestamp,
    /// Power behind the round when the execute went out, where it was known.
    pub power_before: Option<Power>,
    /// Power behind the round when the effect was judged.
    pub power_after: Option<Power>,
}

impl Order {
    /// What is done, and how where the order says so.
    pub const fn wish(&self) -> Wish {
        Wish { action: self.action, qualifier: self.qualifier }
    }
}

/// What the dispatcher is to send now. It has no choices left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The order.
    pub order: OrderId,
    /// To whom.
    pub terminal: TerminalId,
    /// What.
    pub action: Action,
    /// What the order says of the output; none leaves it to the terminal's point map.
    #[serde(default)]
    pub qualifier: Option<Qualifier>,
    /// Which step of it.
    pub step: Step,
    /// Not to be sent from here on; for [`Step::ReadBack`] and [`Step::Cancel`] too, which then count as timed out.
    pub expires_at: Timestamp,
}

/// One step of an order on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Select (S/E = 1).
    Select,
    /// Execute (S/E = 0) after a confirmed select.
    Execute,
    /// Withdraw the select (cause 8, deactivation).
    Cancel,
    /// Interrogate, so that the terminal reports its points; nothing is switched.
    ReadBack,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Select => "select",
            Self::Execute => "execute",
            Self::Cancel => "cancel",
            Self::ReadBack => "read back",
        })
    }
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The terminal confirmed it (cause 7, or 9 for a cancellation); for a read-back: the interrogation ended.
    Confirmed(Step),
    /// The terminal refused it, with this cause of transmission (7 or 9 with P/N = 1, or 44..=47).
    Refused {
        /// Which step.
        step: Step,
        /// Cause of transmission.
        cause: u8,
    },
    /// The terminal said that the execution ended (cause 10).
    Terminated,
    /// No answer in time. The step may have been carried out.
    TimedOut(Step),
    /// The link was lost after the step's bytes may have left. The step may have been carried out.
    LinkLost(Step),
    /// The step was never sent.
    NotSent {
        /// Which step.
        step: Step,
        /// Why not.
        why: NotSent,
    },
}

/// Why a step was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotSent {
    /// The terminal has no link.
    NoLink,
    /// The order had expired.
    Expired,
    /// Another command to that point is under way.
    Busy,
    /// There is no confirmed select of this order, point and owner within its time-out (`select-before-execute`).
    NotSelected,
    /// The terminal's point map has no such point.
    NoPoint,
    /// The centre was stopping.
    Stopping,
    /// The terminal's point map does not allow what the order says of the output.
    Qualifier,
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLink => "the terminal has no link",
            Self::Expired => "the order had expired",
            Self::Busy => "another command to that point is under way",
            Self::NotSelected => "there is no confirmed select",
            Self::NoPoint => "the terminal's point map has no such command",
            Self::Stopping => "the centre was stopping",
            Self::Qualifier => "the terminal's point map does not allow that pulse there",
        })
    }
}
