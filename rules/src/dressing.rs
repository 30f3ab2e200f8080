//! Values by hand (人工置数): a person puts a value in the place of a measured one, for a time.
//!
//! It counts as SB, substituted (IEC 60870-5-101, 7.2.6.3). What it may decide is little: it lets sums and limits be judged.
//! It confirms and verifies no order, proves no safety floor and permits no interlock; guarantee, exclusion and floor cannot
//! be dressed at all (`quality-kept`, `never-shed-protected`).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{NodeId, PointKind, Power, RoundNo, Span, SwitchPosition, TerminalId, Timestamp};

/// Number of a value by hand, rising from 1 over the whole life of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DressingId(pub u64);

impl fmt::Display for DressingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "H{}", self.0)
    }
}

/// What may be given a value by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum DressOn {
    /// A node's load, whatever is measured at its head or below.
    Load {
        /// Which.
        node: NodeId,
    },
    /// A terminal's active power, as it counts in the loads above.
    Power {
        /// Which.
        terminal: TerminalId,
    },
    /// The power behind a round's switch. People and users' own rules see it; no plan counts on it.
    RoundPower {
        /// The terminal.
        terminal: TerminalId,
        /// The round.
        round: RoundNo,
    },
    /// The position of a round's switch. People and users' own rules see it; it confirms nothing.
    RoundPosition {
        /// The terminal.
        terminal: TerminalId,
        /// The round.
        round: RoundNo,
    },
}

impl DressOn {
    /// The node whose load it is, if it is one.
    pub const fn node(self) -> Option<NodeId> {
        match self {
            Self::Load { node } => Some(node),
            Self::Power { .. } | Self::RoundPower { .. } | Self::RoundPosition { .. } => None,
        }
    }

    /// The terminal whose point it is, if it is one.
    pub const fn terminal(self) -> Option<TerminalId> {
        match self {
            Self::Load { .. } => None,
            Self::Power { terminal } | Self::RoundPower { terminal, .. } | Self::RoundPosition { terminal, .. } => {
                Some(terminal)
            }
        }
    }

    /// The round that it is about, if any.
    pub const fn round(self) -> Option<RoundNo> {
        match self {
            Self::Load { .. } | Self::Power { .. } => None,
            Self::RoundPower { round, .. } | Self::RoundPosition { round, .. } => Some(round),
        }
    }

    /// The terminal's point that it takes the place of; none for a node's load.
    pub const fn point(self) -> Option<PointKind> {
        match self {
            Self::Load { .. } => None,
            Self::Power { .. } => Some(PointKind::ActivePower),
            Self::RoundPower { round, .. } => Some(PointKind::RoundPower(round)),
            Self::RoundPosition { round, .. } => Some(PointKind::RoundPosition(round)),
        }
    }

    /// What may be dressed in the place of a terminal's point; none for what may not.
    pub const fn of_point(terminal: TerminalId, point: PointKind) -> Option<Self> {
        match point {
            PointKind::ActivePower => Some(Self::Power { terminal }),
            PointKind::RoundPower(round) => Some(Self::RoundPower { terminal, round }),
            PointKind::RoundPosition(round) => Some(Self::RoundPosition { terminal, round }),
            _ => None,
        }
    }

    /// A value of it as people read it.
    pub fn told(self, value: i64) -> String {
        match self {
            Self::RoundPosition { .. } => SwitchPosition::from_value(value).to_string(),
            Self::Load { .. } | Self::Power { .. } | Self::RoundPower { .. } => Power::new(value).to_string(),
        }
    }
}

impl fmt::Display for DressOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { node } => write!(f, "{node} load"),
            Self::Power { terminal } => write!(f, "{terminal} active power"),
            Self::RoundPower { terminal, round } => write!(f, "{terminal} round {round} power"),
            Self::RoundPosition { terminal, round } => write!(f, "{terminal} round {round} switch"),
        }
    }
}

/// A value by hand. What is measured goes on being received and stored beneath it, and shows when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dressing {
    /// Its number.
    pub id: DressingId,
    /// In the place of what.
    pub on: DressOn,
    /// In W, or a switch's position: 1 open, 2 closed (7.2.6.2 DPI).
    pub value: i64,
    /// Whose it is: who alone changes or ends it, but for a supervisor.
    pub owner: String,
    /// Why; never empty.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

impl Dressing {
    /// Longest time for which a value by hand stands: a week~. Whose meter is out for longer has it looked at and dressed anew.
    pub const LENGTH_MAX: Span = Span::from_s(7 * 86_400);

    /// The value as people read it.
    pub fn told(&self) -> String {
        self.on.told(self.value)
    }
}

/// All values by hand, one for each point at most. They hold over restarts and new rules, until their time is over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Dressings {
    last: u64,
    standing: BTreeMap<DressingId, Dressing>,
}

impl Dressings {
    pub(crate) fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    /// By number.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Dressing> {
        self.standing.values()
    }

    pub(crate) fn get(&self, id: DressingId) -> Option<&Dressing> {
        self.standing.get(&id)
    }

    pub(crate) fn on(&self, on: DressOn) -> Option<&Dressing> {
        self.standing.values().find(|dressing| dressing.on == on)
    }

    /// Goes on with numbers higher by `count`.
    pub(crate) const fn skip_numbers(&mut self, count: u64) {
        self.last = self.last.saturating_add(count);
    }

    /// Puts a value on, in the place of one that is there; gives that one and the new one's number.
    pub(crate) fn put_on(&mut self, dressing: Dressing) -> (Option<Dressing>, DressingId) {
        let before = self.on(dressing.on).map(|before| before.id).and_then(|id| self.standing.remove(&id));
        self.last += 1;
        let id = DressingId(self.last);
        self.standing.insert(id, Dressing { id, ..dressing });
        (before, id)
    }

    pub(crate) fn take_off(&mut self, id: DressingId) -> Option<Dressing> {
        self.standing.remove(&id)
    }
}
