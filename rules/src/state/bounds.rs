//! What bears on nodes' limits besides ratings, and what it comes to.

use serde::{Deserialize, Serialize};

use crate::calendar::Slot;
use crate::model::{Power, RuleId, Timestamp};
use crate::own::Subject;
use crate::policy::{LimitRule, Policy};
use crate::target::{LimitSource, Target};

/// Later than anything.
pub(crate) const NEVER: Timestamp = Timestamp::new(i64::MAX);

/// What bears on a node's limit besides its rating.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Bounds {
    /// What people set, at most the rating.
    pub(crate) set: Option<Power>,
    /// What the schedule gives now, at most the rating.
    pub(crate) slot: Option<Slot>,
    /// Planned or in force, in the order of their times, which do not overlap.
    pub(crate) targets: Vec<Target>,
    /// What users' own rules want while they stand.
    #[serde(default)]
    pub(crate) rules: Vec<RuleBound>,
}

/// What one of users' own rules makes a node's limit, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RuleBound {
    pub(crate) rule: RuleId,
    pub(crate) subject: Subject,
    pub(crate) limit: Power,
    /// What it takes off the load, where it does not name the limit itself.
    pub(crate) reduction: Option<Power>,
}

impl Bounds {
    pub(crate) const fn is_empty(&self) -> bool {
        self.set.is_none() && self.slot.is_none() && self.targets.is_empty() && self.rules.is_empty()
    }

    /// The limit in force where the rating is this, and what gives it.
    pub(crate) fn lowest(&self, rated: Power) -> (Power, LimitSource) {
        let mut lowest = (rated, LimitSource::Rating);
        let mut consider = |limit: Power, source| {
            if limit < lowest.0 {
                lowest = (limit, source);
            }
        };
        if let Some(Slot { limit, kind, .. }) = self.slot {
            consider(limit, LimitSource::Schedule { kind });
        }
        if let Some(set) = self.set {
            consider(set, LimitSource::Set);
        }
        for target in &self.targets {
            if let Some(begun) = target.begun {
                consider(begun.limit, LimitSource::Target { target: target.id });
            }
        }
        for bound in &self.rules {
            consider(bound.limit, LimitSource::Rule { rule: bound.rule });
        }
        lowest
    }

    /// How far below the limit a breach of it ends, where that is not the rule's share: in the share of the reduction, so
    /// that a small reduction of a large load does not shed several times what was asked for.
    pub(crate) fn margin(&self, rule: &LimitRule, source: LimitSource) -> Option<Power> {
        let reduction = match source {
            LimitSource::Target { target } => self.targets.iter().find(|held| held.id == target)?.reduction,
            LimitSource::Rule { rule } => {
                let of_rule = self.rules.iter().filter(|bound| bound.rule == rule);
                of_rule.min_by_key(|bound| bound.limit)?.reduction?
            }
            LimitSource::Rating | LimitSource::Schedule { .. } | LimitSource::Set => return None,
        };
        Some(reduction.percent(i64::from(rule.hysteresis_percent)))
    }

    /// When something of it begins or ends.
    pub(crate) fn next_turn(&self) -> Timestamp {
        let slot = self.slot.map(|slot| slot.until);
        let targets = self.targets.iter().map(|target| if target.begun.is_some() { target.to } else { target.from });
        slot.into_iter().chain(targets).min().unwrap_or(NEVER)
    }

    /// Takes the schedule to an instant, and lets go of what is over by then.
    pub(crate) fn go_on_to(&mut self, at: Timestamp, rule: &LimitRule, policy: &Policy) {
        if let Some(slot) = self.slot.filter(|slot| slot.until <= at) {
            self.slot = rule.schedule.as_ref().zip(policy.calendar.as_ref()).and_then(|(s, c)| s.at(c, slot.until));
        }
        self.targets.retain(|target| target.begun.is_none() || target.to > at);
    }
}
