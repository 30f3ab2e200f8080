//! How many objects and frames a peer may send: a link that floods is slowed at its own socket, where nobody else waits. No I/O.

use std::time::{Duration, Instant};

/// A bucket of objects that fills at an even rate. What a read brings is known only afterwards, so it may be overdrawn by
/// one read; the next read waits until that is made good.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    per_object: Duration,
    /// How far ahead of its rate the peer may be.
    ahead: Duration,
    /// When all that was taken would have come at the rate.
    due: Instant,
}

impl Budget {
    /// Full at `now`.
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let per_object = Duration::from_secs(1) / per_second.max(1);
        Self { per_object, ahead: per_object * burst, due: now }
    }

    /// `count` objects came, or frames where these are more: those without an object cost as much.
    pub fn take(&mut self, now: Instant, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.due = self.due.max(now) + self.per_object * count;
    }

    /// When more may be read: `now` unless the bucket is empty.
    pub fn ready_at(&self, now: Instant) -> Instant {
        now + self.due.saturating_duration_since(now).saturating_sub(self.ahead)
    }
}
