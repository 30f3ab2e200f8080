//! The plan that sheds again what came back last, and what the checker makes of it.

use super::check::{Violation, World};
use super::plan::{Plan, RoundFacts, Task, TerminalFacts, plan};
use crate::model::{NodeId, RoundNo, TerminalId, Timestamp};
use crate::output::{Choice, Finding, Reason};
use crate::state::Holder;

/// Rounds that one stage of restoration brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Whose stage.
    pub(crate) by: NodeId,
    pub(crate) stage: u16,
    /// When the last of them came back.
    pub(crate) last: Timestamp,
    pub(crate) rounds: Vec<(TerminalId, RoundNo, Timestamp)>,
}

impl Group {
    fn has(&self, terminal: TerminalId, round: RoundNo) -> bool {
        self.rounds.iter().any(|(t, r, _)| (*t, *r) == (terminal, round))
    }
}

/// Chooses among the last groups only, as few of them as give what is wanted, the last one first; none where nothing in
/// them may be shed.
pub(crate) fn plan_step_back(task: &Task<'_>, facts: &[TerminalFacts], groups: &[Group]) -> Option<Plan> {
    let mut best = None;
    for count in 1..=groups.len() {
        let last = groups.get(..count).unwrap_or_default();
        let plan = plan(task, &only(facts, last));
        let enough = plan.expected >= task.wanted;
        best = Some((plan, last));
        if enough {
            break;
        }
    }
    let (mut plan, last) = best.filter(|(plan, _)| !plan.shed.is_empty())?;
    for choice in &mut plan.shed {
        let stage = last.iter().find(|group| group.has(choice.terminal, choice.round)).map_or(0, |group| group.stage);
        choice.reason = Reason::StepBack { stage };
    }
    // Why not the others: it is not their turn.
    for of in facts.iter().filter(|of| of.spared.is_none()) {
        let others = of.rounds.iter().filter(|of_round| !last.iter().any(|g| g.has(of.terminal, of_round.round)));
        let finding = |of_round: &RoundFacts| Finding::NotReturnedLast { terminal: of.terminal, round: of_round.round };
        plan.spared.extend(others.map(finding));
    }
    plan.spared.sort();
    Some(plan)
}

/// The facts of all terminals, with the rounds of these groups alone. That they have hardly come back is why they go.
fn only(facts: &[TerminalFacts], groups: &[Group]) -> Vec<TerminalFacts> {
    let within = |of: &TerminalFacts| {
        let rounds = of.rounds.iter().filter(|of_round| groups.iter().any(|g| g.has(of.terminal, of_round.round)));
        let rounds = rounds.map(|of_round| RoundFacts { back_for: None, ..*of_round }).collect();
        TerminalFacts { rounds, ..of.clone() }
    };
    facts.iter().map(within).collect()
}

/// Whether a round that a plan sheds again because it came back last did so: by a stage of restoration, not long ago.
///
/// # Errors
/// It did not.
pub(super) fn check_returned_last(world: &World<'_>, node: NodeId, choice: &Choice) -> Result<(), Violation> {
    if !matches!(choice.reason, Reason::StepBack { .. }) {
        return Ok(());
    }
    let Choice { terminal, round, .. } = *choice;
    let within = world.policy.rule(node).map(|rule| rule.step_back_within()).unwrap_or_default();
    let known = world.returned.of(terminal, round);
    let known = known.filter(|what| matches!(what.by, Holder::Rule(_)) && what.stage.is_some());
    match known.filter(|what| world.now.since(what.at) < within) {
        Some(_) => Ok(()),
        None => Err(Violation::NotReturnedLast { terminal, round }),
    }
}
