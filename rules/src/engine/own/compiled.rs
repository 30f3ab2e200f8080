//! Users' rules as they run: each text compiled once, with the rule beside it.

use crate::expression::{Fault, Language, Program, Value};
use crate::own::{Calculated, Formula, Interlock, Own, Rule};

/// All that users laid down, ready to run.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) rules: Vec<CompiledRule>,
    /// In the order of the policy.
    pub(super) interlocks: Vec<Result<Program, Fault>>,
    /// In the order of the policy, each with its formula where it has one.
    pub(super) calculated: Vec<(Calculated, Option<Result<Program, Fault>>)>,
}

/// One rule.
#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) rule: Rule,
    /// What does not compile was refused when it was read; a policy of another version may hold such.
    pub(super) programs: Result<Programs, Fault>,
}

/// A rule's conditions.
#[derive(Debug)]
pub(super) struct Programs {
    when: Program,
    clear: Option<Program>,
}

impl Programs {
    fn of(language: &Language, rule: &Rule) -> Result<Self, Fault> {
        let compile = |text: &str| language.compile(text, rule.reads.keys().map(String::as_str));
        Ok(Self { when: compile(&rule.when)?, clear: rule.clear.as_deref().map(compile).transpose()? })
    }

    /// Whether a rule may begin, or, where it has begun, end.
    pub(super) fn ask(&self, began: bool, inputs: &[Value]) -> Result<bool, Fault> {
        match &self.clear {
            Some(clear) if began => clear.condition(inputs).map_err(|fault| of_key("clear", &fault)),
            _ => self.when.condition(inputs).map(|met| met != began).map_err(|fault| of_key("when", &fault)),
        }
    }
}

fn of_key(key: &str, fault: &Fault) -> Fault {
    Fault { why: format!("{key}: {}", fault.why), ..fault.clone() }
}

impl Compiled {
    pub(super) fn of(own: &Own) -> Self {
        let language = Language::new();
        let rule = |rule: &Rule| CompiledRule { programs: Programs::of(&language, rule), rule: rule.clone() };
        let interlock = |one: &Interlock| language.compile(&one.require, one.reads.keys().map(String::as_str));
        let calculated = |one: &Calculated| {
            let program = match &one.formula {
                Formula::Text { reads, text } => Some(language.compile(text, reads.keys().map(String::as_str))),
                Formula::SumBelow { .. } | Formula::HighestBelow { .. } | Formula::Mean { .. } => None,
            };
            (one.clone(), program)
        };
        Self {
            rules: own.rules.iter().map(rule).collect(),
            calculated: own.calculated.iter().map(calculated).collect(),
            interlocks: own.interlocks.iter().map(interlock).collect(),
        }
    }
}
