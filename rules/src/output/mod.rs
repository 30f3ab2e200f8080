//! All that the engine gives back: commands for the dispatcher, records for the store, answers to people.
//!
//! [`Output`] first. `refusal` is why a request is not granted, `alarm` what calls a person, `happening` the record of what
//! happened and `sentences` what people read of it, `reason` why a round was chosen or not.

mod alarm;
mod happening;
mod reason;
mod refusal;
mod sentences;

use serde::{Deserialize, Serialize};

use crate::dressing::DressingId;
use crate::groups::GroupId;
use crate::measures::MeasureId;
use crate::model::{NodeId, Power, RuleId, Span, Timestamp};
use crate::notices::Telling;
use crate::orders::{Command, Order, OrderId};
use crate::tags::TagId;
use crate::target::TargetId;

pub use alarm::{Alarm, AlarmCause, AlarmId, AlarmPriority, AlarmState};
pub use happening::{Event, Happening};
pub use reason::{Choice, Finding, Reason};
pub use refusal::Refusal;

/// One thing that follows from an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// For the dispatcher: send this now. Never acted upon while a journal is replayed.
    Command(Command),
    /// For the dispatcher: show a customer this now. Never acted upon while a journal is replayed.
    Tell(Telling),
    /// An order is new or changed.
    Order(Order),
    /// An alarm is new or changed.
    Alarm(Alarm),
    /// Something happened that the record keeps.
    Event(Event),
    /// A person changed something, or tried to.
    Audit(Audit),
    /// A node's minute is over.
    Load(LoadMinute),
    /// The answer to the request of this input.
    Reply(Result<Reply, Refusal>),
    /// A calculated point's minute is over.
    Calculated(CalculatedMinute),
}

/// What a granted request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reply")]
pub enum Reply {
    /// The order that the request made or moved.
    Order {
        /// Its number.
        order: OrderId,
    },
    /// The target that the request made.
    Target {
        /// Its number.
        target: TargetId,
    },
    /// The group order that the request made or moved.
    Group {
        /// Its number.
        group: GroupId,
    },
    /// The tag that was hung or taken off.
    Tag {
        /// Its number.
        tag: TagId,
    },
    /// The value by hand that was put on or taken off.
    Dressing {
        /// Its number.
        dressing: DressingId,
    },
    /// The measure that the request asked for.
    Measure {
        /// Its number.
        measure: MeasureId,
    },
    /// Done.
    Done,
}
/// What a node drew in one minute of the centre's time, over the part of it in which that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadMinute {
    /// Which.
    pub node: NodeId,
    /// The minute's beginning.
    pub from: Timestamp,
    /// Lowest load.
    pub min: Power,
    /// Highest load.
    pub max: Power,
    /// Mean load; times `known` it is the energy.
    pub mean: Power,
    /// Load at the end of the part that was known.
    pub last: Power,
    /// How long the load was known, above 0 and at most 60 s.
    pub known: Span,
    /// How long it was above the limit in force.
    pub over: Span,
    /// The limit in force at the minute's end, where there is one.
    pub limit: Option<Power>,
}

/// What a calculated point was in one minute of the centre's time, over the part of it in which that was known; in thousandths of its
/// unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalculatedMinute {
    /// Which.
    pub point: RuleId,
    /// The minute's beginning.
    pub from: Timestamp,
    /// Lowest value.
    pub min: i64,
    /// Highest value.
    pub max: i64,
    /// Mean value.
    pub mean: i64,
    /// Value at the end of the part that was known.
    pub last: i64,
    /// How long it was known, above 0 and at most 60 s.
    pub known: Span,
}

/// One entry of the audit log: who, when, from where, what, before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// From which address.
    pub from: String,
    /// What was wanted.
    pub action: String,
    /// What it was about: an order, an alarm, a terminal.
    pub object: String,
    /// Its state before.
    pub before: String,
    /// Its state after, or why it was refused.
    pub after: String,
}
