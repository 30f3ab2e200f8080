//! All that can happen to the engine. An input is appended to the journal first, then applied.

use serde::{Deserialize, Serialize};

use crate::dressing::{DressOn, DressingId};
use crate::groups::{GroupAct, GroupId, GroupScope};
use crate::local_control::Parameters;
use crate::measures::{MeasureId, MeasureKind};
use crate::model::{Inventory, NodeId, Power, Reading, TerminalId, Timestamp};
use crate::notices::NoticeId;
use crate::orders::{Action, OrderId, Outcome, Qualifier};
use crate::output::{AlarmCause, AlarmId};
use crate::own::ProposalId;
use crate::policy::Policy;
use crate::tags::{TagId, TagOn};
use crate::target::TargetId;

/// One thing that happened, at a time that the centre's clock gave. The engine's time never runs backwards: an earlier
/// `at` counts as the latest seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The centre started. What it had in hand before is unknown until read back.
    Started {
        /// When.
        at: Timestamp,
    },
    /// The supply tree is now this.
    Inventory {
        /// When.
        at: Timestamp,
        /// Checked by [`Inventory::check`].
        inventory: Box<Inventory>,
    },
    /// The rules are now these.
    Policy {
        /// When.
        at: Timestamp,
        /// The rules.
        policy: Box<Policy>,
    },
    /// A terminal's link came up (data transfer started and interrogated) or went down.
    Link {
        /// When.
        at: Timestamp,
        /// Whose.
        terminal: TerminalId,
        /// Up or down.
        up: bool,
    },
    /// What a terminal reported in one go.
    Readings {
        /// Time of arrival of all of them.
        at: Timestamp,
        /// From whom.
        terminal: TerminalId,
        /// In the order of the wire.
        readings: Vec<Reading>,
    },
    /// What became of a command that the engine gave to the dispatcher.
    Outcome {
        /// When.
        at: Timestamp,
        /// Which order.
        order: OrderId,
        /// What.
        outcome: Outcome,
    },
    /// A person wants something.
    Request {
        /// When.
        at: Timestamp,
        /// Who, from where.
        origin: Origin,
        /// What.
        request: Request,
    },
    /// What came of sending a terminal its parameters or of reading them back.
    Parameters {
        /// When.
        at: Timestamp,
        /// Whose.
        terminal: TerminalId,
        /// What it has, where that was read.
        read: Option<Box<Parameters>>,
        /// Why not, where it was not.
        failed: Option<String>,
    },
    /// What came of a text for a customer's display.
    Told {
        /// When.
        at: Timestamp,
        /// Which.
        notice: NoticeId,
        /// Why it did not reach the terminal; none where the terminal confirmed it.
        failed: Option<String>,
    },
    /// Something is wrong with the centre itself, or no longer: an alarm for its operators.
    Trouble {
        /// When.
        at: Timestamp,
        /// What.
        cause: AlarmCause,
        /// How it is, with figures; none when it is over.
        detail: Option<String>,
    },
    /// Time passed.
    Tick {
        /// The time now.
        at: Timestamp,
    },
}

impl Input {
    /// When it happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Started { at }
            | Self::Inventory { at, .. }
            | Self::Policy { at, .. }
            | Self::Link { at, .. }
            | Self::Readings { at, .. }
            | Self::Outcome { at, .. }
            | Self::Request { at, .. }
            | Self::Parameters { at, .. }
            | Self::Told { at, .. }
            | Self::Trouble { at, .. }
            | Self::Tick { at } => *at,
        }
    }
}

impl Input {
    /// An alarm about what is over already: it stays until somebody has seen it.
    pub fn told_when_over(at: Timestamp, cause: AlarmCause, detail: String) -> [Self; 2] {
        [Self::Trouble { at, cause, detail: Some(detail) }, Self::Trouble { at, cause, detail: None }]
    }

    /// How many readings it carries: what it weighs in a queue.
    pub const fn readings(&self) -> usize {
        if let Self::Readings { readings, .. } = self { readings.len() } else { 0 }
    }
}

/// Who asks, and from where: what the audit log keeps of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The operator's name, as the token says.
    pub operator: String,
    /// The address that the request came from.
    pub from: String,
    /// What the operator may decide about. It comes with each request, so that a replay judges as the live centre did.
    #[serde(default)]
    pub authority: Authority,
}

impl Origin {
    /// Somebody who is bound to no area and supervises nobody.
    pub fn new(operator: impl Into<String>, from: impl Into<String>) -> Self {
        Self { operator: operator.into(), from: from.into(), authority: Authority::default() }
    }
}

/// How far a person's word reaches. The default is that of before there were areas: everywhere, nobody's supervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// The nodes that the person answers for, with all below; none for everywhere, empty for nowhere.
    #[serde(default)]
    pub area: Option<Vec<NodeId>>,
    /// Whether the person may take off others' tags and values by hand, and call off others' group orders, in that area.
    #[serde(default)]
    pub supervisor: bool,
}

/// What a person can ask of the centre.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    /// Select a point of a terminal for an action; the terminal's check-back comes with the order's state.
    Select {
        /// The terminal.
        terminal: TerminalId,
        /// What is to be done.
        action: Action,
        /// What the commands say of the output, where the terminal's point map is not to say it.
        #[serde(default)]
        qualifier: Option<Qualifier>,
        /// Why, for the audit log; may be empty.
        reason: String,
    },
    /// Execute the selected order. Only its own operator may.
    Execute {
        /// Which.
        order: OrderId,
    },
    /// Withdraw a selected order.
    Cancel {
        /// Which.
        order: OrderId,
    },
    /// Hang a tag: nothing that it hangs on is commanded by anybody until it is taken off.
    SetTag {
        /// On what.
        on: TagOn,
        /// Why; wanted.
        reason: String,
    },
    /// Take a tag off. Its owner may, or a supervisor.
    RemoveTag {
        /// Which.
        tag: TagId,
        /// Why, for the audit log; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Put a value in by hand (人工置数), in the place of a measured one. Its owner may set it anew.
    Dress {
        /// In the place of what.
        on: DressOn,
        /// In W, or a switch's position: 1 open, 2 closed.
        value: i64,
        /// When it ends by itself; at most [`Dressing::LENGTH_MAX`](crate::dressing::Dressing::LENGTH_MAX) ahead.
        until: Timestamp,
        /// Why; wanted.
        reason: String,
    },
    /// Take a value by hand off. Its owner may, or a supervisor.
    Undress {
        /// Which.
        dressing: DressingId,
        /// Why, for the audit log; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Draw up a group order; nothing is sent yet. The answer is its number.
    DraftGroup {
        /// What it does.
        act: GroupAct,
        /// To whom.
        scope: GroupScope,
        /// Why, for the audit log; may be empty.
        #[serde(default)]
        reason: String,
        /// So long before a trip its customers are told, 0 to [`GroupNotice::MINUTES_MAX`](crate::groups::GroupNotice::MINUTES_MAX)
        /// minutes, from the draft on or, where a second person is wanted, from the approval; 0 tells nobody.
        #[serde(default)]
        notice_min: u16,
    },
    /// The second person's word for a group order (`second-person`).
    ApproveGroup {
        /// Which.
        group: GroupId,
        /// The power of the list that the person saw; where it has grown since by more than `[group]` permits, nothing is
        /// approved. None approves what it is now.
        #[serde(default)]
        seen: Option<Power>,
    },
    /// Execute a group order. Whoever drew it up, or approved it, may.
    ExecuteGroup {
        /// Which.
        group: GroupId,
        /// Why the end of its notice is not waited for, where it is not; for the audit log.
        #[serde(default)]
        at_once: Option<String>,
    },
    /// Call a group order off. Whoever drew it up, or approved it, may, and a supervisor.
    CancelGroup {
        /// Which.
        group: GroupId,
        /// Why, for the audit log; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Acknowledge an alarm.
    AcknowledgeAlarm {
        /// Which.
        alarm: AlarmId,
        /// A remark, may be empty.
        comment: String,
    },
    /// Set the limit of a node, from now on and over restarts, until it is set anew.
    SetLimit {
        /// The node. A rule has to limit it: how to shed and restore is the rule's.
        node: NodeId,
        /// Above zero and at most the rule's limit, the rating; the rating itself ends the setting.
        limit: Power,
        /// The limit in force that the person saw when deciding; where it has changed meanwhile, nothing is set. None sets
        /// it whatever it was.
        #[serde(default)]
        expected: Option<Power>,
        /// Why, for the audit log; may be empty.
        reason: String,
    },
    /// Take a reduction off a node's load for a time. What a baseline, the mean load before the beginning, less the reduction
    /// comes to is a limit of the node meanwhile.
    SetTarget {
        /// The node. A rule has to limit it: how to shed and restore is the rule's.
        node: NodeId,
        /// Above zero.
        reduction: Power,
        /// When it begins; what lies in the past is now. At most [`Target::AHEAD_MAX`](crate::target::Target::AHEAD_MAX) ahead.
        from: Timestamp,
        /// When it ends; at most [`Target::LENGTH_MAX`](crate::target::Target::LENGTH_MAX) later.
        to: Timestamp,
        /// Why, for the audit log; may be empty.
        reason: String,
    },
    /// End a target reduction, or take it back before it begins.
    CancelTarget {
        /// Which.
        target: TargetId,
        /// Why, for the audit log; may be empty.
        reason: String,
    },
    /// Let a limit rule plan anew that gave up ([`AlarmCause::LimitFutile`]): what stood in its way is mended.
    TryAgain {
        /// Its node.
        node: NodeId,
        /// Why, for the audit log; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Approve or decline what a user's own rule proposes.
    DecideProposal {
        /// Which.
        proposal: ProposalId,
        /// Whether it is to be done.
        approve: bool,
        /// Why, for the audit log; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// What a terminal's parameters shall be. The centre sends them and reads them back.
    SetParameters {
        /// Which.
        terminal: TerminalId,
        /// All of them.
        parameters: Box<Parameters>,
        /// Why, for the audit log; may be empty.
        reason: String,
    },
    /// Ask a customer for what it agreed to do itself, as soon as its notice permits.
    AskMeasure {
        /// Its terminal.
        terminal: TerminalId,
        /// What it does.
        kind: MeasureKind,
        /// Why, for the audit log; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Call an agreed measure off that has not begun, or release one; the customer is told.
    ReleaseMeasure {
        /// Which.
        measure: MeasureId,
        /// Why, for the audit log; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Record that a customer declined what it was asked for. It is not asked again for a day.
    DeclineMeasure {
        /// Which.
        measure: MeasureId,
        /// What the customer said; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Stop all automatic control: no rule trips or restores anything until a person resumes.
    StopAutomatic {
        /// Why, for the audit log; may be empty.
        reason: String,
    },
    /// Let the rules act again. [`Engine::resumption`](crate::engine::Engine::resumption) says beforehand what they would do.
    ResumeAutomatic {
        /// Why, for the audit log; may be empty.
        reason: String,
    },
}
