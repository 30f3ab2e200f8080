//! The one writer of the store in a data folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, TerminalId, Timestamp};
use headroom_rules::output::{Event, Output};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, QueryBuilder};

use super::{Entry, FILE, StoreError, WriteCount};
use crate::journal::Position;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Rows of one insert; with nine columns far below SQLite's limit of 32766 values.
const ROWS_PER_INSERT: usize = 500;

/// The store of one data folder, for writing. There is one at a time: the journal's lock on the folder sees to that.
#[derive(Debug)]
pub struct Store {
    file: PathBuf,
    /// None after a failed write: position and points are then read anew.
    connection: Option<SqliteConnection>,
    position: Position,
    /// Numbers of the points that are in the tables.
    points: BTreeMap<(TerminalId, PointKind), i64>,
}

/// A reading on its way into the table, in the order of the table's key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ReadingRow {
    point_id: i64,
    at: i64,
    position: i64,
    place: i64,
    source_time: Option<i64>,
    arrived_at: i64,
    value: i64,
    quality: u8,
    cause: u8,
}

impl Store {
    /// Opens or begins the store in `folder`, which must be there.
    ///
    /// # Errors
    /// When the file cannot be written to, or was written by a later version.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let mut store =
            Self { file: folder.join(FILE), connection: None, position: Position::START, points: BTreeMap::new() };
        store.reopen().await?;
        Ok(store)
    }

    /// Everything up to here is stored.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Stores `entries`, in rising order of position, in one transaction: all of them or, on an error, none.
    /// Entries at or below [`Self::position`] are passed over.
    ///
    /// # Errors
    /// When the disk is full or the file cannot be written to. The same entries may then be written again.
    pub async fn write(&mut self, entries: &[Entry]) -> Result<WriteCount, StoreError> {
        if self.connection.is_none() {
            self.reopen().await?;
        }
        let (stored, new) = entries.split_at(entries.partition_point(|entry| entry.position <= self.position));
        let mut count = WriteCount { skipped: stored.len() as u64, ..WriteCount::default() };
        let Some(last) = new.last().map(|entry| entry.position) else { return Ok(count) };
        let done = match &mut self.connection {
            Some(connection) => write_all(connection, &mut self.points, new, last, &mut count).await,
            None => Err(Failure::Database(sqlx::Error::PoolClosed)),
        };
        match done {
            Ok(()) => {
                self.position = last;
                Ok(count)
            }
            Err(Failure::Encode(what, source)) => {
                self.points.clear();
                self.connection = None;
                Err(StoreError::Encode { what, source })
            }
            Err(Failure::Database(source)) => {
                self.points.clear();
                self.connection = None;
                Err(StoreError::Database { file: self.file.clone(), doing: "store readings and events", source })
            }
        }
    }

    /// Gives up all readings of before `before` that came before it too, point by point so that nobody waits long, and says how many.
    /// Events, orders, alarms and the audit log stay.
    ///
    /// # Errors
    /// When the file cannot be written to; what was given up by then stays so.
    pub async fn forget_readings_before(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        if self.connection.is_none() {
            self.reopen().await?;
        }
        let Some(connection) = &mut self.connection else { return Ok(0) };
        let failed = |source| StoreError::Database { file: self.file.clone(), doing: "forget old readings", source };
        let points: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM point ORDER BY id").fetch_all(&mut *connection).await.map_err(failed)?;
        let mut forgotten = 0;
        for point in points {
            // By the key, and of that what also came long ago: a clock that is years behind does not make a value old.
            let query = "DELETE FROM reading WHERE point_id = ?1 AND at < ?2 AND arrived_at < ?2";
            let done = sqlx::query(query).bind(point).bind(before.get());
            forgotten += done.execute(&mut *connection).await.map_err(failed)?.rows_affected();
        }
        Ok(forgotten)
    }

    /// The connection, for tests that damage what lies behind it.
    #[cfg(test)]
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().unwrap()
    }

    async fn reopen(&mut self) -> Result<(), StoreError> {
        let failed = |doing| {
            let file = self.file.clone();
            move |source| StoreError::Database { file, doing, source }
        };
        let options = SqliteConnectOptions::new()
            .filename(&self.file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5));
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed("open the store"))?;
        // Not `run`: with its `Acquire` the compiler cannot see that the writer's task may change its thread.
        MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|source| match source {
            MigrateError::VersionMissing(migration) => StoreError::Newer { file: self.file.clone(), migration },
            source => StoreError::Migrate { file: self.file.clone(), source: Box::new(source) },
        })?;
        let position: i64 = sqlx::query_scalar("SELECT position FROM journal_position")
            .fetch_one(&mut connection)
            .await
            .map_err(failed("read the stored position"))?;
        self.position = Position::from_column(position);
        self.points.clear();
        self.connection = Some(connection);
        Ok(())
    }
}

/// Why a transaction did not come about.
enum Failure {
    Database(sqlx::Error),
    Encode(&'static str, serde_json::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

async fn write_all(
    connection: &mut SqliteConnection,
    points: &mut BTreeMap<(TerminalId, PointKind), i64>,
    entries: &[Entry],
    last: Position,
    count: &mut WriteCount,
) -> Result<(), Failure> {
    let mut transaction = connection.begin().await?;
    let mut rows = Vec::new();
    for entry in entries {
        if let Input::Readings { at: arrived, terminal, readings } = &entry.input {
            for (place, reading) in (0..).zip(readings) {
                rows.push(ReadingRow {
                    point_id: point_id(&mut transaction, points, *terminal, reading.point).await?,
                    // A clock that runs ahead must not take a value out of every trend and past every retention.
                    at: reading.source_time.map_or(*arrived, |source| source.min(*arrived)).get(),
                    position: entry.position.column(),
                    place,
                    source_time: reading.source_time.map(Timestamp::get),
                    arrived_at: arrived.get(),
                    value: reading.value,
                    quality: reading.quality.bits(),
                    cause: reading.cause,
                });
            }
        }
    }
    // In the order of the key, so that each page of the table is visited once.
    rows.sort_unstable();
    for chunk in rows.chunks(ROWS_PER_INSERT) {
        insert_readings(&mut transaction, chunk).await?;
    }
    count.readings += rows.len() as u64;
    for entry in entries {
        for (place, output) in (0_i64..).zip(&entry.outputs) {
            write_output(&mut transaction, entry.position.column(), place, output, count).await?;
        }
    }
    sqlx::query("UPDATE journal_position SET position = ?").bind(last.column()).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn point_id(
    connection: &mut SqliteConnection,
    points: &mut BTreeMap<(TerminalId, PointKind), i64>,
    terminal: TerminalId,
    kind: PointKind,
) -> Result<i64, sqlx::Error> {
    if let Some(id) = points.get(&(terminal, kind)) {
        return Ok(*id);
    }
    sqlx::query("INSERT INTO terminal (code) VALUES (?) ON CONFLICT DO NOTHING")
        .bind(terminal.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO point (terminal_id, kind) SELECT id, ?2 FROM terminal WHERE code = ?1 ON CONFLICT DO NOTHING",
    )
    .bind(terminal.as_str())
    .bind(kind.code())
    .execute(&mut *connection)
    .await?;
    let id: i64 = sqlx::query_scalar(
        "SELECT point.id FROM point JOIN terminal ON terminal.id = terminal_id WHERE code = ? AND kind = ?",
    )
    .bind(terminal.as_str())
    .bind(kind.code())
    .fetch_one(&mut *connection)
    .await?;
    points.insert((terminal, kind), id);
    Ok(id)
}

async fn insert_readings(connection: &mut SqliteConnection, rows: &[ReadingRow]) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO reading (point_id, at, position, place, source_time, arrived_at, value, quality, cause) ",
    );
    insert.push_values(rows, |mut values, row| {
        values.push_bind(row.point_id).push_bind(row.at).push_bind(row.position).push_bind(row.place);
        values.push_bind(row.source_time).push_bind(row.arrived_at).push_bind(row.value);
        values.push_bind(row.quality).push_bind(row.cause);
    });
    // Only the full chunk comes again and again; keeping every other length would push the rest out of the cache.
    insert.build().persistent(rows.len() == ROWS_PER_INSERT).execute(connection).await?;
    Ok(())
}

async fn write_output(
    connection: &mut SqliteConnection,
    position: i64,
    place: i64,
    output: &Output,
    count: &mut WriteCount,
) -> Result<(), Failure> {
    match output {
        Output::Command(_) | Output::Load(_) | Output::Reply(_) => {}
        Output::Event(event) => {
            write_event(connection, position, place, event).await?;
            count.events += 1;
        }
        Output::Alarm(alarm) => {
            sqlx::query("INSERT OR REPLACE INTO alarm (id, state, changed_at, json) VALUES (?, ?, ?, ?)")
                .bind(Position(alarm.id.0).column())
                .bind(alarm.state.to_string())
                .bind(alarm.changed_at.get())
                .bind(serde_json::to_string(alarm).map_err(|e| Failure::Encode("an alarm", e))?)
                .execute(connection)
                .await?;
            count.alarms += 1;
        }
        Output::Order(order) => {
            let upsert =
                "INSERT OR REPLACE INTO \"order\" (id, terminal, state, changed_at, json) VALUES (?, ?, ?, ?, ?)";
            sqlx::query(upsert)
                .bind(Position(order.id.0).column())
                .bind(order.terminal.as_str())
                .bind(order.state.to_string())
                .bind(order.changed_at.get())
                .bind(serde_json::to_string(order).map_err(|e| Failure::Encode("an order", e))?)
                .execute(connection)
                .await?;
            count.orders += 1;
        }
        Output::Audit(audit) => {
            sqlx::query("INSERT INTO audit (position, place, at, who, json) VALUES (?, ?, ?, ?, ?)")
                .bind(position)
                .bind(place)
                .bind(audit.at.get())
                .bind(audit.who.as_str())
                .bind(serde_json::to_string(audit).map_err(|e| Failure::Encode("an audit entry", e))?)
                .execute(connection)
                .await?;
            count.audits += 1;
        }
    }
    Ok(())
}

async fn write_event(
    connection: &mut SqliteConnection,
    position: i64,
    place: i64,
    event: &Event,
) -> Result<(), Failure> {
    let json = serde_json::to_value(&event.what).map_err(|e| Failure::Encode("an event", e))?;
    let field = |name: &str| json.get(name).and_then(serde_json::Value::as_str);
    // A terminal is nearer to the matter than the node above it.
    let subject = field("terminal").or_else(|| field("node")).unwrap_or_default();
    sqlx::query(
        "INSERT INTO event (position, place, at, source_time, kind, subject, text, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(position)
    .bind(place)
    .bind(event.at.get())
    .bind(event.source_time.map(Timestamp::get))
    .bind(field("event").unwrap_or_default())
    .bind(subject)
    .bind(event.what.to_string())
    .bind(json.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
