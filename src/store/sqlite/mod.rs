//! SQLite: the one writer of the store in a data folder. `write` is what goes into a transaction, `reader` what comes
//! out, `salvage` what is done about damage.

mod reader;
mod salvage;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headroom_rules::model::Timestamp;
use sqlx::Connection;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use super::batch::{Batch, Points};
use super::{Entry, StoreError, StoreSettings};
use crate::journal::{Position, primary_code};
use crate::sentence::sentence;

pub(super) use reader::SqliteRows;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Name of the store's file in the data folder.
const FILE: &str = "headroom.db";

/// Whether a folder has a store.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}
/// Made by a reader that finds damage: the writer sees to it.
const DAMAGED_FILE: &str = "headroom.db.damaged";
/// SQLITE_BUSY.
const BUSY: u32 = 5;
/// Five seconds in all.
const BUSY_TRIES: u32 = 100;
const BUSY_WAIT: Duration = Duration::from_millis(50);
/// A batch goes to the newest page of each point's readings and rollups. As long as these fit, none is written or read
/// twice for one batch: KiB, taken when they are used.
const CACHE_KIB: u32 = 65_536;
/// Pages in the log before they go to their places, so that several batches' worth of a page goes there at once: 64 MiB.
const CHECKPOINT_PAGES: u32 = 16_384;
const ADVICE: &str = "check that the disk has room and that this user may write to the file and its folder";

/// The store of one data folder, for writing. There is one at a time: the journal's lock on the folder sees to that.
#[derive(Debug)]
pub(super) struct SqliteStore {
    file: PathBuf,
    /// None after a failed write: position and points are then read anew.
    connection: Option<SqliteConnection>,
    points: Points,
    /// As far as it is known.
    stored: Position,
    /// What was found to be damaged, until there is a new file.
    damage: Option<String>,
    /// What is to be told of that.
    told: Option<String>,
}

/// A new file is turned to its log by whoever comes first, and for that SQLite waits for nobody, whatever its time-out.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut tries = 1..BUSY_TRIES;
    loop {
        match SqliteConnection::connect_with(options).await {
            Err(error) if primary_code(&error) == Some(BUSY) && tries.next().is_some() => {
                tokio::time::sleep(BUSY_WAIT).await
            }
            done => return done,
        }
    }
}

impl SqliteStore {
    pub(super) fn new(folder: &Path) -> Self {
        let (stored, points) = (Position::START, Points::new());
        Self { file: folder.join(FILE), connection: None, points, stored, damage: None, told: None }
    }

    /// Opens or begins the file where it is not open, and gives the stored position then. One that is damaged is kept
    /// aside, and what can be read of it becomes a new one.
    pub(super) async fn reach(&mut self) -> Result<Option<Position>, StoreError> {
        if self.damage.is_none() && self.folder().join(DAMAGED_FILE).exists() {
            self.damage = Some(format!("{}: found damaged by reading", self.shown()));
        }
        if self.connection.is_some() && self.damage.is_none() {
            return Ok(None);
        }
        salvage::finish(self.folder()).map_err(|source| self.not_kept(source))?;
        if self.damage.is_none() {
            match self.open().await {
                Err(error) if error.is_damage() => self.damage = Some(sentence(&error)),
                opened => return opened.map(Some),
            }
        }
        self.salvage().await?;
        self.open().await.map(Some)
    }

    async fn salvage(&mut self) -> Result<(), StoreError> {
        let why = self.damage.clone().unwrap_or_default();
        let open = self.connection.take();
        let salvaged = salvage::salvage(self.folder(), open, self.stored).await;
        let told = salvaged.map_err(|failure| match failure {
            salvage::Failure::Disk(source) => self.not_kept(source),
            salvage::Failure::Database(source) => self.failed("fill a new file with what the damaged one has")(source),
        })?;
        tracing::error!(why, told, "the store is damaged, and goes on in a new file");
        self.damage = None;
        self.told = Some(format!("{why}: {told}"));
        Ok(())
    }

    /// What is to be told of damage since this was asked last.
    pub(super) const fn told(&mut self) -> Option<String> {
        self.told.take()
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }

    async fn open(&mut self) -> Result<Position, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(&self.file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .pragma("cache_size", format!("-{CACHE_KIB}"))
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
            .busy_timeout(Duration::from_secs(5));
        let mut connection = connect(&options).await.map_err(self.failed("open the store"))?;
        self.migrate(&mut connection).await?;
        let position: i64 = sqlx::query_scalar("SELECT position FROM journal_position")
            .fetch_one(&mut connection)
            .await
            .map_err(self.failed("read the stored position"))?;
        self.points.clear();
        self.connection = Some(connection);
        self.stored = Position::from_column(position);
        Ok(self.stored)
    }

    async fn migrate(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        // Not `run`: with its `Acquire` the compiler cannot see that the writer's task may change its thread.
        let mut done = MIGRATIONS.run_direct(None, connection, false).await;
        // SQLite has no lock for this: somebody else may be faster with any of them, and then it is done.
        for _ in MIGRATIONS.iter() {
            if let Err(MigrateError::ExecuteMigration(..) | MigrateError::Execute(_)) = done {
                done = MIGRATIONS.run_direct(None, connection, false).await;
            }
        }
        done.map_err(|source| match source {
            MigrateError::VersionMissing(migration) => StoreError::Newer { store: self.shown(), migration },
            source => StoreError::Migrate { store: self.shown(), advice: ADVICE, source: Box::new(source) },
        })?;
        write::roll_up_what_was_there(connection).await.map_err(self.failed("make rollups of what is stored"))
    }

    pub(super) async fn write(
        &mut self,
        entries: &[Entry],
        settings: &StoreSettings,
        last: Position,
    ) -> Result<Batch, StoreError> {
        let Some(connection) = &mut self.connection else {
            return Err(self.failed("store readings and events")(sqlx::Error::PoolClosed));
        };
        let done = write::write_all(connection, &mut self.points, entries, settings, last).await;
        let error = match done {
            Ok(batch) => {
                self.stored = last;
                return Ok(batch);
            }
            Err(write::Failure::Entry(error)) => error,
            Err(write::Failure::Database(source)) => self.failed("store readings and events")(source),
        };
        if error.is_damage() {
            // It stays open: closed, it would write into the file that is to be kept as it is.
            self.damage = Some(sentence(&error));
        } else {
            self.hang_up();
        }
        Err(error)
    }

    /// The next write opens the file anew.
    pub(super) fn hang_up(&mut self) {
        self.points.clear();
        self.connection = None;
    }

    pub(super) async fn forget(&mut self, settings: &StoreSettings, now: Timestamp) -> Result<u64, StoreError> {
        let Some(connection) = &mut self.connection else { return Ok(0) };
        let store = self.file.display().to_string();
        let failed = |source| StoreError::Database { store, doing: "forget what is old", advice: ADVICE, source };
        write::forget(connection, settings, now).await.map_err(failed)
    }

    pub(super) fn shown(&self) -> String {
        self.file.display().to_string()
    }

    /// The connection, for tests that damage what lies behind it.
    #[cfg(test)]
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().unwrap()
    }

    fn not_kept(&self, source: io::Error) -> StoreError {
        StoreError::KeepAside { store: self.shown(), source }
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError + use<> {
        let store = self.shown();
        move |source| StoreError::Database { store, doing, advice: ADVICE, source }
    }
}
