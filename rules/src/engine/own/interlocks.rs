//! Interlocks as they are asked: at each select and each execute, by whomever, and for each round that a plan considers.

use super::super::Engine;
use crate::expression::Value;
use crate::model::{RuleId, TerminalId};
use crate::orders::Action;
use crate::output::Refusal;
use crate::own::{Interlock, Subject};
use crate::view::InterlockView;

/// Why an interlock does not permit an action.
pub(in crate::engine) struct Barred {
    pub(in crate::engine) interlock: RuleId,
    why: String,
}

impl Engine {
    /// The first interlock that does not permit an action. What is not known does not permit it.
    pub(in crate::engine) fn barred(&self, terminal: TerminalId, action: Action) -> Option<Barred> {
        let interlocks = &self.policy.own.interlocks;
        if interlocks.is_empty() {
            return None;
        }
        let compiled = self.compiled();
        let guards = |interlock: &Interlock| {
            interlock.guards(terminal, action, |node| self.grid.path(terminal).any(|above| above == node))
        };
        let all = interlocks.iter().zip(&compiled.interlocks).filter(|(interlock, _)| guards(interlock));
        all.map(|(interlock, program)| (interlock, self.permits(interlock, program.as_ref(), terminal)))
            .find_map(|(interlock, permits)| permits.err().map(|why| Barred { interlock: interlock.id, why }))
    }

    fn permits(
        &self,
        interlock: &Interlock,
        program: Result<&crate::expression::Program, &crate::expression::Fault>,
        terminal: TerminalId,
    ) -> Result<(), String> {
        let program = program.map_err(|fault| format!("it is broken: {fault}"))?;
        let mut values: Vec<Value> = Vec::with_capacity(interlock.reads.len());
        for (name, source) in &interlock.reads {
            let value = self.measured_value_of(source, Subject::Terminal(terminal));
            values.push(value.map_err(|why| format!("{name} ({source}) {why}"))?);
        }
        match program.condition(&values) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let with = interlock.reads.keys().zip(&values).map(|(name, value)| format!("{name} = {value}"));
                Err(format!("{} with {}", interlock.require.trim(), with.collect::<Vec<_>>().join(", ")))
            }
            Err(fault) => Err(format!("it is broken: {fault}")),
        }
    }

    pub(in crate::engine) fn forbidden_by_interlock(&self, terminal: TerminalId, action: Action) -> Option<Refusal> {
        let Barred { interlock, why } = self.barred(terminal, action)?;
        Some(Refusal::Interlocked { terminal, interlock, action, why })
    }

    /// The interlocks that guard a terminal's switches, and how each stands.
    pub(in crate::engine) fn interlock_views(&self, terminal: TerminalId) -> Vec<InterlockView> {
        let compiled = self.compiled();
        let path: Vec<_> = self.grid.path(terminal).collect();
        let rounds = self.grid.inventory.terminals.get(&terminal).map(|entry| &entry.rounds);
        let rounds: Vec<_> = rounds.into_iter().flat_map(|rounds| rounds.keys().copied()).collect();
        let guards = |interlock: &Interlock, action| interlock.guards(terminal, action, |node| path.contains(&node));
        let all = self.policy.own.interlocks.iter().zip(&compiled.interlocks);
        all.filter(|(interlock, _)| {
            let of = |round| [Action::Trip { round }, Action::Restore { round }];
            rounds.iter().flat_map(|round| of(*round)).any(|action| guards(interlock, action))
        })
        .map(|(interlock, program)| InterlockView {
            id: interlock.id,
            place: interlock.place,
            trip: interlock.trip,
            restore: interlock.restore,
            bars: self.permits(interlock, program.as_ref(), terminal).err(),
        })
        .collect()
    }
}
