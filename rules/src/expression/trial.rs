//! What a program does with sample values: found before it runs on the supply.

use super::{Fault, Language, Program, Value};

/// What a program is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A yes or no.
    Condition,
    /// A number of its unit.
    Number,
}

/// Figures that each input is tried with, in thousandths: nothing, one, a feeder's kW, a region's, and one that feeds in.
const SAMPLES: [i64; 5] = [0, 1_000, 4_310_250, 2_500_000_000, -12_500];

impl Language {
    /// Compiles and tries a text: whether it ends, and gives what is wanted, for all samples of its inputs; `names` says of
    /// each whether it is a yes or no.
    ///
    /// # Errors
    /// As [`Language::compile`], and what went wrong in a trial, with the values of that trial.
    pub fn check(&self, text: &str, names: &[(&str, bool)], wanted: Wanted) -> Result<Program, Fault> {
        Ok(self.try_out(text, names, wanted)?.0)
    }

    /// The most steps that a text takes for any of the samples; none where it goes wrong.
    pub fn steps(&self, text: &str, names: &[(&str, bool)], wanted: Wanted) -> Option<u64> {
        Some(self.try_out(text, names, wanted).ok()?.1)
    }

    fn try_out(&self, text: &str, names: &[(&str, bool)], wanted: Wanted) -> Result<(Program, u64), Fault> {
        let mut most = 1;
        let program = self.compile(text, names.iter().map(|(name, _)| *name))?;
        for row in 0..SAMPLES.len() * 2 {
            let inputs: Vec<Value> = names
                .iter()
                .enumerate()
                .map(|(at, (_, flag))| {
                    if *flag {
                        Value::Flag((row + at) % 2 == 0)
                    } else if row < SAMPLES.len() {
                        Value::Number(SAMPLES[row])
                    } else {
                        Value::Number(SAMPLES[(row + at) % SAMPLES.len()])
                    }
                })
                .collect();
            let tried = match wanted {
                Wanted::Condition => program.condition(&inputs).map(|_| ()),
                Wanted::Number => program.number(&inputs).map(|_| ()),
            };
            most = Program::steps().max(most);
            // A quotient by nothing is no quantity, and then a formula has no value: that is not the text's fault.
            if let Err(fault) = tried
                && !(wanted == Wanted::Number && fault.why.ends_with("wanted a quantity"))
            {
                let with: Vec<String> =
                    names.iter().zip(&inputs).map(|((name, _), value)| format!("{name} = {value}")).collect();
                let with = if with.is_empty() { String::new() } else { format!(" (tried with {})", with.join(", ")) };
                return Err(Fault { why: format!("{}{with}", fault.why), ..fault });
            }
        }
        Ok((program, most))
    }

    /// The names that a text does not use.
    pub fn unused<'a>(&self, text: &str, names: &[&'a str]) -> Vec<&'a str> {
        let without = |left_out: &&&str| {
            let rest = names.iter().copied().filter(|name| name != *left_out);
            self.compile(text, rest).is_ok()
        };
        names.iter().filter(without).copied().collect()
    }
}
