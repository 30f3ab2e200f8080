//! Demand: the power averaged over a sliding window, in memory that does not grow with the pace of the scans.

use std::collections::VecDeque;

use crate::model::{Power, Span, Timestamp};

/// Points kept of a window: the average is over the window and at most this share of it more.
const POINTS: i64 = 64;

/// Each sample stands until the next. The energy since the beginning is kept at points of the window, so that an average is
/// a difference of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    window: Span,
    /// Time, and W · ms since the first; in order of time.
    points: VecDeque<(Timestamp, i128)>,
    power: Power,
}

impl Demand {
    pub(super) const fn new(window: Span) -> Self {
        Self { window, points: VecDeque::new(), power: Power::ZERO }
    }

    pub(super) fn clear(&mut self) {
        self.points.clear();
    }

    /// Takes in what is drawn from `now` on.
    pub(super) fn add(&mut self, now: Timestamp, power: Power) {
        let Some(&(last, sum)) = self.points.back() else {
            self.points.push_back((now, 0));
            self.power = power;
            return;
        };
        if now < last {
            // The clock was set back.
            self.points.clear();
            return self.add(now, power);
        }
        let point = (now, sum + i128::from(self.power.get()) * i128::from(now.since(last).get()));
        self.power = power;
        // The newest is moved on while it is close to the one before it.
        let before = self.points.len().checked_sub(2).and_then(|at| self.points.get(at));
        if before.is_some_and(|(before, _)| now.since(*before).get() < self.window.get() / POINTS) {
            self.points.pop_back();
        }
        self.points.push_back(point);
        while self.points.get(1).is_some_and(|(next, _)| now.since(*next) >= self.window) {
            self.points.pop_front();
        }
    }

    /// The average up to the last sample; none before the window is full.
    pub(super) fn average(&self) -> Option<Power> {
        let (&(from, first), &(to, last)) = (self.points.front()?, self.points.back()?);
        let length = to.since(from);
        if length < self.window {
            return None;
        }
        if length == Span::ZERO {
            return Some(self.power);
        }
        i64::try_from((last - first) / i128::from(length.get())).ok().map(Power::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_is_averaged_by_time_and_a_part_of_one_is_not() {
        let mut demand = Demand::new(Span::from_s(60));
        for s in 0..60 {
            demand.add(Timestamp::new(s * 1_000), Power::from_kw(if s < 30 { 100 } else { 40 }));
            assert_eq!(demand.average(), None);
        }
        demand.add(Timestamp::new(60_000), Power::from_kw(40));
        assert_eq!(demand.average(), Some(Power::from_kw(70)));
        demand.add(Timestamp::new(200_000), Power::from_kw(40));
        assert_eq!(demand.average(), Some(Power::from_kw(40)));
    }

    #[test]
    fn memory_is_bounded_at_any_pace_and_the_average_stays_near() {
        let mut demand = Demand::new(Span::from_s(3_600));
        for s in 0..20_000 {
            demand.add(Timestamp::new(s * 1_000), Power::new(s));
        }
        let points = i64::try_from(demand.points.len()).unwrap();
        assert!((POINTS..=POINTS + 3).contains(&points), "{points}");
        let off = demand.average().unwrap().get() - (20_000 - 1_800);
        assert!(off.abs() < 60, "{off} W");
    }
}
