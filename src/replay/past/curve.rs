//! A past window by a node's curve of loads, minute by minute, where nothing else is left of it.
//!
//! What was, comes from the curve and the orders. What would have been is a reckoning: the load without the rules' trips of
//! that time is held against the limit; above it for the rule's delay, what is too much above the target goes; it is back
//! when the load has stayed low for the rule's time. Which rounds those are nobody knows any more: they are counted from
//! the powers that were measured last, the least important class first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use headroom_rules::model::{CustomerId, Power, PriorityClass, RoundNo, Span, TerminalId, Timestamp};
use headroom_rules::orders::{Action, Issuer, Order};
use headroom_rules::policy::LimitRule;

use super::super::course::Course;
use crate::store::NodeLoad;

const MINUTE: Span = Span::from_s(60);

/// A round that might be shed, with what it drew last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) class: PriorityClass,
    pub(super) customer: CustomerId,
    pub(super) power: Power,
}

/// What the store has of a window.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// In their order; minutes in which the load was never known are missing.
    pub(super) minutes: Vec<NodeLoad>,
    /// At and below the node, in the order of their numbers, those of some time before the window too.
    pub(super) orders: Vec<Order>,
    pub(super) candidates: Vec<Candidate>,
    /// Whose terminal is whose.
    pub(super) customers: BTreeMap<TerminalId, CustomerId>,
}

/// A round that was off.
struct Off {
    switch: (TerminalId, RoundNo),
    from: Timestamp,
    /// None while it is off.
    to: Option<Timestamp>,
    power: Power,
    by_rule: bool,
}

impl Off {
    fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

impl Stored {
    /// As it was, and as it would have been by `rule`; `asked` is the limit that was asked about.
    pub(super) fn reckon(&self, rule: &LimitRule, asked: Option<Power>) -> [Course; 2] {
        let offs = self.offs();
        [self.as_it_was(&offs, asked), self.as_it_would_be(&offs, rule, asked)]
    }

    /// An order counts from when it was wanted: when it was executed is not kept.
    fn offs(&self) -> Vec<Off> {
        let mut offs: Vec<Off> = Vec::new();
        for order in self.orders.iter().filter(|order| order.state.took_effect()) {
            let Some(round) = order.action.round() else { continue };
            let switch = (order.terminal, round);
            let open = offs.iter_mut().rev().find(|off| off.switch == switch && off.to.is_none());
            match (order.action, open) {
                (Action::Trip { .. }, None) => offs.push(Off {
                    switch,
                    from: order.issued_at,
                    to: None,
                    power: order.power_before.unwrap_or_default(),
                    by_rule: matches!(order.issuer, Issuer::Limit { .. }),
                }),
                (Action::Restore { .. }, Some(off)) => off.to = Some(order.issued_at),
                _ => {}
            }
        }
        offs.retain(|off| off.to.is_none_or(|to| to > self.from));
        offs
    }

    fn as_it_was(&self, offs: &[Off], asked: Option<Power>) -> Course {
        let mut course = self.of_loads(&self.minutes, asked);
        course.over_ms = self.minutes.iter().map(|minute| minute.over.get()).sum();
        course.over_longest_ms = longest(&self.minutes);
        for limit in self.minutes.iter().filter_map(|minute| minute.limit) {
            let (lowest, highest) = course.limit.unwrap_or((limit, limit));
            course.limit = Some((lowest.min(limit), highest.max(limit)));
        }
        for off in offs {
            let begins = off.from >= self.from;
            course.off_before += u32::from(!begins);
            course.tripped_by_rules += u32::from(begins && off.by_rule);
            course.tripped_by_people += u32::from(begins && !off.by_rule);
            if begins {
                course.taken_off += off.power;
            }
            let at_once = offs.iter().filter(|other| other.covers(off.from.max(self.from)));
            course.off_most = course.off_most.max(at_once.map(|other| other.power).sum());
            let ended = off.to.filter(|to| *to < self.to);
            course.restored += u32::from(ended.is_some());
            course.off_after += u32::from(ended.is_none());
            let time = ended.unwrap_or(self.to).since(off.from.max(self.from));
            course.curtailed_wh += off.power.over(time).get();
            course.off_longest_ms = course.off_longest_ms.max(time.get());
        }
        course.rounds = count(offs.iter().map(|off| off.switch).collect::<BTreeSet<_>>().len());
        let customers = offs.iter().filter_map(|off| self.customers.get(&off.switch.0));
        course.customers = count(customers.collect::<BTreeSet<_>>().len());
        course
    }

    fn as_it_would_be(&self, offs: &[Off], rule: &LimitRule, asked: Option<Power>) -> Course {
        let there = self.candidates.iter().map(|candidate| candidate.power).sum::<Power>();
        let (mut off, mut over_for, mut calm_for) = (Power::ZERO, Span::ZERO, Span::ZERO);
        let (mut off_since, mut gave_up, mut off_w_minutes) = (None, false, 0);
        let mut would = Vec::with_capacity(self.minutes.len());
        let mut course = Course::default();
        for minute in &self.minutes {
            let rules = offs.iter().filter(|off| off.by_rule && off.covers(minute.start));
            let without = rules.map(|off| off.power).sum::<Power>();
            let natural = minute.mean + without;
            let load = natural - off;
            let over = load > rule.limit;
            would.push(NodeLoad {
                high: minute.high + without - off,
                mean: load,
                over: if over { minute.known } else { Span::ZERO },
                ..*minute
            });
            off_w_minutes += off.get();
            over_for = if over { over_for + minute.known } else { Span::ZERO };
            calm_for = if load <= rule.restore_below() { calm_for + MINUTE } else { Span::ZERO };
            if over && over_for >= rule.delay {
                let more = (load - rule.target()).min(there - off);
                if more > Power::ZERO {
                    course.plans += 1;
                    course.taken_off += more;
                    off += more;
                    off_since.get_or_insert(minute.start);
                }
                let too_little = more < load - rule.target();
                course.futile += u32::from(too_little && !gave_up);
                gave_up = too_little;
                over_for = Span::ZERO;
            } else if off > Power::ZERO && calm_for >= rule.restore_hold && natural <= rule.target() {
                course.restored += self.least(off).0;
                off = Power::ZERO;
                course.off_longest_ms = course.off_longest_ms.max(lasted(off_since.take(), minute.start));
            }
            course.off_most = course.off_most.max(off);
        }
        let (rounds, customers) = self.least(course.off_most);
        course.off_longest_ms = course.off_longest_ms.max(lasted(off_since, self.to));
        let loads = self.of_loads(&would, asked);
        Course {
            limit: Some((rule.limit, rule.limit)),
            over_ms: would.iter().map(|minute| minute.over.get()).sum(),
            over_longest_ms: longest(&would),
            tripped_by_rules: rounds,
            curtailed_wh: off_w_minutes / 60,
            rounds,
            customers,
            off_after: self.least(off).0,
            peak: loads.peak,
            over_asked_ms: loads.over_asked_ms,
            unknown_ms: loads.unknown_ms,
            ..course
        }
    }

    fn of_loads(&self, minutes: &[NodeLoad], asked: Option<Power>) -> Course {
        let known =
            |minutes: &mut dyn Iterator<Item = &NodeLoad>| minutes.map(|minute| minute.known.get()).sum::<i64>();
        let highest = minutes.iter().max_by_key(|minute| (minute.high, Reverse(minute.start)));
        Course {
            peak: highest.map(|minute| (minute.high, minute.high_at)),
            over_asked_ms: asked.map(|asked| known(&mut minutes.iter().filter(|minute| minute.mean > asked))),
            unknown_ms: (self.to.since(self.from).get() - known(&mut minutes.iter())).max(0),
            ..Course::default()
        }
    }

    /// How many rounds, of how many customers, come to so much power.
    fn least(&self, power: Power) -> (u32, u32) {
        let mut candidates: Vec<&Candidate> = self.candidates.iter().collect();
        candidates.sort_by_key(|candidate| Reverse(candidate.class));
        let (mut rounds, mut customers, mut sum) = (0, BTreeSet::new(), Power::ZERO);
        for candidate in candidates {
            if sum >= power {
                break;
            }
            sum += candidate.power;
            rounds += 1;
            customers.insert(candidate.customer);
        }
        (rounds, count(customers.len()))
    }
}

fn lasted(since: Option<Timestamp>, to: Timestamp) -> i64 {
    since.map_or(0, |since| to.since(since).get())
}

/// The longest time over the limit in minutes that follow each other.
fn longest(minutes: &[NodeLoad]) -> i64 {
    let (mut longest, mut sum, mut expected) = (0, 0, None);
    for minute in minutes {
        let over = minute.over.get();
        sum = if expected == Some(minute.start) && over > 0 { sum + over } else { over };
        longest = longest.max(sum);
        expected = Some(minute.start.after(MINUTE));
    }
    longest
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
