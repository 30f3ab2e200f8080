//! Reading a journal's inputs: by the one who writes them, and beside it.

use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use headroom_rules::input::Input;
use headroom_rules::model::Timestamp;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::files::{FILE, connect_for_reading, fault};
use super::{Journal, JournalError, Position, record};

/// Positions whose inputs are gone: they could not be read, and what they were in is kept aside. Reading goes over them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The first that is gone.
    pub first: Position,
    /// The last of them.
    pub last: Position,
    /// What was found there.
    pub why: String,
    /// Where the damaged file is kept, a folder beside the journal.
    pub kept: String,
}

/// All of them, in order.
pub(super) async fn gaps(connection: &mut SqliteConnection) -> Result<Vec<Gap>, sqlx::Error> {
    let rows = sqlx::query_as::<_, (i64, i64, String, String)>("SELECT first, last, why, kept FROM gap ORDER BY 1");
    let gap = |(first, last, why, kept)| Gap {
        first: Position::from_column(first),
        last: Position::from_column(last),
        why,
        kept,
    };
    Ok(rows.fetch_all(connection).await?.into_iter().map(gap).collect())
}

/// `wanted`, or the first position behind the gap that it lies in.
fn over(gaps: &[Gap], wanted: Position) -> Position {
    let within = gaps.iter().find(|gap| (gap.first..=gap.last).contains(&wanted));
    within.map_or(wanted, |gap| gap.last.plus(1))
}

/// A journal's inputs for reading only, beside the one that writes them.
#[derive(Debug)]
pub struct JournalReader {
    file: PathBuf,
    connection: SqliteConnection,
    gaps: Vec<Gap>,
}

impl JournalReader {
    /// Opens the journal in `folder`, which a [`Journal`] has open.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn open(folder: &Path) -> Result<Self, JournalError> {
        let file = folder.join(FILE);
        let mut connection = connect_for_reading(&file).await?;
        let gaps = gaps(&mut connection).await;
        let gaps = gaps.map_err(|source| fault(&file, "read the journal's gaps", Position::START, source))?;
        Ok(Self { file, connection, gaps })
    }

    /// As [`Journal::read_from`], for inputs that are known to be there.
    ///
    /// # Errors
    /// Likewise, and when there is nothing after `after`.
    pub async fn read_from(&mut self, after: Position, max: usize) -> Result<Vec<(Position, Input)>, JournalError> {
        read(&mut self.connection, &self.file, &self.gaps, after, max).await
    }
}

pub(super) async fn read(
    connection: &mut SqliteConnection,
    file: &Path,
    gaps: &[Gap],
    after: Position,
    max: usize,
) -> Result<Vec<(Position, Input)>, JournalError> {
    let mut found = Vec::new();
    if max == 0 {
        return Ok(found);
    }
    let mut wanted = over(gaps, after.plus(1));
    // Whether a batch that ends before the wanted position was seen: what is missing then was not forgotten.
    let mut passed = wanted > after.plus(1);
    let query = sqlx::query(
        "SELECT first, count, crc, bytes FROM batch
         WHERE first >= coalesce((SELECT max(first) FROM batch WHERE first <= ?1), 0) ORDER BY first",
    )
    .bind(wanted.column());
    let mut rows = query.fetch(connection);
    while found.len() < max {
        let row = match rows.try_next().await {
            Ok(Some(row)) => row,
            Ok(None) => break,
            // What was read before the fault is good; the next call names it.
            Err(_) if !found.is_empty() => break,
            Err(source) => return Err(fault(file, "read the journal", wanted, source)),
        };
        let damaged = |position, why| JournalError::Damaged { file: file.to_owned(), position, why };
        let first = row.try_get("first").map(Position::from_column).map_err(|error| error.to_string());
        let (first, inputs) = match first.and_then(|first| Ok((first, check(&row, first)?))) {
            Ok((first, inputs)) if first <= wanted => (first, inputs),
            Ok(_) | Err(_) if !found.is_empty() => break,
            Ok(_) if passed => return Err(damaged(wanted, "missing".into())),
            // Nothing at or before the wanted position is left: retention takes the beginning.
            Ok((oldest, _)) => return Err(JournalError::Forgotten { file: file.to_owned(), wanted, oldest }),
            // What its row says of its place may be damaged as well; all before the wanted position was good.
            Err(why) => return Err(damaged(wanted, why)),
        };
        let positions = (first.0..).map(Position);
        found.extend(positions.zip(inputs).filter(|(position, _)| *position >= wanted).take(max - found.len()));
        passed = true;
        wanted = found.last().map_or(wanted, |(position, _)| over(gaps, position.plus(1)));
    }
    drop(rows);
    if found.is_empty() {
        return Err(JournalError::Damaged { file: file.to_owned(), position: wanted, why: "missing".into() });
    }
    Ok(found)
}

/// The inputs of a row, or in which way it is damaged.
pub(super) fn check(row: &SqliteRow, first: Position) -> Result<Vec<Input>, String> {
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

/// The time of the last input in `folder`; none in an empty journal.
///
/// # Errors
/// As [`Journal::open`], and when the last batch is damaged.
pub async fn last_time(folder: &Path) -> Result<Option<Timestamp>, JournalError> {
    let mut journal = Journal::open(folder).await?;
    let before_last = Position(journal.last_input().0.saturating_sub(1));
    let last = journal.read_from(before_last, 1).await?;
    Ok(last.first().map(|(_, input)| input.at()))
}
