//! PostgreSQL, with TimescaleDB or without: the one writer of a database. `connect` is the way in and what its failures
//! mean, `timescale` what the extension is asked for, `write` what goes into a transaction (`rollups` among it, `copy` as
//! COPY takes it), `reader` what comes out.

mod connect;
mod copy;
mod reader;
mod rollups;
mod timescale;
mod write;

use std::time::Duration;

use headroom_rules::model::Timestamp;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnection;
use tokio::time::timeout;

use super::batch::{Batch, Points};
use super::settings::Server;
use super::{Entry, StoreError, StoreSettings};
use crate::journal::Position;
use connect::{Edition, WRITER, advice};

use rollups::Newest;

pub(super) use reader::PgRows;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// For a connection to stand.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// For a batch, and for what is old to go. A server that takes longer is as good as gone.
const WRITE_WITHIN: Duration = Duration::from_secs(60);
const FORGET_WITHIN: Duration = Duration::from_secs(600);
/// Held by the one writer of a database for as long as its connection stands.
const WRITER_LOCK: i64 = 0x4865_6164_726f_6f6d;

/// The store of one database, for writing.
#[derive(Debug)]
pub(super) struct PgStore {
    server: Server,
    shown: String,
    /// None before the server was reached, and after a failed write.
    connection: Option<PgConnection>,
    points: Points,
    rollups: Newest,
    stored: Position,
    /// What was found at the last reaching.
    edition: Option<Edition>,
}

impl PgStore {
    pub(super) fn new(server: &Server) -> Self {
        Self {
            server: server.clone(),
            shown: server.url.shown(),
            connection: None,
            points: Points::new(),
            rollups: Newest::default(),
            stored: Position::START,
            edition: None,
        }
    }

    /// Connects where there is no connection, and gives the stored position then.
    pub(super) async fn reach(&mut self, settings: &StoreSettings) -> Result<Option<Position>, StoreError> {
        if self.connection.is_some() {
            return Ok(None);
        }
        let connecting = timeout(CONNECT_WITHIN, connect::connect(&self.server, WRITER));
        let mut connection = connecting.await.map_err(|_| self.silent(CONNECT_WITHIN))??;
        let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(WRITER_LOCK)
            .persistent(false)
            .fetch_one(&mut connection)
            .await
            .map_err(self.failed("become the database's writer"))?;
        if !locked {
            return Err(StoreError::Taken { store: self.shown.clone() });
        }
        // Tables may be converted here, which takes as long as there is in them.
        MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|source| self.not_migrated(source))?;
        let edition = timescale::arrange(&mut connection, settings, &self.shown)
            .await
            .map_err(self.failed("set up TimescaleDB"))?;
        if self.edition != Some(edition) {
            edition.tell(&self.shown);
            self.edition = Some(edition);
        }
        let position: i64 = sqlx::query_scalar("SELECT position FROM journal_position")
            .persistent(false)
            .fetch_one(&mut connection)
            .await
            .map_err(self.failed("read the stored position"))?;
        self.points = write::points(&mut connection).await.map_err(self.failed("read the points"))?;
        self.rollups = Newest::default();
        self.stored = Position::from_column(position);
        self.connection = Some(connection);
        Ok(Some(self.stored))
    }

    pub(super) async fn write(
        &mut self,
        entries: &[Entry],
        settings: &StoreSettings,
        last: Position,
    ) -> Result<Batch, StoreError> {
        let Some(mut connection) = self.connection.take() else {
            return Err(self.failed("store readings and events")(sqlx::Error::PoolClosed));
        };
        let from = self.stored.column();
        let kept_here = !self.edition.is_some_and(Edition::has_aggregates);
        let rollups = kept_here.then_some(&mut self.rollups);
        let writing =
            write::write_all(&mut connection, &mut self.points, entries, settings, (from, last.column()), rollups);
        // The connection is only kept when all went well: what became of the transaction is asked of the next one.
        match timeout(WRITE_WITHIN, Box::pin(writing)).await {
            Err(_) => Err(self.silent(WRITE_WITHIN)),
            Ok(Err(write::Failure::Entry(error))) => Err(error),
            Ok(Err(write::Failure::Moved)) => Err(StoreError::Moved { store: self.shown.clone() }),
            Ok(Err(write::Failure::Database(source))) => Err(self.failed("store readings and events")(source)),
            Ok(Ok(batch)) => {
                self.stored = last;
                self.connection = Some(connection);
                Ok(batch)
            }
        }
    }

    /// The next write connects anew.
    pub(super) fn hang_up(&mut self) {
        self.connection = None;
    }

    pub(super) async fn forget(&mut self, settings: &StoreSettings, now: Timestamp) -> Result<u64, StoreError> {
        let Some(mut connection) = self.connection.take() else { return Ok(0) };
        let edition = self.edition.unwrap_or(Edition::Plain);
        let done = timeout(FORGET_WITHIN, Box::pin(timescale::forget(&mut connection, edition, settings, now))).await;
        let done = done.map_err(|_| self.silent(FORGET_WITHIN))?.map_err(self.failed("forget what is old"))?;
        self.connection = Some(connection);
        Ok(done)
    }

    pub(super) fn shown(&self) -> String {
        self.shown.clone()
    }

    fn silent(&self, within: Duration) -> StoreError {
        StoreError::Silent { store: self.shown.clone(), within_s: within.as_secs() }
    }

    fn not_migrated(&self, source: MigrateError) -> StoreError {
        let store = self.shown.clone();
        let advice = match &source {
            MigrateError::VersionMissing(migration) => {
                return StoreError::Newer { store, migration: *migration };
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => advice(error),
            _ => "give the centre a database of its own, or the backup from before it was changed by hand",
        };
        StoreError::Migrate { store, advice, source: Box::new(source) }
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError + use<> {
        let store = self.shown.clone();
        move |source| StoreError::Database { store, doing, advice: advice(&source), source }
    }
}
