//! The checker's word on agreed measures: from the inventory, the rules and the book of what was asked, nothing taken from those who
//! asked. A customer does no more, no oftener and no sooner than it agreed to; the kinds keep their order; and no plan trips what
//! measures are about to give.

use std::collections::BTreeSet;

use super::ahead::limit_at;
use super::check::{Violation, World};
use super::plan::Plan;
use crate::measures::{Agreed, Measure, MeasureKind, MeasureState};
use crate::model::{CustomerId, NodeId, Power, Span, TerminalId, Timestamp};
use crate::notices::Delivery;
use crate::policy::LimitRule;

const WEEK: Span = Span::from_s(7 * 86_400);
/// Where no rule says when an effect is judged.
const VERIFY_AFTER: Span = Span::from_s(120);
/// A customer whose measure ended is back within this time.
const BACK_WITHIN: Span = Span::from_s(600);
/// It is judged with the next tick.
const TICK: Span = Span::from_s(1);

/// What measures are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occasion {
    /// When they are to begin, now at the earliest.
    pub(crate) at: Timestamp,
    /// What begins later is of no use.
    pub(crate) by: Timestamp,
    /// The load of the node that is reckoned with.
    pub(crate) load: Power,
    /// What it is to come down to.
    pub(crate) target: Power,
}

/// One measure that is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) terminal: TerminalId,
    pub(crate) kind: MeasureKind,
    /// What it is to take off.
    pub(crate) power: Power,
    pub(crate) due: Timestamp,
    pub(crate) until: Timestamp,
}

/// What the checker finds that a customer may be asked for.
struct Found {
    rank: (MeasureKind, bool, usize),
    customer: CustomerId,
    terminal: TerminalId,
    power: Power,
    notice: Span,
    closes: Timestamp,
    lasts_max: Span,
}

/// Whether these may be asked for, in this order.
///
/// # Errors
/// The first thing that a customer did not agree to, or that is out of order, or more than is wanted.
pub(crate) fn check_asks(
    world: &World<'_>,
    rule: &LimitRule,
    occasion: &Occasion,
    asks: &[Ask],
) -> Result<(), Violation> {
    let node = rule.node;
    let load = world.grid.load(node).power().ok_or(Violation::NodeUnknown { node })?;
    let foreseen = world.recent.forecast(node, world.now).filter(|_| rule.forecast > Span::ZERO);
    let most = foreseen.map_or(load, |forecast| forecast.load.max(load));
    if occasion.load > most {
        return Err(Violation::MeasuresUnneeded { node, wanted: occasion.load, needed: most });
    }
    let aim = world.aim_at(rule, occasion.at)?;
    if occasion.target < aim {
        return Err(Violation::MeasuresUnneeded {
            node,
            wanted: occasion.load - occasion.target,
            needed: occasion.load - aim,
        });
    }
    let needed = occasion.load
        - occasion.target
        - world.effects.going_from(world.grid, node)
        - world.relief_by_measures(node, occasion.at, occasion.by);
    let (mut customers, mut sum) = (BTreeSet::new(), Power::ZERO);
    let mut last = None;
    for ask in asks {
        let Ask { terminal, kind, power, due, until } = *ask;
        let found = world.may_ask(node, terminal, kind, occasion)?;
        if due < world.now.after(found.notice) || due < occasion.at {
            return Err(Violation::MeasureTooSoon { terminal, kind, due, notice: found.notice });
        }
        if due > occasion.by {
            return Err(Violation::MeasureTooLate { terminal, kind, due });
        }
        if until > due.after(found.lasts_max) || until > found.closes || until <= due {
            return Err(Violation::MeasureTooLong { terminal, kind, until });
        }
        if power != found.power {
            return Err(Violation::MeasurePower { terminal, kind, planned: power, gives: found.power });
        }
        if !customers.insert(found.customer) {
            return Err(Violation::MeasureStands { terminal, kind });
        }
        if sum >= needed {
            return Err(Violation::MeasuresUnneeded { node, wanted: sum + power, needed: needed.max(Power::ZERO) });
        }
        sum += power;
        last = last.max(Some(found.rank));
    }
    // Everybody who may be asked and comes before the last one asked has to be asked too.
    for instead in world.grid.terminals_below(node).filter(|id| !asks.iter().any(|ask| ask.terminal == *id)) {
        for kind in MeasureKind::ALL {
            if let Ok(found) = world.may_ask(node, instead, kind, occasion)
                && last.is_some_and(|last| found.rank < last)
            {
                return Err(Violation::MeasureOutOfTurn { terminal: found.terminal, kind });
            }
        }
    }
    Ok(())
}

/// Whether a plan trips nothing that measures are about to give.
///
/// # Errors
/// It does, though the load is not urgent and the rule waits.
pub(crate) fn check_pending(world: &World<'_>, plan: &Plan, rule: &LimitRule) -> Result<(), Violation> {
    let node = plan.node;
    let load = world.grid.load(node).power().ok_or(Violation::NodeUnknown { node })?;
    if load > rule.limit.percent(i64::from(rule.notice.urgent_percent)) {
        return Ok(());
    }
    let waits_to = world.waits_since.unwrap_or(world.now).after(rule.measures.wait);
    if world.now >= waits_to.after(rule.verify_after) {
        return Ok(());
    }
    let pending = world.relief_by_measures(node, world.now.min(waits_to), waits_to).max(Power::ZERO);
    let foreseen = world.recent.forecast(node, world.now).filter(|_| rule.forecast > Span::ZERO);
    let load = foreseen.map_or(load, |forecast| forecast.load.max(load));
    let needed = load - world.effects.going_from(world.grid, node) - rule.target() - pending;
    if plan.wanted > needed && pending > Power::ZERO {
        return Err(Violation::MeasuresPending { node, wanted: plan.wanted, needed: needed.max(Power::ZERO), pending });
    }
    Ok(())
}

impl World<'_> {
    /// What a node's load is to come down to at a time, by the limits that are known.
    fn aim_at(&self, rule: &LimitRule, at: Timestamp) -> Result<Power, Violation> {
        let node = rule.node;
        let (least, reduction) = limit_at(self, node, at).ok_or(Violation::NodeUnknown { node })?;
        let share = i64::from(rule.hysteresis_percent);
        let aim = reduction.map_or(least.percent(100 - share), |reduction| least - reduction.percent(share));
        Ok(if at <= self.now { rule.target() } else { aim.min(rule.target()) })
    }

    fn standing_below(&self, node: NodeId) -> impl Iterator<Item = &Measure> {
        self.measures.open().filter(move |it| self.supplied_through(it.terminal).contains(&node))
    }

    fn is_awaited(&self, measure: &Measure) -> bool {
        // What nobody saw by the time at which it is judged is not waited for.
        let verify_after = self.policy.rule(measure.node).map_or(VERIFY_AFTER, |rule| rule.verify_after);
        self.now < measure.due.after(verify_after).after(TICK)
            && matches!(measure.state, MeasureState::Asked | MeasureState::Due)
            && !matches!(measure.told.delivery, Delivery::NotReached { .. })
    }

    /// What a measure has still to take off, by what it was when it was last looked at.
    fn missing_of(&self, measure: &Measure) -> Power {
        (measure.expected - measure.gone).max(Power::ZERO)
    }

    /// By how much measures that stand make a node's load lower at best between two times: step by step what begins, and what
    /// ends and comes back.
    pub(super) fn relief_by_measures(&self, node: NodeId, from: Timestamp, to: Timestamp) -> Power {
        let mut steps = Vec::new();
        for it in self.standing_below(node) {
            let missing = if self.is_awaited(it) && it.due < it.until { self.missing_of(it) } else { Power::ZERO };
            steps.push((it.due.min(it.until).max(from), missing));
            steps.push((it.until.max(from), -missing - it.gone));
        }
        // What begins at the instant at which another ends gives nothing for that instant.
        steps.sort_unstable();
        let (mut relief, mut best) = (Power::ZERO, None::<Power>);
        let mut steps = steps.into_iter().peekable();
        while let Some((at, _)) = steps.peek().copied().filter(|(at, _)| *at <= to.max(from)) {
            if at > from {
                best = best.max(Some(relief));
            }
            while let Some((_, change)) = steps.next_if(|(then, _)| *then == at) {
                relief += change;
            }
        }
        best.map_or(relief, |best| best.max(relief))
    }

    /// Load that comes back to a node by itself while rounds do: of measures that ended lately, as far as it is not seen yet, and
    /// of those that end soon.
    pub(crate) fn returning_by_measures(&self, node: NodeId) -> Power {
        let soon = self.now.after(BACK_WITHIN);
        let mut returning = Power::ZERO;
        for it in self.standing_below(node).filter(|it| it.until <= soon) {
            // Who was found to give comes back with that, whatever it draws otherwise by now.
            let given = if it.state == MeasureState::Delivered { it.expected } else { Power::ZERO };
            returning += it.gone.max(given);
        }
        for (terminal, it) in &self.measures.returning {
            if self.now >= it.since.after(BACK_WITHIN) || !self.supplied_through(*terminal).contains(&node) {
                continue;
            }
            let post = self.grid.posts.get(terminal);
            let load = post.and_then(|post| post.load(self.now, self.policy.reading_age_max).ok()).unwrap_or(it.from);
            returning += (it.power - (load - it.from).max(Power::ZERO)).max(Power::ZERO);
        }
        returning
    }

    /// What a customer may be asked for of a kind, to begin on an occasion, by what it agreed to.
    fn may_ask(
        &self,
        node: NodeId,
        terminal: TerminalId,
        kind: MeasureKind,
        occasion: &Occasion,
    ) -> Result<Found, Violation> {
        let inventory = &self.grid.inventory;
        let customer = inventory.terminals.get(&terminal).and_then(|terminal| terminal.customer);
        let (id, entry) = customer
            .and_then(|id| Some((id, inventory.customers.get(&id)?)))
            .ok_or(Violation::NotAgreed { terminal, kind })?;
        if !self.supplied_through(terminal).contains(&node) {
            return Err(Violation::NotBelow { terminal, node });
        }
        let post = self.grid.posts.get(&terminal).filter(|post| post.link_up);
        let post = post.ok_or(Violation::LinkDown { terminal })?;
        if entry.guaranteed || post.says_guaranteed() {
            return Err(Violation::Guaranteed { terminal });
        }
        if self.measures.open().any(|it| it.customer == id) {
            return Err(Violation::MeasureStands { terminal, kind });
        }
        let mut found = Err(Violation::NotAgreed { terminal, kind });
        for agreed in entry.measures.iter().filter(|agreed| agreed.kind == kind) {
            found = self.may_ask_for(id, terminal, agreed, occasion);
            if found.is_ok() {
                break;
            }
        }
        let found = found?;
        if self.grid.hides(node, terminal) {
            return Err(Violation::MeasureUnseen { terminal, kind, node });
        }
        Ok(found)
    }

    fn may_ask_for(
        &self,
        customer: CustomerId,
        terminal: TerminalId,
        agreed: &Agreed,
        occasion: &Occasion,
    ) -> Result<Found, Violation> {
        let kind = agreed.kind;
        let due = self.now.after(agreed.notice).max(occasion.at);
        if due > occasion.by {
            return Err(Violation::MeasureTooLate { terminal, kind, due });
        }
        let outside = Violation::OutsideWindow { terminal, kind, due };
        let closes = if agreed.window.is_always() {
            Timestamp::new(i64::MAX)
        } else {
            let calendar = self.policy.calendar.as_ref().ok_or_else(|| outside.clone())?;
            let (day, minute) = calendar.local(due);
            let of_day = agreed.window.days.is_empty() || agreed.window.days.contains(&calendar.kind_of(day));
            if !of_day || minute < i64::from(agreed.window.from) || minute >= i64::from(agreed.window.to) {
                return Err(outside);
            }
            calendar.instant(day, i64::from(agreed.window.to))
        };
        // A few minutes before a window closes are worth no message.
        if closes.since(due) < Span::from_s(300).min(agreed.lasts_max) {
            return Err(outside);
        }
        let times = self.measures.times_of(customer);
        if times.iter().any(|time| time.rest_until > due || time.unasked_until > self.now) {
            return Err(Violation::MeasureRests { terminal, kind });
        }
        if let Some(most) = agreed.per_week_max {
            let within = |at: Timestamp| at > due || due.since(at) < WEEK;
            let asked = times.iter().filter(|time| time.kind == kind && time.counts && within(time.due)).count();
            if asked >= usize::from(most) {
                return Err(Violation::MeasureTooOften { terminal, kind, most });
            }
        }
        let post = self.grid.posts.get(&terminal).ok_or(Violation::LinkDown { terminal })?;
        let load = post.load(self.now, self.policy.reading_age_max).map_err(|_| Violation::LoadUnknown { terminal })?;
        let load = load - self.effects.going_at(self.grid, terminal, None);
        let entry = self.grid.inventory.customers.get(&customer).ok_or(Violation::NotAgreed { terminal, kind })?;
        let above_floor = load - entry.safety_floor.max(post.says_floor());
        let power = match kind {
            MeasureKind::Limit => load - agreed.power,
            MeasureKind::Shift | MeasureKind::Avoid => agreed.power,
        };
        let power = power.min(above_floor);
        if power <= Power::ZERO {
            return Err(Violation::MeasurePower { terminal, kind, planned: power, gives: Power::ZERO });
        }
        let failed = times.iter().rfind(|time| time.counts || time.failed).is_some_and(|time| time.failed);
        let counted = times.iter().filter(|time| time.counts).count();
        Ok(Found {
            rank: (kind, failed, counted),
            customer,
            terminal,
            power,
            notice: agreed.notice,
            closes,
            lasts_max: agreed.lasts_max,
        })
    }
}
