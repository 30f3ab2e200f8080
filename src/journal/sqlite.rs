//! The journal of one machine: one SQLite file, one row per batch.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::TryStreamExt;
use headroom_rules::input::Input;
use headroom_rules::model::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row};

use super::{JournalError, Position, record};

/// Name of the journal's file in the data folder.
const FILE: &str = "journal.db";
/// Held locked by the process that has the folder open.
const LOCK_FILE: &str = "headroom.lock";
/// Format of the file, in SQLite's `user_version`; 0 is an empty file.
const FORMAT: i64 = 1;
/// Batches given up in one transaction.
const FORGET_MAX: u32 = 256;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS batch (
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    crc   INTEGER NOT NULL,
    bytes BLOB    NOT NULL
);
CREATE TABLE IF NOT EXISTS snapshot (
    position INTEGER PRIMARY KEY,
    crc      INTEGER NOT NULL,
    bytes    BLOB    NOT NULL
);
PRAGMA user_version = 1;
";

/// The inputs of one data folder, in order, durable.
#[derive(Debug)]
pub struct Journal {
    file: PathBuf,
    /// None after a failed write: what the file then holds is in doubt until it is opened anew.
    connection: Option<SqliteConnection>,
    end: Position,
    /// Locked as long as the journal lives.
    _lock: File,
}

impl Journal {
    /// Opens or begins the journal in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be written to, another process has it open, or the file is damaged or too new.
    pub async fn open(folder: &Path) -> Result<Self, JournalError> {
        let lock = lock(folder)?;
        let file = folder.join(FILE);
        let mut connection = connect(&file).await?;
        let failed = |doing| move |source| JournalError::Database { file: folder.join(FILE), doing, source };
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut connection)
            .await
            .map_err(failed("read the journal's format"))?;
        if found > FORMAT {
            return Err(JournalError::Newer { file, found, known: FORMAT });
        }
        if found < FORMAT {
            sqlx::raw_sql(SCHEMA).execute(&mut connection).await.map_err(failed("begin the journal"))?;
        }
        let last: Option<i64> = sqlx::query_scalar("SELECT first + count - 1 FROM batch ORDER BY first DESC LIMIT 1")
            .fetch_optional(&mut connection)
            .await
            .map_err(failed("find the journal's end"))?;
        Ok(Self { file, connection: Some(connection), end: Position::from_column(last.unwrap_or(0)), _lock: lock })
    }

    /// The last position; [`Position::START`] in an empty journal.
    pub const fn end(&self) -> Position {
        self.end
    }

    /// Writes `inputs` as one batch and returns when they are synced to disk, with the position of the last.
    /// All of them or none: after an error the same batch may be appended again. An empty batch does nothing.
    ///
    /// # Errors
    /// When the disk is full or the file cannot be written to.
    pub async fn append(&mut self, inputs: &[Input]) -> Result<Position, JournalError> {
        if inputs.is_empty() {
            return Ok(self.end);
        }
        let first = self.end.plus(1);
        let bytes = record::encode(inputs).map_err(|why| JournalError::Encode { after: self.end, why })?;
        let crc = record::checksum(first.0, &bytes);
        let count = inputs.len() as u64;
        // A failed sync leaves it open whether the row is there. It is written anew then, never taken for durable.
        let insert = sqlx::query("INSERT OR REPLACE INTO batch (first, count, crc, bytes) VALUES (?, ?, ?, ?)")
            .bind(first.column())
            .bind(Position(count).column())
            .bind(i64::from(crc))
            .bind(bytes);
        let done = insert.execute(self.connection().await?).await;
        self.settle("append to the journal", done).await?;
        self.end = self.end.plus(count);
        Ok(self.end)
    }

    /// Up to `max` inputs after `after`, in order; fewer than `max` only at the end or before a damaged batch, which
    /// the next call then names.
    ///
    /// # Errors
    /// When the first wanted batch is damaged, missing or forgotten, or the file cannot be read.
    pub async fn read_from(&mut self, after: Position, max: usize) -> Result<Vec<(Position, Input)>, JournalError> {
        if after >= self.end {
            return Ok(Vec::new());
        }
        let file = self.file.clone();
        read(self.connection().await?, file, after, max).await
    }

    /// Keeps `bytes` as the state after the input at `at`, and of all snapshots the newest two.
    ///
    /// # Errors
    /// When the disk is full or the file cannot be written to. The older snapshots are then still there.
    pub async fn save_snapshot(&mut self, at: Position, bytes: &[u8]) -> Result<(), JournalError> {
        let crc = record::checksum(at.0, bytes);
        let done = save(self.connection().await?, at, crc, bytes).await;
        self.settle("save a snapshot", done).await
    }

    /// The snapshots that are whole, newest first. A damaged one is logged and passed over.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn snapshots(&mut self) -> Result<Vec<(Position, Vec<u8>)>, JournalError> {
        let rows =
            sqlx::query_as::<_, (i64, i64, Vec<u8>)>("SELECT position, crc, bytes FROM snapshot ORDER BY 1 DESC")
                .fetch_all(self.connection().await?)
                .await
                .map_err(|source| self.failed("read the snapshots", source))?;
        let mut whole = Vec::with_capacity(rows.len());
        for (position, crc, bytes) in rows {
            let position = Position::from_column(position);
            if i64::from(record::checksum(position.0, &bytes)) == crc {
                whole.push((position, bytes));
            } else {
                tracing::warn!(file = %self.file.display(), %position, "snapshot is damaged and passed over");
            }
        }
        Ok(whole)
    }

    /// The position of the oldest of the snapshots that are kept; none unless there are two. What lies at or before it
    /// is needed by nobody who starts from a snapshot.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn older_snapshot(&mut self) -> Result<Option<Position>, JournalError> {
        let positions: Vec<i64> = sqlx::query_scalar("SELECT position FROM snapshot ORDER BY 1")
            .fetch_all(self.connection().await?)
            .await
            .map_err(|source| self.failed("read the snapshots", source))?;
        Ok(positions.first().filter(|_| positions.len() > 1).map(|&position| Position::from_column(position)))
    }

    /// Gives up the batches that lie at or before `until` as a whole; the last one stays in any case.
    ///
    /// # Errors
    /// When the file cannot be written to.
    pub async fn forget_until(&mut self, until: Position) -> Result<(), JournalError> {
        while self.forget_some(until).await? {}
        Ok(())
    }

    /// As [`Self::forget_until`], but only some of them, so that nobody waits long; whether there may be more.
    ///
    /// # Errors
    /// When the file cannot be written to.
    pub async fn forget_some(&mut self, until: Position) -> Result<bool, JournalError> {
        let query = sqlx::query(
            "DELETE FROM batch WHERE first IN (
                 SELECT first FROM batch
                 WHERE first <= ?1 AND first + count - 1 <= ?1 AND first < (SELECT max(first) FROM batch)
                 ORDER BY first LIMIT ?2)",
        )
        .bind(until.column())
        .bind(FORGET_MAX);
        let done = query.execute(self.connection().await?).await;
        let done = self.settle("forget old batches", done).await?;
        Ok(done.rows_affected() == u64::from(FORGET_MAX))
    }

    /// The connection, opened anew after a failure.
    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection, JournalError> {
        let open = match self.connection.take() {
            Some(open) => open,
            None => connect(&self.file).await?,
        };
        Ok(self.connection.insert(open))
    }

    /// Lets go of the connection when a write failed.
    async fn settle<T>(&mut self, doing: &'static str, done: Result<T, sqlx::Error>) -> Result<T, JournalError> {
        match done {
            Ok(value) => Ok(value),
            Err(source) => {
                if let Some(connection) = self.connection.take() {
                    // The write's own error is the one to tell.
                    drop(connection.close().await);
                }
                Err(self.failed(doing, source))
            }
        }
    }

    fn failed(&self, doing: &'static str, source: sqlx::Error) -> JournalError {
        JournalError::Database { file: self.file.clone(), doing, source }
    }
}

/// A journal's inputs for reading only, beside the one that writes them.
#[derive(Debug)]
pub struct JournalReader {
    file: PathBuf,
    connection: SqliteConnection,
}

impl JournalReader {
    /// Opens the journal in `folder`, which a [`Journal`] has open.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn open(folder: &Path) -> Result<Self, JournalError> {
        let file = folder.join(FILE);
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(false)
            .read_only(true)
            .busy_timeout(Duration::from_secs(5));
        match SqliteConnection::connect_with(&options).await {
            Ok(connection) => Ok(Self { file, connection }),
            Err(source) => Err(JournalError::Database { file, doing: "open the journal for reading", source }),
        }
    }

    /// As [`Journal::read_from`], for inputs that are known to be there.
    ///
    /// # Errors
    /// Likewise, and when there is nothing after `after`.
    pub async fn read_from(&mut self, after: Position, max: usize) -> Result<Vec<(Position, Input)>, JournalError> {
        read(&mut self.connection, self.file.clone(), after, max).await
    }
}

async fn read(
    connection: &mut SqliteConnection,
    file: PathBuf,
    after: Position,
    max: usize,
) -> Result<Vec<(Position, Input)>, JournalError> {
    let mut found = Vec::new();
    if max == 0 {
        return Ok(found);
    }
    let mut wanted = after.plus(1);
    // Whether a batch that ends before the wanted position was seen: what is missing then was not forgotten.
    let mut passed = false;
    let query = sqlx::query(
        "SELECT first, count, crc, bytes FROM batch
         WHERE first >= coalesce((SELECT max(first) FROM batch WHERE first <= ?1), 0) ORDER BY first",
    )
    .bind(wanted.column());
    let mut rows = query.fetch(connection);
    let failed = |source| JournalError::Database { file: file.clone(), doing: "read the journal", source };
    while found.len() < max {
        let Some(row) = rows.try_next().await.map_err(failed)? else { break };
        let first = Position::from_column(row.try_get("first").map_err(failed)?);
        let batch = check(&row, first);
        let damaged = |why: String| JournalError::Damaged { file: file.clone(), position: first, why };
        let inputs = match batch {
            Ok(inputs) if first <= wanted => inputs,
            Ok(_) | Err(_) if !found.is_empty() => break,
            Ok(_) if passed => {
                return Err(JournalError::Damaged { file, position: wanted, why: "missing".into() });
            }
            // Nothing at or before the wanted position is left: retention takes the beginning.
            Ok(_) => return Err(JournalError::Forgotten { file, wanted, oldest: first }),
            Err(why) => return Err(damaged(why)),
        };
        let positions = (first.0..).map(Position);
        found.extend(positions.zip(inputs).filter(|(position, _)| *position >= wanted).take(max - found.len()));
        passed = true;
        wanted = found.last().map_or(wanted, |(position, _)| position.plus(1));
    }
    drop(rows);
    if found.is_empty() {
        return Err(JournalError::Damaged { file, position: wanted, why: "missing".into() });
    }
    Ok(found)
}

/// The time of the last input in `folder`; none in an empty journal.
///
/// # Errors
/// As [`Journal::open`], and when the last batch is damaged.
pub async fn last_time(folder: &Path) -> Result<Option<Timestamp>, JournalError> {
    let mut journal = Journal::open(folder).await?;
    let before_last = Position(journal.end().0.saturating_sub(1));
    let last = journal.read_from(before_last, 1).await?;
    Ok(last.first().map(|(_, input)| input.at()))
}

async fn save(connection: &mut SqliteConnection, at: Position, crc: u32, bytes: &[u8]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("INSERT OR REPLACE INTO snapshot (position, crc, bytes) VALUES (?, ?, ?)")
        .bind(at.column())
        .bind(i64::from(crc))
        .bind(bytes)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("DELETE FROM snapshot WHERE position NOT IN (SELECT position FROM snapshot ORDER BY 1 DESC LIMIT 2)")
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// The inputs of a row, or in which way it is damaged.
fn check(row: &sqlx::sqlite::SqliteRow, first: Position) -> Result<Vec<Input>, String> {
    let read = |e: sqlx::Error| e.to_string();
    let (count, crc): (i64, i64) = (row.try_get("count").map_err(read)?, row.try_get("crc").map_err(read)?);
    let bytes: &[u8] = row.try_get("bytes").map_err(read)?;
    if i64::from(record::checksum(first.0, bytes)) != crc {
        return Err("its checksum does not match".into());
    }
    let inputs = record::decode(bytes)?;
    if Position(inputs.len() as u64).column() != count {
        return Err(format!("it holds {} inputs, not {count}", inputs.len()));
    }
    Ok(inputs)
}

/// Makes the data folder for this user only: it tells how customers use power, and may hold the operator's token. One that
/// is there already keeps the mode its owner gave it.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the folder, tries that it can be written to, and takes it for this process.
fn lock(folder: &Path) -> Result<File, JournalError> {
    let failed = |source| JournalError::Folder { folder: folder.to_owned(), source };
    make_folder(folder).map_err(failed)?;
    let path = folder.join(LOCK_FILE);
    let lock = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

async fn connect(file: &Path) -> Result<SqliteConnection, JournalError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    SqliteConnection::connect_with(&options).await.map_err(|source| JournalError::Database {
        file: file.to_owned(),
        doing: "open the journal",
        source,
    })
}
