//! How much more a round draws when it comes back than it drew before: learnt from its returns (cold-load pick-up).
//!
//! One return is a sample: the highest power in the two minutes after it, in percent of the power at the trip. The account
//! is kept for each round by how long it was off, and beside it for each priority class, for rounds of which nothing is
//! known. It rises by half of what a sample is above it and falls by a quarter of what it is below: being wrong upwards
//! costs time, being wrong downwards breaks a limit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Power;
use crate::model::{PriorityClass, RoundNo, Span, TerminalId};
use crate::policy::LimitRule;
use crate::restoration::ColdLoad;

/// A return says nothing new from here on: the figure two minutes after a control (Q/GDW 1376.1 control records).
pub(crate) const SAMPLE_WITHIN: Span = Span::from_s(120);
/// What is measured sooner after a return is the switch's bounce and the inrush of transformers, which no limit is about.
pub(crate) const SAMPLE_FROM: Span = Span::from_s(5);
/// The factor is within these bounds, whatever is measured. Customary are 150 to 300 %.
const BOUNDS: std::ops::RangeInclusive<i64> = 100..=400;
/// A round that had less than this says nothing by a ratio.
const SAMPLE_POWER_MIN: Power = Power::from_kw(1);
/// A class's account counts from so many returns on.
const CLASS_RETURNS_MIN: u32 = 5;
/// Off for less than 30 min, for less than 2 h, for longer: what has cooled out draws more.
const OFF_FOR: [Span; 2] = [Span::from_s(1_800), Span::from_s(7_200)];

fn bucket(off_for: Span) -> usize {
    OFF_FOR.iter().take_while(|bound| off_for >= **bound).count()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Factor {
    percent: i64,
    returns: u32,
}

impl Factor {
    fn learn(&mut self, start: i64, sample: i64) {
        let sample = sample.clamp(*BOUNDS.start(), *BOUNDS.end());
        let before = if self.returns == 0 { start } else { self.percent };
        let step = if sample > before { (sample - before + 1) / 2 } else { (sample - before) / 4 };
        self.percent = (before + step).clamp(*BOUNDS.start(), *BOUNDS.end());
        self.returns = self.returns.saturating_add(1);
    }
}

type ByTimeOff = [Factor; OFF_FOR.len() + 1];

/// All that was learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ColdLoads {
    rounds: BTreeMap<TerminalId, BTreeMap<RoundNo, ByTimeOff>>,
    classes: BTreeMap<PriorityClass, ByTimeOff>,
}

impl ColdLoads {
    /// One return: what was drawn `before` and at the highest `after`. `start` is the factor that was reckoned with, in
    /// percent.
    pub(crate) fn learn(
        &mut self,
        (terminal, round): (TerminalId, RoundNo),
        class: Option<PriorityClass>,
        off_for: Span,
        start: u16,
        (before, after): (Power, Power),
    ) {
        if before < SAMPLE_POWER_MIN {
            return;
        }
        let sample = after.get().max(0).saturating_mul(100) / before.get();
        let at = bucket(off_for);
        let of_round = self.rounds.entry(terminal).or_default().entry(round).or_default().get_mut(at);
        let of_class = class.and_then(|class| self.classes.entry(class).or_default().get_mut(at));
        for factor in of_round.into_iter().chain(of_class) {
            factor.learn(i64::from(start), sample);
        }
    }

    /// What a round is expected to come back with after so long, where there is experience: its own, or that of its class,
    /// but no less than its own after a shorter time.
    pub(crate) fn expected(
        &self,
        terminal: TerminalId,
        round: RoundNo,
        class: Option<PriorityClass>,
        off_for: Span,
    ) -> Option<ColdLoad> {
        let at = bucket(off_for);
        let told = |factor: &Factor| ColdLoad {
            percent: u16::try_from(factor.percent).unwrap_or(u16::MAX),
            returns: factor.returns,
        };
        let own = self.rounds.get(&terminal).and_then(|rounds| rounds.get(&round));
        let own = own.map(|own| own.get(..=at).unwrap_or_default()).unwrap_or_default();
        if let Some(own) = own.last().filter(|own| own.returns > 0) {
            return Some(told(own));
        }
        let of_class = class.and_then(|class| self.classes.get(&class)?.get(at));
        let of_class = of_class.filter(|factor| factor.returns >= CLASS_RETURNS_MIN);
        own.iter().filter(|own| own.returns > 0).chain(of_class).max_by_key(|factor| factor.percent).map(told)
    }

    /// Keeps the rounds for which `exists` holds.
    pub(crate) fn retain(&mut self, exists: impl Fn(&TerminalId, &RoundNo) -> bool) {
        self.rounds.retain(|terminal, rounds| {
            rounds.retain(|round, _| exists(terminal, round));
            !rounds.is_empty()
        });
    }
}

/// The factor to reckon with, in percent: of the rules above, the most careful one.
pub(crate) fn percent<'a>(rules: impl Iterator<Item = &'a LimitRule>, learnt: Option<ColdLoad>) -> u16 {
    let of_rule = |rule: &LimitRule| {
        let learnt = learnt.filter(|_| rule.cold_load_learn);
        learnt.map_or(rule.cold_load_percent, |learnt| learnt.percent)
    };
    rules.map(of_rule).max().unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{kw, round, s, terminal};

    fn class(number: u8) -> Option<PriorityClass> {
        PriorityClass::try_from(number).ok()
    }

    fn learn(loads: &mut ColdLoads, id: &str, off_s: i64, after: i32) {
        loads.learn((terminal(id), round(1)), class(3), s(off_s), 150, (kw(10), kw(after)));
    }

    fn expected(loads: &ColdLoads, id: &str, off_s: i64) -> Option<u16> {
        loads.expected(terminal(id), round(1), class(3), s(off_s)).map(|load| load.percent)
    }

    #[test]
    fn a_factor_rises_fast_falls_slowly_and_stays_within_its_bounds() {
        let mut loads = ColdLoads::default();
        assert_eq!(expected(&loads, "T1", 60), None);
        learn(&mut loads, "T1", 60, 20);
        assert_eq!(expected(&loads, "T1", 60), Some(175), "half of the way from 150 to 200");
        learn(&mut loads, "T1", 60, 11);
        assert_eq!(expected(&loads, "T1", 60), Some(159), "a quarter of the way to 110");
        for _ in 0..50 {
            learn(&mut loads, "T1", 60, 900);
        }
        assert_eq!(expected(&loads, "T1", 60), Some(400));
        for _ in 0..50 {
            learn(&mut loads, "T1", 60, 0);
        }
        assert!(expected(&loads, "T1", 60).is_some_and(|percent| (100..=103).contains(&percent)));
    }

    #[test]
    fn what_had_hardly_any_power_teaches_nothing() {
        let mut loads = ColdLoads::default();
        for before in [-5_000, 0, 999] {
            loads.learn((terminal("T1"), round(1)), class(3), s(60), 150, (Power::new(before), kw(20)));
        }
        assert_eq!(loads, ColdLoads::default());
    }

    #[test]
    fn experience_goes_by_how_long_a_round_was_off_and_never_below_that_of_a_shorter_time() {
        let mut loads = ColdLoads::default();
        learn(&mut loads, "T1", 1_799, 20);
        learn(&mut loads, "T1", 7_200, 30);
        assert_eq!(expected(&loads, "T1", 60), Some(175));
        assert_eq!(expected(&loads, "T1", 1_800), Some(175), "none of that length, so that of a shorter one");
        assert_eq!(expected(&loads, "T1", 90_000), Some(225));
        assert_eq!(expected(&loads, "T2", 60), None);
    }

    #[test]
    fn a_class_speaks_for_rounds_of_which_nothing_is_known_once_it_has_seen_enough() {
        let mut loads = ColdLoads::default();
        for n in 1..=4 {
            learn(&mut loads, &format!("T{n}"), 60, 40);
        }
        assert_eq!(expected(&loads, "T9", 60), None);
        learn(&mut loads, "T5", 60, 40);
        assert!(expected(&loads, "T9", 60).is_some_and(|percent| percent > 350));
        let other = loads.expected(terminal("T9"), round(1), class(1), s(60));
        assert_eq!(other, None, "another class");
        loads.retain(|id, _| *id != terminal("T1"));
        assert!(loads.rounds.len() == 4);
    }
}
