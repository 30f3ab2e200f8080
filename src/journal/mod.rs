//! The journal: every input, in order, on disk before anything is made of it.
//!
//! Read [`Journal`], then [`fn@write`] (the group commit). [`JournalReader`] reads beside it. `record` is what an input
//! looks like on disk, `snapshot` a state, `files` where they are, `salvage` and `wal` what is done about damage.
//! `inspect` is for people who look into it.
//!
//! A journal is the inputs of one [`PartitionId`], and all that others need of it are four doors: [`Journal::append`] (a batch
//! in, its durable position out), [`Journal::end`] (the durable position), [`Journal::read_from`] a position, and
//! [`Journal::forget_until`] one. Positions are plain numbers that rise; whoever reads takes each as it comes and asks
//! for what lies after it. A stream of a distributed engine has the same doors; snapshots would then lie elsewhere.
//!
//! **Invariants:** `durable-before-ack`: nobody is told that an input arrived before its batch is synced to disk;
//! positions rise by one, but for a [`Gap`] that is on record; no position is given twice; nothing that was found
//! damaged is deleted; one process at a time has a folder open.

mod error;
mod files;
mod gauge;
mod inspect;
mod read;
mod record;
mod salvage;
mod snapshot;
mod sqlite;
#[cfg(test)]
mod tests;
mod wal;
mod writer;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use error::JournalError;
pub(crate) use files::{is_damage, keep_aside, kept_name, make_folder, primary_code, remove};
pub use gauge::Gauge;
pub(crate) use inspect::kind;
pub use inspect::{Finding, Inspector, SnapshotStats, Stats};
pub use read::{Gap, JournalReader, last_time};
pub use snapshot::{Snapshot, StateHash};
pub use sqlite::Journal;
pub use writer::{BATCH_MAX, Committed, Control, Health, Kept, Retention, Side, Submission, write};

/// The number of an input in its journal, rising by one from 1; 0 stands before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first input.
    pub const START: Self = Self(0);

    /// The position `count` inputs later.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// As SQLite's integer. No journal reaches the 63rd bit; one that claims to is cut there.
    pub(crate) fn column(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// From SQLite's integer; a negative one is none of ours and counts as 0.
    pub(crate) fn from_column(value: i64) -> Self {
        Self(u64::try_from(value).unwrap_or(0))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The part of the supply tree that a journal belongs to. A centre on one machine has one part, number 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u32);
