//! Users' own rules as they run.
//!
//! Read [`Standing`] (one rule for one subject), then `values` (what a rule sees). Rules are looked at with each tick:
//! nothing is done per reading, and a condition is evaluated only when a value that it reads is another than at the last
//! look.
//!
//! **Invariants:** `quality-kept`: while one value that a rule reads is bad, stale or unknown, the rule neither begins nor
//! ends; `stopped-is-stopped`: while automatic control is stopped, a rule raises alarms and does nothing else; a rule that
//! goes wrong is off, and the others go on.

mod acts;
mod calculated;
mod compiled;
mod interlocks;
mod turn;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::Engine;
use super::curves::{MINUTE, minute_of};
use crate::expression::{Fault, Program, Value};
use crate::model::{RoundNo, RuleId, Timestamp};
use crate::output::{AlarmCause, Happening, Output};
use crate::own::{Act, ForEach, Piece, Rule, Source, Subject, pieces};
use acts::Proposals;
use calculated::Points;
use compiled::{Compiled, CompiledRule};
use turn::Turn;

/// One rule for one subject.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Standing {
    subject: Subject,
    /// What its condition was last asked of, in the order of its names.
    inputs: Vec<Value>,
    /// What that came to: that it may begin, or end where it has begun; none while that is not known.
    met: Option<bool>,
    /// Since when that has been so.
    since: Option<Timestamp>,
    /// When it began, while it has not ended.
    began: Option<Timestamp>,
    /// It did, or was refused, what it does besides its alarm. While automatic control is stopped that waits.
    acted: bool,
    /// Since when something that it reads has not been known.
    undecided_since: Option<Timestamp>,
    /// That was told.
    told: bool,
}

/// All rules.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct OwnState {
    rules: BTreeMap<RuleId, Vec<Standing>>,
    /// What they propose.
    proposals: Proposals,
    /// Calculated points, by their order in the policy.
    points: Points,
    /// The beginning of the minute of theirs that is under way. Snapshots of before they had curves have none.
    #[serde(default)]
    minute: Option<Timestamp>,
    /// Where the next tick goes on. Snapshots of before steps were counted begin with the first rule.
    #[serde(default)]
    turn: Turn,
    /// Rules that went wrong, until rules are loaded anew.
    broken: BTreeMap<RuleId, Fault>,
    /// Made of the policy when first needed; a snapshot has none.
    #[serde(skip)]
    compiled: OnceLock<Arc<Compiled>>,
    /// Kept so that looking allocates nothing.
    #[serde(skip)]
    looked_at: Vec<Value>,
    /// Evaluations of conditions.
    #[cfg(test)]
    #[serde(skip)]
    pub(super) asked: u64,
}

impl OwnState {
    /// Nobody watched from `from` to `to`.
    pub(super) fn away(&mut self, from: Timestamp, to: Timestamp) {
        self.points.away(from, to);
    }

    /// Tells the minutes of calculated points that are over.
    pub(super) fn turn(&mut self, now: Timestamp, out: &mut Vec<Output>) {
        let minute = self.minute.unwrap_or(now);
        if self.minute.is_none() || now.since(minute) >= MINUTE {
            self.minute = Some(self.points.turn(minute_of(minute), now, out));
        }
    }

    /// The rules are others: those that went wrong have another chance.
    pub(super) fn load_anew(&mut self) {
        self.compiled = OnceLock::new();
        self.broken.clear();
        self.turn = Turn::default();
        self.points.load_anew();
        for standing in self.rules.values_mut().flatten() {
            // Conditions may have changed under the same name: they are asked anew.
            standing.inputs.clear();
            standing.met = None;
        }
    }
}

impl Engine {
    fn compiled(&self) -> Arc<Compiled> {
        Arc::clone(self.own.compiled.get_or_init(|| Arc::new(Compiled::of(&self.policy.own))))
    }

    /// One standing for each rule and subject that there is, and nothing of others.
    pub(super) fn settle_own(&mut self, out: &mut Vec<Output>) {
        let mut before = std::mem::take(&mut self.own.rules);
        let rules = std::mem::take(&mut self.policy.own.rules);
        for rule in &rules {
            let mut had = before.remove(&rule.id).unwrap_or_default();
            let mut standings = Vec::new();
            for subject in self.subjects(rule) {
                let kept = had.iter().position(|standing| standing.subject == subject);
                let kept = kept.map(|at| had.swap_remove(at));
                standings.push(kept.unwrap_or_else(|| Standing { subject, ..Standing::default() }));
            }
            // A rule that is for others now, or does something else, has ended for those it was for.
            for gone in had.into_iter().filter(|standing| standing.began.is_some()) {
                self.end_acts(rule.id, gone.subject, out);
            }
            self.own.rules.insert(rule.id, standings);
        }
        for (id, standings) in before {
            for gone in standings.into_iter().filter(|standing| standing.began.is_some()) {
                self.end_acts(id, gone.subject, out);
            }
        }
        self.policy.own.rules = rules;
        let own = &self.own;
        let stands = |rule: RuleId, subject: Subject, cause: AlarmCause, rules: &[Rule]| {
            let is = |standing: &Standing| standing.subject == subject && standing.began.is_some();
            let raises = |rule: &Rule| alarm_of(rule, subject) == Some(cause);
            own.rules.get(&rule).is_some_and(|standings| standings.iter().any(is))
                && rules.iter().any(|known| known.id == rule && raises(known))
        };
        let rules = &self.policy.own.rules;
        let gone = |cause: AlarmCause| match cause {
            AlarmCause::OwnRule { rule, subject, .. } => !stands(rule, subject, cause, rules),
            AlarmCause::OwnRuleBroken { rule } => !own.broken.contains_key(&rule),
            AlarmCause::OwnRuleLate { rule } => !own.turn.is_behind(rule),
            _ => false,
        };
        self.alarms.clear_where(gone, self.now, out);
        self.settle_acts(out);
        // One whose rule raises another alarm now.
        for rule in &self.policy.own.rules {
            for standing in self.own.rules.get(&rule.id).into_iter().flatten() {
                if let (Some(began), Some(cause)) = (standing.began, alarm_of(rule, standing.subject)) {
                    self.alarms.raise(cause, self.now, || format!("since {began}"), out);
                }
            }
        }
    }

    fn subjects(&self, rule: &Rule) -> Vec<Subject> {
        let inventory = &self.grid.inventory;
        match rule.for_each {
            None => vec![Subject::Named],
            Some(ForEach::Node(kind)) => {
                // A node without a limit has none to read.
                let of_limits =
                    |read: &Source| matches!(read, Source::Limit { node: None } | Source::Headroom { node: None });
                let limited = rule.reads.values().any(of_limits);
                let nodes = inventory.nodes.iter().filter(|(_, node)| node.kind == kind).map(|(id, _)| *id);
                nodes.filter(|id| !limited || self.policy.rule(*id).is_some()).map(Subject::Node).collect()
            }
            Some(ForEach::Terminal) => {
                // Nor has a terminal a round that it lacks.
                let rounds: Vec<RoundNo> = rule.reads.values().filter_map(Source::round_of_each).collect();
                let terminals = inventory.terminals.iter();
                let terminals = terminals.filter(|(_, entry)| rounds.iter().all(|no| entry.rounds.contains_key(no)));
                terminals.map(|(id, _)| Subject::Terminal(*id)).collect()
            }
        }
    }

    /// Looks at all rules, as far as a tick has steps. Costs a look at each value that a rule reads, and nothing where there are
    /// no rules.
    pub(super) fn own_on_tick(&mut self, out: &mut Vec<Output>) {
        if self.policy.own.is_idle() {
            return;
        }
        let compiled = self.compiled();
        // Rules read points: these come first, and leave half of the steps.
        let steps = self.policy.own.steps_max;
        let taken = self.reckon(&compiled, steps / 2, out);
        self.look_in_turn(&compiled, steps.saturating_sub(taken), out);
    }

    /// Looks at one rule for one subject. How many steps that took: none where nothing that it reads has changed.
    fn look(
        &mut self,
        rule: &CompiledRule,
        programs: &compiled::Programs,
        standing: &mut Standing,
        out: &mut Vec<Output>,
    ) -> Result<u64, Fault> {
        let mut values = std::mem::take(&mut self.own.looked_at);
        values.clear();
        let mut missing = None;
        for (name, source) in &rule.rule.reads {
            match self.value_of(source, standing.subject) {
                Ok(value) => values.push(value),
                Err(why) => {
                    missing = Some((name, source, why));
                    break;
                }
            }
        }
        if let Some((name, source, why)) = missing {
            self.own.looked_at = values;
            let since = *standing.undecided_since.get_or_insert(self.now);
            // What has been so for a while meanwhile nobody knows.
            standing.since = None;
            standing.met = None;
            standing.inputs.clear();
            if !standing.told && self.now.since(since) >= self.policy.reading_age_max {
                standing.told = true;
                let why = format!("{name} ({source}) {why}");
                let told = Happening::OwnRuleUndecided { rule: rule.rule.id, subject: standing.subject, why };
                self.tell(told, out);
            }
            return Ok(0);
        }
        standing.undecided_since = None;
        standing.told = false;
        let asked = if standing.met.is_none() || standing.inputs != values {
            standing.inputs.clone_from(&values);
            #[cfg(test)]
            {
                self.own.asked += 1;
            }
            let asked = programs.ask(standing.began.is_some(), &values);
            asked.map(|met| standing.met = Some(met)).map(|()| Program::steps())
        } else {
            Ok(0)
        };
        self.own.looked_at = values;
        let steps = asked?;
        self.go_on(&rule.rule, standing, out);
        Ok(steps)
    }

    /// Begins or ends a rule whose condition has held for as long as it says.
    fn go_on(&mut self, rule: &Rule, standing: &mut Standing, out: &mut Vec<Output>) {
        if standing.began.is_some() && !standing.acted && self.stopped().is_none() {
            standing.acted = true;
            self.act(rule, standing.subject, &standing.inputs, out);
        }
        if standing.met != Some(true) {
            standing.since = None;
            return;
        }
        let since = *standing.since.get_or_insert(self.now);
        let hold = if standing.began.is_some() { rule.clear_hold } else { rule.hold };
        if self.now.since(since) < hold {
            return;
        }
        // What comes next is another question.
        standing.since = None;
        standing.met = None;
        let subject = standing.subject;
        if let Some(began) = standing.began.take() {
            let lasted = self.now.since(began);
            self.tell(Happening::OwnRuleEnded { rule: rule.id, subject, lasted }, out);
            self.end_acts(rule.id, subject, out);
        } else {
            standing.began = Some(self.now);
            standing.acted = false;
            let text = told_by(rule, &standing.inputs);
            self.tell(Happening::OwnRuleBegan { rule: rule.id, subject, text: text.clone() }, out);
            if let Some(cause) = alarm_of(rule, subject) {
                self.alarms.raise(cause, self.now, || text, out);
            }
            if self.stopped().is_none() {
                standing.acted = true;
                self.act(rule, subject, &standing.inputs, out);
            }
        }
    }

    /// What a rule did is over.
    fn end_acts(&mut self, rule: RuleId, subject: Subject, out: &mut Vec<Output>) {
        let is = |cause: AlarmCause| matches!(cause, AlarmCause::OwnRule { rule: r, subject: s, .. } if (r, s) == (rule, subject));
        self.alarms.clear_where(is, self.now, out);
        self.give_back(rule, subject, out);
    }

    /// A rule went wrong: it is off, and all that it did is over.
    fn break_rule(&mut self, rule: &Rule, fault: Fault, out: &mut Vec<Output>) {
        let id = rule.id;
        self.tell(Happening::OwnRuleBroken { rule: id, fault: fault.to_string() }, out);
        self.alarms.raise(AlarmCause::OwnRuleBroken { rule: id }, self.now, || fault.to_string(), out);
        self.own.broken.insert(id, fault);
        let Some(mut standings) = self.own.rules.remove(&id) else { return };
        for standing in &mut standings {
            if standing.began.is_some() {
                self.end_acts(id, standing.subject, out);
            }
            *standing = Standing { subject: standing.subject, ..Standing::default() };
        }
        self.own.rules.insert(id, standings);
    }
}

/// The alarm that a rule raises, if it does.
fn alarm_of(rule: &Rule, subject: Subject) -> Option<AlarmCause> {
    rule.acts.iter().find_map(|act| match act {
        Act::Alarm { priority, .. } => Some(AlarmCause::OwnRule { rule: rule.id, subject, priority: *priority }),
        Act::Limit { .. } | Act::Shed { .. } => None,
    })
}

/// What a rule says when it begins: its alarm's text with figures, or its inputs.
fn told_by(rule: &Rule, inputs: &[Value]) -> String {
    let value = |name: &str| {
        let (at, (_, source)) = rule.reads.iter().enumerate().find(|(_, (known, _))| *known == name)?;
        let (value, unit) = (inputs.get(at)?, source.unit());
        Some(if unit.is_empty() { value.to_string() } else { format!("{value} {unit}") })
    };
    let says = rule.acts.iter().find_map(|act| match act {
        Act::Alarm { text, .. } => Some(text),
        Act::Limit { .. } | Act::Shed { .. } => None,
    });
    let Some(says) = says else {
        let all = rule.reads.keys().map(|name| format!("{name} {}", value(name).unwrap_or_default()));
        return all.collect::<Vec<_>>().join(", ");
    };
    let mut text = String::new();
    for piece in pieces(says) {
        match piece {
            Piece::Plain(plain) => text.push_str(plain),
            Piece::Value(name) => text.push_str(&value(name).unwrap_or_default()),
        }
    }
    text
}
