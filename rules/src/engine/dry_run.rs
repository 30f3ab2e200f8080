//! What a limit rule would do with the loads of now: its plans, one after the other, and nothing of them done.

use std::collections::BTreeSet;

use super::Engine;
use crate::limiting::check::{World, check_plan};
use crate::limiting::plan::{Plan, Task, TerminalFacts, plan};
use crate::model::{NodeId, Power, RoundNo, SwitchPosition, TerminalId};
use crate::outlook::Level;
use crate::output::Event;
use crate::policy::LimitRule;
use crate::view::{DryMeasures, DryRun, NotPlanned};

impl Engine {
    /// What the rule of `node` would do now, were its limit `limit`; as it is in force, where none is given. Each plan is taken
    /// to come to what it expects. The stop of automatic control and delays are passed over, whatever is under way counts.
    ///
    /// # Errors
    /// No such node, no rule, no load, or a limit that is none.
    pub fn dry_run(&self, node: NodeId, limit: Option<Power>) -> Result<DryRun, NotPlanned> {
        if !self.grid.inventory.nodes.contains_key(&node) {
            return Err(NotPlanned::UnknownNode { node });
        }
        let rule = self.policy.rule(node).ok_or(NotPlanned::NoRule { node })?;
        let limit = limit.unwrap_or(rule.limit);
        if limit <= Power::ZERO {
            return Err(NotPlanned::NoLimit { limit });
        }
        let rule = LimitRule { limit, ..rule.clone() };
        let load = self.grid.load(node).power().ok_or(NotPlanned::LoadUnknown { node })?;
        let mut facts = self.facts(node, &BTreeSet::new());
        let mut run = DryRun {
            node,
            at: self.now,
            load,
            limit,
            target: rule.target(),
            level: Level::of(load, limit),
            measures: DryMeasures::default(),
            plans: Vec::new(),
            shed: Power::ZERO,
            rounds: 0,
            customers: 0,
            missing: Power::ZERO,
            refused: None,
        };
        let (mut touched, mut shed) = (BTreeSet::new(), BTreeSet::new());
        let mut wanted = load - self.effects.going_from(&self.grid, node) - rule.target();
        // Within the hysteresis nothing is done.
        if load <= limit {
            return Ok(run);
        }
        wanted -= self.dry_measures(&rule, load, wanted, &mut run.measures);
        for pass in 1..=rule.passes_max {
            if wanted <= Power::ZERO {
                break;
            }
            let plan = plan(&Task { rule: &rule, pass, load: load - run.shed, wanted }, &facts);
            if let Err(violation) = check_plan(&World { gone: shed.clone(), ..self.world() }, &plan, &rule) {
                run.refused = Some(violation.to_string());
                break;
            }
            run.shed += plan.expected;
            run.rounds = run.rounds.saturating_add(u32::try_from(plan.shed.len()).unwrap_or(u32::MAX));
            shed.extend(plan.shed.iter().map(|choice| (choice.terminal, choice.round)));
            touched.extend(plan.shed.iter().map(|choice| choice.terminal));
            wanted -= plan.expected;
            gone(&mut facts, &plan);
            let ended = plan.shed.is_empty();
            run.plans.push(Event { at: self.now, source_time: None, what: plan.told() });
            if ended {
                break;
            }
        }
        run.customers = u32::try_from(touched.len()).unwrap_or(u32::MAX);
        run.missing = wanted.max(Power::ZERO);
        Ok(run)
    }
}

/// As if the plan had come to what it expects.
fn gone(facts: &mut [TerminalFacts], plan: &Plan) {
    let shed: BTreeSet<(TerminalId, RoundNo)> =
        plan.shed.iter().map(|choice| (choice.terminal, choice.round)).collect();
    for of in facts {
        for round in of.rounds.iter_mut().filter(|round| shed.contains(&(of.terminal, round.round))) {
            round.position = Some(SwitchPosition::Open);
            of.load -= round.power.unwrap_or_default();
            of.turns = of.turns.saturating_add(1);
        }
    }
}
