//! Users' own conditions and formulas: rhai, cut down to what a rule of a control centre needs.
//!
//! Read [`Language`] (what may be written), then [`Program`] (one condition or formula, compiled once). Here is nothing of
//! terminals or nodes: a program sees the names that its `reads` declare, each a number or a yes or no.
//!
//! **Invariants:** a program ends: it stops after [`OPERATIONS_MAX`] steps; it sees and keeps nothing but its inputs, so
//! the same inputs give the same value (`replay-equals-live`); it has no functions but those registered here, none of which
//! differs from machine to machine.

#[cfg(test)]
mod tests;
mod trial;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use rhai::packages::{BasicIteratorPackage, Package as _};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Position, Scope};

pub use trial::Wanted;

/// Steps that one evaluation may take. A condition takes about ten.
pub const OPERATIONS_MAX: u64 = 10_000;
thread_local! {
    /// Steps of the evaluation under way. Nothing of it is seen but by [`Program::steps`], behind the evaluation.
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Bytes of a program's text.
pub const TEXT_MAX: usize = 4_096;
/// Depth of nested parentheses and blocks.
const DEPTH_MAX: usize = 32;
/// Variables at a time, inputs included.
const VARIABLES_MAX: usize = 64;
/// Bytes of a string.
const STRING_MAX: usize = 256;
/// Thousandths beyond this are no quantity that anybody has.
const THOUSANDTHS_MAX: f64 = 1e17;

/// What a program takes in and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A quantity in thousandths of its unit (W, mV, mA, Wh); the program sees it in the unit itself (kW, V, A, kWh).
    Number(i64),
    /// A yes or no.
    Flag(bool),
}

impl fmt::Display for Value {
    /// As people read it: one decimal, or yes and no.
    #[allow(clippy::cast_precision_loss, reason = "only shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(thousandths) => write!(f, "{:.1}", *thousandths as f64 / 1_000.0),
            Self::Flag(true) => f.write_str("yes"),
            Self::Flag(false) => f.write_str("no"),
        }
    }
}

/// What is wrong with a program's text, or went wrong as it ran.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    /// Line within the text, from 1; none where no place is to be named.
    pub line: Option<usize>,
    /// Column within the line, from 1; none likewise.
    pub column: Option<usize>,
    /// What.
    pub why: String,
}

impl Fault {
    fn new(position: Position, why: impl Into<String>) -> Self {
        Self { line: position.line(), column: position.position(), why: why.into() }
    }

    fn nowhere(why: impl Into<String>) -> Self {
        Self::new(Position::NONE, why)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.why),
            (Some(line), None) => write!(f, "line {line}: {}", self.why),
            _ => f.write_str(&self.why),
        }
    }
}

impl std::error::Error for Fault {}

/// What may be written: numbers, comparisons, `&&`, `||`, `!`, `if`, `let`, loops that end, and `abs`, `min`, `max`,
/// `floor`, `ceil`, `round`.
#[derive(Clone)]
pub struct Language(Arc<Engine>);

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Language")
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::new()
    }
}

impl Language {
    /// The language, with its bounds.
    pub fn new() -> Self {
        let mut engine = Engine::new_raw();
        engine
            .set_strict_variables(true)
            .set_max_operations(OPERATIONS_MAX)
            .set_max_expr_depths(DEPTH_MAX)
            .set_max_variables(VARIABLES_MAX)
            .set_max_string_size(STRING_MAX)
            .set_max_strings_interned(STRING_MAX);
        // A power of fractions comes out otherwise on another machine; text is not code.
        for symbol in ["**", "**=", "eval", "print", "debug", "throw", "try", "catch"] {
            engine.disable_symbol(symbol);
        }
        engine.on_progress(|steps| {
            STEPS.set(steps);
            None
        });
        BasicIteratorPackage::new().register_into_engine(&mut engine);
        engine.register_fn("!", |a: bool| !a);
        engine.register_fn("-", |a: f64| -a).register_fn("-", |a: i64| a.saturating_neg());
        engine.register_fn("+", |a: f64| a).register_fn("+", |a: i64| a);
        engine.register_fn("abs", f64::abs).register_fn("abs", i64::saturating_abs);
        engine.register_fn("floor", f64::floor).register_fn("ceil", f64::ceil).register_fn("round", f64::round);
        engine.register_fn("min", |a: f64, b: f64| a.min(b)).register_fn("max", |a: f64, b: f64| a.max(b));
        engine.register_fn("min", |a: i64, b: i64| a.min(b)).register_fn("max", |a: i64, b: i64| a.max(b));
        engine
            .register_fn("min", |a: f64, b: i64| a.min(whole(b)))
            .register_fn("min", |a: i64, b: f64| whole(a).min(b));
        engine
            .register_fn("max", |a: f64, b: i64| a.max(whole(b)))
            .register_fn("max", |a: i64, b: f64| whole(a).max(b));
        Self(Arc::new(engine))
    }

    /// Compiles a text that may use `names`, and no others.
    ///
    /// # Errors
    /// It does not parse, or uses a name that is not there.
    pub fn compile<'a>(&self, text: &str, names: impl IntoIterator<Item = &'a str>) -> Result<Program, Fault> {
        if text.len() > TEXT_MAX {
            return Err(Fault::nowhere(format!("{} bytes long: wanted at most {TEXT_MAX}", text.len())));
        }
        if text.trim().is_empty() {
            return Err(Fault::nowhere("empty: wanted a condition or a formula"));
        }
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let scope = scope(&names, |_| Dynamic::from_float(0.0));
        let ast = self.0.compile_with_scope(&scope, text);
        let ast = ast.map_err(|error| Fault::new(error.position(), error.err_type().to_string()))?;
        Ok(Program { language: self.clone(), ast, names })
    }
}

#[allow(clippy::cast_precision_loss, reason = "as the language itself does where the two meet")]
const fn whole(number: i64) -> f64 {
    number as f64
}

fn scope<'a>(names: &'a [String], value: impl Fn(usize) -> Dynamic) -> Scope<'a> {
    let mut scope = Scope::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        scope.push_dynamic(name.as_str(), value(at));
    }
    scope
}

/// One condition or formula.
#[derive(Clone)]
pub struct Program {
    language: Language,
    ast: AST,
    names: Vec<String>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.names).finish()
    }
}

impl Program {
    /// Its value for these inputs, which stand in the order of the names.
    ///
    /// # Errors
    /// It ran into its bounds, or did what its values do not permit.
    fn value(&self, inputs: &[Value]) -> Result<Dynamic, Fault> {
        let given = |at: usize| match inputs.get(at) {
            Some(Value::Number(thousandths)) => Dynamic::from_float(whole(*thousandths) / 1_000.0),
            Some(Value::Flag(flag)) => Dynamic::from_bool(*flag),
            None => Dynamic::UNIT,
        };
        let mut scope = scope(&self.names, given);
        STEPS.set(0);
        self.language.0.eval_ast_with_scope(&mut scope, &self.ast).map_err(|error| told(&error))
    }

    /// Steps that the last evaluation took, at least one; the same for the same inputs.
    pub(crate) fn steps() -> u64 {
        STEPS.get().max(1)
    }

    /// As a condition.
    ///
    /// # Errors
    /// As it ran, or what came of it is no yes or no.
    pub fn condition(&self, inputs: &[Value]) -> Result<bool, Fault> {
        let value = self.value(inputs)?;
        let of = value.type_name();
        value.as_bool().map_err(|_| Fault::nowhere(format!("gives {}: wanted a condition, true or false", named(of))))
    }

    /// As a formula: a number of the unit, in thousandths.
    ///
    /// # Errors
    /// As it ran, or what came of it is no number, or none that could be a quantity.
    #[allow(clippy::cast_possible_truncation, reason = "bounded just before")]
    pub fn number(&self, inputs: &[Value]) -> Result<i64, Fault> {
        let value = self.value(inputs)?;
        let of = value.type_name();
        let number = value.as_float().ok().or_else(|| value.as_int().ok().map(whole));
        let number = number.ok_or_else(|| Fault::nowhere(format!("gives {}: wanted a number", named(of))))?;
        let thousandths = (number * 1_000.0).round();
        if thousandths.is_nan() || thousandths.abs() > THOUSANDTHS_MAX {
            return Err(Fault::nowhere(format!("gives {number}: wanted a quantity")));
        }
        Ok(thousandths as i64)
    }
}

fn named(type_name: &str) -> &str {
    match type_name {
        "f64" | "i64" => "a number",
        "bool" => "true or false",
        "string" => "a text",
        "()" => "nothing",
        other => other,
    }
}

/// What rhai says of a run, with the bound named as ours.
fn told(error: &EvalAltResult) -> Fault {
    let why = match error {
        EvalAltResult::ErrorTooManyOperations(_) => {
            format!("does not end: stopped after {OPERATIONS_MAX} steps")
        }
        EvalAltResult::ErrorFunctionNotFound(called, _) => {
            format!("there is no {}", called.replace("f64", "number").replace("i64", "whole number"))
        }
        other => {
            let mut inner = other.to_string();
            // The place stands in its own fields.
            if let Some(at) = inner.find(" (line ") {
                inner.truncate(at);
            }
            inner
        }
    };
    Fault::new(error.position(), why)
}
