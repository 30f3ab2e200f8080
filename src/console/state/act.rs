//! What a person does beside switching one round: what the dialogue is about, and what it knows.

use headroom_rules::dressing::{DressOn, Dressing, DressingId};
use headroom_rules::groups::{Group, GroupAct, GroupId, GroupLine, GroupState};
use headroom_rules::measures::{Measure, MeasureId};
use headroom_rules::model::{NodeId, Power, RoundNo, TerminalId, Timestamp};
use headroom_rules::own::{Proposal, ProposalId};
use headroom_rules::tags::{Tag, TagId, TagOn};
use headroom_rules::target::{Target, TargetId};
use headroom_rules::view::DryRun;

use super::form::Form;

/// Names of fields.
pub(crate) const WHY: &str = "Why, for the audit log";
pub(crate) const CLASS: &str = "Only customers of class (1 to 5, empty: all)";
pub(crate) const ROUNDS: &str = "Only rounds (as 1 2, empty: all)";
pub(crate) const NOTICE: &str = "Tell its customers so long before (minutes, 1 to 60; empty: nobody is told)";
pub(crate) const REDUCTION: &str = "Take off (kW, or as 12 MW)";
pub(crate) const FROM: &str = "From (17:00, or +30 min; empty: now)";
pub(crate) const UNTIL: &str = "Until (20:00, or +180 min after that)";
pub(crate) const LIMIT: &str = "Under a limit of kW (empty: the one in force)";
pub(crate) const CHANGE: &str = "Change (KEY VALUE, as floor_kw 40)";

pub(crate) const ASPECT: &str = "Of what (switch, power behind it, load of the terminal)";
pub(crate) const VALUE: &str = "Value (kW; open or closed of a switch)";
pub(crate) const FOR: &str = "For how long (hours, or as 30 min; at most 168)";

/// A dialogue about one act.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) what: What,
    pub(crate) form: Form,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    HangTag(TagOn),
    TakeOffTag(Tag),
    Dress {
        at: DressAt,
        wanted: Option<ByHand>,
    },
    Undress(Dressing),
    /// Nothing is sent by it: its list comes next.
    DraftGroup {
        act: GroupAct,
        of: DraftOf,
    },
    Group(Box<GroupLook>),
    /// The end of its notice is not to be waited for.
    GroupAtOnce(GroupId),
    SetTarget {
        node: NodeId,
        wanted: Option<Reduction>,
        preview: Preview,
    },
    DropTarget(Target),
    /// To be ended, or noted as declined.
    Measure(Box<Measure>),
    Decide {
        proposal: Proposal,
        preview: Preview,
    },
    DryRun {
        node: NodeId,
        preview: Preview,
    },
    /// A rule that gave up is to plan anew.
    TryAgain {
        node: NodeId,
        preview: Preview,
    },
    Parameters {
        terminal: TerminalId,
        change: Option<Change>,
    },
    /// What forbids which action at a terminal's round now.
    Forbids {
        terminal: TerminalId,
        round: Option<RoundNo>,
    },
}

impl What {
    /// As answers are found again by, and as sentences begin.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::HangTag(_) => "the tag",
            Self::TakeOffTag(_) => "taking the tag off",
            Self::Dress { .. } => "the value by hand",
            Self::Undress(_) => "taking the value by hand off",
            Self::TryAgain { .. } => "the new try",
            Self::DraftGroup { .. } => "the draft of the group order",
            Self::Group(_) => "the group order",
            Self::GroupAtOnce(_) => "the execute before the notice's end",
            Self::SetTarget { .. } => "the target",
            Self::DropTarget(_) => "dropping the target",
            Self::Measure(_) => "the end of the measure",
            Self::Decide { .. } => "the decision",
            Self::DryRun { .. } => "the dry run",
            Self::Parameters { .. } => "the parameters",
            Self::Forbids { .. } => "the look at what forbids",
        }
    }

    pub(crate) fn preview_mut(&mut self) -> Option<&mut Preview> {
        match self {
            Self::SetTarget { preview, .. }
            | Self::Decide { preview, .. }
            | Self::DryRun { preview, .. }
            | Self::TryAgain { preview, .. } => Some(preview),
            _ => None,
        }
    }
}

/// What a value by hand is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DressAt {
    One(DressOn),
    /// A round, of which the person says what.
    Round {
        terminal: TerminalId,
        round: RoundNo,
    },
}

/// A value by hand as it is going to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByHand {
    pub(crate) on: DressOn,
    /// In W, or a switch's position.
    pub(crate) value: i64,
    pub(crate) until: Timestamp,
}

/// Whose rounds a group order is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DraftOf {
    Node(NodeId),
    /// Those that were marked.
    Terminals(Vec<TerminalId>),
}

/// A group order with its list.
#[derive(Clone, Debug)]
pub(crate) struct GroupLook {
    pub(crate) id: GroupId,
    pub(crate) group: Option<Group>,
    pub(crate) error: Option<String>,
    pub(crate) in_flight: bool,
    /// ms on the wall.
    pub(crate) asked_at: Option<u64>,
}

/// What the rounds that take part have together, as shown.
pub(crate) fn group_power(group: &Group) -> Power {
    group.taking_part().map(|member| member.power).sum()
}

impl GroupLook {
    pub(crate) const fn new(id: GroupId) -> Self {
        Self { id, group: None, error: None, in_flight: false, asked_at: None }
    }
}

/// What a person may do about a group order as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupStep {
    /// Say so as the second person.
    Approve,
    Execute,
    /// Only call it off.
    CallOff,
    /// Only look.
    Nothing,
}

impl GroupStep {
    pub(crate) fn of(line: &GroupLine, me: Option<&str>, supervisor: bool) -> Self {
        let drafter = me == Some(line.drafted_by.as_str());
        let mine = drafter || (me.is_some() && me == line.approved_by.as_deref());
        match line.state {
            GroupState::Drafted if line.second_person && !drafter => Self::Approve,
            GroupState::Drafted if !line.second_person && drafter => Self::Execute,
            GroupState::Approved if mine => Self::Execute,
            GroupState::Drafted | GroupState::Approved | GroupState::Executing if mine || supervisor => Self::CallOff,
            _ => Self::Nothing,
        }
    }
}

/// A target reduction as it is going to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reduction {
    pub(crate) power: Power,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

/// What a rule would do, asked of the centre.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preview {
    /// Under which limit in kW it was last asked; within it none for the one in force.
    pub(crate) asked: Option<Option<u32>>,
    pub(crate) answer: Option<Result<Box<DryRun>, String>>,
}

/// A change of a terminal's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// As in the settings, `guarantee.on`; empty to send once more what is wanted.
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) patch: serde_json::Value,
}

/// One line of the screen of acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActKey {
    Proposal(ProposalId),
    Group(GroupId),
    Target(TargetId),
    Measure(MeasureId),
    Tag(TagId),
    ByHand(DressingId),
}
