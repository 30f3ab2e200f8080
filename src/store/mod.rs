//! The store: what people look up later. Readings, events, alarms, orders and the audit log, in SQLite or PostgreSQL.
//!
//! Read [`Entry`] (what is stored), then [`Store`] (the one writer), [`StoreReader`] (any number of readers) and
//! [`run_writer`] (the task that stores behind the engine's back). `batch` makes rows of entries, `rollup` what remains
//! of many readings; `sqlite` and `postgres` are the engines, which promise the same: `tests` holds one list against
//! all of them.
//!
//! **Invariants:** `stored-exactly-once`: the transaction that stores an entry also moves the stored journal position,
//! and an entry at or below it is skipped; `quality-kept`: quality, source time and time of arrival are stored as they
//! came. Nothing that decides waits for the store.

mod batch;
mod completeness;
mod error;
mod instant;
mod load;
mod look;
mod page_queries;
mod postgres;
mod queries;
mod reader;
mod rollup;
mod settings;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;
mod thinned;
mod writer;

use std::path::Path;

use headroom_rules::input::Input;
use headroom_rules::model::{Quality, Timestamp};
use headroom_rules::output::{AlarmCause, Output};
use serde::Serialize;

use crate::journal::Position;
use postgres::PgStore;
use sqlite::SqliteStore;

pub(crate) use batch::alarm_subject;
pub use completeness::{Completeness, FrozenRegisters, Registers};
pub use error::StoreError;
pub use load::{CalculatedStretch, LoadSummary, NodeLoad};
pub use look::{EnergyPeriod, Gap, History, LastValue, StoredReading};
pub use reader::StoreReader;
pub use reader::paging::{Cursor, Page, StoredPoint, Window};
pub use rollup::{At, Bucket, Marks, Resolution};
pub use settings::{PASSWORD_VARIABLE, Place, Server, ServerUrl, StoreSettings, UrlError};
pub use writer::{Backlog, READINGS_MAX, run_writer};

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

impl Entry {
    /// Behind a gap the journal's first input tells of it, so what lies before is not missed.
    const fn tells_of_a_gap(&self) -> bool {
        matches!(self.input, Input::Trouble { cause: AlarmCause::JournalDamaged, detail: Some(_), .. })
    }
}

/// How much was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteCount {
    /// New readings.
    pub readings: u64,
    /// Of these, readings of impossible times, which are kept apart.
    pub set_aside: u64,
    /// New events.
    pub events: u64,
    /// Alarms that are new or changed, counted once for each change.
    pub alarms: u64,
    /// Orders that are new or changed, counted once for each change.
    pub orders: u64,
    /// Minutes of nodes' loads.
    pub loads: u64,
    /// New entries of the audit log.
    pub audits: u64,
    /// Entries passed over because they were stored before.
    pub skipped: u64,
}

/// One value of a trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrendPoint {
    /// Source time, or the time of arrival where that is earlier or the wire carried none.
    pub at: Timestamp,
    /// In the base unit of the point's kind.
    pub value: i64,
    /// As it came.
    pub quality: Quality,
    /// Its source time cannot be true, so it stands at its arrival and decides nothing.
    pub doubtful_time: bool,
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

/// The store for writing. There is one for each data folder, and one for each database.
#[derive(Debug)]
pub struct Store {
    engine: Engine,
    settings: StoreSettings,
    /// None as long as it was not reached.
    stored: Option<Position>,
    /// Where the journal ended when it was opened; the store cannot know more.
    journaled: Position,
    /// The journal has nothing before this any more, so the store need not have it either.
    forgotten: Position,
}

#[derive(Debug)]
enum Engine {
    Sqlite(SqliteStore),
    Postgres(Box<PgStore>),
}

impl Store {
    /// Opens or begins the store. A file has to be there when this returns; a server need not, and is tried again with
    /// each write: see [`Self::position`].
    ///
    /// # Errors
    /// When the file cannot be written to, or was written by a later version.
    pub async fn begin(settings: &StoreSettings, folder: &Path) -> Result<Self, StoreError> {
        let engine = match &settings.place {
            Place::Folder => Engine::Sqlite(SqliteStore::new(folder)),
            Place::Server(server) => Engine::Postgres(Box::new(PgStore::new(server))),
        };
        let mut store = Self {
            engine,
            settings: settings.clone(),
            stored: None,
            journaled: Position(u64::MAX),
            forgotten: Position::START,
        };
        match store.reach().await {
            Err(error) if matches!(store.engine, Engine::Postgres(_)) => {
                let error = crate::sentence::sentence(&error);
                tracing::error!(%error, "the store is not reached: it is tried again, what it lacks is in the journal");
            }
            reached => {
                reached?;
            }
        }
        Ok(store)
    }

    /// Opens or begins the SQLite store in `folder`, which must be there.
    ///
    /// # Errors
    /// When the file cannot be written to, or was written by a later version.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::begin(&StoreSettings::default(), folder).await
    }

    /// Everything up to here is stored; none as long as the store was not reached.
    pub const fn position(&self) -> Option<Position> {
        self.stored
    }

    /// What the journal is: it ended at `end`, and no longer has what is at or before `forgotten`. A store that is
    /// reached later is held against it.
    pub const fn belongs_to(&mut self, end: Position, forgotten: Position) {
        self.journaled = end;
        self.forgotten = forgotten;
    }

    /// Stores `entries`, of rising positions without holes but the journal's gaps, in one transaction: all of them or, on an error, none.
    /// Entries at or below [`Self::position`] are passed over.
    ///
    /// # Errors
    /// When the disk is full, the server is not reached, and so on. The same entries may then be written again.
    pub async fn write(&mut self, entries: &[Entry]) -> Result<WriteCount, StoreError> {
        let stored = self.reach().await?;
        let (known, new) = entries.split_at(entries.partition_point(|entry| entry.position <= stored));
        let mut count = WriteCount { skipped: known.len() as u64, ..WriteCount::default() };
        let (Some(first), Some(last)) = (new.first(), new.last().map(|entry| entry.position)) else { return Ok(count) };
        let after = Position(first.position.0.saturating_sub(1));
        if after > stored.max(self.forgotten) && !first.tells_of_a_gap() {
            return Err(StoreError::Gap { store: self.shown(), stored, after });
        }
        let batch = match &mut self.engine {
            Engine::Sqlite(store) => Box::pin(store.write(new, &self.settings, last)).await,
            Engine::Postgres(store) => Box::pin(store.write(new, &self.settings, last)).await,
        }?;
        self.stored = Some(last);
        count = WriteCount { skipped: count.skipped, ..batch.count };
        Ok(count)
    }

    /// What operators have to know of a file that was damaged and has a new one in its place; once.
    pub const fn told(&mut self) -> Option<String> {
        match &mut self.engine {
            Engine::Sqlite(store) => store.told(),
            Engine::Postgres(_) => None,
        }
    }

    /// Gives up what is older than the settings say, at `now`, and says how many readings went, as far as they were
    /// counted. A reading goes when it came long ago too. Orders, alarms and the audit log stay.
    ///
    /// # Errors
    /// When the store cannot be written to; what was given up by then stays so.
    pub async fn forget(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.reach().await?;
        match &mut self.engine {
            Engine::Sqlite(store) => store.forget(&self.settings, now).await,
            Engine::Postgres(store) => store.forget(&self.settings, now).await,
        }
    }

    /// Sees to it that there is a connection, and gives the stored position.
    async fn reach(&mut self) -> Result<Position, StoreError> {
        let found = match &mut self.engine {
            Engine::Sqlite(store) => store.reach().await?,
            Engine::Postgres(store) => Box::pin(store.reach(&self.settings)).await?,
        };
        if let Some(stored) = found {
            if self.stored.is_none() && stored > self.journaled {
                self.hang_up();
                return Err(StoreError::Ahead { store: self.shown(), stored, journaled: self.journaled });
            }
            self.stored = Some(stored);
        }
        Ok(self.stored.unwrap_or(Position::START))
    }

    fn hang_up(&mut self) {
        match &mut self.engine {
            Engine::Sqlite(store) => store.hang_up(),
            Engine::Postgres(store) => store.hang_up(),
        }
    }

    /// The connection, for tests that damage what lies behind it.
    #[cfg(test)]
    fn connection(&mut self) -> &mut sqlx::SqliteConnection {
        match &mut self.engine {
            Engine::Sqlite(store) => store.connection(),
            Engine::Postgres(_) => panic!("of SQLite only"),
        }
    }

    fn shown(&self) -> String {
        match &self.engine {
            Engine::Sqlite(store) => store.shown(),
            Engine::Postgres(store) => store.shown(),
        }
    }
}
