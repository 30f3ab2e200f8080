//! What is to be looked at when its time has come, so that a tick does not look at everything.

use std::collections::BTreeMap;

use super::super::places::Place;
use crate::model::{TerminalId, Timestamp};

/// A second of the supply's time, the first in which something is due. Times that are none of ours are the first or the
/// last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Second(u32);

impl Second {
    pub(super) const NEVER: Self = Self(u32::MAX);

    pub(super) fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.get().div_euclid(1_000).max(0)).unwrap_or(u32::MAX))
    }
}

/// Nothing is due.
impl Default for Second {
    fn default() -> Self {
        Self::NEVER
    }
}

/// Terminals, by the second in which they are due.
#[derive(Clone, Debug, Default)]
pub(super) struct Due(BTreeMap<Second, Vec<Place<TerminalId>>>);

impl Due {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn add(&mut self, second: Second, place: Place<TerminalId>) {
        self.0.entry(second).or_default().push(place);
    }

    /// Takes out what is due, with the second in which it was.
    pub(super) fn take(&mut self, now: Timestamp) -> Vec<(Second, Place<TerminalId>)> {
        let mut due = Vec::new();
        while let Some(entry) = self.0.first_entry().filter(|entry| *entry.key() <= Second::of(now)) {
            let (second, places) = entry.remove_entry();
            due.extend(places.into_iter().map(|place| (second, place)));
        }
        due
    }
}
