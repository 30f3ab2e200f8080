//! The planner: the least important and least burdened first, no more than is wanted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::{Energy, NodeId, Power, PriorityClass, RoundNo, RuleId, Span, SwitchPosition, TerminalId};
use crate::orders::OrderId;
use crate::output::{Choice, Finding, Happening, Reason};
use crate::tags::TagId;

/// A plan that sheds up to this share too much is good enough not to burden somebody out of turn.
const TOO_MUCH_PERCENT: i64 = 10;

/// What the planner may know of a terminal and its customer.
#[derive(Clone, Debug)]
pub(crate) struct TerminalFacts {
    pub(crate) terminal: TerminalId,
    pub(crate) class: PriorityClass,
    /// Of the customer, so far.
    pub(crate) curtailed: Energy,
    /// Why none of its rounds may be shed, if so.
    pub(crate) spared: Option<Finding>,
    /// Its load, less what trips under way will still take away.
    pub(crate) load: Power,
    pub(crate) floor: Power,
    pub(crate) rounds: Vec<RoundFacts>,
}

/// What the planner may know of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundFacts {
    pub(crate) round: RoundNo,
    pub(crate) position: Option<SwitchPosition>,
    pub(crate) power: Option<Power>,
    pub(crate) tagged: Option<TagId>,
    pub(crate) under_way: Option<OrderId>,
    /// Tripped before in this breach, without effect.
    pub(crate) deaf: bool,
    /// How long it has been back, while that is less than the rule's least time on.
    pub(crate) back_for: Option<Span>,
    /// The interlock that does not permit its trip.
    pub(crate) interlock: Option<RuleId>,
}

/// What is shed, what is spared, and why. Never changed once made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) node: NodeId,
    pub(crate) pass: u8,
    /// Of the node, when the plan was made.
    pub(crate) load: Power,
    /// How much less it has to be.
    pub(crate) wanted: Power,
    /// How much less it is to be.
    pub(crate) expected: Power,
    pub(crate) shed: Vec<Choice>,
    pub(crate) spared: Vec<Finding>,
}

impl Plan {
    pub(crate) fn told(&self) -> Happening {
        Happening::Planned {
            node: self.node,
            pass: self.pass,
            load: self.load,
            wanted: self.wanted,
            expected: self.expected,
            shed: self.shed.clone(),
            spared: self.spared.clone(),
        }
    }
}

#[derive(Clone, Copy)]
struct Candidate {
    terminal: TerminalId,
    round: RoundNo,
    class: PriorityClass,
    curtailed: Energy,
    power: Power,
    back_for: Option<Span>,
}

impl Candidate {
    /// Why it is not needed where the others do.
    fn not_needed(&self) -> Finding {
        let Self { terminal, round, .. } = *self;
        match self.back_for {
            Some(on_for) => Finding::NotOnLongEnough { terminal, round, on_for },
            None => Finding::NotNeeded { terminal, round },
        }
    }
}

/// Chooses rounds whose power together is at least `wanted`, or all that may be shed where that is less.
pub(crate) fn plan(node: NodeId, pass: u8, load: Power, wanted: Power, terminals: &[TerminalFacts]) -> Plan {
    let mut spared = Vec::new();
    let mut candidates = Vec::new();
    // Load left at each terminal, and its floor.
    let mut left = BTreeMap::new();
    for facts in terminals {
        if let Some(finding) = facts.spared {
            spared.push(finding);
            continue;
        }
        left.insert(facts.terminal, (facts.load, facts.floor));
        for round in &facts.rounds {
            match candidate(facts, round) {
                Ok(candidate) => candidates.push(candidate),
                Err(finding) => spared.push(finding),
            }
        }
    }
    // Round 1 of everybody before round 2 of anybody: the burden is shared. What has hardly come back goes last.
    candidates.sort_by_key(|c| (c.back_for.is_some(), Reverse(c.class), c.curtailed, c.round, c.terminal));
    let mut shed = choose(wanted, &candidates, &mut left, &mut spared);
    let mut expected: Power = shed.iter().map(|choice| choice.power).sum();
    // What came first may have become superfluous by what came last; the more important ones are given back first.
    for at in (0..shed.len()).rev() {
        if let Some(choice) = shed.get(at).copied()
            && expected - choice.power >= wanted
        {
            expected -= choice.power;
            let candidate = candidates.iter().find(|c| (c.terminal, c.round) == (choice.terminal, choice.round));
            spared.extend(candidate.map(Candidate::not_needed));
            shed.remove(at);
        }
    }
    spared.sort();
    Plan { node, pass, load, wanted, expected, shed, spared }
}

fn candidate(facts: &TerminalFacts, facts_of: &RoundFacts) -> Result<Candidate, Finding> {
    let (terminal, round) = (facts.terminal, facts_of.round);
    if let Some(tag) = facts_of.tagged {
        return Err(Finding::Tagged { terminal, round: Some(round), tag });
    }
    if let Some(order) = facts_of.under_way {
        return Err(Finding::OrderUnderWay { terminal, round, order });
    }
    if let Some(interlock) = facts_of.interlock {
        return Err(Finding::Interlocked { terminal, round, interlock });
    }
    if facts_of.deaf {
        return Err(Finding::DidNotRespond { terminal, round });
    }
    match facts_of.position {
        Some(SwitchPosition::Closed) => {}
        Some(SwitchPosition::Open) => return Err(Finding::AlreadyOpen { terminal, round }),
        _ => return Err(Finding::PositionUnknown { terminal, round }),
    }
    let power = facts_of.power.ok_or(Finding::PowerUnknown { terminal, round })?;
    if power <= Power::ZERO {
        return Err(Finding::NoLoad { terminal, round });
    }
    let back_for = facts_of.back_for;
    Ok(Candidate { terminal, round, class: facts.class, curtailed: facts.curtailed, power, back_for })
}

fn choose(
    wanted: Power,
    candidates: &[Candidate],
    left: &mut BTreeMap<TerminalId, (Power, Power)>,
    spared: &mut Vec<Finding>,
) -> Vec<Choice> {
    let mut remaining = wanted;
    let mut shed: Vec<Choice> = Vec::new();
    let mut taken = vec![false; candidates.len()];
    for (at, candidate) in candidates.iter().enumerate() {
        if taken.get(at) == Some(&true) {
            continue;
        }
        if remaining <= Power::ZERO {
            spared.push(candidate.not_needed());
            continue;
        }
        if let Err(finding) = floor_kept(candidate, left) {
            spared.push(finding);
            continue;
        }
        let class = candidate.class.get();
        let reason = match candidate.back_for {
            Some(on_for) => Reason::NothingElse { class, on_for },
            None => Reason::LeastImportant { class, curtailed_wh: candidate.curtailed.get() },
        };
        let mut chosen = (at, candidate, reason);
        if candidate.power >= remaining {
            // The last one. Of those in its class that would do, the one least burdened that sheds little too much; where
            // there is none, the one that sheds the least too much.
            let much = remaining + wanted.percent(TOO_MUCH_PERCENT);
            let fitting = candidates.iter().enumerate().skip(at).filter(|(other, c)| {
                taken.get(*other) == Some(&false)
                    && c.class == candidate.class
                    && c.back_for.is_some() == candidate.back_for.is_some()
                    && c.power >= remaining
                    && floor_kept(c, left).is_ok()
            });
            if let Some((other, best)) =
                fitting.min_by_key(|(other, c)| (if c.power <= much { Power::ZERO } else { c.power }, *other))
                && other != at
            {
                let reason =
                    best.back_for.map_or(Reason::BestFit { class }, |on_for| Reason::NothingElse { class, on_for });
                chosen = (other, best, reason);
            }
        }
        let (chosen_at, chosen, reason) = chosen;
        if let Some(taken) = taken.get_mut(chosen_at) {
            *taken = true;
        }
        if let Some((load, _)) = left.get_mut(&chosen.terminal) {
            *load -= chosen.power;
        }
        remaining -= chosen.power;
        shed.push(Choice { terminal: chosen.terminal, round: chosen.round, power: chosen.power, reason });
        if chosen_at != at {
            spared.push(candidate.not_needed());
        }
    }
    shed
}

fn floor_kept(candidate: &Candidate, left: &BTreeMap<TerminalId, (Power, Power)>) -> Result<(), Finding> {
    let (load, floor) = left.get(&candidate.terminal).copied().unwrap_or_default();
    let rest = load - candidate.power;
    if rest < floor {
        let Candidate { terminal, round, .. } = *candidate;
        return Err(Finding::SafetyFloor { terminal, round, left: rest, floor });
    }
    Ok(())
}
