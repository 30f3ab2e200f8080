//! What a restart must not forget.

use serde::{Deserialize, Serialize};

use super::record::Measuring;
use crate::model::{Energy, Power, RoundNo, Timestamp};

/// Numbers of purchases kept one by one.
const ORDERS_MAX: usize = 1_024;

/// Who holds a round open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holder {
    Remote,
    Power,
    Energy,
}

/// A trip that the centre ordered and the customer was warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announced {
    pub(super) round: RoundNo,
    pub(super) trips_at: Timestamp,
    pub(super) half_h: u8,
}

/// What a terminal keeps over a restart. Opaque: made and read by [`super::LocalControl`] only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(super) centre_cap: Option<Power>,
    pub(super) guarantee_since: Option<Timestamp>,
    pub(super) automatic_guarantee: bool,
    pub(super) heard_at: Option<Timestamp>,
    pub(super) float_since: Option<Timestamp>,
    pub(super) float_set_point: Option<Power>,
    pub(super) held: Vec<(RoundNo, Holder)>,
    pub(super) announced: Vec<Announced>,
    /// Rounds that the centre tripped for a time, with its end.
    pub(super) until: Vec<(RoundNo, Timestamp)>,
    /// Trips whose effect is still to be measured.
    pub(super) measuring: Vec<Measuring>,
    pub(super) register: Option<Energy>,
    pub(super) month: Option<i64>,
    pub(super) month_used: Energy,
    pub(super) month_alarmed: bool,
    pub(super) left: Energy,
    pub(super) left_alarmed: bool,
    /// Numbers of purchases that were applied, rising.
    pub(super) orders: Vec<u32>,
    /// All numbers up to this count as applied.
    pub(super) orders_up_to: u32,
    pub(super) reminded_hour: Option<i64>,
}

impl State {
    /// What is left of the energy that was bought.
    pub const fn left(&self) -> Energy {
        self.left
    }

    /// What was drawn this month.
    pub const fn month_used(&self) -> Energy {
        self.month_used
    }

    pub(super) fn hold(&mut self, round: RoundNo, holder: Holder) {
        if !self.held.contains(&(round, holder)) {
            self.held.push((round, holder));
            self.held.sort_unstable();
        }
    }

    /// The rounds that nobody holds any more after this, rising.
    pub(super) fn release(&mut self, holder: Holder, only: Option<RoundNo>) -> Vec<RoundNo> {
        let theirs = |(round, by): &(RoundNo, Holder)| *by == holder && only.is_none_or(|only| only == *round);
        let freed: Vec<RoundNo> = self.held.iter().filter(|held| theirs(held)).map(|(round, _)| *round).collect();
        self.held.retain(|held| !theirs(held));
        freed.into_iter().filter(|round| self.held.iter().all(|(held, _)| held != round)).collect()
    }

    /// Notes a purchase's number; false where it was applied before. The lowest numbers are forgotten one by one, and then count
    /// as applied.
    pub(super) fn first_time(&mut self, order: u32) -> bool {
        if order <= self.orders_up_to {
            return false;
        }
        let Err(at) = self.orders.binary_search(&order) else { return false };
        self.orders.insert(at, order);
        if self.orders.len() > ORDERS_MAX {
            self.orders_up_to = self.orders.remove(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_forgotten_counts_as_applied() {
        let mut state = State::default();
        for order in 1..=2_000 {
            assert!(state.first_time(order * 2));
        }
        assert_eq!(state.orders.len(), ORDERS_MAX);
        assert!((1..=4_000).filter(|order| order % 2 == 0).all(|order| !state.first_time(order)));
        assert!(!state.first_time(1), "an old number that was never seen is refused rather than risked");
        assert!(state.first_time(3_999) && state.first_time(4_001));
    }
}
