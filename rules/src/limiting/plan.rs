//! The plan: who is shed, who is spared and why, and what is to be expected of it.

use std::collections::BTreeMap;

use super::choose::{Candidate, Selection};
use super::outlook::{Account, fairness, likely};
use crate::model::{Energy, NodeId, Power, PriorityClass, RoundNo, RuleId, Span, SwitchPosition, TerminalId};
use crate::orders::OrderId;
use crate::outlook::{Level, Next, NoMore, Outlook, Turn};
use crate::output::{Choice, Finding, Happening};
use crate::policy::LimitRule;
use crate::tags::TagId;

/// Rounds that are named of what comes next.
const NAMED: usize = 3;

/// What is asked of the planner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    pub(crate) rule: &'a LimitRule,
    /// Of this breach, from 1.
    pub(crate) pass: u8,
    /// Of the node.
    pub(crate) load: Power,
    /// How much less it has to be.
    pub(crate) wanted: Power,
}

/// What the planner may know of a terminal and its customer.
#[derive(Clone, Debug)]
pub(crate) struct TerminalFacts {
    pub(crate) terminal: TerminalId,
    pub(crate) class: PriorityClass,
    /// Of the customer, in the weeks that count.
    pub(crate) curtailed: Energy,
    /// How often rounds of the customer were shed in these weeks.
    pub(crate) turns: u32,
    /// Why none of its rounds may be shed, if so.
    pub(crate) spared: Option<Finding>,
    /// Its load, less what trips under way will still take away.
    pub(crate) load: Power,
    /// How old that is.
    pub(crate) age: Span,
    /// How far it moves by itself from one minute to the next, where that is known.
    pub(crate) step: Option<Power>,
    pub(crate) floor: Power,
    /// What became of earlier trips.
    pub(crate) response: Response,
    /// A trip here had no effect, and its alarm stands: what else is here comes last.
    pub(crate) doubted: bool,
    pub(crate) rounds: Vec<RoundFacts>,
}

/// What share of the power expected went when rounds of a terminal were tripped. Shares count from 0 to 1500 ‰, the latest a
/// quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Response {
    pub(crate) trips: u32,
    /// ‰.
    pub(crate) share: u16,
    /// Mean distance from it, ‰.
    pub(crate) spread: u16,
}

impl Default for Response {
    /// Of a terminal that was never tripped: all of it, give or take a tenth.
    fn default() -> Self {
        Self { trips: 0, share: 1_000, spread: 100 }
    }
}

impl Response {
    /// One more trip.
    pub(crate) fn count(&mut self, expected: Power, measured: Power) {
        if expected <= Power::ZERO {
            return;
        }
        let share = i128::from(measured.get()) * 1_000 / i128::from(expected.get());
        let share = i64::try_from(share.clamp(0, 1_500)).unwrap_or(1_000);
        let nearer = |from: u16, to: i64| {
            let from = i64::from(from);
            u16::try_from(from + (to - from) / 4).unwrap_or(u16::MAX)
        };
        self.spread = nearer(self.spread, (share - i64::from(self.share)).abs());
        self.share = nearer(self.share, share);
        self.trips = self.trips.saturating_add(1);
    }
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
    pub(crate) outlook: Outlook,
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
            outlook: Some(Box::new(self.outlook.clone())),
        }
    }
}

/// Chooses rounds whose power together is at least what is wanted, or all that may be shed where that is less, within the
/// caps of a pass.
pub(crate) fn plan(task: &Task<'_>, terminals: &[TerminalFacts]) -> Plan {
    let Task { rule, pass, load, wanted } = *task;
    let mut spared = Vec::new();
    let mut candidates = Vec::new();
    let mut left = BTreeMap::new();
    for facts in terminals {
        if let Some(finding) = facts.spared {
            spared.push(finding);
            continue;
        }
        left.insert(facts.terminal, (facts.load, facts.floor));
        // Round 1 of everybody before round 2 of anybody: the burden is shared.
        let mut turn = facts.turns;
        for round in &facts.rounds {
            match candidate(facts, round, turn) {
                Ok(candidate) => {
                    turn = turn.saturating_add(1);
                    candidates.push(candidate);
                }
                Err(finding) => spared.push(finding),
            }
        }
    }
    let mut selection = Selection::new(candidates, left);
    selection.choose(wanted, rule.pass);
    let shed = selection.shed();
    spared.extend(selection.spared());
    spared.sort();
    let expected = shed.iter().map(|choice| choice.power).sum();
    let (likely, unsure) = likely(&shed, terminals, rule.verify_after);
    let mut shed_at = BTreeMap::<TerminalId, Power>::new();
    for Choice { terminal, power, .. } in &shed {
        *shed_at.entry(*terminal).or_default() += *power;
    }
    let account = |facts: &TerminalFacts| Account {
        curtailed: facts.curtailed,
        shed: shed_at.get(&facts.terminal).copied().unwrap_or_default(),
    };
    let protected = |facts: &&TerminalFacts| {
        !matches!(
            facts.spared,
            Some(
                Finding::Guaranteed { .. }
                    | Finding::GuaranteeAtTerminal { .. }
                    | Finding::ExcludedAtTerminal { .. }
                    | Finding::ClassSpared { .. }
            )
        )
    };
    let outlook = Outlook {
        level: Level::of(load, rule.limit),
        aim: rule.pass.power_max.map_or(wanted, |most| most.min(wanted)),
        customers: u32::try_from(shed_at.len()).unwrap_or(u32::MAX),
        likely,
        unsure,
        fairness: fairness(terminals.iter().filter(protected).map(account)),
        measures: None,
        next: next(task, &selection),
    };
    Plan { node: rule.node, pass, load, wanted, expected, shed, spared, outlook }
}

fn next(task: &Task<'_>, selection: &Selection) -> Next {
    if task.pass >= task.rule.passes_max {
        return Next::Operator { why: NoMore::LastPass };
    }
    let (mut rounds, mut available, mut first) = (0u32, Power::ZERO, Vec::new());
    for candidate in selection.remaining() {
        let Candidate { terminal, round, power, .. } = *candidate;
        rounds = rounds.saturating_add(1);
        available += power;
        if first.len() < NAMED {
            first.push(Turn { terminal, round, power });
        }
    }
    if rounds == 0 {
        return Next::Operator { why: NoMore::NothingLeft };
    }
    Next::Plan { pass: task.pass.saturating_add(1), rounds, available, first }
}

fn candidate(facts: &TerminalFacts, facts_of: &RoundFacts, turns: u32) -> Result<Candidate, Finding> {
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
    let turn = turns.saturating_add(1);
    let back_for = facts_of.back_for;
    let TerminalFacts { class, curtailed, doubted, .. } = *facts;
    Ok(Candidate { terminal, round, class, doubted, turn, curtailed, power, back_for })
}
