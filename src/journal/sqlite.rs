//! The journal of one machine: one SQLite file, one row per batch.

use std::fs::File;
use std::path::{Path, PathBuf};

use headroom_rules::input::Input;
use headroom_rules::model::Timestamp;
use headroom_rules::output::AlarmCause;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};

use super::files::{FILE, WAL_FILE, connect, connect_for_reading, fault, lock};
use super::read::{Gap, check, gaps, read};
use super::snapshot::Snapshot;
use super::{BATCH_MAX, JournalError, Kept, Position, record, salvage, snapshot, wal};

/// Format of the file, in SQLite's `user_version`; 0 is an empty file.
pub(super) const FORMAT: i64 = 2;
/// Batches given up in one transaction.
const FORGET_MAX: u32 = 256;
/// Inputs that are checked at once.
const CHECKED_AT_ONCE: usize = 1_024;

/// The tables of format 1, which an older file has already, then what came with 2.
pub(super) const SCHEMA: [&str; 2] = [
    "
CREATE TABLE batch (
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    crc   INTEGER NOT NULL,
    bytes BLOB    NOT NULL
);
CREATE TABLE snapshot (
    position INTEGER PRIMARY KEY,
    crc      INTEGER NOT NULL,
    bytes    BLOB    NOT NULL
);",
    "
ALTER TABLE batch ADD COLUMN at INTEGER;
ALTER TABLE snapshot ADD COLUMN hash BLOB;
ALTER TABLE snapshot ADD COLUMN program TEXT;
CREATE TABLE gap (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL,
    why   TEXT    NOT NULL,
    kept  TEXT    NOT NULL
);",
];

/// The inputs of one data folder, in order, durable.
#[derive(Debug)]
pub struct Journal {
    pub(super) folder: PathBuf,
    file: PathBuf,
    /// None after a failed write: what the file then holds is in doubt until it is opened anew.
    connection: Option<SqliteConnection>,
    last_input: Position,
    gaps: Vec<Gap>,
    /// The folder in which a damaged file is kept that has no new one in its place yet.
    kept: Option<String>,
    /// Locked as long as the journal lives.
    _lock: File,
}

impl Journal {
    /// Opens or begins the journal in `folder`, which is made if it is not there.
    ///
    /// A file that cannot be read is kept aside, what can be read of it goes into a new one, and a [`Gap`] says so.
    ///
    /// # Errors
    /// When the folder cannot be written to, another process has it open, or the file is too new.
    pub async fn open(folder: &Path) -> Result<Self, JournalError> {
        let lock = lock(folder)?;
        salvage::finish(folder).await?;
        let failed = |source| JournalError::Folder { folder: folder.to_owned(), source };
        let beyond = wal::beyond(&folder.join(WAL_FILE)).map_err(failed)?;
        // Before SQLite looks at it and writes over what it does not understand.
        let kept = beyond.as_ref().map(|_| salvage::keep_aside(folder, &[WAL_FILE])).transpose()?;
        let mut journal = Self::open_locked(folder, lock).await?;
        if let (Some(beyond), Some(kept)) = (beyond, kept) {
            let why = format!(
                "{WAL_FILE} is damaged at frame {}: {} frames behind it, the ends of {} batches or fewer among them",
                beyond.good + 1,
                beyond.frames,
                beyond.commits
            );
            let at_most = (beyond.commits as u64).saturating_mul(BATCH_MAX as u64);
            let (first, last) = (journal.end().plus(1), journal.end().plus(at_most));
            journal.add_gap(Gap { first, last, why, kept }).await?;
        }
        Ok(journal)
    }

    async fn open_locked(folder: &Path, lock: File) -> Result<Self, JournalError> {
        let file = folder.join(FILE);
        // Not yet for writing: a file that cannot be read is kept as it is, and its log not written back into it.
        if file.exists()
            && let Err(JournalError::Damaged { why, .. }) = looked_at(&file).await
        {
            let kept = salvage::keep_aside(folder, &[FILE, WAL_FILE])?;
            salvage::salvage(folder, kept, None, &why).await?;
        }
        let (connection, last_input, gaps) = opened(&file).await?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            connection: Some(connection),
            last_input,
            gaps,
            kept: None,
            _lock: lock,
        })
    }

    /// The last position; [`Position::START`] in an empty journal.
    pub fn end(&self) -> Position {
        self.gaps.last().map_or(self.last_input, |gap| gap.last.max(self.last_input))
    }

    /// The position of the last input that can be read; it lies before [`Self::end`] where a gap is the last thing.
    pub const fn last_input(&self) -> Position {
        self.last_input
    }

    /// The gap at the end: inputs were found damaged, and nothing was appended since.
    pub fn gap_at_end(&self) -> Option<&Gap> {
        self.gaps.last().filter(|gap| gap.last > self.last_input)
    }

    /// Whether all inputs after `after` can be read.
    ///
    /// # Errors
    /// The first damage that there is.
    pub async fn check(&mut self, mut after: Position) -> Result<(), JournalError> {
        while after < self.last_input {
            let read = self.read_from(after, CHECKED_AT_ONCE).await?;
            let Some((last, _)) = read.last() else { break };
            after = *last;
        }
        Ok(())
    }

    /// The end of the last gap; nothing at or before it is missed.
    pub fn last_gap(&self) -> Position {
        self.gaps.last().map_or(Position::START, |gap| gap.last)
    }

    /// Keeps the damaged file aside as it is, and puts a new one with everything before `tear` and a gap behind in its place.
    ///
    /// # Errors
    /// When the disk has no room for the new file. The old one is then still in its place, and nothing but this may be
    /// tried again.
    pub async fn cut(&mut self, tear: Position, why: &str) -> Result<(), JournalError> {
        let kept = match &self.kept {
            Some(kept) => kept.clone(),
            // Before SQLite writes the log back, which it does when it is closed.
            None => salvage::keep_aside(&self.folder, &[FILE, WAL_FILE])?,
        };
        self.kept = Some(kept.clone());
        if let Some(connection) = self.connection.take() {
            // What it could not do does not matter any more.
            drop(connection.close().await);
        }
        salvage::salvage(&self.folder, kept, Some(tear), why).await?;
        let (connection, last_input, gaps) = opened(&self.file).await?;
        (self.connection, self.last_input, self.gaps, self.kept) = (Some(connection), last_input, gaps, None);
        Ok(())
    }

    /// As [`Self::cut`], where a write found the damage: all inputs are before it. Gives what is to be told of it first of
    /// all that comes.
    ///
    /// # Errors
    /// Likewise.
    pub async fn renew(&mut self, why: &str, at: Timestamp) -> Result<[Input; 2], JournalError> {
        self.cut(self.end().plus(1), why).await?;
        let kept = self.gaps.last().map(|gap| gap.kept.as_str()).unwrap_or_default();
        let detail = format!(
            "found by writing ({why}): the damaged file is kept in {kept}, and what can be read of it is in a new one; \
             nothing is lost to the engine"
        );
        Ok(Input::told_when_over(at, AlarmCause::JournalDamaged, detail))
    }

    /// Lets the gap at the end reach to `last`, or makes one, so that no position that others know is given twice. Does nothing
    /// where the end is there or further.
    ///
    /// # Errors
    /// When the file cannot be written to.
    pub async fn skip_to(&mut self, last: Position, why: &str) -> Result<(), JournalError> {
        if self.end() >= last {
            return Ok(());
        }
        let gap = match self.gap_at_end().cloned() {
            Some(gap) => {
                self.gaps.pop();
                Gap { last, ..gap }
            }
            None => {
                let kept = salvage::keep_aside(&self.folder, &[FILE, WAL_FILE])?;
                Gap { first: self.end().plus(1), last, why: why.to_owned(), kept }
            }
        };
        self.add_gap(gap).await
    }

    /// Lets go of the file, its log written back.
    pub async fn close(mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the journal's log was not written back; the next start does that");
        }
    }

    async fn add_gap(&mut self, gap: Gap) -> Result<(), JournalError> {
        let done = insert_gap(self.connection().await?, &gap).await;
        self.settle("note a gap", done).await?;
        self.gaps.push(gap);
        Ok(())
    }

    /// Writes `inputs` as one batch and returns when they are synced to disk, with the position of the last.
    /// All of them or none: after an error the same batch may be appended again. An empty batch does nothing.
    ///
    /// # Errors
    /// When the disk is full or the file cannot be written to.
    pub async fn append(&mut self, inputs: &[Input]) -> Result<Position, JournalError> {
        let Some(last) = inputs.last() else { return Ok(self.end()) };
        let before = self.end();
        let first = before.plus(1);
        let bytes = record::encode(inputs).map_err(|why| JournalError::Encode { after: before, why })?;
        let crc = record::checksum(first.0, &bytes);
        let count = inputs.len() as u64;
        // A failed sync leaves it open whether the row is there. It is written anew then, never taken for durable.
        let insert = sqlx::query("INSERT OR REPLACE INTO batch (first, count, crc, bytes, at) VALUES (?, ?, ?, ?, ?)")
            .bind(first.column())
            .bind(Position(count).column())
            .bind(i64::from(crc))
            .bind(bytes)
            .bind(last.at().get());
        let done = insert.execute(self.connection().await?).await;
        self.settle("append to the journal", done).await?;
        self.last_input = before.plus(count);
        Ok(self.last_input)
    }

    /// Up to `max` inputs after `after`, in order, over any gap; fewer than `max` only at the end or before a damaged
    /// batch, which the next call then names.
    ///
    /// # Errors
    /// When the first wanted batch is damaged, missing or forgotten, or the file cannot be read.
    pub async fn read_from(&mut self, after: Position, max: usize) -> Result<Vec<(Position, Input)>, JournalError> {
        if after >= self.last_input {
            return Ok(Vec::new());
        }
        self.connection().await?;
        let Some(connection) = &mut self.connection else { return Ok(Vec::new()) };
        read(connection, &self.file, &self.gaps, after, max).await
    }

    /// Keeps `state` as the state after the input at `at`, and of all snapshots the newest two.
    ///
    /// # Errors
    /// When the disk is full or the file cannot be written to. The older snapshots are then still there.
    pub async fn save_snapshot(&mut self, at: Position, state: &[u8]) -> Result<(), JournalError> {
        let done = snapshot::save(self.connection().await?, at, state).await;
        self.settle("save a snapshot", done).await
    }

    /// The snapshots, newest first, the damaged ones too.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn snapshots(&mut self) -> Result<Vec<Snapshot>, JournalError> {
        let loaded = snapshot::load(self.connection().await?).await;
        loaded.map_err(|source| self.failed("read the snapshots", source))
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
        while self.forget_some(until, Kept::NOTHING).await? {}
        Ok(())
    }

    /// As [`Self::forget_until`], but not what is `kept`, and only some of them, so that nobody waits long; whether there
    /// may be more.
    ///
    /// # Errors
    /// When the file cannot be written to.
    pub async fn forget_some(&mut self, until: Position, kept: Kept) -> Result<bool, JournalError> {
        let too_much = self.bytes().await? > kept.bytes;
        // Only the oldest are looked at: as long as one of them stays, all behind it stay.
        let query = sqlx::query(
            "DELETE FROM batch WHERE first IN (
                 SELECT first FROM (
                     SELECT first, at FROM batch
                     WHERE first <= ?1 AND first + count - 1 <= ?1 AND first < (SELECT max(first) FROM batch)
                     ORDER BY first LIMIT ?2)
                 WHERE ?3 OR at IS NULL OR at < ?4)",
        )
        .bind(until.column())
        .bind(FORGET_MAX)
        .bind(too_much)
        .bind(kept.from.get());
        let done = query.execute(self.connection().await?).await;
        let done = self.settle("forget old batches", done).await?;
        Ok(done.rows_affected() == u64::from(FORGET_MAX))
    }

    /// Bytes of the file that are in use. The file itself stays as large as it ever was: what is free in it is used again.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn bytes(&mut self) -> Result<u64, JournalError> {
        let used = bytes(self.connection().await?).await;
        used.map_err(|source| self.failed("measure the journal", source))
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
        fault(&self.file, doing, self.end().plus(1), source)
    }
}

/// Of all pages but the free ones.
pub(super) async fn bytes(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let query = "SELECT (page_count - freelist_count) * page_size
                 FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let used: i64 = sqlx::query_scalar(query).fetch_one(connection).await?;
    Ok(u64::try_from(used).unwrap_or(0))
}

/// Whether what a start reads first can be read.
async fn looked_at(file: &Path) -> Result<(), JournalError> {
    let mut connection = connect_for_reading(file).await?;
    let mut last_batch = None;
    let looked = async {
        let format: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await?;
        if (1..=FORMAT).contains(&format) {
            let last = sqlx::query("SELECT first, count, crc, bytes FROM batch ORDER BY first DESC LIMIT 1");
            if let Some(row) = last.fetch_optional(&mut connection).await? {
                // The end is where it says, so it has to be whole.
                last_batch = check(&row, Position::from_column(row.try_get("first")?)).err();
            }
            sqlx::query("SELECT position FROM snapshot").fetch_all(&mut connection).await?;
        }
        if format == FORMAT {
            gaps(&mut connection).await?;
        }
        Ok::<_, sqlx::Error>(())
    };
    let looked = looked.await.map_err(|source| fault(file, "look into the journal", Position::START, source));
    // Whatever it says at its end, nothing was written.
    drop(connection.close().await);
    looked?;
    match last_batch {
        Some(why) => {
            let why = format!("the last batch: {why}");
            Err(JournalError::Damaged { file: file.to_owned(), position: Position::START, why })
        }
        None => Ok(()),
    }
}

/// A file of the present format, with its end and its gaps.
async fn opened(file: &Path) -> Result<(SqliteConnection, Position, Vec<Gap>), JournalError> {
    let mut connection = connect(file).await?;
    let failed = |doing| move |source| fault(file, doing, Position::START, source);
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut connection)
        .await
        .map_err(failed("read the journal's format"))?;
    if found > FORMAT {
        return Err(JournalError::Newer { file: file.to_owned(), found, known: FORMAT });
    }
    if found < FORMAT {
        begin(&mut connection, found).await.map_err(failed("begin the journal"))?;
    }
    let last: Option<i64> = sqlx::query_scalar("SELECT first + count - 1 FROM batch ORDER BY first DESC LIMIT 1")
        .fetch_optional(&mut connection)
        .await
        .map_err(failed("find the journal's end"))?;
    let gaps = gaps(&mut connection).await.map_err(failed("read the journal's gaps"))?;
    Ok((connection, Position::from_column(last.unwrap_or(0)), gaps))
}

/// Brings a file from format `found` to the present one, whole or not at all.
async fn begin(connection: &mut SqliteConnection, found: i64) -> Result<(), sqlx::Error> {
    let done = usize::try_from(found).unwrap_or(0);
    let mut transaction = connection.begin().await?;
    for step in SCHEMA.iter().skip(done) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    // As FORMAT says.
    sqlx::raw_sql("PRAGMA user_version = 2").execute(&mut *transaction).await?;
    transaction.commit().await
}

pub(super) async fn insert_gap(connection: &mut SqliteConnection, gap: &Gap) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO gap (first, last, why, kept) VALUES (?, ?, ?, ?)")
        .bind(gap.first.column())
        .bind(gap.last.column())
        .bind(&gap.why)
        .bind(&gap.kept)
        .execute(connection)
        .await?;
    Ok(())
}
