//! The picture of the engine's state that operators see: what the API serves and the console draws.

use serde::{Deserialize, Serialize};

use crate::dressing::{Dressing, DressingId};
use crate::expression::Value;
use crate::groups::GroupLine;
use crate::local_control::Parameters;
use crate::measures::{Asked, Measure, NotAsked};
use crate::model::{
    CustomerId, Energy, NodeId, NodeKind, Power, PriorityClass, Quality, Reading, RoundNo, RuleId, Span,
    SwitchPosition, TerminalId, Timestamp,
};
use crate::notices::Announcement;
use crate::orders::{Order, OrderId};
use crate::outlook::Level;
use crate::output::{Alarm, Event};
use crate::own::{Place, Proposal};
use crate::policy::StandInBy;
use crate::restoration::{ColdLoad, Restoration};
use crate::tags::{Tag, TagId};
use crate::target::{InForce, Target};

/// Everything on the overview, at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The engine's time.
    pub now: Timestamp,
    /// The nodes, each directly behind its parent (depth first), siblings by id.
    pub nodes: Vec<NodeView>,
    /// The terminals by id.
    pub terminals: Vec<TerminalView>,
    /// Alarms that are not normal: by priority, then newest first.
    pub alarms: Vec<Alarm>,
    /// The newest orders first, at most [`View::ORDERS_MAX`].
    pub orders: Vec<Order>,
    /// Orders that wait for their turn, in the order of their turns, at most [`View::ORDERS_MAX`].
    #[serde(default)]
    pub waiting: Vec<Waiting>,
    /// The newest events first, at most [`View::EVENTS_MAX`]; the routine ones among them go first.
    pub events: Vec<Event>,
    /// Target reductions that are planned or in force, by node and time.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// What customers were told before trips: what stands, then what is over, the newest first.
    #[serde(default)]
    pub announcements: Vec<Announcement>,
    /// What customers were asked to do themselves: what stands, then what is over, the newest first.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// The newest group orders first, without their rounds.
    #[serde(default)]
    pub groups: Vec<GroupLine>,
    /// The tags that hang, by number.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Values by hand, by number.
    #[serde(default)]
    pub dressings: Vec<Dressing>,
    /// What users' own rules propose: a person has to say so.
    #[serde(default)]
    pub proposals: Vec<Proposal>,
    /// Calculated points, in the order of their file.
    #[serde(default)]
    pub calculated: Vec<CalculatedView>,
    /// Set while automatic control is stopped: no limit is kept.
    #[serde(default)]
    pub stopped: Option<Stopped>,
}

/// An approved order that does not go out yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Which.
    pub order: OrderId,
    /// What it waits for, with figures.
    pub why: String,
}

/// A calculated point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalculatedView {
    /// Which.
    pub id: RuleId,
    /// Its value in thousandths of its unit; none while it is not known.
    pub value: Option<Value>,
    /// Its unit; may be empty.
    pub unit: String,
    /// Why it is not known.
    pub why: Option<String>,
    /// Since when it has been so.
    pub since: Timestamp,
}

/// A stop of all automatic control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// When.
    pub since: Timestamp,
    /// By whom.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// What resuming automatic control would come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    /// What would be ended.
    pub stopped: Stopped,
    /// The instant whose loads it is reckoned with.
    pub at: Timestamp,
    /// How far it looks.
    pub within: Span,
    /// Plans, stages of restoration, and what the rules could not do, in their order.
    pub acts: Vec<Event>,
}

/// What a limit rule would do with the loads of now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun {
    /// The node.
    pub node: NodeId,
    /// The instant whose loads it is reckoned with.
    pub at: Timestamp,
    /// Of the node.
    pub load: Power,
    /// Under which limit.
    pub limit: Power,
    /// What its plans aim at.
    pub target: Power,
    /// How far the load is above the limit, if it is.
    pub level: Option<Level>,
    /// What customers would be asked to do themselves first, and what those who stand asked are still to give is in it; the plans
    /// are for the rest, unless the load is urgent. Answers of before there were measures have none.
    #[serde(default)]
    pub measures: DryMeasures,
    /// The plans in their order, each taken to come to what it expects.
    pub plans: Vec<Event>,
    /// By all of them together.
    pub shed: Power,
    /// Rounds that they shed.
    pub rounds: u32,
    /// Customers that they touch.
    pub customers: u32,
    /// What the load would still be above the target.
    pub missing: Power,
    /// Why the checker would refuse the next plan, if it would.
    pub refused: Option<String>,
}

/// The part of agreed measures in a dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryMeasures {
    /// What those that stand are still to give.
    pub pending: Power,
    /// What would be asked for besides.
    pub asked: Vec<Asked>,
    /// What would not, with why.
    pub spared: Vec<NotAsked>,
    /// Why the checker would refuse to ask, if it would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl DryMeasures {
    /// Line by line, as a screen shows it above the plans; none where no customer below agreed to anything.
    pub fn lines(&self) -> Vec<String> {
        let Self { pending, asked, spared, refused } = self;
        let mut lines = Vec::new();
        if *pending > Power::ZERO {
            lines.push(format!("measures that stand are still to give {pending}"));
        }
        if !asked.is_empty() {
            let sum: Power = asked.iter().map(|it| it.power).sum();
            lines.push(format!("customers are asked for {sum} first"));
        }
        lines.extend(asked.iter().map(|it| format!("ask     {it}")));
        lines.extend(spared.iter().map(|it| format!("not asked  {it}")));
        lines.extend(refused.iter().map(|why| format!("the checker would refuse to ask: {why}")));
        lines
    }
}

/// Why there is no dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "not_planned")]
#[allow(missing_docs, reason = "the messages say it")]
pub enum NotPlanned {
    #[error("node {node} is not in the inventory")]
    UnknownNode { node: NodeId },
    #[error("{node}: no rule limits it, so there is nothing that would be done")]
    NoRule { node: NodeId },
    #[error("{node}: its load is not known from good and fresh readings")]
    LoadUnknown { node: NodeId },
    #[error("a limit of {limit} is none: wanted more than 0")]
    NoLimit { limit: Power },
}

impl View {
    /// Orders shown at most.
    pub const ORDERS_MAX: usize = 200;
    /// Events shown at most.
    pub const EVENTS_MAX: usize = 200;
}

/// A node with its load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// Which.
    pub id: NodeId,
    /// What it is.
    pub kind: NodeKind,
    /// As people call it.
    pub name: String,
    /// What supplies it.
    pub parent: Option<NodeId>,
    /// 0 for a region, one more for each step down.
    pub depth: u8,
    /// Its load, and where that comes from.
    pub load: Load,
    /// The value by hand that its load is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dressed: Option<DressingId>,
    /// The limit that is in force, where a rule gives one.
    pub limit: Option<Power>,
    /// The rule's own limit, the rating; the one in force may be lower.
    pub rated: Option<Power>,
    /// What gives the limit in force, and what comes next; where a rule gives one.
    #[serde(default)]
    pub in_force: Option<InForce>,
    /// Where its load is going; none where the rule does not look ahead or there is no clear trend upwards.
    #[serde(default)]
    pub forecast: Option<Forecast>,
    /// Its warning level, where a rule gives one.
    pub warning: Option<Power>,
    /// Where its limit rule stands.
    pub state: LimitState,
    /// How far the load is above the limit, if it is.
    #[serde(default)]
    pub level: Option<Level>,
    /// Rounds that the rule shed and has not restored.
    pub rounds_shed: u32,
    /// How they return, and what that waits for; none while none is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restoration: Option<Restoration>,
    /// Terminals at and below it.
    pub terminals: u32,
    /// Of these, with a link.
    pub links_up: u32,
}

impl NodeView {
    /// Limit minus load, where both are known.
    pub fn headroom(&self) -> Option<Power> {
        Some(self.limit? - self.load.power()?)
    }
}

/// Where a node's load is going, where its trend upwards is clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// When it was made: with the end of a minute.
    pub made_at: Timestamp,
    /// For when.
    pub at: Timestamp,
    /// The load then, if it goes on so.
    pub load: Power,
    /// The same less the furthest that a minute lay off the trend.
    pub least: Power,
    /// What it rises by in a minute.
    pub rise_per_minute: Power,
}

/// The load of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Load {
    /// Measured at its head.
    Measured {
        /// The load.
        power: Power,
    },
    /// Summed over all that lies below, each part good and fresh.
    Summed {
        /// The load.
        power: Power,
    },
    /// Put in by hand, or made of at least one value that was, or of one that stands in for a measured one (SB): sums and limits are judged by it, and nothing
    /// is verified by it.
    Substituted {
        /// The load.
        power: Power,
    },
    /// Not to be told from good and fresh readings: decides nothing.
    #[default]
    Unknown,
}

impl Load {
    /// The load, if known.
    pub const fn power(self) -> Option<Power> {
        match self {
            Self::Measured { power } | Self::Summed { power } | Self::Substituted { power } => Some(power),
            Self::Unknown => None,
        }
    }

    /// The load, where every value that it is made of was measured.
    pub const fn measured(self) -> Option<Power> {
        match self {
            Self::Measured { power } | Self::Summed { power } => Some(power),
            Self::Substituted { .. } | Self::Unknown => None,
        }
    }

    /// Whether a value that was not measured is in it.
    pub const fn is_substituted(self) -> bool {
        matches!(self, Self::Substituted { .. })
    }
}

/// Where the limit rule of a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitState {
    /// No rule.
    #[default]
    Unlimited,
    /// Below the warning level.
    Normal,
    /// Above the warning level.
    Warning,
    /// Above the limit, the delay is running.
    Over,
    /// A plan's orders are on their way.
    Shedding,
    /// The trips are done, the effect is awaited.
    Verifying,
    /// Below the limit with rounds off.
    Holding,
    /// Rounds come back in stages.
    Restoring,
    /// The rule stopped: the operator must act.
    Futile,
}

/// A terminal in a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TerminalView {
    /// Which.
    pub id: TerminalId,
    /// Whose.
    pub customer: Option<CustomerId>,
    /// The customer's name, or the name of the node that it measures.
    pub name: String,
    /// The node that supplies it or that it measures.
    pub node: Option<NodeId>,
    /// Whether its link is up.
    pub link_up: bool,
    /// Its active power as it counts: by hand where somebody dressed it, what stands in where something does, else as it last told,
    /// whatever the quality.
    pub power: Option<Power>,
    /// The value by hand that its active power is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dressed: Option<DressingId>,
    /// What stands in for its active power, where something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<StandInBy>,
    /// Quality of that.
    pub quality: Quality,
    /// Whether that is older than a decision allows.
    pub stale: bool,
    /// Whether it is the same for long though a meter beside it says otherwise: it decides nothing.
    #[serde(default)]
    pub frozen: bool,
    /// When that arrived.
    pub arrived_at: Option<Timestamp>,
    /// The customer's contract.
    pub contract: Option<Power>,
    /// Guaranteed supply, by inventory or at the terminal.
    pub guaranteed: bool,
    /// Below this nothing is tripped.
    pub safety_floor: Power,
    /// The customer's class.
    pub priority: Option<PriorityClass>,
    /// Its rounds.
    pub rounds: Vec<RoundView>,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundView {
    /// Which.
    pub round: RoundNo,
    /// What hangs on it.
    pub name: String,
    /// Its switch, by hand where somebody dressed it; none while never reported.
    pub position: Option<SwitchPosition>,
    /// Power behind it, by hand where somebody dressed it.
    pub power: Option<Power>,
    /// The value by hand that its position is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_dressed: Option<DressingId>,
    /// The value by hand that its power is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_dressed: Option<DressingId>,
    /// The node whose rule shed it, until restored.
    pub shed_by: Option<NodeId>,
    /// Whether an operator's own trip holds it off: no rule restores it.
    pub held_by_operator: bool,
    /// What it is expected to come back with, where there is experience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold_load: Option<ColdLoad>,
    /// The tag that locks it out, on it, its terminal or a node above.
    #[serde(default)]
    pub tag: Option<TagId>,
}

/// Parameters of a terminal's own control: what is wanted, and what was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TerminalParameters {
    /// What a person wants it to have.
    pub wanted: Option<Parameters>,
    /// Who.
    pub wanted_by: String,
    /// Since when.
    pub wanted_at: Option<Timestamp>,
    /// What it last said that it has.
    pub read: Option<Parameters>,
    /// When it said so.
    pub read_at: Option<Timestamp>,
    /// Why the last try to send them or to read them back came to nothing.
    pub failed: Option<String>,
}

/// One line of a terminal's parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterLine {
    /// Its key, as in the settings.
    pub key: String,
    /// What is wanted; empty where nothing is.
    pub wanted: String,
    /// What was read back; empty where nothing was.
    pub read: String,
    /// Whether both are known and not the same.
    pub differs: bool,
}

impl TerminalParameters {
    /// Key, wanted and read of those that are known and differ.
    pub fn differences(&self) -> Vec<(&'static str, String, String)> {
        match (&self.wanted, &self.read) {
            (Some(wanted), Some(read)) => wanted.differences(read),
            _ => Vec::new(),
        }
    }

    /// All lines, in order.
    pub fn lines(&self) -> Vec<ParameterLine> {
        let entries =
            |parameters: &Option<Parameters>| parameters.as_ref().map(Parameters::entries).unwrap_or_default();
        let (wanted, read) = (entries(&self.wanted), entries(&self.read));
        let mut keys: Vec<&str> = wanted.iter().map(|(key, _)| *key).collect();
        keys.extend(read.iter().map(|(key, _)| *key).filter(|key| wanted.iter().all(|(other, _)| other != key)));
        let value = |entries: &[(&str, String)], key: &str| {
            entries.iter().find(|(other, _)| *other == key).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let both = self.wanted.is_some() && self.read.is_some();
        keys.into_iter()
            .map(|key| {
                let (wanted, read) = (value(&wanted, key), value(&read, key));
                ParameterLine { key: key.to_owned(), differs: both && wanted != read, wanted, read }
            })
            .collect()
    }
}

/// A terminal in full: all its points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TerminalDetail {
    /// The line.
    pub summary: TerminalView,
    /// Its last values, by kind.
    pub points: Vec<PointView>,
    /// Its values by hand; what was measured beneath them is among the points.
    #[serde(default)]
    pub dressings: Vec<Dressing>,
    /// Its orders, newest first.
    pub orders: Vec<Order>,
    /// Its alarms that are not normal.
    pub alarms: Vec<Alarm>,
    /// Its parameters, where anything is wanted or known of them.
    #[serde(default)]
    pub parameters: Option<TerminalParameters>,
    /// What rules' trips came to.
    #[serde(default)]
    pub burden: Burden,
    /// The interlocks that guard its switches.
    #[serde(default)]
    pub interlocks: Vec<InterlockView>,
    /// What a select of each round would be refused for now, by number.
    #[serde(default)]
    pub forbidden: Vec<Forbidden>,
}

/// Whether a round could be switched now, whoever wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forbidden {
    /// Which.
    pub round: RoundNo,
    /// Why it cannot be tripped; none where nothing forbids it.
    pub trip: Option<String>,
    /// Why it cannot be restored.
    pub restore: Option<String>,
}

/// An interlock that guards a terminal's switches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterlockView {
    /// Which.
    pub id: RuleId,
    /// What it guards.
    pub place: Place,
    /// Against trips.
    pub trip: bool,
    /// Against restorations.
    pub restore: bool,
    /// Why it does not permit them now; none while it does.
    pub bars: Option<String>,
}

/// What rules' trips came to at a terminal, in the weeks over which the burden is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burden {
    /// What its customer went without, what is off right now included.
    pub curtailed: Energy,
    /// How often a round was shed, or an agreed measure given.
    pub turns: u32,
    /// What its customer held back by agreed measures; none of it was tripped.
    #[serde(default)]
    pub given: Energy,
    /// Trips that were judged by what was measured, ever.
    pub trips_judged: u32,
    /// What share of the power expected went, the latest trip a quarter, in ‰; 1000 before the first.
    pub response_permille: u16,
}

/// A point's last value with all that is known of it (`quality-kept`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointView {
    /// As reported.
    pub reading: Reading,
    /// When it arrived.
    pub arrived_at: Timestamp,
    /// Older than a decision allows.
    pub stale: bool,
    /// Whether it is the same for long though a meter beside it says otherwise: it decides nothing.
    #[serde(default)]
    pub frozen: bool,
}
