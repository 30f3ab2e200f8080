//! How long to wait between attempts to connect. No I/O, no randomness.

use std::time::{Duration, Instant};

/// The first wait.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A link that lasted this long resets the back-off.
const STEADY: Duration = Duration::from_secs(60);

/// Doubles with each end of a link that was not steady.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(BACKOFF_MIN)
    }
}

impl Backoff {
    /// An attempt that failed, or a link from `since` on, has ended at `now`: when to try again. `jitter` is 0.5 to 1, so
    /// that stations that went down together are not dialled together.
    pub(super) fn ended(&mut self, since: Instant, now: Instant, jitter: f64) -> Instant {
        if now.saturating_duration_since(since) >= STEADY {
            self.0 = BACKOFF_MIN;
        }
        let wait = self.0.mul_f64(jitter.clamp(0.5, 1.0));
        self.0 = (self.0 * 2).min(BACKOFF_MAX);
        now + wait
    }
}
