//! What people lay down for the centre to keep: limits of nodes, and how to shed and restore.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, Schedule};
use crate::measures::MeasureRule;
use crate::model::{NodeId, Power, PriorityClass, Span};
use crate::notices::{NoticeRule, NoticeTexts};
use crate::own::Own;

/// The rules in force. Parsed and checked by the centre's `config`; here every figure is in range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// At most one for each node.
    pub limits: Vec<LimitRule>,
    /// What schedules are read by; there where a limit has one.
    #[serde(default)]
    pub calendar: Option<Calendar>,
    /// A target reduction is reckoned from the mean load of so long before its beginning, 1..=60 min.
    #[serde(default = "Policy::baseline_before")]
    pub baseline: Span,
    /// How many orders go out at once, and how many a minute. Rules of before there were bounds have none.
    #[serde(default)]
    pub flow: Flow,
    /// When a group order takes two people, and how long their word holds.
    #[serde(default)]
    pub groups: GroupRules,
    /// What customers read before a trip. Rules of before there were notices have the usual texts.
    #[serde(default)]
    pub notice_texts: NoticeTexts,
    /// A reading older than this decides nothing.
    pub reading_age_max: Span,
    /// A power that was told anew for so long and was no other is frozen where a meter beside it says otherwise, in whole minutes, 240 at
    /// most; zero looks for none. Policies of before it was looked for have zero.
    #[serde(default)]
    pub frozen_after: Span,
    /// What stands in for a power that may not decide. Policies of before anything did have nothing.
    #[serde(default)]
    pub substitute: Substitute,
    /// The last value stands in for so long at most.
    #[serde(default)]
    pub substitute_max: Span,
    /// How long an order may live before it must have been executed.
    pub order_expiry: Span,
    /// How long a confirmed select holds until execute or cancellation, operator's thinking time included.
    pub select_timeout: Span,
    /// Weeks over which the burden is shared, the present one included, at least 1. Policies of before there were weeks meant
    /// as many as are usual.
    #[serde(default = "fairness_weeks")]
    pub fairness_weeks: u8,
    /// What users laid down themselves. Policies of before there was such have nothing.
    #[serde(default)]
    pub own: Own,
}

/// How far fairness reaches back where nothing else is said.
pub const FAIRNESS_WEEKS: u8 = 8;

const fn fairness_weeks() -> u8 {
    FAIRNESS_WEEKS
}

impl Policy {
    /// Minutes that a baseline is made of unless the rules say otherwise.
    pub const BASELINE_MIN: i64 = 15;

    /// What journals of before there were target reductions mean.
    const fn baseline_before() -> Span {
        Span::from_s(Self::BASELINE_MIN * 60)
    }

    /// Puts the limits in the order in which [`Policy::rule`] looks for them.
    pub(crate) fn sort(&mut self) {
        self.limits.sort_by_key(|rule| rule.node);
    }

    /// The rule of a node, in a policy that is sorted.
    pub(crate) fn rule(&self, node: NodeId) -> Option<&LimitRule> {
        self.limits.get(self.place(node)?)
    }

    /// As [`Policy::rule`].
    pub(crate) fn rule_mut(&mut self, node: NodeId) -> Option<&mut LimitRule> {
        let at = self.place(node)?;
        self.limits.get_mut(at)
    }

    /// Where the rule of a node stands among the limits.
    pub(crate) fn place(&self, node: NodeId) -> Option<usize> {
        self.limits.binary_search_by_key(&node, |rule| rule.node).ok()
    }
}

/// What stands in for a power that is too old, bad or frozen (坏数据替代), as SB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Substitute {
    /// Nothing: the loads above are not known.
    #[default]
    None,
    /// What other meters make of it.
    Balance,
    /// That, or else what it last was, for [`Policy::substitute_max`].
    Last,
}

/// What stands in for a power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandInBy {
    /// For the meter at a node's head: the sum of what lies below. Losses are missing in it.
    Parts,
    /// The next meter above less the other parts of its load. Losses are in it.
    Rest,
    /// What it last was.
    Last,
}

impl fmt::Display for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Balance => "balance",
            Self::Last => "last",
        })
    }
}

impl fmt::Display for StandInBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Parts => "the sum of what lies below",
            Self::Rest => "the meter above less its other parts",
            Self::Last => "its last value",
        })
    }
}

/// Bounds of flow, so that no feeder and no channel is flooded; none means no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Orders that are selected within any minute, in all; at least 1.
    pub orders_per_min: Option<u32>,
    /// Of these, below one feeder.
    pub orders_per_min_feeder: Option<u32>,
    /// Selects that stand or are under way at the same time, in all; at least 1.
    pub selects_max: Option<u32>,
    /// Of these, below one feeder.
    pub selects_max_feeder: Option<u32>,
}

impl Flow {
    /// What `rules.toml` has unless it says otherwise: more than the channels of a feeder carry, and a bound all the same.
    pub const GENEROUS: Self = Self {
        orders_per_min: Some(6_000),
        orders_per_min_feeder: Some(1_200),
        selects_max: Some(1_000),
        selects_max_feeder: Some(200),
    };
}

/// How group orders are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRules {
    /// A group trip of more than this takes a second person; none: no power alone does.
    pub second_person_above: Option<Power>,
    /// A group trip of more rounds than this takes a second person; none: no number alone does.
    pub second_person_rounds: Option<u32>,
    /// A draft, an approval, and then the orders, hold for so long. What one person had tripped alone by other group
    /// orders within it counts with the next one.
    pub expiry: Span,
    /// An approval is stale when the group's power has grown by more than this, in % of what was approved.
    pub growth_percent: u16,
}

impl Default for GroupRules {
    /// What `rules.toml` has unless it says otherwise: the figures are customary.
    fn default() -> Self {
        Self {
            second_person_above: Some(Power::from_kw(1_000)),
            second_person_rounds: Some(20),
            expiry: Span::from_s(900),
            growth_percent: 10,
        }
    }
}

/// How one node (a feeder, a transformer area) is kept under its limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRule {
    /// The node.
    pub node: NodeId,
    /// Its load must not stay above this.
    pub limit: Power,
    /// Lower limits at some hours, if any.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// How far below the limit a breach ends and a plan aims, where it is not [`Self::hysteresis_percent`]: set by the engine
    /// while a target reduction is in force, which is a part of the load only.
    #[serde(default)]
    pub margin: Option<Power>,
    /// A warning alarm stands from this share of the limit, 1..=100 %.
    pub warning_percent: u8,
    /// How far ahead the load is foreseen, 0 (not at all) to 15 min: a plan may come so long before the breach.
    #[serde(default)]
    pub forecast: Span,
    /// The load must have been above the limit for this long before anything is shed.
    pub delay: Span,
    /// What customers are asked to do themselves before anybody is tripped. Rules of before there were measures ask nobody.
    #[serde(default)]
    pub measures: MeasureRule,
    /// What customers are told before their rounds are shed. Rules of before there were notices give none.
    #[serde(default)]
    pub notice: NoticeRule,
    /// A breach ends, and a plan aims, this far below the limit, in 0..=50 % of it.
    pub hysteresis_percent: u8,
    /// How long after the last trip of a plan its effect is judged.
    pub verify_after: Span,
    /// A round that lost less than this share of the power expected did not respond, 1..=100 %.
    pub effect_percent_min: u8,
    /// Plans in a row for one breach before the rule stops and calls the operator, at least 1.
    pub passes_max: u8,
    /// What one plan may shed at most. Policies of before there were such caps have none.
    #[serde(default)]
    pub pass: PassCaps,
    /// The most important class that the rule may shed; none for all. Policies of before there was such a floor have none.
    #[serde(default)]
    pub shed_class_from: Option<PriorityClass>,
    /// A round that was shed stays so for at least this long.
    pub off_time_min: Span,
    /// A round that came back is not shed again before, unless nothing else would do. Rules of before there was such a
    /// time have none.
    #[serde(default)]
    pub on_time_min: Span,
    /// Restoration may begin once the load has stayed at or below this share of the limit, 1..=100 % …
    pub restore_below_percent: u8,
    /// … for this long.
    pub restore_hold: Span,
    /// Between one stage of restoration and the next.
    pub restore_step: Span,
    /// A stage's rounds come back spread over this time, each after a delay of its own; at most [`Self::restore_step`].
    /// Rules of before there was such a time have none.
    #[serde(default)]
    pub restore_spread: Span,
    /// A round comes back with this share of the power that it had at its trip, at least 100 % (cold-load pick-up).
    pub cold_load_percent: u16,
    /// Returns of the past say it better where there were any; [`Self::cold_load_percent`] is where experience begins. Rules of
    /// before there was such an account go without.
    #[serde(default)]
    pub cold_load_learn: bool,
    /// After power came back to what was dark, restoration waits until the load has been steady for this long; zero where
    /// nobody looks for darkness, as with rules of before.
    #[serde(default)]
    pub settle: Span,
}

/// What one plan may shed at most. What is missing then is the next plan's, as far as `passes_max` permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassCaps {
    /// Power, as measured behind its rounds; none for any.
    pub power_max: Option<Power>,
    /// Rounds, at least 1; none for any.
    pub rounds_max: Option<u16>,
}

impl LimitRule {
    /// Whether customers of a class are none of the rule's.
    pub fn spares(&self, class: PriorityClass) -> bool {
        self.shed_class_from.is_some_and(|from| class < from)
    }

    /// Load at which the warning stands.
    pub fn warning(&self) -> Power {
        self.limit.percent(i64::from(self.warning_percent))
    }

    /// Load from which agreed measures are asked for.
    pub fn measures_from(&self) -> Power {
        self.limit.percent(i64::from(self.measures.from_percent))
    }

    /// Load that a plan aims at and below which a breach is over.
    pub fn target(&self) -> Power {
        match self.margin {
            Some(margin) => self.limit - margin,
            None => self.limit.percent(100 - i64::from(self.hysteresis_percent)),
        }
    }

    /// A round that came back less than this ago goes first when the limit is broken: the time of its stage, that of a
    /// breach before anything is shed, and that of a first look at the effect.
    pub fn step_back_within(&self) -> Span {
        self.restore_step + self.delay + self.verify_after
    }

    /// Load at or below which restoration may begin.
    pub fn restore_below(&self) -> Power {
        self.limit.percent(i64::from(self.restore_below_percent))
    }
}
