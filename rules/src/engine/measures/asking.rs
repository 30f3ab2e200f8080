//! Who is asked: all of shift before avoid before limit; within a kind who gave last time before who did not, who was asked less
//! often before who was asked more, then who fits best. No more than is wanted.

use std::collections::BTreeSet;

use super::super::Engine;
use super::{WEEK, is_awaited};
use crate::limiting::measures::{Ask, Occasion, check_asks};
use crate::measures::{Agreed, Asked, MeasureKind, NotAsked, Unasked};
use crate::model::{CustomerId, NodeId, Power, Span, TerminalId, Timestamp};
use crate::outlook::MeasuresSoFar;
use crate::output::{Happening, Output};
use crate::policy::LimitRule;
use crate::state::grid::Unusable;
use crate::target::LimitAhead;
use crate::view::DryMeasures;

/// A measure that is shorter than this is worth no message, unless that is all that was agreed.
const WORTH: Span = Span::from_s(300);
/// What is to begin at a time is asked for so long before its notice begins, so that the notice is whole.
const LEAD: Span = Span::from_s(30);

/// A measure that may be asked for, in the order in which they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    kind: MeasureKind,
    /// The customer gave nothing last time.
    failed: bool,
    /// How often it was asked in the weeks that count.
    times: usize,
    customer: CustomerId,
    terminal: TerminalId,
    agreed: Agreed,
    pub(super) due: Timestamp,
    pub(super) until: Timestamp,
    /// What it is measured against.
    pub(super) reference: Power,
    pub(super) gives: Power,
}

impl Candidate {
    const fn rank(&self) -> (MeasureKind, bool, usize) {
        (self.kind, self.failed, self.times)
    }

    const fn ask(&self) -> Ask {
        Ask { terminal: self.terminal, kind: self.kind, power: self.gives, due: self.due, until: self.until }
    }

    const fn asked(&self) -> Asked {
        Asked { terminal: self.terminal, kind: self.kind, power: self.gives, due: self.due }
    }

    const fn not_needed(&self) -> NotAsked {
        NotAsked { terminal: self.terminal, kind: self.kind, why: Unasked::NotNeeded }
    }
}

impl Engine {
    /// Asks for what the load of a node is too high by: now, when measures that stand will have ended, and for limits that are
    /// known to come.
    pub(in super::super) fn ask_measures(
        &mut self,
        rule: &LimitRule,
        load: Power,
        waits_since: Option<Timestamp>,
        out: &mut Vec<Output>,
    ) {
        if !rule.measures.asks || self.stopped().is_some() {
            return;
        }
        let wait = rule.measures.wait;
        let forecast = self.forecast(rule);
        let load_at = |at| forecast.filter(|it| it.at <= at).map_or(load, |it| it.load.max(load));
        // What begins too late for a breach is asked for no more.
        let by = waits_since.unwrap_or(self.now).after(wait);
        let foreseen = forecast.map_or(load, |it| it.load.max(load));
        let now = Occasion { at: self.now, by, load: foreseen, target: rule.target() };
        let mut occasions = vec![now];
        let soon = self.now.after(wait);
        let ends = self.measures_below(rule.node).map(|it| it.until).filter(|at| *at > self.now && *at <= soon);
        let ends: BTreeSet<Timestamp> = ends.collect();
        occasions.extend(ends.into_iter().map(|at| Occasion { at, by: at.after(wait), ..now }));
        occasions.retain(|it| {
            let changes = self.changes_within(rule.node, it.at, it.by).min(Power::ZERO);
            it.load - changes >= rule.measures_from()
        });
        let ahead = self.lower_limits_ahead(rule, Agreed::SPAN_MAX + LEAD);
        occasions.extend(ahead.into_iter().map(|LimitAhead { at, aim, .. }| Occasion {
            at,
            by: at.after(wait),
            load: load_at(at),
            target: aim,
        }));
        for occasion in occasions {
            self.ask_on(rule, occasion, out);
        }
    }

    /// Limits of a rule's node that are known to come within a span and lower than the one in force.
    pub(super) fn lower_limits_ahead(&self, rule: &LimitRule, within: Span) -> Vec<LimitAhead> {
        let mut ahead = self.limits_ahead(rule.node, within);
        ahead.retain(|it| it.at > self.now && it.limit < rule.limit);
        ahead
    }

    /// By how much the load of a node will be lower at a time, by measures that stand: what those that are due by then have
    /// still to take off, less what comes back of those that will have ended.
    pub(super) fn changes_by(&self, node: NodeId, at: Timestamp) -> Power {
        let of = |it: &crate::measures::Measure| {
            if it.until <= at {
                -it.gone
            } else if is_awaited(it) && it.due <= at {
                (it.expected - it.gone).max(Power::ZERO)
            } else {
                Power::ZERO
            }
        };
        self.measures_below(node).map(of).sum()
    }

    /// What measures that stand will have taken off a node's load by a time, as far as it is still there; no less than nothing.
    pub(in super::super) fn measures_by(&self, node: NodeId, at: Timestamp) -> Power {
        self.changes_by(node, at).max(Power::ZERO)
    }

    /// The most by which the load of a node will be lower at any time between two. What one takes off that begins when another
    /// ends makes it no lower.
    pub(super) fn changes_within(&self, node: NodeId, from: Timestamp, to: Timestamp) -> Power {
        let to = to.max(from);
        let ends = self.measures_below(node).map(|it| it.until).filter(|end| from < *end && *end <= to);
        // It is lowest just before some of them end, or at last.
        let ends: BTreeSet<Timestamp> = ends.collect();
        let before = ends.into_iter().map(|end| self.changes_by(node, Timestamp::new(end.get() - 1)));
        before.fold(self.changes_by(node, to), Power::max)
    }

    /// What measures are to take off on an occasion, besides what is on its way.
    fn wanted_of_measures(&self, rule: &LimitRule, occasion: &Occasion) -> Power {
        let going = self.effects.going_from(&self.grid, rule.node);
        occasion.load - occasion.target - going - self.changes_within(rule.node, occasion.at, occasion.by)
    }

    /// Asks for what is wanted on an occasion, as far as customers agreed to it and the checker finds nothing wrong.
    pub(super) fn ask_on(&mut self, rule: &LimitRule, occasion: Occasion, out: &mut Vec<Output>) {
        let node = rule.node;
        let mut wanted = self.wanted_of_measures(rule, &occasion);
        if wanted <= Power::ZERO {
            return;
        }
        if occasion.at <= self.now {
            wanted -= self.left_to_those_below(rule);
        }
        let (candidates, mut spared) = self.candidates(node, &occasion);
        let (chosen, left) = choose(candidates, wanted);
        spared.extend(left.iter().map(Candidate::not_needed));
        spared.sort();
        if chosen.is_empty() {
            return;
        }
        let asks: Vec<Ask> = chosen.iter().map(Candidate::ask).collect();
        if let Err(violation) = check_asks(&self.world(), rule, &occasion, &asks) {
            self.tell(Happening::PlanRefused { node, violation: violation.to_string() }, out);
            return;
        }
        // Others begin with a shorter notice, and are chosen anew when it begins.
        let is_time = |it: &Candidate| self.now.after(it.agreed.notice + LEAD) >= occasion.at;
        let chosen: Vec<Candidate> = chosen.into_iter().filter(is_time).collect();
        if chosen.is_empty() {
            return;
        }
        let asked = chosen.iter().map(Candidate::asked).collect();
        let load = occasion.load;
        self.tell(Happening::MeasuresAsked { node, load, wanted, by: None, asked, spared }, out);
        for Candidate { customer, terminal, agreed, due, until, reference, gives, .. } in chosen {
            self.begin_measure(node, None, (customer, terminal, agreed), (due, until), (reference, gives), out);
        }
    }

    /// What a plan says of agreed measures.
    pub(in super::super) fn measures_so_far(&self, rule: &LimitRule, pending: Power) -> Option<MeasuresSoFar> {
        if !rule.measures.asks {
            return None;
        }
        let occasion =
            Occasion { at: self.now, by: self.now.after(rule.measures.wait), load: Power::ZERO, target: Power::ZERO };
        let (left, mut spared) = self.candidates(rule.node, &occasion);
        spared.extend(left.iter().map(Candidate::not_needed));
        spared.sort();
        let short = self.measures_below(rule.node).filter(|it| it.fell_short());
        let asked = |it: &crate::measures::Measure| {
            let (kind, power) = (it.agreed.kind, it.expected - it.gone);
            Asked { terminal: it.terminal, kind, power, due: it.due }
        };
        Some(MeasuresSoFar {
            gone: self.measures_below(rule.node).map(|it| it.gone).sum(),
            pending,
            fell_short: short.map(asked).collect(),
            spared,
        })
    }

    /// What customers would be asked for first if the load of a node were too high by `wanted` for good; how much less is then
    /// left to plans.
    pub(in super::super) fn dry_measures(
        &self,
        rule: &LimitRule,
        load: Power,
        wanted: Power,
        dry: &mut DryMeasures,
    ) -> Power {
        if !rule.measures.asks {
            return Power::ZERO;
        }
        let node = rule.node;
        let (at, by) = (self.now, self.now.after(rule.measures.wait));
        dry.pending = self.changes_within(node, at, by).max(Power::ZERO);
        let occasion = Occasion { at, by, load, target: rule.target() };
        let (candidates, mut spared) = self.candidates(node, &occasion);
        let (chosen, left) = choose(candidates, wanted - dry.pending);
        spared.extend(left.iter().map(Candidate::not_needed));
        spared.sort();
        let asks: Vec<Ask> = chosen.iter().map(Candidate::ask).collect();
        dry.spared = spared;
        if let Err(violation) = check_asks(&self.world(), rule, &occasion, &asks) {
            dry.refused = Some(violation.to_string());
        } else {
            dry.asked = chosen.iter().map(Candidate::asked).collect();
        }
        if rule.notice.is_urgent(load, rule.limit) {
            return Power::ZERO;
        }
        dry.pending + dry.asked.iter().map(|it| it.power).sum()
    }

    /// All that may be asked for below a node on an occasion, in order; and what may not, with why.
    fn candidates(&self, node: NodeId, occasion: &Occasion) -> (Vec<Candidate>, Vec<NotAsked>) {
        let (mut candidates, mut spared) = (Vec::new(), Vec::new());
        for terminal in self.grid.terminals_below(node) {
            let Some((customer, entry)) = self.grid.customer(terminal) else { continue };
            for agreed in &entry.measures {
                match self.may_ask(node, (customer, terminal), agreed, occasion) {
                    Ok(candidate) => candidates.push(candidate),
                    Err(why) => spared.push(NotAsked { terminal, kind: agreed.kind, why }),
                }
            }
        }
        (candidates, spared)
    }

    /// Whether a customer may be asked for what it agreed to, to begin on an occasion.
    pub(super) fn may_ask(
        &self,
        node: NodeId,
        (customer, terminal): (CustomerId, TerminalId),
        agreed: &Agreed,
        occasion: &Occasion,
    ) -> Result<Candidate, Unasked> {
        let post = self.grid.posts.get(&terminal).ok_or(Unasked::LinkDown)?;
        if self.grid.guaranteed(terminal) || self.grid.guarantee_at_terminal(terminal) {
            return Err(Unasked::Guaranteed);
        }
        if let Some(standing) = self.measures.open().find(|it| it.customer == customer) {
            return Err(Unasked::Standing { measure: standing.id });
        }
        if !post.link_up {
            return Err(Unasked::LinkDown);
        }
        if self.grid.hides(node, terminal) {
            return Err(Unasked::ByHand { node });
        }
        let load = post.load(self.now, self.grid.age_max).map_err(|why| match why {
            Unusable::TooOld => Unasked::ReadingTooOld,
            Unusable::Bad => Unasked::ReadingBad,
            Unusable::Frozen => Unasked::ReadingFrozen,
        })?;
        let due = self.now.after(agreed.notice).max(occasion.at);
        let times = self.measures.times_of(customer);
        let begins_from = times.iter().map(|time| time.rest_until).max().filter(|rest| *rest > due);
        let unasked_until = times.iter().map(|time| time.unasked_until).max().filter(|rest| *rest > self.now);
        if let Some(until) = begins_from.max(unasked_until) {
            return Err(Unasked::Resting { until });
        }
        if due > occasion.by {
            return Err(Unasked::TooLate { notice: agreed.notice });
        }
        let outside = || Unasked::OutsideWindow { window: agreed.window.clone() };
        let closes = agreed.window.closes(self.policy.calendar.as_ref(), due).ok_or_else(outside)?;
        let until = due.after(agreed.lasts_max).min(closes);
        if until.since(due) < WORTH.min(agreed.lasts_max) {
            return Err(outside());
        }
        if let Some(most) = agreed.per_week_max {
            let week_before = Timestamp::new(due.get() - WEEK.get());
            let asked = times.iter().filter(|it| it.counts && it.kind == agreed.kind && it.due > week_before);
            if asked.count() >= usize::from(most) {
                return Err(Unasked::UsedUp { most });
            }
        }
        let going = self.effects.going_at(&self.grid, terminal, None);
        let gives = agreed.gives(load - going, self.grid.floor(terminal));
        if gives <= Power::ZERO {
            return Err(Unasked::NothingToGive { load });
        }
        let counted = times.iter().filter(|it| it.counts);
        Ok(Candidate {
            kind: agreed.kind,
            failed: times.iter().rev().find(|it| it.counts || it.failed).is_some_and(|it| it.failed),
            times: counted.count(),
            customer,
            terminal,
            agreed: agreed.clone(),
            due,
            until,
            reference: self.drawn_but_for_trips(terminal).unwrap_or(load),
            gives,
        })
    }
}

/// Takes candidates rank by rank until what they give is enough: the one that covers the rest with the least too much, or else the
/// largest. One measure of each customer.
fn choose(mut candidates: Vec<Candidate>, wanted: Power) -> (Vec<Candidate>, Vec<Candidate>) {
    candidates.sort_by_key(|it| (it.rank(), it.gives, it.terminal));
    let (mut chosen, mut rest): (Vec<Candidate>, Power) = (Vec::new(), wanted);
    while rest > Power::ZERO {
        let Some(rank) = candidates.first().map(Candidate::rank) else { break };
        let of_rank = candidates.iter().take_while(|it| it.rank() == rank);
        // They are sorted by what they give.
        let count = of_rank.clone().count();
        let at = of_rank.clone().position(|it| it.gives >= rest).unwrap_or(count - 1);
        let taken = candidates.remove(at);
        candidates.retain(|it| it.customer != taken.customer);
        rest -= taken.gives;
        chosen.push(taken);
    }
    (chosen, candidates)
}
