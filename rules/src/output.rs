//! All that the engine gives back: commands for the dispatcher, records for the store, answers to people.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::dressing::{DressOn, Dressing, DressingId};
use crate::groups::{GroupAct, GroupId};
use crate::model::{NodeId, Power, PriorityClass, RoundNo, RuleId, Span, SwitchPosition, TerminalId, Timestamp};
use crate::notices::{Telling, Untold};
use crate::orders::{Action, Command, Order, OrderId};
use crate::outlook::Outlook;
use crate::own::{Proposal, ProposalId, Subject};
use crate::restoration::Hold;
use crate::tags::{Tag, TagId};
use crate::target::{LimitSource, TargetId};
use crate::view::Forecast;

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
    /// Done.
    Done,
}

/// Why a request was not granted. Shown to the person as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "refusal")]
#[allow(missing_docs, reason = "the messages say it")]
pub enum Refusal {
    #[error("terminal {terminal} is not in the inventory")]
    UnknownTerminal { terminal: TerminalId },
    #[error("terminal {terminal} has no round {round}")]
    UnknownRound { terminal: TerminalId, round: RoundNo },
    #[error("{node}: its limit rule has not given up, so there is nothing to try again")]
    NotGivenUp { node: NodeId },
    #[error("order {order} does not exist")]
    UnknownOrder { order: OrderId },
    #[error("alarm {alarm} does not exist, or has been cleared and acknowledged")]
    UnknownAlarm { alarm: AlarmId },
    #[error("{terminal}: {why}; nothing was sent")]
    ParameterOutOfRange { terminal: TerminalId, why: String },
    #[error("{terminal}: the link is down; nothing was sent")]
    LinkDown { terminal: TerminalId },
    #[error("{terminal}: order {order} of {owner} has this point; wait for it or ask {owner} to cancel it")]
    PointBusy { terminal: TerminalId, order: OrderId, owner: String },
    #[error(
        "{on} is tagged by {owner} since {since} ({tag}: {reason}); {owner} or a supervisor has to take the tag off first"
    )]
    Tagged { tag: TagId, on: String, owner: String, reason: String, since: Timestamp },
    #[error("{terminal}: it is excluded from orders to many terminals at once")]
    Excluded { terminal: TerminalId },
    #[error("no round can be ordered to {act}: {why}")]
    GroupEmpty { act: GroupAct, why: String },
    #[error("{rounds} rounds are too many for one group order: wanted at most {most}")]
    GroupTooLarge { rounds: u32, most: u32 },
    #[error("{open} of your group orders are not over yet: wanted at most {most}; execute them or call them off first")]
    TooManyGroups { open: u32, most: u32 },
    #[error("group order {group} does not exist, or is of long ago")]
    UnknownGroup { group: GroupId },
    #[error("group order {group} is {state}: wanted {wanted}")]
    GroupState { group: GroupId, state: String, wanted: String },
    #[error("group order {group} was drawn up by {drafted_by}: a second person has to approve it")]
    SamePerson { group: GroupId, drafted_by: String },
    #[error("group order {group} has {power} in {rounds} rounds, so a second person has to approve it first")]
    SecondPersonWanted { group: GroupId, power: Power, rounds: u32 },
    #[error(
        "group order {group} and what {by} had tripped alone within {within} come to {power} in {rounds} rounds, so a second \
         person has to approve it first"
    )]
    SecondPersonWantedInAll { group: GroupId, power: Power, rounds: u32, by: String, within: Span },
    #[error("group order {group} needs no second person: whoever drew it up may execute it")]
    NoSecondPersonWanted { group: GroupId },
    #[error("group order {group} had {approved} when {by} approved it and has {power} now: it has to be approved anew")]
    GroupStale { group: GroupId, approved: Power, power: Power, by: String },
    #[error("group order {group} has {power} now, and you saw {seen}: look at its list again before you approve it")]
    GroupGrown { group: GroupId, seen: Power, power: Power },
    #[error("group order {group} is that of {people}; only they may go on with it")]
    NotOfGroup { group: GroupId, people: String },
    #[error("tag {tag} does not exist, or has been taken off")]
    UnknownTag { tag: TagId },
    #[error("tag {tag} on {on} is {owner}'s; only {owner} or a supervisor may take it off")]
    NotTagOwner { tag: TagId, on: String, owner: String },
    #[error("{on}: a tag needs a reason, for whoever finds it there")]
    TagWithoutReason { on: String },
    #[error("{on} has your tag {tag} already")]
    TaggedAlready { on: String, tag: TagId },
    #[error("value by hand {dressing} does not exist, or has come to its end")]
    UnknownDressing { dressing: DressingId },
    #[error("{on} has {owner}'s value by hand {dressing} until {until}; only {owner} or a supervisor may change it")]
    DressedAlready { on: String, dressing: DressingId, owner: String, until: Timestamp },
    #[error("value by hand {dressing} of {on} is {owner}'s; only {owner} or a supervisor may take it off")]
    NotDressingOwner { dressing: DressingId, on: String, owner: String },
    #[error("{on}: a value by hand needs a reason, for whoever finds it there")]
    DressingWithoutReason { on: String },
    #[error(
        "{on}: a value by hand until {until} cannot be taken (it is {now}); wanted after now and at most {most} ahead"
    )]
    DressingTimes { on: String, until: Timestamp, now: Timestamp, most: Span },
    #[error("{on}: {value} is no value for it; wanted {wanted}")]
    DressingOutOfRange { on: String, value: i64, wanted: String },
    #[error(
        "{terminal}: the load of {node} would not show what round {round} brings back, as a value by hand lies between, so \
         its limit cannot be kept"
    )]
    HiddenByHand { terminal: TerminalId, round: RoundNo, node: NodeId },
    #[error("{object} is outside the area of {operator}, which is {area}")]
    OutsideArea { object: String, operator: String, area: String },
    #[error("{terminal}: its customer's supply is guaranteed and is never tripped")]
    Guaranteed { terminal: TerminalId },
    #[error("{terminal}: the trip would take the load to {left}, below the safety floor of {floor}")]
    SafetyFloor { terminal: TerminalId, left: Power, floor: Power },
    #[error("{terminal}: the load is not known (bad or old reading), so the safety floor of {floor} cannot be kept")]
    FloorNotProvable { terminal: TerminalId, floor: Power },
    #[error("{terminal}: round {round} is {position} already")]
    AlreadyThere { terminal: TerminalId, round: RoundNo, position: SwitchPosition },
    #[error("restoring round {round} of {terminal} would take {node} to {load}, above its limit of {limit}")]
    OverLimit { terminal: TerminalId, round: RoundNo, node: NodeId, load: Power, limit: Power },
    #[error(
        "restoring round {round} of {terminal}: the load of {node} is not known, so its limit of {limit} cannot be kept"
    )]
    LimitNotProvable { terminal: TerminalId, round: RoundNo, node: NodeId, limit: Power },
    #[error("{terminal}: {action} is not permitted by interlock {interlock}: {why}")]
    Interlocked { terminal: TerminalId, interlock: RuleId, action: Action, why: String },
    #[error("a cap of {cap} is below the safety floor of {floor}")]
    CapBelowFloor { cap: Power, floor: Power },
    #[error("order {order} is {state}: wanted a selected order")]
    NotSelected { order: OrderId, state: String },
    #[error("order {order} was selected by {owner}; only {owner} may go on with it")]
    NotOwner { order: OrderId, owner: String },
    #[error("node {node} is not in the inventory")]
    UnknownNode { node: NodeId },
    #[error("{node}: no rule limits it, so there is no limit to set; the rule file has to give it one first")]
    NoLimitRule { node: NodeId },
    #[error("{node}: a limit of {limit} cannot be kept; wanted more than 0 and at most its rating of {rated}")]
    LimitNotPositive { node: NodeId, limit: Power, rated: Power },
    #[error(
        "{node}: the limit was {expected} when you looked and is {now} now, set by {by}{}; look again before setting it",
        at.map(|at| format!(" at {at}")).unwrap_or_default()
    )]
    LimitChanged { node: NodeId, expected: Power, now: Power, by: String, at: Option<Timestamp> },
    #[error("{node}: a limit of {limit} is above its rating of {rated}, which only the rule file can change")]
    LimitAboveRating { node: NodeId, limit: Power, rated: Power },
    #[error(
        "{node}: a limit of {limit} is below the {guaranteed} that guaranteed customers and safety floors below it draw \
         now, so it cannot be kept"
    )]
    LimitBelowGuaranteed { node: NodeId, limit: Power, guaranteed: Power },
    #[error("{node}: a reduction of {reduction} takes nothing off; wanted more than 0")]
    TargetNotPositive { node: NodeId, reduction: Power },
    #[error(
        "{node}: a target from {from} to {to} cannot be taken (it is {now}); wanted an end after its beginning and after \
         now, at most 24 hours long and at most 31 days ahead"
    )]
    TargetTimes { node: NodeId, from: Timestamp, to: Timestamp, now: Timestamp },
    #[error("{node}: target {target} from {from} to {to} is in the way; cancel it first, or ask for another time")]
    TargetOverlaps { node: NodeId, target: TargetId, from: Timestamp, to: Timestamp },
    #[error("{node}: as many targets as can be are planned already; cancel one first")]
    TooManyTargets { node: NodeId },
    #[error(
        "{node}: nothing takes {reduction} off; the customers below it who can be switched have contracted {most} above \
         their safety floors"
    )]
    TargetBeyondContracts { node: NodeId, reduction: Power, most: Power },
    #[error("{node}: the load is not known (bad or old readings), so there is no baseline to take anything off")]
    BaselineUnknown { node: NodeId },
    #[error(
        "{node}: {reduction} off the baseline of {baseline} leave a limit of {limit}: {wanted} would have to be shed, and \
         {sheddable} can be"
    )]
    TargetOutOfReach { node: NodeId, reduction: Power, baseline: Power, limit: Power, wanted: Power, sheddable: Power },
    #[error("target {target} does not exist, or is over")]
    UnknownTarget { target: TargetId },
    #[error("proposal {proposal} is not there, or was decided, or its rule has come to its end")]
    UnknownProposal { proposal: ProposalId },
    #[error("{node}: {why}")]
    CannotTakeOff { node: NodeId, why: String },
    #[error("automatic control was stopped by {by} at {since} already")]
    AutomaticStopped { by: String, since: Timestamp },
    #[error("automatic control is running: there is nothing to resume")]
    AutomaticRunning,
}

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
            | Self::LinkDown { .. }
            | Self::NoEffect { .. }
            | Self::CoverOpen { .. }
            | Self::LoadImplausible { .. }
            | Self::PowerStale { .. }
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
            | Self::ParametersDiffer { terminal } => Some(terminal),
            Self::OwnRule { subject, .. } => subject.terminal(),
            Self::DressingOver { on } => on.terminal(),
            Self::OwnRuleBroken { .. }
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
        let own = matches!(self, Self::OwnRule { .. } | Self::OwnRuleBroken { .. });
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
            | Self::LoadUnknown { .. }
            | Self::NoEffect { .. }
            | Self::CoverOpen { .. }
            | Self::LoadImplausible { .. }
            | Self::PowerStale { .. }
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
            Self::ParametersDiffer { terminal } => write!(f, "{terminal}: its parameters are not those wanted"),
            Self::DressingOver { on } => write!(f, "{on}: the value by hand came to its end"),
            Self::OwnRule { rule, subject: Subject::Named, .. } => write!(f, "rule {rule}"),
            Self::OwnRule { rule, subject: Subject::Node(node), .. } => write!(f, "{node}: rule {rule}"),
            Self::OwnRule { rule, subject: Subject::Terminal(terminal), .. } => write!(f, "{terminal}: rule {rule}"),
            Self::OwnRuleBroken { rule } => write!(f, "rule {rule}: went wrong, it is off until rules are loaded anew"),
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

/// One entry of the record of what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When the centre took note.
    pub at: Timestamp,
    /// When the terminal says it happened, for a terminal's own events.
    pub source_time: Option<Timestamp>,
    /// What.
    pub what: Happening,
}

/// What happened. `Display` gives the sentence that an operator reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[allow(missing_docs, reason = "the fields are named in full and Display says the rest")]
pub enum Happening {
    /// The centre started.
    Started,
    /// The supply tree was loaded.
    InventoryLoaded { nodes: u32, customers: u32, terminals: u32 },
    /// The rules were loaded.
    PolicyLoaded { limits: u32 },
    /// A link came up or went down.
    Link { terminal: TerminalId, up: bool },
    /// A switch changed its position.
    Switch { terminal: TerminalId, round: RoundNo, position: SwitchPosition },
    /// A cover was opened or closed.
    Cover { terminal: TerminalId, open: bool },
    /// A terminal reports more changes than anything changes: the rest of this minute's are stored but not told.
    Chatters { terminal: TerminalId },
    /// A node's load rose above its limit.
    Breach { node: NodeId, load: Power, limit: Power },
    /// A node's load will be above its limit, by its trend: a plan comes before the breach.
    Foreseen { node: NodeId, load: Power, forecast: Forecast, limit: Power },
    /// A node's load is back below its limit.
    BreachOver { node: NodeId, load: Power, lasted: Span, peak: Power },
    /// A plan to shed was made: what is shed and what was spared, each with its reason.
    Planned {
        node: NodeId,
        pass: u8,
        load: Power,
        wanted: Power,
        expected: Power,
        shed: Vec<Choice>,
        spared: Vec<Finding>,
        /// Events of before there was one have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outlook: Option<Box<Outlook>>,
    },
    /// A plan was made, and its customers are told before it is looked at anew: so many who had not been told yet.
    Announced {
        node: NodeId,
        load: Power,
        wanted: Power,
        expected: Power,
        shed: Vec<Choice>,
        customers: u32,
        due: Timestamp,
    },
    /// The time of a notice is over and a plan is executed: who of its customers was told, and who was not.
    NoticeOver { node: NodeId, told: u32, untold: Vec<Untold> },
    /// The load is too high to wait for a notice, or for its end.
    NoticeCut { node: NodeId, load: Power, limit: Power, percent: u16, untold: Vec<Untold> },
    /// What was announced is not done: so many customers are told that.
    NoticeCalledOff { node: NodeId, customers: u32, why: String },
    /// The checker refused a plan. Nothing of it was executed.
    PlanRefused { node: NodeId, violation: String },
    /// The effect of a plan was measured.
    Verified { node: NodeId, expected: Power, measured: Power, load: Power },
    /// A round was tripped and did not respond; it is not counted on again in this breach.
    NoResponse { terminal: TerminalId, round: RoundNo, expected: Power, measured: Power },
    /// The rule stopped: the operator must act.
    Futile { node: NodeId, passes: u8, load: Power, limit: Power },
    /// A stage of restoration began.
    Restoring { node: NodeId, stage: u16, load: Power, restored: Vec<Choice>, left: u32 },
    /// A stage of restoration waits because it would take a node above its limit.
    RestoreHeld { node: NodeId, terminal: TerminalId, round: RoundNo, would_be: Power, limit: Power },
    /// The headroom shrank under a restoration: so many returns that were promised or selected were withdrawn, `coming` in
    /// all, or what came back last is shed `again`.
    StepBack { node: NodeId, load: Power, coming: Power, limit: Power, withdrawn: u32, again: Vec<Choice> },
    /// A stage of restoration waits because an interlock does not permit it.
    RestoreBarred { node: NodeId, terminal: TerminalId, round: RoundNo, interlock: RuleId },
    /// Restoration waits for a node above, which needs what is off.
    RestoreWaits { node: NodeId, above: NodeId },
    /// What a node supplies draws nothing all of a sudden. So many rounds are off by its rule.
    WentDark { node: NodeId, off: u32 },
    /// Power came back to what was dark, or to what nobody saw for a while.
    SupplyBack { node: NodeId, load: Power, dark_for: Span, off: u32 },
    /// The load has settled after the supply came back.
    SupplySettled { node: NodeId, load: Power, peak: Power, after: Span },
    /// Restoration waits for something that is not the rule's own.
    ReturnHeld { node: NodeId, hold: Hold },
    /// Every round that the rule shed is back.
    Restored { node: NodeId, rounds: u32, shed_for: Span },
    /// A person, or the centre above, set a node's limit.
    LimitSet { node: NodeId, before: Power, after: Power, by: String },
    /// A node's limit changed by itself: by its schedule, or with a target.
    LimitChanged { node: NodeId, before: Power, after: Power, source: LimitSource, until: Option<Timestamp> },
    /// More is drawn than the limit in force by those who may not be shed: it cannot be kept.
    LimitBelowGuaranteed { node: NodeId, limit: Power, guaranteed: Power },
    /// A person asked for a reduction.
    TargetSet { node: NodeId, target: TargetId, reduction: Power, from: Timestamp, to: Timestamp, by: String },
    /// A reduction began, from this baseline.
    TargetBegun { node: NodeId, target: TargetId, baseline: Power, reduction: Power, limit: Power, until: Timestamp },
    /// A reduction's time is over.
    TargetEnded { node: NodeId, target: TargetId, reduction: Power },
    /// A person ended a reduction, or took it back.
    TargetCancelled { node: NodeId, target: TargetId, by: String },
    /// A reduction did not begin, or is in force no more.
    TargetDropped { node: NodeId, target: TargetId, why: String },
    /// A person wants a rule that gave up to plan anew.
    TriesAgain { node: NodeId, by: String, reason: String },
    /// A limit that was set is in force no more: new rules give the node a lower one, or none.
    SetLimitDropped { node: NodeId, set: Power, rated: Option<Power> },
    /// A person drew up a group order.
    GroupDrafted {
        group: GroupId,
        act: GroupAct,
        of: String,
        rounds: u32,
        left_out: u32,
        power: Power,
        second_person: bool,
        by: String,
    },
    /// A second person said so too.
    GroupApproved { group: GroupId, power: Power, by: String },
    /// The approval of a group order holds no more: its power has grown.
    GroupStale { group: GroupId, approved: Power, power: Power },
    /// The orders of a group go out.
    GroupExecuted { group: GroupId, act: GroupAct, rounds: u32, left_out: u32, power: Power, by: String },
    /// The orders of a group are at their end.
    GroupDone { group: GroupId, confirmed: u32, failed: u32, left_out: u32 },
    /// A group order was called off; so many of its orders were withdrawn.
    GroupCancelled { group: GroupId, withdrawn: u32, by: String, reason: String },
    /// Nobody executed a group order in time.
    GroupExpired { group: GroupId },
    /// A person hung a tag.
    TagHung { tag: Tag },
    /// A person took a tag off, the owner or another.
    TagTakenOff { tag: Tag, by: String, reason: String },
    /// A person put a value in by hand.
    Dressed { dressing: Dressing },
    /// A value by hand is off: taken off by somebody, or at its time. What counts without it.
    DressingEnded { dressing: Dressing, by: Option<String>, reason: String, beneath: String },
    /// A user's own rule began: its condition held for as long as it says.
    OwnRuleBegan { rule: RuleId, subject: Subject, text: String },
    /// A user's own rule came to its end.
    OwnRuleEnded { rule: RuleId, subject: Subject, lasted: Span },
    /// A user's own rule decides nothing: something that it reads is not known.
    OwnRuleUndecided { rule: RuleId, subject: Subject, why: String },
    /// A user's own rule did not get the limit or the reduction that it wanted.
    OwnRuleRefused { rule: RuleId, subject: Subject, node: NodeId, why: String },
    /// A user's own rule proposes to take load off a node: a person has to say so.
    Proposed { proposal: Proposal },
    /// A person decided on a proposal.
    ProposalDecided { proposal: Proposal, approved: bool, by: String, reason: String },
    /// A proposal is there no more: its rule came to its end.
    ProposalLapsed { proposal: Proposal },
    /// A user's own rule went wrong as it ran, and is off.
    OwnRuleBroken { rule: RuleId, fault: String },
    /// A person stopped all automatic control; so many selects of rules were withdrawn.
    AutomaticStopped { by: String, reason: String, withdrawn: u32 },
    /// A person let the rules act again.
    AutomaticResumed { by: String, reason: String, stopped_for: Span },
}

impl Happening {
    /// Whether a terminal or its link causes it, which may be as often as they please.
    pub const fn is_terminals_own(&self) -> bool {
        matches!(self, Self::Switch { .. } | Self::Link { .. } | Self::Cover { .. } | Self::Chatters { .. })
    }
}

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
                write!(f, "{terminal}: a value by hand lies between, the load of {node} would not show it")
            }
            Self::Tagged { terminal, round: Some(round), tag } => write!(f, "{terminal} round {round}: tagged ({tag})"),
            Self::Tagged { terminal, round: None, tag } => write!(f, "{terminal}: tagged ({tag})"),
            Self::LinkDown { terminal } => write!(f, "{terminal}: link down"),
            Self::ReadingTooOld { terminal } => write!(f, "{terminal}: reading too old"),
            Self::ReadingBad { terminal } => write!(f, "{terminal}: reading of bad quality"),
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

/// A rule, by the one for whom it speaks.
struct Whose(Subject, RuleId);

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(subject, rule) = self;
        match subject {
            Subject::Named => write!(f, "rule {rule}"),
            Subject::Node(node) => write!(f, "{node}: rule {rule}"),
            Subject::Terminal(terminal) => write!(f, "{terminal}: rule {rule}"),
        }
    }
}

struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, item) in self.0.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { ", " })?;
            item.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("centre started"),
            Self::InventoryLoaded { nodes, customers, terminals } => {
                write!(f, "supply tree loaded: {nodes} nodes, {customers} customers, {terminals} terminals")
            }
            Self::PolicyLoaded { limits: 1 } => f.write_str("rules loaded: 1 limit"),
            Self::PolicyLoaded { limits } => write!(f, "rules loaded: {limits} limits"),
            Self::Link { terminal, up: true } => write!(f, "{terminal}: link up"),
            Self::Link { terminal, up: false } => write!(f, "{terminal}: link down"),
            Self::Switch { terminal, round, position } => write!(f, "{terminal}: round {round} is {position}"),
            Self::Cover { terminal, open } => {
                write!(f, "{terminal}: cover {}", if *open { "opened" } else { "closed" })
            }
            Self::Chatters { terminal } => {
                write!(f, "{terminal}: too many changes of switches or cover, the rest of this minute's are not told")
            }
            Self::Breach { node, load, limit } => write!(f, "{node}: {load} is over the limit of {limit}"),
            Self::Foreseen { node, load, forecast, limit } => {
                let off = forecast.load - forecast.least;
                write!(
                    f,
                    "{node}: forecast: {load} rising by {} a minute to {} (\u{b1} {off}) within {}, over the limit of {limit}",
                    forecast.rise_per_minute,
                    forecast.load,
                    forecast.at.since(forecast.made_at)
                )
            }
            Self::BreachOver { node, load, lasted, peak } => {
                write!(f, "{node}: back at {load} after {lasted}, peak {peak}")
            }
            Self::Planned { node, pass, load, wanted, shed, spared, .. } if shed.is_empty() => {
                write!(
                    f,
                    "{node}: plan {pass} at {load}: {wanted} wanted, nothing is left to shed; {} spared",
                    spared.len()
                )
            }
            Self::Planned { node, pass, load, wanted, expected, shed, spared, .. } => write!(
                f,
                "{node}: plan {pass} at {load}: {wanted} wanted, shedding {expected} in {} rounds: {}; {} spared",
                shed.len(),
                Listed(shed),
                spared.len()
            ),
            Self::Announced { node, load, wanted, expected, shed, customers, due } => write!(
                f,
                "{node}: announced at {load}: {wanted} wanted, {expected} in {} rounds may be shed from {due}; {customers} \
                 {} told now: {}",
                shed.len(),
                if *customers == 1 { "customer is" } else { "customers are" },
                Listed(shed)
            ),
            Self::NoticeOver { node, told, untold } if untold.is_empty() => {
                write!(f, "{node}: the notice is over: all {told} customers to be shed were told")
            }
            Self::NoticeOver { node, told, untold } => write!(
                f,
                "{node}: the notice is over: of those to be shed {told} were told, {} not: {}",
                untold.len(),
                Listed(untold)
            ),
            Self::NoticeCut { node, load, limit, percent, untold } if untold.is_empty() => {
                write!(f, "{node}: {load} is over {percent} % of the limit of {limit}: no waiting")
            }
            Self::NoticeCut { node, load, limit, percent, untold } => write!(
                f,
                "{node}: {load} is over {percent} % of the limit of {limit}: no waiting; without notice: {}",
                Listed(untold)
            ),
            Self::NoticeCalledOff { node, customers, why } => {
                let are = if *customers == 1 { "customer is" } else { "customers are" };
                write!(f, "{node}: what was announced is called off, {customers} {are} told: {why}")
            }
            Self::PlanRefused { node, violation } => write!(f, "{node}: plan refused by the checker: {violation}"),
            Self::Verified { node, expected, measured, load } => {
                write!(f, "{node}: shed {measured} of {expected} expected, load now {load}")
            }
            Self::NoResponse { terminal, round, expected, measured } => {
                write!(f, "{terminal}: round {round} did not respond: {measured} of {expected} expected")
            }
            Self::Futile { node, passes, load, limit } => {
                let plans = if *passes == 1 { "plan" } else { "plans" };
                write!(f, "{node}: stopped after {passes} {plans}, still {load} of {limit}: operator needed")
            }
            Self::Restoring { node, stage, load, restored, left } => {
                write!(f, "{node}: restoration stage {stage} at {load}: {}; {left} left", Listed(restored))
            }
            Self::RestoreHeld { node, terminal, round, would_be, limit } => {
                write!(f, "{node}: restoration waits: {terminal} round {round} would take it to {would_be} of {limit}")
            }
            Self::StepBack { node, load, limit, again, .. } if !again.is_empty() => {
                write!(f, "{node}: stepping back at {load} of {limit}: shedding again {}", Listed(again))
            }
            Self::StepBack { node, load, coming, limit, withdrawn, .. } => {
                let returns = if *withdrawn == 1 { "return" } else { "returns" };
                write!(
                    f,
                    "{node}: stepping back: {load} and {coming} on its way are over the limit of {limit}: {withdrawn} {returns} withdrawn"
                )
            }
            Self::RestoreBarred { node, terminal, round, interlock } => {
                write!(f, "{node}: restoration waits: {terminal} round {round}: not permitted by interlock {interlock}")
            }
            Self::RestoreWaits { node, above } => write!(f, "{node}: restoration waits: {above} needs what is off"),
            Self::WentDark { node, off: 0 } => write!(f, "{node}: dark: nothing below draws anything"),
            Self::WentDark { node, off } => {
                write!(f, "{node}: dark: nothing below draws anything; what the rule shed stays off ({off})")
            }
            Self::SupplyBack { node, load, dark_for, off: 0 } => {
                write!(f, "{node}: supplied again after {dark_for} at {load}")
            }
            Self::SupplyBack { node, load, dark_for, off } => {
                write!(
                    f,
                    "{node}: supplied again after {dark_for} at {load}; what the rule shed waits until that settles ({off})"
                )
            }
            Self::SupplySettled { node, load, peak, after } => {
                write!(f, "{node}: load settled at {load} after {after}, peak {peak}")
            }
            Self::ReturnHeld { node, hold } => write!(f, "{node}: restoration waits: {hold}"),
            Self::Restored { node, rounds, shed_for } => {
                write!(f, "{node}: all {rounds} rounds restored after {shed_for}")
            }
            Self::LimitSet { node, before, after, by } => {
                write!(f, "{node}: limit set from {before} to {after} by {by}")
            }
            Self::LimitChanged { node, before, after, source, until } => {
                write!(f, "{node}: limit now {after}, before {before} ({source}")?;
                match until {
                    Some(until) => write!(f, ", until {until})"),
                    None => f.write_str(")"),
                }
            }
            Self::LimitBelowGuaranteed { node, limit, guaranteed } => write!(
                f,
                "{node}: the limit of {limit} cannot be kept, guaranteed customers and safety floors draw {guaranteed}"
            ),
            Self::TargetSet { node, target, reduction, from, to, by } => {
                write!(f, "{node}: target {target} by {by}: {reduction} off from {from} to {to}")
            }
            Self::TargetBegun { node, target, baseline, reduction, limit, until } => write!(
                f,
                "{node}: target {target} begins: {reduction} off the baseline of {baseline} is a limit of {limit} until \
                 {until}"
            ),
            Self::TargetEnded { node, target, reduction } => {
                write!(f, "{node}: target {target} of {reduction} is over")
            }
            Self::TargetCancelled { node, target, by } => write!(f, "{node}: target {target} cancelled by {by}"),
            Self::TargetDropped { node, target, why } => write!(f, "{node}: target {target} is dropped: {why}"),
            Self::TriesAgain { node, by, reason } => {
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "{node}: the rule plans anew, by {by}{why}{reason}")
            }
            Self::SetLimitDropped { node, set, rated: Some(rated) } => {
                write!(f, "{node}: the limit of {set} that was set is dropped, the rules give {rated}")
            }
            Self::SetLimitDropped { node, set, rated: None } => {
                write!(f, "{node}: the limit of {set} that was set is dropped, no rule limits the node any more")
            }
            Self::GroupDrafted { group, act, of, rounds, left_out, power, second_person, by } => {
                write!(
                    f,
                    "group order {group} drawn up by {by}: {act} {of}, {rounds} rounds with {power}, {left_out} left out"
                )?;
                f.write_str(if *second_person { "; a second person has to approve it" } else { "" })
            }
            Self::GroupApproved { group, power, by } => write!(f, "group order {group} approved by {by} at {power}"),
            Self::GroupStale { group, approved, power } => {
                write!(f, "group order {group}: approved at {approved}, {power} now: it has to be approved anew")
            }
            Self::GroupExecuted { group, act, rounds, left_out, power, by } => {
                write!(
                    f,
                    "group order {group} executed by {by}: {act} {rounds} rounds with {power}, {left_out} left out"
                )
            }
            Self::GroupDone { group, confirmed, failed, left_out } => {
                write!(f, "group order {group}: {confirmed} confirmed, {failed} not, {left_out} left out")
            }
            Self::GroupCancelled { group, withdrawn, by, reason } => {
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "group order {group} called off by {by}, {withdrawn} orders withdrawn{why}{reason}")
            }
            Self::GroupExpired { group } => write!(f, "group order {group} was not executed in time"),
            Self::TagHung { tag: Tag { id, on, owner, reason, .. } } => {
                write!(f, "{on}: tagged by {owner} ({id}): {reason}")
            }
            Self::TagTakenOff { tag: Tag { id, on, owner, .. }, by, reason } => {
                write!(f, "{on}: tag {id} taken off by {by}")?;
                if by != owner {
                    write!(f, " in place of {owner}")?;
                }
                write!(f, "{}{reason}", if reason.is_empty() { "" } else { ": " })
            }
            Self::Dressed { dressing: dressing @ Dressing { id, on, owner, reason, until, .. } } => {
                write!(f, "{on}: {} by hand of {owner} ({id}) until {until}: {reason}", dressing.told())
            }
            Self::DressingEnded { dressing: dressing @ Dressing { id, on, owner, .. }, by, reason, beneath } => {
                write!(f, "{on}: {} by hand ({id}) ", dressing.told())?;
                match by {
                    None => f.write_str("came to its end")?,
                    Some(by) if by == owner => write!(f, "taken off by {by}")?,
                    Some(by) => write!(f, "taken off by {by} in place of {owner}")?,
                }
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "{why}{reason}; without it: {beneath}")
            }
            Self::OwnRuleBegan { rule, subject, text } => write!(f, "{}: {text}", Whose(*subject, *rule)),
            Self::OwnRuleEnded { rule, subject, lasted } => {
                write!(f, "{}: over after {lasted}", Whose(*subject, *rule))
            }
            Self::OwnRuleUndecided { rule, subject, why } => {
                write!(f, "{}: decides nothing: {why}", Whose(*subject, *rule))
            }
            Self::OwnRuleRefused { rule, subject, node, why } => {
                write!(f, "{}: wanted less load on {node} and does not get it: {why}", Whose(*subject, *rule))
            }
            Self::Proposed { proposal: Proposal { id, rule, node, power, text, .. } } => {
                write!(f, "{node}: rule {rule} proposes ({id}) to take {power} off: {text}")
            }
            Self::ProposalDecided { proposal: Proposal { id, node, power, .. }, approved, by, reason } => {
                let what = if *approved { "approved" } else { "declined" };
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "{node}: proposal {id} to take {power} off {what} by {by}{why}{reason}")
            }
            Self::ProposalLapsed { proposal: Proposal { id, node, .. } } => {
                write!(f, "{node}: proposal {id} lapsed with its rule's end")
            }
            Self::OwnRuleBroken { rule, fault } => {
                write!(f, "rule {rule}: went wrong and is off until rules are loaded anew: {fault}")
            }
            Self::AutomaticStopped { by, reason, withdrawn } => {
                write!(f, "AUTOMATIC CONTROL STOPPED by {by}{}{reason}", if reason.is_empty() { "" } else { ": " })?;
                match withdrawn {
                    0 => Ok(()),
                    1 => f.write_str("; 1 select withdrawn"),
                    count => write!(f, "; {count} selects withdrawn"),
                }
            }
            Self::AutomaticResumed { by, reason, stopped_for } => {
                let why = if reason.is_empty() { "" } else { ": " };
                write!(f, "automatic control resumed by {by} after {stopped_for}{why}{reason}")
            }
        }
    }
}
