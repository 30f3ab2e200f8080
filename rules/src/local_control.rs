//! The terminal's closed loop on a power cap (Q/GDW 1376.1, power control): pure, so that the soft terminal and the
//! simulator run the same code.
//!
//! **Invariants:** one round at a time, lowest number first; no trip takes the power below the safety floor; falling
//! power never recloses.

use std::collections::VecDeque;

use crate::model::{Power, RoundNo, Span, Timestamp};

/// How a terminal keeps its customer under a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopSettings {
    /// No trip may take the load below this (保安负荷).
    pub floor: Power,
    /// The load is averaged over this before it is judged, and again before each further round.
    pub window: Span,
    /// Between the warning and the trip.
    pub warning: Span,
}

/// What the loop wants done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopStep {
    /// Nothing.
    Watch,
    /// The customer has been warned; the trip comes when the load stays.
    Warn,
    /// Open this round.
    Trip(RoundNo),
}

/// The loop's memory: the cap, the window's samples and the warning under way.
#[derive(Clone, Debug)]
pub struct LocalControl {
    settings: LoopSettings,
    cap: Option<Power>,
    samples: VecDeque<(Timestamp, Power)>,
    warned_at: Option<Timestamp>,
}

impl LocalControl {
    /// Samples kept at most; a faster caller gets a shorter window, never more memory.
    const SAMPLES_MAX: usize = 1_024;

    /// Without a cap.
    pub const fn new(settings: LoopSettings) -> Self {
        Self { settings, cap: None, samples: VecDeque::new(), warned_at: None }
    }

    /// The cap in force.
    pub const fn cap(&self) -> Option<Power> {
        self.cap
    }

    /// Puts a cap in force; none, zero or less lifts it. The average starts anew.
    pub fn set_cap(&mut self, cap: Option<Power>) {
        self.cap = cap.filter(|cap| *cap > Power::ZERO);
        self.samples.clear();
        self.warned_at = None;
    }

    /// The load is `power` from `now` on; `closed` are the rounds that could be tripped with the power behind each.
    pub fn on_power(&mut self, now: Timestamp, power: Power, closed: &[(RoundNo, Power)]) -> LoopStep {
        let Some(cap) = self.cap else { return LoopStep::Watch };
        if self.samples.back().is_some_and(|(last, _)| *last > now) {
            // The clock was set back: what was averaged no longer adds up.
            self.samples.clear();
            self.warned_at = None;
        }
        if self.samples.len() == Self::SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back((now, power));
        let Some(average) = self.average(now) else { return LoopStep::Watch };
        if average < cap || average < self.settings.floor {
            self.warned_at = None;
            return LoopStep::Watch;
        }
        let lowest = closed.iter().filter(|(_, behind)| power - *behind >= self.settings.floor).min();
        let Some((round, _)) = lowest else { return LoopStep::Watch };
        match self.warned_at {
            Some(warned) if now.since(warned) >= self.settings.warning => {
                self.samples.clear();
                self.warned_at = None;
                LoopStep::Trip(*round)
            }
            Some(_) => LoopStep::Warn,
            None => {
                self.warned_at = Some(now);
                LoopStep::Warn
            }
        }
    }

    /// The demand over the window, each sample held until the next; none before the window is full.
    fn average(&mut self, now: Timestamp) -> Option<Power> {
        let window = self.settings.window;
        while self.samples.get(1).is_some_and(|(next, _)| now.since(*next) >= window) {
            self.samples.pop_front();
        }
        let (oldest, newest) = (self.samples.front()?, self.samples.back()?);
        if now.since(oldest.0) < window {
            return if self.samples.len() == Self::SAMPLES_MAX { Some(newest.1) } else { None };
        }
        let length = now.since(oldest.0).get();
        if length == 0 {
            return Some(newest.1);
        }
        let sum: i128 = self
            .samples
            .iter()
            .zip(self.samples.iter().skip(1))
            .map(|((from, power), (until, _))| i128::from(power.get()) * i128::from(until.since(*from).get()))
            .sum();
        i64::try_from(sum / i128::from(length)).ok().map(Power::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: LoopSettings =
        LoopSettings { floor: Power::from_kw(30), window: Span::from_s(60), warning: Span::from_s(120) };

    /// Runs the loop each 10 s on a load of 40 kW behind each round and 20 kW that cannot be switched.
    fn trips(cap_kw: i32, settings: LoopSettings, seconds: i64) -> Vec<(i64, u8)> {
        let mut control = LocalControl::new(settings);
        control.set_cap(Some(Power::from_kw(cap_kw)));
        let mut closed: Vec<_> = RoundNo::ALL[..3].iter().map(|round| (*round, Power::from_kw(40))).collect();
        let mut log = Vec::new();
        for s in (0..=seconds).step_by(10) {
            let power = Power::from_kw(20) + closed.iter().map(|(_, behind)| *behind).sum();
            if let LoopStep::Trip(round) = control.on_power(Timestamp::new(s * 1_000), power, &closed) {
                log.push((s, round.get()));
                closed.retain(|(other, _)| *other != round);
            }
        }
        log
    }

    #[test]
    fn trips_the_lowest_round_after_the_warning_and_measures_before_the_next() {
        assert_eq!(trips(90, SETTINGS, 2_000), [(180, 1), (370, 2)]);
    }

    #[test]
    fn never_trips_below_the_floor() {
        // 140, 100, 60: a third trip would leave 20 kW.
        assert_eq!(trips(10, SETTINGS, 5_000).len(), 2);
        assert_eq!(trips(10, LoopSettings { floor: Power::from_kw(20), ..SETTINGS }, 5_000).len(), 3);
    }

    #[test]
    fn a_load_below_the_cap_is_left_alone() {
        assert_eq!(trips(141, SETTINGS, 5_000), []);
    }

    #[test]
    fn without_a_cap_nothing_is_tripped() {
        assert_eq!(trips(0, SETTINGS, 5_000), []);
    }
}
