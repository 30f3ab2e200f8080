//! Group and broadcast orders: one act for many rounds, with a result for each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, Power, PriorityClass, RoundNo, Span, TerminalId, Timestamp};
use crate::notices::{Notice, Untold};
use crate::orders::{Action, OrderId, OrderState};

/// Number of a group order, rising from 1 over the whole life of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub u64);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "G{}", self.0)
    }
}

/// What a group order does to each of its rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupAct {
    /// Open the switches.
    Trip,
    /// Permit, or perform, closing.
    Restore,
}

impl GroupAct {
    /// The order that a round gets.
    pub const fn action(self, round: RoundNo) -> Action {
        match self {
            Self::Trip => Action::Trip { round },
            Self::Restore => Action::Restore { round },
        }
    }
}

impl fmt::Display for GroupAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trip => "trip",
            Self::Restore => "restore",
        })
    }
}

/// Whom a group order is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scope")]
pub enum GroupScope {
    /// Everybody below a node.
    Node {
        /// The node.
        node: NodeId,
        /// Only customers of this class; none for all.
        #[serde(default)]
        class: Option<PriorityClass>,
        /// Only rounds of these numbers; empty for all.
        #[serde(default)]
        numbers: Vec<RoundNo>,
    },
    /// These rounds.
    Rounds {
        /// Which, with their terminals.
        rounds: Vec<(TerminalId, RoundNo)>,
    },
}

impl fmt::Display for GroupScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { node, class, numbers } => {
                write!(f, "{node}")?;
                if let Some(class) = class {
                    write!(f, ", class {class}")?;
                }
                for (n, number) in numbers.iter().enumerate() {
                    write!(f, "{}{number}", if n == 0 { ", rounds " } else { " " })?;
                }
                Ok(())
            }
            Self::Rounds { rounds } => match rounds.as_slice() {
                [(terminal, round)] => write!(f, "{terminal} round {round}"),
                rounds => write!(f, "{} rounds", rounds.len()),
            },
        }
    }
}

/// What became of one round of a group order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Nothing yet.
    Waiting,
    /// It is not part of the act: `why` says the reason.
    LeftOut,
    /// Its order stands there.
    Ordered(OrderState),
}

/// One round of a group order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its terminal.
    pub terminal: TerminalId,
    /// Which.
    pub round: RoundNo,
    /// What it may take away or bring back: as measured, else all that its customer's contract has.
    pub power: Power,
    /// Where it stands.
    pub state: MemberState,
    /// Its order, once there is one.
    pub order: Option<OrderId>,
    /// Why it was left out, or what its order's last step said.
    pub why: String,
}

/// Where a group order stands. The last three are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// Waits for a second person, or for its execute where none is wanted.
    Drafted,
    /// A second person said so too; waits for its execute.
    Approved,
    /// Its orders are under way.
    Executing,
    /// Every order came to its end.
    Done,
    /// Called off; what was being executed comes to its end.
    Cancelled,
    /// Nobody executed it in time.
    Expired,
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Drafted => "drafted",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        })
    }
}

/// A group order without its rounds, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLine {
    /// Its number.
    pub id: GroupId,
    /// What it does.
    pub act: GroupAct,
    /// To whom.
    pub scope: GroupScope,
    /// Why; may be empty.
    pub reason: String,
    /// Where it stands.
    pub state: GroupState,
    /// Who drew it up.
    pub drafted_by: String,
    /// Whether a second person has to say so (`second-person`).
    pub second_person: bool,
    /// Who that was.
    pub approved_by: Option<String>,
    /// What its rounds have at most, as of the draft, the approval or the execute.
    pub power: Power,
    /// When it was drawn up.
    pub drafted_at: Timestamp,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Not executed from here on, nor any of its orders.
    pub expires_at: Timestamp,
    /// Rounds in all.
    pub rounds: u32,
    /// Of these, left out.
    pub left_out: u32,
    /// Of these, confirmed or verified.
    pub confirmed: u32,
    /// Of these, ended otherwise.
    pub failed: u32,
}

/// A group order in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its line.
    #[serde(flatten)]
    pub line: GroupLine,
    /// Its rounds, by terminal and number.
    pub members: Vec<Member>,
    /// What its customers are told before it, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<GroupNotice>,
}

/// The notice that a group trip gives its customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNotice {
    /// From the notice to the trip.
    pub before: Span,
    /// Not executed before, without a person's word for it; none while a second person's word is waited for and nobody is told.
    pub due: Option<Timestamp>,
    /// What customers were told, by terminal.
    pub told: Vec<Notice>,
}

impl GroupNotice {
    /// The longest notice, minutes.
    pub const MINUTES_MAX: u16 = 60;

    /// How many terminals confirmed their notice.
    pub fn delivered(&self) -> usize {
        self.told.iter().filter(|notice| notice.is_delivered()).count()
    }

    /// Whom it did not reach, and why.
    pub fn not_reached(&self) -> impl Iterator<Item = Untold> + '_ {
        self.told
            .iter()
            .filter_map(|notice| Some(Untold { terminal: notice.terminal, why: notice.not_reached()?.to_owned() }))
    }
}

impl Group {
    /// Rounds in one group order at most.
    pub const ROUNDS_MAX: usize = 20_000;
    /// Group orders of one person that are not over, at most.
    pub const OPEN_MAX: usize = 10;

    /// Those that are not left out.
    pub fn taking_part(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.state != MemberState::LeftOut)
    }

    /// Brings the line's counts up to the members.
    pub(crate) fn count(&mut self) {
        let (mut left_out, mut confirmed, mut failed) = (0, 0, 0);
        for member in &self.members {
            match member.state {
                MemberState::LeftOut => left_out += 1,
                MemberState::Ordered(OrderState::Confirmed | OrderState::Verified) => confirmed += 1,
                MemberState::Ordered(state) if state.is_final() => failed += 1,
                MemberState::Waiting | MemberState::Ordered(_) => {}
            }
        }
        self.line.rounds = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        (self.line.left_out, self.line.confirmed, self.line.failed) = (left_out, confirmed, failed);
    }
}
