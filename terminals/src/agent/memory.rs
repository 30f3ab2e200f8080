//! What the terminal remembers of its metering, so that the centre can fetch what it missed: the mean power of each quarter of
//! an hour with the register at its end, and the registers as they stood at midnight and on the first of the month.
//!
//! Times are of the terminal's own clock; quarters, days and months are of its zone's standard time.
//!
//! **Invariant:** nothing is invented. A quarter that was measured in part is kept as INVALID, one whose end was not seen is
//! not kept at all, and one that is kept is never measured again, whatever is done to the clock.

use std::collections::VecDeque;

use headroom_rules::model::{Energy, PointKind, Power, Quality, Span, Tariff, Timestamp};

use super::settings::Tariffs;
use crate::iec104::time::{Zone, civil};

#[cfg(test)]
mod tests;

const QUARTER_MS: i64 = 900_000;
const DAY_MS: i64 = 86_400_000;
/// 60 days of quarters.
const QUARTERS_MAX: usize = 60 * 96;
const DAYS_MAX: usize = 62;
const MONTHS_MAX: usize = 24;
/// A sample stands for what follows it, but not for longer than this.
const HOLD_MAX: Span = Span::from_s(180);
/// A clock that is put right by no more than this moves the border of a quarter; by more, the quarter is lost.
const CORRECTION_MAX_MS: u64 = 60_000;
/// Two half hours, of which the tariffs are, touch each other in a gap no longer than this.
const SAME_TARIFF_MAX: Span = Span::from_s(1_800);

/// What a meter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meter {
    pub(super) at: Timestamp,
    pub(super) power: Power,
    pub(super) energy: Energy,
}

/// One remembered value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) point: PointKind,
    pub(super) value: i64,
    pub(super) quality: Quality,
    pub(super) at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Quarter {
    end: Timestamp,
    mean: Power,
    /// Measured from its beginning to its end.
    whole: bool,
    /// At its end.
    register: Energy,
}

#[derive(Clone, Copy, Debug)]
struct Frozen {
    at: Timestamp,
    import: Energy,
    tariffs: [Energy; 4],
}

/// The quarter under way.
#[derive(Clone, Copy, Debug)]
struct Running {
    start: Timestamp,
    whole: bool,
    /// W · ms.
    sum: i128,
    measured: Span,
}

impl Running {
    /// A sample's power from one time to another, as far as it is of this quarter.
    fn add(&mut self, power: Power, from: Timestamp, to: Timestamp) {
        let held = to.since(from.max(self.start)).max(Span::ZERO);
        self.sum += i128::from(power.get()) * i128::from(held.get());
        self.measured += held;
    }

    fn mean(&self) -> Power {
        let ms = i128::from(self.measured.get().max(1));
        Power::new(i64::try_from((self.sum + self.sum.signum() * (ms / 2)) / ms).unwrap_or(0))
    }
}

/// Each list is in order of time and bounded; its oldest goes first.
#[derive(Debug)]
pub(super) struct Memory {
    zone: Span,
    quarters: VecDeque<Quarter>,
    days: VecDeque<Frozen>,
    months: VecDeque<Frozen>,
    running: Option<Running>,
    last: Option<Meter>,
    /// What was drawn in each tariff since power-up. Energy that cannot be told to be of one is left out: the import
    /// register has it.
    tariffs: [Energy; 4],
}

impl Memory {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            zone: Span::from_s(i64::from(zone.offset_minutes) * 60),
            quarters: VecDeque::new(),
            days: VecDeque::new(),
            months: VecDeque::new(),
            running: None,
            last: None,
            tariffs: [Energy::ZERO; 4],
        }
    }

    /// Takes in what the meter shows now. The end of a quarter, when one has just ended and is kept.
    pub(super) fn measure(&mut self, meter: Meter, tariffs: &Tariffs) -> Option<Timestamp> {
        let Some(before) = self.last.replace(meter) else {
            self.begin(meter.at);
            return None;
        };
        self.count_tariff(before, meter, tariffs);
        let step = meter.at.since(before.at);
        let known = step <= HOLD_MAX && !(step < Span::ZERO && step.get().unsigned_abs() > CORRECTION_MAX_MS);
        let Some(running) = self.running.as_mut().filter(|_| known) else {
            self.begin(meter.at);
            return None;
        };
        let end = running.start.after(Span::new(QUARTER_MS));
        running.add(before.power, before.at, meter.at.min(end));
        if meter.at < end {
            return None;
        }
        let Running { whole, .. } = *running;
        let quarter = Quarter {
            end,
            mean: running.mean(),
            whole: whole && running.measured > Span::ZERO,
            register: meter.energy,
        };
        let mut next = Running { start: end, whole: true, sum: 0, measured: Span::ZERO };
        next.add(before.power, before.at, meter.at);
        self.running = Some(next);
        self.keep(quarter).then_some(end)
    }

    /// The clock was put right by `by` and shows `now`.
    pub(super) fn clock_set(&mut self, by: Span, now: Timestamp) {
        if let Some(last) = &mut self.last {
            last.at = last.at.after(by);
        }
        if by.get().unsigned_abs() > CORRECTION_MAX_MS {
            self.begin(now);
        }
    }

    /// Begins to measure in the middle of a quarter. What is kept of times that are yet to come was told by a clock that was
    /// wrong.
    fn begin(&mut self, now: Timestamp) {
        let start = Timestamp::new(now.get() - self.local(now).rem_euclid(QUARTER_MS));
        self.running = Some(Running { start, whole: now == start, sum: 0, measured: Span::ZERO });
        let latest = start.after(Span::new(QUARTER_MS));
        while self.quarters.pop_back_if(|quarter| quarter.end > latest).is_some() {}
        for frozen in [&mut self.days, &mut self.months] {
            while frozen.pop_back_if(|frozen| frozen.at > latest).is_some() {}
        }
    }

    fn local(&self, at: Timestamp) -> i64 {
        at.after(self.zone).get()
    }

    /// False where the quarter was there before the clock went back.
    fn keep(&mut self, quarter: Quarter) -> bool {
        let Quarter { end, register, .. } = quarter;
        if self.quarters.back().is_some_and(|newest| newest.end >= end) {
            return false;
        }
        push(&mut self.quarters, QUARTERS_MAX, quarter);
        let local = self.local(end);
        if local.rem_euclid(DAY_MS) == 0 {
            let frozen = Frozen { at: end, import: register, tariffs: self.tariffs };
            push(&mut self.days, DAYS_MAX, frozen);
            if civil(local.div_euclid(DAY_MS)).is_some_and(|(_, _, day)| day == 1) {
                push(&mut self.months, MONTHS_MAX, frozen);
            }
        }
        true
    }

    fn count_tariff(&mut self, before: Meter, now: Meter, tariffs: &Tariffs) {
        let at = |meter: Meter| tariffs.at(self.local(meter.at));
        let (tariff, gap) = (at(before), now.at.since(before.at));
        // A register that fell was exchanged.
        let drawn = (now.energy - before.energy).max(Energy::ZERO);
        let one = gap <= HOLD_MAX || gap <= SAME_TARIFF_MAX && at(now) == tariff;
        if one && let Some(register) = self.tariffs.get_mut(usize::from(tariff.number() - 1)) {
            *register += drawn;
        }
    }

    /// The registers by tariff as they stand.
    pub(super) fn tariffs(&self) -> impl Iterator<Item = (Tariff, Energy)> + use<> {
        Tariff::ALL.into_iter().zip(self.tariffs)
    }

    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.quarters.back().map(|quarter| quarter.end)
    }

    /// All that is kept of `from` to `to`, both counted in: the load curve, then the registers at the quarters' ends, then what
    /// was frozen. A register stands there once for one time.
    pub(super) fn between(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Vec<Remembered> {
        let within = |at: Timestamp| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to);
        let kept = |point, value, quality, at| Remembered { point, value, quality, at };
        let quarters = || self.quarters.iter().filter(|quarter| within(quarter.end));
        let curve = quarters().map(|quarter| {
            let quality = if quarter.whole { Quality::GOOD } else { Quality::INVALID };
            kept(PointKind::LoadCurve, quarter.mean.get(), quality, quarter.end)
        });
        let register =
            quarters().map(|quarter| kept(PointKind::ImportEnergy, quarter.register.get(), Quality::GOOD, quarter.end));
        let has = |list: &VecDeque<Frozen>, at| list.binary_search_by_key(&at, |frozen| frozen.at).is_ok();
        let months = self.months.iter().filter(|month| !has(&self.days, month.at));
        let frozen = months.chain(&self.days).filter(|frozen| within(frozen.at)).flat_map(|frozen| {
            let in_curve = self.quarters.binary_search_by_key(&frozen.at, |quarter| quarter.end).is_ok();
            let import = (!in_curve).then_some((PointKind::ImportEnergy, frozen.import));
            let tariffs = Tariff::ALL.into_iter().map(PointKind::TariffEnergy).zip(frozen.tariffs);
            import.into_iter().chain(tariffs).map(|(point, energy)| kept(point, energy.get(), Quality::GOOD, frozen.at))
        });
        curve.chain(register).chain(frozen).collect()
    }
}

fn push<T>(list: &mut VecDeque<T>, most: usize, new: T) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(new);
}
