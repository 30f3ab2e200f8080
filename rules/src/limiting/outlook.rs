//! What a plan may expect, and how the burden lies.

use std::collections::BTreeMap;

use super::plan::TerminalFacts;
use crate::model::{Energy, Power, Span, TerminalId};
use crate::outlook::Fairness;
use crate::output::Choice;

/// Where nobody knows yet how far a load moves, it may have moved by so much, in ‰ for each minute of its age …
const AGE_PERMILLE: i64 = 10;
/// … and by this at most.
const AGE_PERMILLE_MAX: i64 = 200;
/// The deviation of what is as often above as below, in % of its mean distance (√(π / 2)).
const DEVIATION_PERCENT: i128 = 125;
/// Of a plan's lasting, for fairness.
const HOUR: Span = Span::from_s(3_600);

/// What will go by past experience, and how far off that may be: twice the root of the sum of squares of what each round may
/// be off by. That is what its terminal's responses spread by, and how far the load behind it moves by itself until the effect is
/// measured, `ahead` from now.
pub(super) fn likely(shed: &[Choice], terminals: &[TerminalFacts], ahead: Span) -> (Power, Power) {
    let facts: BTreeMap<TerminalId, &TerminalFacts> = terminals.iter().map(|facts| (facts.terminal, facts)).collect();
    let (mut likely, mut squares) = (0i128, 0u128);
    for Choice { terminal, power, .. } in shed {
        let Some(facts) = facts.get(terminal) else { continue };
        let power = i128::from(power.get());
        likely += power * i128::from(facts.response.share) / 1_000;
        let off = power * i128::from(facts.response.spread) / 1_000 + moves(power, facts, ahead);
        squares = squares.saturating_add(off.unsigned_abs().saturating_pow(2));
    }
    let power = |watts: i128| Power::new(i64::try_from(watts).unwrap_or(i64::MAX));
    (power(likely), power(i128::try_from(squares.isqrt()).unwrap_or(i128::MAX).saturating_mul(2)))
}

/// How far `power` of a terminal moves, in W: its share of the load's move from one minute to the next, times the root of the minutes
/// from the reading to the effect; no more than all of it.
fn moves(power: i128, facts: &TerminalFacts, ahead: Span) -> i128 {
    let age = facts.age.max(Span::ZERO);
    let Some(step) = facts.step else {
        return power * i128::from((age.s() / 60).saturating_mul(AGE_PERMILLE).min(AGE_PERMILLE_MAX)) / 1_000;
    };
    let root_hundredths = (i128::from((age + ahead).get().max(0)) * 10_000 / 60_000).isqrt();
    let load = i128::from(facts.load.get()).max(power).max(1);
    let moved = i128::from(step.get()) * DEVIATION_PERCENT / 100 * root_hundredths / 100;
    (power * moved / load).min(power)
}

/// What one customer went without, and what a plan takes.
pub(super) struct Account {
    pub(super) curtailed: Energy,
    pub(super) shed: Power,
}

/// Before the plan, and when it has lasted for an hour.
pub(super) fn fairness(accounts: impl Iterator<Item = Account>) -> Fairness {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for Account { curtailed, shed } in accounts {
        before.push(curtailed.get().max(0));
        after.push((curtailed + shed.over(HOUR)).get().max(0));
    }
    Fairness { before_permille: gini(&mut before), after_permille: gini(&mut after) }
}

/// The Gini coefficient in ‰: 2 Σ i x_i / (n Σ x_i) − (n + 1) / n over the values in rising order. 0 where there are none.
fn gini(values: &mut [i64]) -> u16 {
    values.sort_unstable();
    let count = i128::try_from(values.len()).unwrap_or(i128::MAX);
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    if sum == 0 {
        return 0;
    }
    let ranked: i128 = (1..).zip(values.iter()).map(|(rank, value): (i128, _)| rank * i128::from(*value)).sum();
    let permille = (2 * ranked - (count + 1) * sum) * 1_000 / (count * sum);
    u16::try_from(permille).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_bears_all_is_unfair_and_all_who_bear_the_same_are_not() {
        assert_eq!(gini(&mut []), 0);
        assert_eq!(gini(&mut [0, 0, 0]), 0);
        assert_eq!(gini(&mut [7, 7, 7, 7]), 0);
        assert_eq!(gini(&mut [0, 100]), 500);
        assert_eq!(gini(&mut [0, 0, 0, 100]), 750);
        // By hand: 2 (1 + 4 + 9) / (3 × 6) − 4 / 3 = 0.222.
        assert_eq!(gini(&mut [3, 1, 2]), 222);
    }
}
