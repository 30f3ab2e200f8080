//! A damaged journal: the whole of it is kept aside, and what can be read becomes a new one.
//!
//! The new file is written beside the old one and takes its place in one step at the end, so that a salvage that is
//! killed begins anew, and one for which the disk has no room leaves everything as it was.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{Connection as _, Row as _};

use super::files::{self, FILE, SHM_FILE, WAL_FILE, connect_for_reading, remove};
use super::read::{Gap, check};
use super::sqlite::{FORMAT, SCHEMA, insert_gap};
use super::{BATCH_MAX, JournalError, Position, record};

/// The new file, until it is whole and takes the old one's place.
const NEW_FILE: &str = "journal.db.new";
/// A copy of the old one with a head that SQLite understands.
const HEADED_FILE: &str = "journal.db.headed";
/// Of a page, as SQLite makes them unless told otherwise.
const PAGE: usize = 4_096;

/// Keeps `names` of `folder` aside, and says where.
pub(super) fn keep_aside(folder: &Path, names: &[&str]) -> Result<String, JournalError> {
    let kept = files::keep_aside(folder, names).map(|aside| files::kept_name(&aside));
    kept.map_err(|source| JournalError::KeepAside { folder: folder.to_owned(), source })
}

/// Makes a new journal of all that can be read before `tear`, or of all that can be read at all, with a gap behind it.
/// The old one was [kept aside](keep_aside) in `kept`.
pub(super) async fn salvage(
    folder: &Path,
    kept: String,
    tear: Option<Position>,
    why: &str,
) -> Result<(), JournalError> {
    tracing::error!(
        file = %folder.join(FILE).display(), why, kept = %folder.join(&kept).display(),
        "the journal is damaged: the file is kept aside, and what can be read of it becomes a new one"
    );
    let aside = folder.join(&kept);
    let new = folder.join(NEW_FILE);
    let failed = |doing| {
        let file = new.clone();
        move |source| JournalError::Database { file, doing, source }
    };
    let removed = |source| JournalError::Folder { folder: folder.to_owned(), source };
    remove(&new).map_err(removed)?;
    let mut to = begin(&new).await.map_err(failed("begin the new journal"))?;
    let mut copied = copy(&aside.join(FILE), &mut to, tear).await.map_err(failed("fill the new journal"))?;
    if copied == Copied::default() {
        // Nothing at all: the head may be all that is damaged. The tables of every journal begin on the same pages.
        let headed = folder.join(HEADED_FILE);
        with_head_of(&new, &aside.join(FILE), &headed).map_err(removed)?;
        copied = copy(&headed, &mut to, tear).await.map_err(failed("fill the new journal"))?;
        remove(&headed).map_err(removed)?;
    }
    let first = tear.unwrap_or_else(|| copied.end.plus(1));
    // Behind what cannot be read there may have been a batch more than anything here tells of.
    let last = first.plus(BATCH_MAX as u64).max(copied.known_end);
    let gap = Gap { first, last, why: why.to_owned(), kept };
    insert_gap(&mut to, &gap).await.map_err(failed("note the gap"))?;
    // Last of all: with it the file is whole.
    let format = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {FORMAT}"));
    sqlx::raw_sql(format).execute(&mut to).await.map_err(failed("end the new journal"))?;
    to.close().await.map_err(failed("end the new journal"))?;
    take_its_place(folder).map_err(removed)?;
    tracing::warn!(before = %first, inputs_end = %copied.end, "the journal was salvaged");
    Ok(())
}

/// Ends a salvage that was killed when its file was whole; one that was killed earlier is forgotten.
pub(super) async fn finish(folder: &Path) -> Result<(), JournalError> {
    let new = folder.join(NEW_FILE);
    if !new.exists() {
        return Ok(());
    }
    let whole = async {
        let options = SqliteConnectOptions::new().filename(&new).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let format: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(format == FORMAT)
    };
    let done = if whole.await.unwrap_or(false) { take_its_place(folder) } else { remove(&new) };
    done.map_err(|source| JournalError::Folder { folder: folder.to_owned(), source })
}

/// The old log goes first: SQLite would take it for the new file's.
fn take_its_place(folder: &Path) -> io::Result<()> {
    remove(&folder.join(WAL_FILE))?;
    remove(&folder.join(SHM_FILE))?;
    fs::rename(folder.join(NEW_FILE), folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

async fn begin(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    for step in SCHEMA {
        sqlx::raw_sql(step).execute(&mut connection).await?;
    }
    Ok(connection)
}

/// What was found in a damaged file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Copied {
    /// The last input that was copied.
    end: Position,
    /// The last position that the file tells of.
    known_end: Position,
}

/// Copies what is whole. Of the rest not even its place is believed. Only what cannot be written is an error.
async fn copy(from: &Path, to: &mut SqliteConnection, tear: Option<Position>) -> Result<Copied, sqlx::Error> {
    let mut copied = Copied::default();
    let Ok(mut from) = connect_for_reading(from).await else { return Ok(copied) };
    let before = tear.map_or(i64::MAX, Position::column);
    let mut to = to.begin().await?;
    let mut reached = i64::MIN;
    // From both sides, for what lies behind a damaged page is as good as what lies before it.
    for query in [
        "SELECT * FROM batch WHERE first < ?1 AND first > ?2 ORDER BY first",
        "SELECT * FROM batch WHERE first < ?1 AND first > ?2 ORDER BY first DESC",
    ] {
        let mut rows = sqlx::query(query).bind(before).bind(reached).fetch(&mut from);
        while let Ok(Some(row)) = rows.try_next().await {
            let Some((first, end)) = whole(&row) else { continue };
            copied.end = copied.end.max(end);
            copy_batch(&row, &mut to).await?;
            reached = reached.max(first);
        }
    }
    copied.known_end = copied.end;
    let mut rows = sqlx::query("SELECT * FROM batch ORDER BY first DESC").fetch(&mut from);
    while let Ok(Some(row)) = rows.try_next().await {
        if let Some((_, end)) = whole(&row) {
            copied.known_end = copied.known_end.max(end);
            break;
        }
    }
    drop(rows);
    let positions = sqlx::query_scalar("SELECT position FROM snapshot ORDER BY 1").fetch_all(&mut from).await;
    for position in positions.unwrap_or_default() {
        let row = sqlx::query("SELECT * FROM snapshot WHERE position = ?").bind(position).fetch_one(&mut from).await;
        if let Ok(row) = row
            && copy_snapshot(&row, before, &mut to).await?
        {
            copied.known_end = copied.known_end.max(Position::from_column(position));
        }
    }
    if let Ok(known) = super::read::gaps(&mut from).await {
        for gap in known.iter().filter(|gap| gap.first.column() < before) {
            insert_gap(&mut to, gap).await?;
            copied.end = copied.end.max(gap.last);
        }
    }
    to.commit().await?;
    Ok(copied)
}

/// Where a batch begins and ends that is whole.
fn whole(row: &SqliteRow) -> Option<(i64, Position)> {
    let first: i64 = row.try_get("first").ok()?;
    let inputs = check(row, Position::from_column(first)).ok()?;
    Some((first, Position::from_column(first.checked_sub(1)?).plus(inputs.len() as u64)))
}

async fn copy_batch(row: &SqliteRow, to: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR IGNORE INTO batch (first, count, crc, bytes, at) VALUES (?, ?, ?, ?, ?)")
        .bind(row.try_get::<i64, _>("first")?)
        .bind(row.try_get::<i64, _>("count")?)
        .bind(row.try_get::<i64, _>("crc")?)
        .bind(row.try_get::<Vec<u8>, _>("bytes")?)
        .bind(row.try_get::<Option<i64>, _>("at").ok().flatten())
        .execute(to)
        .await?;
    Ok(())
}

/// Copies a snapshot from before `before`; whether it is whole. A damaged one goes along: a replay has to come to its hash.
async fn copy_snapshot(row: &SqliteRow, before: i64, to: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (Ok(position), Ok(crc), Ok(bytes)) =
        (row.try_get::<i64, _>("position"), row.try_get::<i64, _>("crc"), row.try_get::<Vec<u8>, _>("bytes"))
    else {
        return Ok(false);
    };
    let whole = i64::from(record::checksum(Position::from_column(position).0, &bytes)) == crc;
    if position >= before {
        return Ok(whole);
    }
    sqlx::query("INSERT OR IGNORE INTO snapshot (position, crc, bytes, hash, program) VALUES (?, ?, ?, ?, ?)")
        .bind(position)
        .bind(crc)
        .bind(bytes)
        .bind(row.try_get::<Option<Vec<u8>>, _>("hash").ok().flatten())
        .bind(row.try_get::<Option<String>, _>("program").ok().flatten())
        .execute(to)
        .await?;
    Ok(whole)
}

/// Copies `old` with the first page of `new`, of the same tables, told how many pages there are and that none is free.
fn with_head_of(new: &Path, old: &Path, headed: &PathBuf) -> io::Result<()> {
    fs::copy(old, headed)?;
    let mut page = [0; PAGE];
    File::open(new)?.read_exact(&mut page)?;
    let mut file = File::options().write(true).open(headed)?;
    let pages = u32::try_from(file.metadata()?.len() / PAGE as u64).unwrap_or(u32::MAX);
    if let Some(size_and_free) = page.get_mut(28..40) {
        size_and_free.fill(0);
        size_and_free.iter_mut().zip(pages.to_be_bytes()).for_each(|(to, byte)| *to = byte);
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&page)?;
    file.sync_all()
}
