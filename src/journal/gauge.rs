//! What the writer is at, for whoever watches the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Health;

/// A sync that takes longer than this is one that may never end. Disks that are busy take a second at most.
const HANGS: Duration = Duration::from_secs(5);

/// What the writer is at.
#[derive(Debug, Default)]
pub struct Gauge {
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    append_since: Option<Instant>,
    bytes: u64,
}

impl Gauge {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the oldest batch under way waits for the disk, its earlier tries included.
    pub(super) fn append_began(&self, at: Instant) {
        self.now().append_since = Some(at);
    }

    pub(super) fn append_ended(&self) {
        self.now().append_since = None;
    }

    pub(crate) fn holds(&self, bytes: u64) {
        self.now().bytes = bytes;
    }

    /// Bytes in use in the journal's file.
    pub fn bytes(&self) -> u64 {
        self.now().bytes
    }

    /// How long the oldest batch under way has been waiting for the disk; none while none is.
    pub fn append_age(&self) -> Option<Duration> {
        self.now().append_since.map(|since| since.elapsed())
    }

    /// What the writer `told` of the disk, unless the disk has given it no answer since.
    pub fn judge(&self, told: Health) -> Health {
        if told == Health::Good { self.hanging().unwrap_or(told) } else { told }
    }

    /// The state of a disk that neither takes a batch nor refuses it.
    fn hanging(&self) -> Option<Health> {
        let since = self.now().append_since.filter(|since| since.elapsed() >= HANGS)?;
        let error = format!("the disk has given no answer for {} s", since.elapsed().as_secs());
        Some(Health::Failing { since, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_gives_no_answer_is_not_healthy_though_it_refuses_nothing() {
        let gauge = Gauge::default();
        assert_eq!((gauge.append_age(), gauge.hanging()), (None, None));
        gauge.append_began(Instant::now());
        assert!(gauge.append_age().is_some());
        assert_eq!(gauge.hanging(), None, "any append takes a moment");
        gauge.append_began(Instant::now().checked_sub(HANGS).unwrap());
        let Some(Health::Failing { error, .. }) = gauge.hanging() else { panic!("not told") };
        assert!(error.contains("no answer for 5 s"), "{error}");
        gauge.append_ended();
        assert_eq!((gauge.append_age(), gauge.hanging()), (None, None));
    }
}
