//! Alarms (ISA-18.2 / IEC 62682): what they are about, how urgent, where they stand.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dressing::DressOn;
use crate::model::{NodeId, RoundNo, RuleId, TerminalId, Timestamp};
use crate::own::Subject;

/// Number of an alarm, rising from 1 over the whole life of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlarmId(pub u64);

impl fmt::Display for AlarmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "A{}", self.0)
    }
}

/// How urgent an alarm is (ISA-18.2): about 5 / 15 / 80 % of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmPriority {
    /// Act now.
    High,
    /// Act soon.
    Medium,
    /// Know it.
    Low,
}

/// What an alarm is about; one alarm stands for each cause at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
pub enum AlarmCause {
    /// A node's load is above its limit.
    OverLimit {
        /// The node.
        node: NodeId,
    },
    /// A node's load is above its warning level.
    Warning {
        /// The node.
        node: NodeId,
    },
    /// A limited node's load cannot be told from good and fresh readings: its limit is not being watched.
    LoadUnknown {
        /// The node.
        node: NodeId,
    },
    /// The limit rule cannot bring the load down: no candidates are left, or passes had no effect.
    LimitFutile {
        /// The node.
        node: NodeId,
    },
    /// A target reduction is more than can be shed.
    TargetOutOfReach {
        /// The node.
        node: NodeId,
    },
    /// A terminal's link is down.
    LinkDown {
        /// The terminal.
        terminal: TerminalId,
    },
    /// A round was tripped but its power or position did not follow.
    NoEffect {
        /// The terminal.
        terminal: TerminalId,
        /// The round.
        round: RoundNo,
    },
    /// A terminal's or meter's cover is open.
    CoverOpen {
        /// The terminal.
        terminal: TerminalId,
    },
    /// A terminal tells, as good, a load that its customer's connection cannot carry: it decides nothing, and no rule sheds there.
    LoadImplausible {
        /// The terminal.
        terminal: TerminalId,
    },
    /// A terminal that has told its power tells it no more though its link is up: nothing for longer than a reading may decide.
    PowerStale {
        /// The terminal.
        terminal: TerminalId,
    },
    /// A terminal goes on telling one and the same power as good, while a meter beside it says that it changed: it decides nothing
    /// until it does.
    PowerFrozen {
        /// The terminal.
        terminal: TerminalId,
    },
    /// A value by hand came to its time: what is measured counts again, if anything is.
    DressingOver {
        /// In the place of what it was.
        on: DressOn,
    },
    /// A user's own rule says so.
    OwnRule {
        /// The rule.
        rule: RuleId,
        /// For whom.
        subject: Subject,
        /// As the rule says.
        priority: AlarmPriority,
    },
    /// A user's own rule went wrong as it ran: it is off until rules are loaded anew.
    OwnRuleBroken {
        /// The rule.
        rule: RuleId,
    },
    /// A user's own rule, or calculated point, asks for more steps than a tick has: it is looked at late.
    OwnRuleLate {
        /// The rule or the point.
        rule: RuleId,
    },
    /// A terminal's parameters are not those that a person wants, or could not be sent or read back.
    ParametersDiffer {
        /// The terminal.
        terminal: TerminalId,
    },
    /// Inputs in the journal could not be read at a start: the engine goes on without them.
    JournalDamaged,
    /// The journal cannot be written: nothing is acknowledged, nothing decided.
    JournalFailing,
    /// The journal holds more than it should, because the store does not take it.
    JournalOversize,
    /// A replay came to another state than the one that was saved.
    ReplayDiffers,
    /// The clock of the centre's machine was moved, or is not the supply's time.
    ClockMoved,
    /// The store's file was damaged: what of it could be read is in a new one.
    StoreDamaged,
    /// A person stopped all automatic control: no limit is kept until a person resumes.
    AutomaticStopped,
}

impl AlarmCause {
    /// The node that it is about, if any.
    pub const fn node(self) -> Option<NodeId> {
        match self {
            Self::OverLimit { node }
            | Self::Warning { node }
            | Self::LoadUnknown { node }
            | Self::LimitFutile { node }
            | Self::TargetOutOfReach { node } => Some(node),
            Self::OwnRule { subject, .. } => subject.node(),
            Self::DressingOver { on } => on.node(),
            Self::OwnRuleBroken { .. }
            | Self::OwnRuleLate { .. }
            | Self::LinkDown { .. }
            | Self::NoEffect { .. }
            | Self::CoverOpen { .. }
            | Self::LoadImplausible { .. }
            | Self::PowerStale { .. }
            | Self::PowerFrozen { .. }
            | Self::ParametersDiffer { .. }
            | Self::JournalDamaged
            | Self::JournalFailing
            | Self::JournalOversize
            | Self::ReplayDiffers
            | Self::ClockMoved
            | Self::StoreDamaged
            | Self::AutomaticStopped => None,
        }
    }

    /// The terminal that it is about, if any.
    pub const fn terminal(self) -> Option<TerminalId> {
        match self {
            Self::LinkDown { terminal }
            | Self::NoEffect { terminal, .. }
            | Self::CoverOpen { terminal }
            | Self::LoadImplausible { terminal }
            | Self::PowerStale { terminal }
            | Self::PowerFrozen { terminal }
            | Self::ParametersDiffer { terminal } => Some(terminal),
            Self::OwnRule { subject, .. } => subject.terminal(),
            Self::DressingOver { on } => on.terminal(),
            Self::OwnRuleBroken { .. }
            | Self::OwnRuleLate { .. }
            | Self::OverLimit { .. }
            | Self::Warning { .. }
            | Self::LoadUnknown { .. }
            | Self::LimitFutile { .. }
            | Self::TargetOutOfReach { .. }
            | Self::JournalDamaged
            | Self::JournalFailing
            | Self::JournalOversize
            | Self::ReplayDiffers
            | Self::ClockMoved
            | Self::StoreDamaged
            | Self::AutomaticStopped => None,
        }
    }

    /// Whether it is about the centre itself.
    pub const fn is_of_the_centre(self) -> bool {
        let own = matches!(self, Self::OwnRule { .. } | Self::OwnRuleBroken { .. } | Self::OwnRuleLate { .. });
        !own && self.node().is_none() && self.terminal().is_none()
    }

    /// Whether it is over as soon as it is told, and still news until somebody has seen it.
    pub const fn is_of_what_is_over(self) -> bool {
        matches!(self, Self::JournalDamaged | Self::ReplayDiffers | Self::StoreDamaged | Self::DressingOver { .. })
    }

    /// How urgent it is.
    pub const fn priority(self) -> AlarmPriority {
        match self {
            Self::OverLimit { .. }
            | Self::LimitFutile { .. }
            | Self::TargetOutOfReach { .. }
            | Self::JournalDamaged
            | Self::JournalFailing
            | Self::ReplayDiffers
            | Self::AutomaticStopped => AlarmPriority::High,
            Self::OwnRule { priority, .. } => priority,
            Self::OwnRuleBroken { .. }
            | Self::OwnRuleLate { .. }
            | Self::LoadUnknown { .. }
            | Self::NoEffect { .. }
            | Self::CoverOpen { .. }
            | Self::LoadImplausible { .. }
            | Self::PowerStale { .. }
            | Self::PowerFrozen { .. }
            | Self::ParametersDiffer { .. }
            | Self::JournalOversize
            | Self::ClockMoved
            | Self::StoreDamaged => AlarmPriority::Medium,
            Self::Warning { .. } | Self::LinkDown { .. } | Self::DressingOver { .. } => AlarmPriority::Low,
        }
    }
}

impl fmt::Display for AlarmCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverLimit { node } => write!(f, "{node}: load over limit"),
            Self::Warning { node } => write!(f, "{node}: load near limit"),
            Self::LoadUnknown { node } => write!(f, "{node}: load unknown, limit not watched"),
            Self::TargetOutOfReach { node } => {
                write!(f, "{node}: the target reduction is more than can be shed, operator needed")
            }
            Self::LimitFutile { node } => write!(f, "{node}: shedding does not bring the load down, operator needed"),
            Self::LinkDown { terminal } => write!(f, "{terminal}: link down"),
            Self::NoEffect { terminal, round } => write!(f, "{terminal}: round {round} did not respond"),
            Self::CoverOpen { terminal } => write!(f, "{terminal}: cover open"),
            Self::LoadImplausible { terminal } => write!(f, "{terminal}: load beyond what its contract makes credible"),
            Self::PowerStale { terminal } => write!(f, "{terminal}: no power any more, link up"),
            Self::PowerFrozen { terminal } => write!(f, "{terminal}: power frozen, meters beside it say otherwise"),
            Self::ParametersDiffer { terminal } => write!(f, "{terminal}: its parameters are not those wanted"),
            Self::DressingOver { on } => write!(f, "{on}: the value by hand came to its end"),
            Self::OwnRule { rule, subject: Subject::Named, .. } => write!(f, "rule {rule}"),
            Self::OwnRule { rule, subject: Subject::Node(node), .. } => write!(f, "{node}: rule {rule}"),
            Self::OwnRule { rule, subject: Subject::Terminal(terminal), .. } => write!(f, "{terminal}: rule {rule}"),
            Self::OwnRuleBroken { rule } => write!(f, "rule {rule}: went wrong, it is off until rules are loaded anew"),
            Self::OwnRuleLate { rule } => write!(f, "rule {rule}: more steps than there are, it is looked at late"),
            Self::JournalDamaged => write!(f, "journal: inputs were damaged, the centre goes on without them"),
            Self::JournalFailing => write!(f, "journal: cannot be written, nothing is acknowledged or decided"),
            Self::JournalOversize => write!(f, "journal: larger than configured, the store does not take it"),
            Self::ReplayDiffers => write!(f, "journal: replayed to another state than was saved"),
            Self::ClockMoved => write!(f, "clock: this machine's clock was moved"),
            Self::StoreDamaged => write!(f, "store: its file was damaged, what could be read is in a new one"),
            Self::AutomaticStopped => write!(f, "automatic control is stopped: no limit is kept"),
        }
    }
}

/// Where an alarm stands (ISA-18.2 / IEC 62682).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// Standing, seen by nobody.
    Unacknowledged,
    /// Standing, seen.
    Acknowledged,
    /// Gone, seen by nobody.
    ReturnedUnacknowledged,
    /// Gone and seen: no longer shown.
    Normal,
}

impl fmt::Display for AlarmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unacknowledged => "unacknowledged",
            Self::Acknowledged => "acknowledged",
            Self::ReturnedUnacknowledged => "returned",
            Self::Normal => "normal",
        })
    }
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its number.
    pub id: AlarmId,
    /// What about.
    pub cause: AlarmCause,
    /// How urgent.
    pub priority: AlarmPriority,
    /// Where it stands.
    pub state: AlarmState,
    /// When it was raised; anew when it came again before anybody saw that it was gone.
    pub raised_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// What was so when it was raised, with figures.
    pub detail: String,
    /// Who acknowledged it, with the remark.
    pub acknowledged_by: Option<String>,
    /// The remark.
    pub comment: String,
}
