//! The way back: limit before avoid before shift, who was asked last first, one after the other, and only where the load leaves
//! room for what returns. What a rule tripped returns before.

use super::super::Engine;
use crate::measures::MeasureId;
use crate::measures::{Measure, MeasureEnding, MeasureState};
use crate::model::{NodeId, Power, Span, TerminalId};
use crate::output::Output;
use crate::policy::LimitRule;
use crate::state::cold_load::percent;
use crate::state::measures::Course;

/// A customer whose measure ended is back within this time, or does not come back for it.
const BACK_WITHIN: Span = Span::from_s(600);
/// A measure is kept for a lower limit that is known to come within this time.
const KEPT_FOR: Span = Span::from_s(1_800);

impl Engine {
    /// Power with which a customer comes back after a measure: more than it held back where its rounds came back cold before.
    pub(super) fn returns_with(&self, terminal: TerminalId, held_back: Power) -> Power {
        let rounds = self.grid.inventory.terminals.get(&terminal).into_iter().flat_map(|entry| entry.rounds.keys());
        let learnt = rounds.filter_map(|&round| self.cold_load(terminal, round)).max_by_key(|it| it.percent);
        match learnt {
            Some(_) => held_back.percent(i64::from(percent(self.limits_above(terminal), learnt))),
            None => held_back,
        }
    }

    pub(super) fn forget_returning(&mut self) {
        let now = self.now;
        self.measures.returning.retain(|_, it| now.since(it.since) < BACK_WITHIN);
    }

    /// Load that is about to come back to a node after measures that ended.
    pub(in super::super) fn returning_to(&self, node: NodeId) -> Power {
        let below = self.measures.returning.iter().filter(|(id, _)| self.grid.path(**id).any(|above| above == node));
        below
            .map(|(terminal, it)| {
                let load = self.grid.posts.get(terminal).and_then(|post| post.load(self.now, self.grid.age_max).ok());
                (it.power - (load.unwrap_or(it.from) - it.from).max(Power::ZERO)).max(Power::ZERO)
            })
            .sum()
    }

    /// Load that comes back to a node after measures that end before a customer would be back from one that ended now.
    pub(in super::super) fn returning_soon_to(&self, node: NodeId) -> Power {
        let soon = self.now.after(BACK_WITHIN);
        let ending = self.measures_below(node).filter(|it| it.until <= soon);
        ending.map(|it| self.returns_with(it.terminal, it.held_back())).sum()
    }

    /// Whether customers are just coming back to a node, or to one above, after measures: rounds return when their load is seen.
    pub(in super::super) fn measures_return_to(&self, node: NodeId) -> bool {
        !self.measures.returning.is_empty()
            && self.grid.inventory.path_up(node).any(|above| {
                self.policy.rule(above).is_some_and(|rule| {
                    let new =
                        self.measures.returning.iter().filter(|(_, it)| self.now.since(it.since) < rule.verify_after);
                    new.into_iter().any(|(terminal, _)| self.grid.path(*terminal).any(|it| it == above))
                })
            })
    }

    /// Calls off what is not wanted any more, and releases what the load leaves room for.
    pub(super) fn release_measures(&mut self, rule: &LimitRule, load: Power, out: &mut Vec<Output>) {
        let node = rule.node;
        let of_rule = |it: &&Measure| it.node == node && it.by.is_none();
        let Some(watch) = self.watches.get(&node) else { return };
        let calm =
            !watch.in_breach() && !watch.warned && self.forecast(rule).is_none_or(|it| it.load < rule.measures_from());
        if calm && load < rule.measures_from() {
            let idle = self.measures.open().filter(of_rule).filter(|it| it.state == MeasureState::Asked);
            let idle: Vec<MeasureId> =
                idle.filter(|it| !self.is_wanted_ahead(rule, load, it)).map(|it| it.id).collect();
            for id in idle {
                if let Some(measure) = self.measures.open.remove(&id) {
                    let why = format!("{load} of {}: it is not wanted any more", rule.limit);
                    self.end_measure(measure, MeasureEnding::CalledOff, why, false, out);
                }
            }
        }
        let in_force = self.measures.open().filter(of_rule).filter(|it| it.state != MeasureState::Asked);
        let Some(next) = in_force.max_by_key(|it| (it.agreed.kind, it.asked_at, it.id)) else { return };
        let (id, terminal, gone) = (next.id, next.terminal, next.held_back());
        let course = self.measures.courses.get(&node).copied().unwrap_or_default();
        let room = calm && self.may_release(rule, terminal, gone);
        let room_since = match course.room_since {
            _ if !room => None,
            Some((of, since)) if of == id => Some((id, since)),
            _ => Some((id, self.now)),
        };
        let held = room_since.is_some_and(|(_, since)| self.now.since(since) >= rule.restore_hold);
        let release = held && self.now >= course.release_at;
        let course = self.measures.courses.entry(node).or_default();
        *course = Course { room_since, ..*course };
        if !release {
            return;
        }
        // What comes back has to be seen before more does.
        course.release_at = self.now.after(rule.restore_step.max(rule.verify_after));
        if let Some(measure) = self.measures.open.remove(&id) {
            let why = format!("{load} of {} leaves room for {gone}", rule.limit);
            self.end_measure(measure, MeasureEnding::Released, why, false, out);
        }
    }

    /// Whether a customer may come back: nothing is off by the rule, nobody above needs it, and each limited node above stays
    /// where nobody would be asked again.
    fn may_release(&self, rule: &LimitRule, terminal: TerminalId, gone: Power) -> bool {
        let node = rule.node;
        let Some(watch) = self.watches.get(&node) else { return false };
        if self.shed_by(node).next().is_some()
            || self.supply_hold(node, watch).is_some()
            || self.needed_off_by(node).is_some()
            || self.rises_towards_limit(node)
        {
            return false;
        }
        let returns = self.returns_with(terminal, gone);
        self.limits_above(terminal).all(|above| {
            let most = if above.measures.asks { above.target().min(above.measures_from()) } else { above.target() };
            // Who would be asked again for a limit that comes soon is not released before.
            let coming = self.lower_limits_ahead(above, KEPT_FOR).into_iter().map(|ahead| ahead.aim);
            let most = coming.fold(most, Power::min);
            let coming = self.returning_to(above.node) + returns;
            self.projected_with(above.node, coming, &[]).is_some_and(|load| load <= most)
        })
    }

    /// Whether a measure is kept for what comes when it is due: others end, whose customers come back, or a lower limit.
    fn is_wanted_ahead(&self, rule: &LimitRule, load: Power, measure: &Measure) -> bool {
        if self.now >= measure.due {
            return false;
        }
        let without = self.changes_by(rule.node, measure.due) - (measure.expected - measure.gone).max(Power::ZERO);
        let lower = self.lower_limits_ahead(rule, measure.due.since(self.now));
        load - without >= rule.measures_from() || lower.iter().any(|ahead| load - without > ahead.aim)
    }
}
