//! How long the centre takes from the input that made a rule shed to the select's bytes on the wire.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use headroom_rules::orders::OrderId;

/// Longer reactions count as this.
const LONGEST: Duration = Duration::from_secs(600);
/// Selects under way at most; more are not measured.
const UNDER_WAY_MAX: usize = 100_000;

/// Reactions under way, and a histogram of those measured.
#[derive(Debug, Default)]
pub(super) struct Reactions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    under_way: BTreeMap<OrderId, Instant>,
    /// In µs; none before the first.
    measured: Option<Histogram<u32>>,
}

impl Reactions {
    /// A rule's trip is about to be put on a link.
    pub(super) fn begin(&self, order: OrderId, received: Instant) {
        let mut state = self.lock();
        if state.under_way.len() < UNDER_WAY_MAX {
            state.under_way.insert(order, received);
        }
    }

    /// It was not sent, or its select came to an end otherwise.
    pub(super) fn forget(&self, order: OrderId) {
        self.lock().under_way.remove(&order);
    }

    /// Bytes of one of its steps were written. The first is the select.
    pub(super) fn written(&self, order: OrderId) {
        let mut state = self.lock();
        let Some(received) = state.under_way.remove(&order) else { return };
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let measured = state.measured.take().or_else(|| Histogram::new_with_bounds(1, us(LONGEST), 3).ok());
        state.measured = measured.map(|mut measured| {
            measured.saturating_record(us(received.elapsed()));
            measured
        });
    }

    /// How many were measured, and their median and 99th percentile in milliseconds.
    pub(super) fn figures(&self) -> (u64, Option<f64>, Option<f64>) {
        let state = self.lock();
        let Some(measured) = &state.measured else { return (0, None, None) };
        #[allow(clippy::cast_precision_loss, reason = "at most ten minutes")]
        let ms = |quantile| Some(measured.value_at_quantile(quantile) as f64 / 1_000.0);
        (measured.len(), ms(0.5), ms(0.99))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_write_of_a_select_under_way_is_measured() {
        let reactions = Reactions::default();
        assert_eq!(reactions.figures(), (0, None, None));
        let past = Instant::now().checked_sub(Duration::from_millis(250)).unwrap();
        reactions.begin(OrderId(1), past);
        reactions.begin(OrderId(2), past);
        reactions.forget(OrderId(2));
        for order in [1, 1, 2, 3] {
            reactions.written(OrderId(order));
        }
        let (count, median, _) = reactions.figures();
        assert_eq!(count, 1);
        assert!(median.unwrap() >= 250.0);
    }
}
