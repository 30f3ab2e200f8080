//! The store: what people look up later. Readings, events, alarms, orders and the audit log.
//!
//! Read [`Entry`] (what is stored), then [`Store`] (the one writer), [`StoreReader`] (any number of readers) and
//! [`run_writer`] (the task that stores behind the engine's back).
//!
//! **Invariants:** `stored-exactly-once`: the transaction that stores an entry also moves the stored journal position,
//! and an entry at or below it is skipped; `quality-kept`: quality, source time and time of arrival are stored as they
//! came. Nothing that decides waits for the store.

mod error;
mod reader;
mod sqlite;
#[cfg(test)]
mod tests;
mod writer;

use headroom_rules::input::Input;
use headroom_rules::model::{Quality, Timestamp};
use headroom_rules::output::Output;
use serde::Serialize;

use crate::journal::Position;

pub use error::StoreError;
pub use reader::StoreReader;
pub use sqlite::Store;
pub use writer::{Backlog, READINGS_MAX, Retention, run_writer};

/// Name of the store's file in the data folder.
const FILE: &str = "headroom.db";

/// One journaled input and what the engine made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place of the input in the journal; rises from one entry to the next.
    pub position: Position,
    /// The input. Only readings are stored; the rest is in the journal, and its consequences are in `outputs`.
    pub input: Input,
    /// What followed. Commands and replies are not stored.
    pub outputs: Vec<Output>,
}

/// How much was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteCount {
    /// New readings.
    pub readings: u64,
    /// New events.
    pub events: u64,
    /// Alarms that are new or changed, counted once for each change.
    pub alarms: u64,
    /// Orders that are new or changed, counted once for each change.
    pub orders: u64,
    /// New entries of the audit log.
    pub audits: u64,
    /// Entries passed over because they were stored before.
    pub skipped: u64,
}

/// One value of a trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrendPoint {
    /// Source time, or time of arrival where the wire carried none.
    pub at: Timestamp,
    /// In the base unit of the point's kind.
    pub value: i64,
    /// As it came.
    pub quality: Quality,
}

/// An event as it is stored. It stays readable when later versions know other events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredEvent {
    /// Place in the journal of the input that it followed from.
    pub position: Position,
    /// When the centre took note.
    pub at: Timestamp,
    /// When the terminal says it happened.
    pub source_time: Option<Timestamp>,
    /// Name of the event, as `breach`.
    pub kind: String,
    /// The node or terminal that it is about; empty when it is about the centre.
    pub subject: String,
    /// The sentence that an operator reads.
    pub text: String,
    /// All of its fields.
    pub what: serde_json::Value,
}
