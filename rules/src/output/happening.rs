//! The record of what happened.

use serde::{Deserialize, Serialize};

use super::{Choice, Finding};
use crate::dressing::Dressing;
use crate::groups::{GroupAct, GroupId};
use crate::measures::{Asked, MeasureEnding, MeasureId, MeasureKind, MeasureState, NotAsked};
use crate::model::{NodeId, Power, RoundNo, RuleId, Span, SwitchPosition, TerminalId, Timestamp};
use crate::notices::Untold;
use crate::outlook::Outlook;
use crate::own::{Proposal, Subject};
use crate::restoration::Hold;
use crate::tags::Tag;
use crate::target::{LimitAhead, LimitSource, TargetId};
use crate::view::Forecast;

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
        /// The limit that it is for, where that is not in force yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ahead: Option<LimitAhead>,
    },
    /// The time of a notice is over and a plan is executed: who of its customers was told, and who was not.
    NoticeOver { node: NodeId, told: u32, untold: Vec<Untold> },
    /// The load is too high to wait for a notice, or for its end.
    NoticeCut { node: NodeId, load: Power, limit: Power, percent: u16, untold: Vec<Untold> },
    /// What was announced is not done: so many customers are told that.
    NoticeCalledOff { node: NodeId, customers: u32, why: String },
    /// Customers are asked to do what they agreed to, by a rule or by a person.
    MeasuresAsked {
        node: NodeId,
        load: Power,
        wanted: Power,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        asked: Vec<Asked>,
        spared: Vec<NotAsked>,
    },
    /// What a customer agreed to was measured after it was due.
    MeasureJudged {
        node: NodeId,
        measure: MeasureId,
        terminal: TerminalId,
        kind: MeasureKind,
        expected: Power,
        gone: Power,
        state: MeasureState,
    },
    /// A measure is over.
    MeasureEnded {
        node: NodeId,
        measure: MeasureId,
        terminal: TerminalId,
        kind: MeasureKind,
        how: MeasureEnding,
        why: String,
    },
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
    /// The customers of a group order were told: it may be executed when that is due.
    GroupAnnounced { group: GroupId, customers: u32, due: Timestamp },
    /// The orders of a group go out after its notice, or before its end and why: who was told, and who was not.
    GroupNoticeOver { group: GroupId, told: u32, untold: Vec<Untold>, at_once: Option<String> },
    /// So many customers of a group order were told that nothing comes of it.
    GroupNoticeCalledOff { group: GroupId, customers: u32 },
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
