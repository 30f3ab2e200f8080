//! Whose turn it is where a tick has not steps enough for all that users laid down.
//!
//! All rules together may take so many steps in one tick. First each takes its share, then those that are not through take what
//! is left, one after the other. Who was not reached comes first the next time, and a rule goes on where it was: so each is
//! looked at, sooner or later, whatever the others take. A rule that is too late is an alarm.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::Engine;
use super::compiled::{Compiled, CompiledRule, Programs};
use super::{OwnState, Standing};
use crate::expression::Fault;
use crate::model::{RuleId, Span, Timestamp};
use crate::output::{AlarmCause, Output};
use crate::own::Subject;

/// A rule that takes longer than this for all that it is for cannot keep up.
const LATE: Span = Span::from_s(30);

/// Where the next tick goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Turn {
    /// The rule that comes first; none begins with the first of all.
    first: Option<RuleId>,
    /// The calculated point that comes first.
    pub(super) first_point: Option<RuleId>,
    /// Rules that are not through.
    behind: BTreeMap<RuleId, Behind>,
    /// Points whose formula was not asked though what it reads has changed, since when.
    pub(super) points_behind: BTreeMap<RuleId, Timestamp>,
}

/// How far a rule is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Behind {
    /// Who comes next.
    next: Subject,
    /// When it began with the first of all that it is for.
    since: Timestamp,
}

impl Turn {
    pub(super) fn is_behind(&self, id: RuleId) -> bool {
        self.behind.contains_key(&id) || self.points_behind.contains_key(&id)
    }

    /// A rule is off.
    fn forget(&mut self, id: RuleId) {
        self.behind.remove(&id);
    }
}

/// One rule in one tick.
struct Course<'a> {
    rule: &'a CompiledRule,
    programs: &'a Programs,
    /// The first one that it looks at in this tick.
    start: usize,
    looked: usize,
    /// When it began with the first of all.
    since: Timestamp,
    /// How long it took for all, where it was through with them in this tick.
    took: Option<Span>,
}

impl Engine {
    /// Looks at all rules, as far as there are steps.
    pub(super) fn look_in_turn(&mut self, compiled: &Compiled, mut left: u64, out: &mut Vec<Output>) {
        let mut courses = Vec::with_capacity(compiled.rules.len());
        for rule in &compiled.rules {
            if self.own.broken.contains_key(&rule.rule.id) {
                continue;
            }
            match &rule.programs {
                Ok(programs) => courses.push(self.own.course(rule, programs, self.now)),
                Err(fault) => self.break_rule(&rule.rule, fault.clone(), out),
            }
        }
        let first = self.own.turn.first.take();
        let first = first.and_then(|id| courses.iter().position(|it| it.rule.rule.id == id)).unwrap_or(0);
        courses.rotate_left(first);
        let share = (left / u64::try_from(courses.len()).unwrap_or(u64::MAX).max(1)).max(1);
        for most in [share, u64::MAX] {
            for course in &mut courses {
                if left == 0 {
                    // Whoever had nothing of this round has it first in the next tick.
                    self.own.turn.first.get_or_insert(course.rule.rule.id);
                    break;
                }
                let taken = self.take_steps(course, most.min(left), out);
                left = left.saturating_sub(taken);
            }
        }
        for course in courses {
            self.note_course(&course, out);
        }
    }

    /// Goes on with a rule until it is through or has no steps left. How many it took.
    fn take_steps(&mut self, course: &mut Course<'_>, most: u64, out: &mut Vec<Output>) -> u64 {
        let id = course.rule.rule.id;
        let Some(mut standings) = self.own.rules.remove(&id) else { return 0 };
        let mut taken = 0;
        let mut fault = None;
        while course.looked < standings.len() && taken < most {
            let at = (course.start + course.looked) % standings.len();
            if at == 0 {
                course.since = self.now;
            }
            let Some(standing) = standings.get_mut(at) else { break };
            match self.look(course.rule, course.programs, standing, out) {
                Ok(steps) => taken += steps,
                Err(why) => {
                    fault = Some(why);
                    break;
                }
            }
            course.looked += 1;
            if at + 1 == standings.len() {
                course.took = Some(self.now.since(course.since));
            }
        }
        self.own.rules.insert(id, standings);
        if let Some(fault) = fault {
            course.looked = usize::MAX;
            taken += self.broken_by(&course.rule.rule, fault, out);
        }
        taken
    }

    /// A rule goes wrong: what that took is not known, and it takes nothing any more.
    fn broken_by(&mut self, rule: &crate::own::Rule, fault: Fault, out: &mut Vec<Output>) -> u64 {
        self.own.turn.forget(rule.id);
        self.alarms.clear(AlarmCause::OwnRuleLate { rule: rule.id }, self.now, out);
        self.break_rule(rule, fault, out);
        crate::expression::OPERATIONS_MAX
    }

    /// Keeps where a rule goes on, and tells where it is too late.
    fn note_course(&mut self, course: &Course<'_>, out: &mut Vec<Output>) {
        let id = course.rule.rule.id;
        let cause = AlarmCause::OwnRuleLate { rule: id };
        let standings = self.own.rules.get(&id).map_or(&[][..], Vec::as_slice);
        let at = course.start.saturating_add(course.looked).checked_rem(standings.len()).unwrap_or(0);
        let through = course.looked >= standings.len();
        let next = standings.get(at).filter(|_| !through && at > 0).map(|standing| standing.subject);
        match next {
            Some(next) => drop(self.own.turn.behind.insert(id, Behind { next, since: course.since })),
            None => self.own.turn.forget(id),
        }
        let of = standings.len();
        if through || course.took.is_some_and(|took| took < LATE) {
            self.alarms.clear(cause, self.now, out);
        } else if next.is_some() && self.now.since(course.since) >= LATE {
            let steps = self.policy.own.steps_max;
            let lasts = self.now.since(course.since);
            let detail = || format!("{at} of {of} looked at in {lasts}: all rules have {steps} steps a tick");
            self.alarms.raise(cause, self.now, detail, out);
        }
    }

    /// A point was not reckoned anew though what it reads has changed, or it was again.
    pub(super) fn note_point(&mut self, id: RuleId, behind: bool, out: &mut Vec<Output>) {
        let cause = AlarmCause::OwnRuleLate { rule: id };
        if !behind {
            if self.own.turn.points_behind.remove(&id).is_some() {
                self.alarms.clear(cause, self.now, out);
            }
            return;
        }
        let since = *self.own.turn.points_behind.entry(id).or_insert(self.now);
        if self.now.since(since) >= LATE {
            let steps = self.policy.own.steps_max;
            let detail = || format!("not reckoned since {since}: all rules have {steps} steps a tick");
            self.alarms.raise(cause, self.now, detail, out);
        }
    }
}

impl OwnState {
    fn course<'a>(&self, rule: &'a CompiledRule, programs: &'a Programs, now: Timestamp) -> Course<'a> {
        let is = |next: Subject| move |standing: &Standing| standing.subject == next;
        let behind = self.turn.behind.get(&rule.rule.id);
        let place = |behind: &Behind| self.rules.get(&rule.rule.id)?.iter().position(is(behind.next));
        let start = behind.and_then(|behind| Some((place(behind)?, behind.since)));
        let (start, since) = start.unwrap_or((0, now));
        Course { rule, programs, start, looked: 0, since, took: None }
    }
}
