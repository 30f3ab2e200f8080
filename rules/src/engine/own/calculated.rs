//! Calculated points as they are reckoned, with each tick: a formula when a value that it reads changed, a mean when a
//! fifteenth of its window is over.
//!
//! **Invariant:** `quality-kept`: a point is known only while all that it is made of may decide; a mean needs nine tenths of its
//! window.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::Engine;
use super::super::curves::{Curve, MINUTE, minute_of};
use super::compiled::Compiled;
use super::values::Missing;
use crate::expression::{Fault, Program, Value};
use crate::model::{NodeId, Power, RuleId, Span, Timestamp};
use crate::output::Output;
use crate::own::{Calculated, Formula, Source, Subject};
use crate::view::CalculatedView;

/// Parts of a window: it slides by one of them.
const PARTS: i64 = 15;
/// Share of a window that has to be known.
const KNOWN_PERCENT: i64 = 90;

/// One point.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Point {
    /// What it was last reckoned of.
    inputs: Vec<Value>,
    /// Thousandths, or why there is none.
    value: Option<i64>,
    why: String,
    /// Since when it has been so.
    since: Timestamp,
    mean: Mean,
    /// Snapshots of before points had curves have none.
    #[serde(default)]
    curve: Curve,
}

/// The parts of a window as far as they have gone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mean {
    /// What has held since then.
    holds: Option<i64>,
    counted_to: Timestamp,
    /// Beginning, thousandths times ms, and known ms of each part; the newest last.
    parts: VecDeque<(Timestamp, i64, i64)>,
}

impl Mean {
    /// Counts what held up to `now`, and takes what holds from now on.
    fn count(&mut self, now: Timestamp, part_ms: i64, window: Span, age_max: Span, holds: Option<i64>) {
        let mut from = self.counted_to;
        // Nobody watched for longer than a value may hold.
        if now.since(from) > age_max {
            self.holds = None;
            from = now;
        }
        while from < now {
            let part = Timestamp::new(from.get().div_euclid(part_ms) * part_ms);
            let to = part.after(Span::new(part_ms)).min(now);
            if self.parts.back().is_none_or(|(last, ..)| *last != part) {
                self.parts.push_back((part, 0, 0));
            }
            if let (Some(value), Some((_, sum, known))) = (self.holds, self.parts.back_mut()) {
                let ms = to.since(from).get();
                *sum = sum.saturating_add(value.saturating_mul(ms));
                *known += ms;
            }
            from = to;
        }
        self.holds = holds;
        self.counted_to = now;
        // A block stays until the next one is over.
        let oldest = now.after(-window).after(-window);
        while self.parts.front().is_some_and(|(part, ..)| *part < oldest) {
            self.parts.pop_front();
        }
    }

    /// The mean over the window that ends at `end`.
    fn over(&self, end: Timestamp, window: Span) -> Option<i64> {
        let from = end.after(-window);
        let parts = self.parts.iter().filter(|(part, ..)| *part >= from && *part < end);
        let (sum, known) = parts.fold((0_i64, 0_i64), |(sum, known), (_, s, k)| (sum.saturating_add(*s), known + k));
        if known * 100 < window.get() * KNOWN_PERCENT { None } else { sum.checked_div(known) }
    }
}

/// What came of a look at a point.
enum Reckoned {
    /// Its value, or why there is none, and the steps of its formula.
    Value { value: Option<i64>, why: String, steps: u64 },
    /// There were no steps left for its formula.
    Later,
}

/// Why there is no value, where nothing was asked.
const fn free(why: String) -> (String, u64) {
    (why, 0)
}

/// All points, in the order of the policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Points(Vec<(RuleId, Point)>);

impl Points {
    fn get(&self, id: RuleId) -> Option<&Point> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, point)| point)
    }

    /// Nobody watched from `from` to `to`.
    pub(super) fn away(&mut self, from: Timestamp, to: Timestamp) {
        for (_, point) in &mut self.0 {
            point.curve.away(from, to);
        }
    }

    /// Tells the minutes that are over, from the beginning of one that is under way on; gives the one that is under way now.
    pub(super) fn turn(&mut self, mut minute: Timestamp, now: Timestamp, out: &mut Vec<Output>) -> Timestamp {
        let current = minute_of(now);
        while minute < current {
            let next = minute.after(MINUTE);
            let before = out.len();
            for (id, point) in &mut self.0 {
                point.curve.count_to(next);
                out.extend(point.curve.close_point(*id, minute).map(Output::Calculated));
            }
            // Where nothing was known there is nothing to tell, however long it was.
            minute = if out.len() > before { next } else { current };
        }
        minute
    }

    /// Formulas may have changed under the same name.
    pub(super) fn load_anew(&mut self) {
        for (_, point) in &mut self.0 {
            point.inputs.clear();
            point.value = None;
        }
    }
}

impl Engine {
    /// Reckons all points, as far as there are steps for their formulas; one may read those before it. How many it took.
    pub(super) fn reckon(&mut self, compiled: &Compiled, most: u64, out: &mut Vec<Output>) -> u64 {
        let mut before = std::mem::take(&mut self.own.points.0);
        let mut of = |id: RuleId| {
            let known = before.iter().position(|(known, _)| *known == id);
            (id, known.map(|at| before.swap_remove(at).1).unwrap_or_default())
        };
        self.own.points.0 = compiled.calculated.iter().map(|(calculated, _)| of(calculated.id)).collect();
        let count = compiled.calculated.len();
        let first = self.own.turn.first_point.take();
        let first = first.and_then(|id| compiled.calculated.iter().position(|(it, _)| it.id == id)).unwrap_or(0);
        let mut taken = 0;
        for at in (first..count).chain(0..first) {
            let Some((calculated, program)) = compiled.calculated.get(at) else { continue };
            let Some((_, point)) = self.own.points.0.get_mut(at) else { continue };
            let mut point = std::mem::take(point);
            let reckoned = self.reckon_one(calculated, program.as_ref(), &mut point, taken < most);
            if let Reckoned::Value { value, why, steps } = reckoned {
                taken += steps;
                if point.value != value || point.since == Timestamp::default() {
                    point.since = self.now;
                }
                (point.value, point.why) = (value, why);
                self.note_point(calculated.id, false, out);
            } else {
                self.own.turn.first_point.get_or_insert(calculated.id);
                self.note_point(calculated.id, true, out);
            }
            point.curve.count_to(self.now);
            point.curve.load = point.value.map(Power::new);
            if let Some((_, place)) = self.own.points.0.get_mut(at) {
                *place = point;
            }
        }
        taken
    }

    fn reckon_one(
        &self,
        calculated: &Calculated,
        program: Option<&Result<Program, Fault>>,
        point: &mut Point,
        may_ask: bool,
    ) -> Reckoned {
        match self.try_reckon(calculated, program, point, may_ask) {
            Ok(Some((value, steps))) => Reckoned::Value { value: Some(value), why: String::new(), steps },
            Ok(None) => Reckoned::Later,
            Err((why, steps)) => Reckoned::Value { value: None, why, steps },
        }
    }

    /// The value and how many steps it took; nothing where it may not ask its formula now.
    fn try_reckon(
        &self,
        calculated: &Calculated,
        program: Option<&Result<Program, Fault>>,
        point: &mut Point,
        may_ask: bool,
    ) -> Result<Option<(i64, u64)>, (String, u64)> {
        let read = |source: &Source| self.value_of(source, Subject::Named).map_err(|why| format!("{source} {why}"));
        match &calculated.formula {
            Formula::Text { reads, .. } => {
                let inputs = reads.values().map(read).collect::<Result<Vec<Value>, String>>();
                let inputs = inputs.inspect_err(|_| point.inputs.clear()).map_err(free)?;
                if point.inputs == inputs
                    && let Some(value) = point.value
                {
                    return Ok(Some((value, 0)));
                }
                let program = match program {
                    Some(Ok(program)) => program,
                    Some(Err(fault)) => return Err(free(fault.to_string())),
                    None => return Err(free("there is no formula".into())),
                };
                if !may_ask {
                    return Ok(None);
                }
                let value = program.number(&inputs);
                let steps = Program::steps();
                point.inputs = inputs;
                value.map(|value| Some((value, steps))).map_err(|fault| (fault.to_string(), steps))
            }
            Formula::SumBelow { node } => {
                Ok(Some((self.loads_below(*node).map_err(free)?.into_iter().sum::<Power>().get(), 0)))
            }
            Formula::HighestBelow { node } => {
                let highest = self.loads_below(*node).map_err(free)?.into_iter().max();
                let highest = highest.map(|highest| Some((highest.get(), 0)));
                highest.ok_or_else(|| free(format!("there is no node below {node}")))
            }
            Formula::Mean { of, window, block } => {
                let holds = match read(of) {
                    Ok(Value::Number(value)) => Some(value),
                    _ => None,
                };
                let part_ms = (window.get() / PARTS).max(1);
                point.mean.count(self.now, part_ms, *window, self.policy.reading_age_max, holds);
                let step = if *block { window.get() } else { part_ms };
                let end = Timestamp::new(self.now.get().div_euclid(step) * step);
                let mean = point.mean.over(end, *window);
                let mean = mean.map(|mean| Some((mean, 0)));
                mean.ok_or_else(|| free(format!("{of} was not known for nine tenths of the last {window}")))
            }
        }
    }

    fn loads_below(&self, node: NodeId) -> Result<Vec<Power>, String> {
        let below = self.grid.inventory.nodes.iter().filter(|(_, below)| below.parent == Some(node));
        below
            .map(|(id, _)| {
                self.grid.load(*id).power().ok_or_else(|| format!("node {id} load {}", Missing::LoadUnknown))
            })
            .collect()
    }

    /// A calculated point's value.
    pub(super) fn calculated(&self, id: RuleId) -> Result<Value, Missing> {
        let point = self.own.points.get(id).ok_or(Missing::NotThere)?;
        point.value.map(Value::Number).ok_or(Missing::NotReckoned)
    }

    pub(in crate::engine) fn calculated_views(&self) -> Vec<CalculatedView> {
        let all = self.policy.own.calculated.iter().filter_map(|calculated| {
            let point = self.own.points.get(calculated.id)?;
            Some(CalculatedView {
                id: calculated.id,
                value: point.value.map(Value::Number),
                unit: calculated.unit.clone(),
                why: point.value.is_none().then(|| point.why.clone()),
                since: point.since,
            })
        });
        all.collect()
    }
}
