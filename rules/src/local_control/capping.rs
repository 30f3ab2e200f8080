//! The closed loop on a cap: average, warn, trip one round, measure, average again.

use super::calendar::Local;
use super::demand::Demand;
use super::guarantee::times;
use super::record::Measuring;
use super::state::Holder;
use super::{Act, Function, LocalControl, MEASURED_AFTER, Parameters, Seen};
use crate::model::{Power, RoundNo, Span, Timestamp};

const MINUTE: Span = Span::from_s(60);

/// The loop's memory.
#[derive(Clone, Debug)]
pub(super) struct Capping {
    cap: Option<(Function, Power)>,
    demand: Demand,
    warned: Option<(RoundNo, Timestamp)>,
    /// Nothing is averaged while the last trip's effect is not measured.
    tripped_at: Option<Timestamp>,
    /// Since the cap came into force.
    trips: u8,
}

impl Capping {
    pub(super) const fn new(window: Span) -> Self {
        Self { cap: None, demand: Demand::new(window), warned: None, tripped_at: None, trips: 0 }
    }

    pub(super) const fn cap(&self) -> Option<(Function, Power)> {
        self.cap
    }

    pub(super) fn set_window(&mut self, window: Span) {
        self.demand = Demand::new(window);
    }

    pub(super) fn clock_set(&mut self, by: Span) {
        let warned = self.warned.as_mut().map(|(_, at)| at);
        warned.into_iter().chain(&mut self.tripped_at).for_each(|time| *time = time.after(by));
        self.demand.clear();
    }

    /// The average and the warning begin anew.
    pub(super) fn restart(&mut self) {
        self.demand.clear();
        self.warned = None;
    }
}

impl Parameters {
    /// The averaging window of the closed loop.
    pub(super) fn window(&self) -> Span {
        times(MINUTE, self.window_min)
    }

    /// Of a round, or of a down-float's trip by its number from 0 on.
    fn warning(&self, function: Function, round: RoundNo, trips: u8) -> Span {
        let of_round = self.warning_min.get(usize::from(round.get() - 1)).copied().unwrap_or(0);
        let of_float = self.down_float.as_ref().filter(|_| function == Function::DownFloat);
        times(
            MINUTE,
            of_float.map_or(of_round, |float| {
                let [first @ .., last] = float.warning_min;
                first.get(usize::from(trips)).copied().unwrap_or(last)
            }),
        )
    }
}

impl LocalControl {
    pub(super) fn look_at_caps(&mut self, local: Local, seen: &Seen, tripped: bool, acts: &mut Vec<Act>) {
        let cap = self.cap_of_now(local, seen);
        if cap != self.capping.cap {
            self.capping.cap = cap;
            self.capping.trips = 0;
            self.capping.restart();
        }
        let Some((function, cap)) = cap else {
            return self.release(Holder::Power, None, acts);
        };
        if tripped || self.locked(seen.now).is_some() {
            // The load has just changed, or nothing may be tripped: neither is to be judged.
            return self.capping.restart();
        }
        if self.capping.tripped_at.is_some_and(|at| (Span::ZERO..MEASURED_AFTER).contains(&seen.now.since(at))) {
            return;
        }
        self.capping.tripped_at = None;
        self.capping.demand.add(seen.now, seen.power);
        let Some(average) = self.capping.demand.average() else { return };
        let floor = self.floor();
        if average < cap || average < floor {
            self.capping.warned = None;
            return;
        }
        let next = self.parameters.power_rounds.iter().copied().find(|round| self.permits(seen, *round).is_ok());
        let Some(round) = next else {
            self.capping.warned = None;
            return;
        };
        let warning = self.parameters.warning(function, round, self.capping.trips);
        let warned_at = match self.capping.warned {
            Some((warned, at)) if warned == round => at,
            _ => {
                self.capping.warned = Some((round, seen.now));
                if warning > Span::ZERO {
                    acts.push(Act::Warn { round, trips_at: seen.now.after(warning), function });
                }
                seen.now
            }
        };
        if seen.now.since(warned_at) < warning {
            return;
        }
        self.capping.restart();
        self.capping.tripped_at = Some(seen.now);
        self.capping.trips = self.capping.trips.saturating_add(1);
        let float = self.parameters.down_float.as_ref().filter(|_| function == Function::DownFloat);
        let freeze_after = float.map(|float| times(MINUTE, float.freeze_delay_min));
        let measuring = Measuring { set_point: Some(cap), freeze_after, ..Measuring::new(seen, function, round) };
        self.trip(seen, round, Holder::Power, measuring, acts);
    }
}
