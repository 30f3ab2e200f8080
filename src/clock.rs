//! The only door for time into the centre: the supply's time, which limits, delays and ages are in.
//!
//! A centre on a real fleet runs on the wall clock. A demonstration runs on simulated time, which may be faster; protocol
//! timers (t0..t3, time-outs of commands) are in real time in either case.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headroom_rules::model::{Span, Timestamp};

/// Tells the supply's time. Cheap to clone.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    factor: f64,
}

impl Clock {
    /// The machine's clock.
    pub fn wall() -> Self {
        let read = || {
            // A machine that believes to be before 1970 has no time at all.
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp::new(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        };
        Self { read: Arc::new(read), factor: 1.0 }
    }

    /// Another source of time that runs `factor` times as fast as the wall clock; a factor that is no positive number
    /// counts as 1.
    pub fn from_source(factor: f64, read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let factor = if factor.is_finite() && factor > 0.0 { factor } else { 1.0 };
        Self { read: Arc::new(read), factor }
    }

    /// The supply's time now.
    pub fn now(&self) -> Timestamp {
        (self.read)()
    }

    /// Seconds of the supply's time in one second of the wall clock.
    pub const fn factor(&self) -> f64 {
        self.factor
    }

    /// How long a span of the supply's time takes on the wall clock; nothing for a negative one.
    #[allow(clippy::cast_precision_loss, reason = "spans of hours")]
    pub fn real(&self, span: Span) -> Duration {
        Duration::try_from_secs_f64(span.get().max(0) as f64 / 1_000.0 / self.factor).unwrap_or(Duration::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("factor", &self.factor).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_takes_less_real_time_for_the_same_span() {
        let clock = Clock::from_source(60.0, || Timestamp::new(7));
        assert_eq!(clock.now(), Timestamp::new(7));
        assert_eq!(clock.real(Span::from_s(30)), Duration::from_millis(500));
        assert_eq!(clock.real(Span::from_s(-1)), Duration::ZERO);
    }

    #[test]
    fn a_factor_that_is_no_number_counts_as_one() {
        for factor in [f64::NAN, 0.0, -3.0, f64::INFINITY] {
            assert_eq!(Clock::from_source(factor, || Timestamp::new(0)).factor(), 1.0);
        }
    }
}
