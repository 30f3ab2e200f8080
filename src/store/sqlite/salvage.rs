//! A damaged store: the file is kept aside as it is, and what can be read of it becomes a new one.
//!
//! The new file is written beside the old one. When it is whole it gets a name by which whoever comes next knows it, and
//! takes the old one's place; a salvage that is killed before that begins anew.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::{DAMAGED_FILE, FILE, MIGRATIONS};
use crate::journal::{Position, keep_aside, kept_name, primary_code, remove};

const WAL_FILE: &str = "headroom.db-wal";
const SHM_FILE: &str = "headroom.db-shm";
/// While it is being filled.
const NEW_FILE: &str = "headroom.db.new";
/// From when on it counts.
const WHOLE_FILE: &str = "headroom.db.whole";
/// Rows copied at once; where one of them cannot be read, fewer, down to one.
const CHUNK: u64 = 10_000;
/// Most holes that are told one by one.
const HOLES_MAX: usize = 5;

/// Why there is no new file yet.
pub(super) enum Failure {
    Disk(io::Error),
    Database(sqlx::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Ends a salvage that was killed when its file was whole.
pub(super) fn finish(folder: &Path) -> io::Result<()> {
    if folder.join(WHOLE_FILE).exists() { take_its_place(folder) } else { Ok(()) }
}

/// The old log goes first: SQLite would take it for the new file's. What was found of the old file is done with.
fn take_its_place(folder: &Path) -> io::Result<()> {
    remove(&folder.join(WAL_FILE))?;
    remove(&folder.join(SHM_FILE))?;
    remove(&folder.join(DAMAGED_FILE))?;
    fs::rename(folder.join(WHOLE_FILE), folder.join(FILE))?;
    File::open(folder)?.sync_all()
}

/// Puts a new file in the place of the damaged one, over which `open` still stands, and says where that is kept and what is
/// missing. `stored` is the position where it is known; the file's own word counts where it can be read.
pub(super) async fn salvage(
    folder: &Path,
    open: Option<SqliteConnection>,
    stored: Position,
) -> Result<String, Failure> {
    // Before SQLite writes the log back, which it does when it is closed.
    let aside = keep_aside(folder, &[FILE, WAL_FILE])?;
    if let Some(open) = open {
        // What it could not do does not matter any more.
        drop(open.close().await);
    }
    match renew(folder, &aside, stored).await {
        Ok(holes) => Ok(told(&kept_name(&aside), &holes)),
        Err(failure) => {
            // It is tried again, and the damaged file is still in its place.
            drop(fs::remove_dir_all(&aside));
            Err(failure)
        }
    }
}

async fn renew(folder: &Path, aside: &Path, stored: Position) -> Result<Vec<String>, Failure> {
    let new = folder.join(NEW_FILE);
    remove(&new)?;
    // It is synced when it is whole.
    let options = SqliteConnectOptions::new()
        .filename(&new)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|error| io::Error::other(error.to_string()))?;
    let attach = sqlx::query("ATTACH DATABASE ? AS old").bind(aside.join(FILE).display().to_string());
    let holes = match attach.execute(&mut connection).await {
        Ok(_) => copy(&mut connection).await?,
        Err(error) if refuses(&error) => return Err(error.into()),
        // Those pages tell where all others are.
        Err(_) if stored == Position::START => vec!["all of it, until the journal has told it again".to_owned()],
        Err(_) => vec!["all of it; what the journal still has comes back at a start without headroom.db".to_owned()],
    };
    go_on_from(&mut connection, stored).await?;
    connection.close().await?;
    File::open(&new)?.sync_all()?;
    fs::rename(&new, folder.join(WHOLE_FILE))?;
    take_its_place(folder)?;
    Ok(holes)
}

fn told(kept: &str, holes: &[String]) -> String {
    let more = if holes.len() > HOLES_MAX { format!(" and {} more", holes.len() - HOLES_MAX) } else { String::new() };
    let holes = match holes {
        [] => "nothing that is stored was lost".to_owned(),
        holes => {
            let first: Vec<_> = holes.iter().take(HOLES_MAX).map(String::as_str).collect();
            format!("what could not be read is missing from trends and logs: {}{more}", first.join("; "))
        }
    };
    format!("the damaged file is kept in {kept}, and what can be read of it is in a new one; {holes}")
}

/// Copies what can be read, and says where something could not.
async fn copy(connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let tables = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'
                  AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *connection).await?;
    let mut holes = Vec::new();
    for table in tables {
        // Of the columns that both have: the old file may be of an earlier version.
        let columns = "SELECT name, new.pk FROM pragma_table_info(?1, 'main') AS new
                       JOIN pragma_table_info(?1, 'old') AS old USING (name) ORDER BY new.pk";
        let columns = sqlx::query(columns).bind(&table).fetch_all(&mut *connection).await;
        let columns: Vec<(String, i64)> = match columns {
            Ok(rows) if !rows.is_empty() => {
                rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?
            }
            Err(error) if refuses(&error) => return Err(error),
            _ => {
                holes.push(format!("all of {table}"));
                continue;
            }
        };
        let names = |names: &mut dyn Iterator<Item = &(String, i64)>| {
            names.map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>()
        };
        let key = names(&mut columns.iter().filter(|(_, key)| *key > 0));
        let part = |of: String| Part { table: &table, columns: names(&mut columns.iter()).join(", "), key: &key, of };
        if key.first().is_some_and(|first| first == "\"point_id\"") {
            // Point by point, so that two holes do not take with them what lies between.
            let points: Vec<i64> =
                sqlx::query_scalar("SELECT id FROM main.point ORDER BY id").fetch_all(&mut *connection).await?;
            for point in points {
                holes.extend(part(format!("point_id = {point}")).copy(connection).await?);
            }
        } else {
            holes.extend(part("true".to_owned()).copy(connection).await?);
        }
    }
    Ok(holes)
}

/// Rows of a table.
struct Part<'a> {
    table: &'a str,
    columns: String,
    key: &'a [String],
    /// A condition.
    of: String,
}

impl Part<'_> {
    /// From the beginning, and where a row cannot be read, from the end as well; where the hole is that remains.
    async fn copy(&self, connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
        let Self { table, of, .. } = self;
        let key = self.key.join(", ");
        let (up, down) = (self.order("ASC"), self.order("DESC"));
        let last = format!("SELECT {key} FROM main.\"{table}\" WHERE {of} ORDER BY {down} LIMIT 1");
        if self.chunks(connection, &up, None, &format!("({key}) > ({last})")).await? {
            return Ok(None);
        }
        execute(connection, format!("CREATE TEMP TABLE edge AS {last}")).await?;
        // Without an edge all lies behind it.
        let behind = format!("((SELECT count(*) FROM edge) = 0 OR ({key}) > (SELECT * FROM edge))");
        let first = format!("SELECT {key} FROM main.\"{table}\" WHERE {of} AND {behind} ORDER BY {up} LIMIT 1");
        let whole = self.chunks(connection, &down, Some(&behind), &format!("({key}) < ({first})")).await?
            || self.by_an_index(connection).await?;
        let place = |rows: &str| format!("SELECT '' || {} FROM ({rows})", self.key.join(" || '/' || "));
        let after = said(connection, place("SELECT * FROM edge"), "its beginning").await?;
        let before = said(connection, place(&first), "its end").await?;
        execute(connection, "DROP TABLE edge".to_owned()).await?;
        Ok((!whole).then(|| format!("{table} ({}) between {after} and {before}", self.key.join("/").replace('"', ""))))
    }

    /// An index that holds every column knows what the table lost: names of terminals and points, which all else hangs on.
    async fn by_an_index(&self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let Self { table, columns, of, .. } = self;
        let indexes = sqlx::query_scalar("SELECT name FROM pragma_index_list(?, 'main')").bind(table);
        let indexes: Vec<String> = indexes.fetch_all(&mut *connection).await?;
        for index in indexes {
            let copied = format!(
                "INSERT OR REPLACE INTO main.\"{table}\" ({columns})
                 SELECT {columns} FROM old.\"{table}\" INDEXED BY \"{index}\" WHERE {of}"
            );
            match execute(connection, copied).await {
                Ok(_) => return Ok(true),
                Err(error) if refuses(&error) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    fn order(&self, way: &str) -> String {
        self.key.iter().map(|key| format!("{key} {way}")).collect::<Vec<_>>().join(", ")
    }

    /// In `order`, each chunk from where the one before ended; whether it came to the end.
    async fn chunks(
        &self,
        connection: &mut SqliteConnection,
        order: &str,
        within: Option<&str>,
        on: &str,
    ) -> Result<bool, sqlx::Error> {
        let Self { table, columns, of, .. } = self;
        let within = within.unwrap_or("true");
        let (mut chunk, mut from) = (CHUNK, "true");
        loop {
            let copied = execute(
                connection,
                format!(
                    "INSERT OR REPLACE INTO main.\"{table}\" ({columns}) SELECT {columns} FROM old.\"{table}\"
                     WHERE {of} AND {within} AND {from} ORDER BY {order} LIMIT {chunk}"
                ),
            );
            match copied.await {
                Ok(rows) if rows < chunk => return Ok(true),
                Ok(_) => from = on,
                Err(error) if refuses(&error) => return Err(error),
                Err(_) if chunk == 1 => return Ok(false),
                Err(_) => chunk /= 10,
            }
        }
    }
}

async fn execute(connection: &mut SqliteConnection, statement: String) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(AssertSqlSafe(statement)).persistent(false).execute(connection).await?;
    Ok(done.rows_affected())
}

async fn said(connection: &mut SqliteConnection, query: String, none: &str) -> Result<String, sqlx::Error> {
    let found = sqlx::query_scalar::<_, Option<String>>(AssertSqlSafe(query)).persistent(false);
    Ok(found.fetch_optional(connection).await?.flatten().unwrap_or_else(|| none.to_owned()))
}

/// Whether it is the disk or the new file that refuses; whatever else is said, the damaged file says it.
fn refuses(error: &sqlx::Error) -> bool {
    // BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN.
    primary_code(error).is_none_or(|code| matches!(code, 5 | 6 | 7 | 8 | 10 | 13 | 14))
}

/// The position is what the file said. Where that was lost it is what is known, or what the rows tell: none may be stored twice.
async fn go_on_from(connection: &mut SqliteConnection, stored: Position) -> Result<(), sqlx::Error> {
    let found: i64 =
        sqlx::query_scalar("SELECT position FROM main.journal_position").fetch_one(&mut *connection).await?;
    let mut stored = stored.column();
    if found == 0 && stored == 0 {
        let rows = "SELECT max(position) FROM (SELECT max(position) AS position FROM main.reading
                    UNION ALL SELECT max(position) FROM main.set_aside UNION ALL SELECT max(position) FROM main.event
                    UNION ALL SELECT max(position) FROM main.audit)";
        stored = sqlx::query_scalar::<_, Option<i64>>(rows).fetch_one(&mut *connection).await?.unwrap_or(0);
    }
    sqlx::query("UPDATE main.journal_position SET position = max(position, ?)")
        .bind(stored)
        .execute(connection)
        .await?;
    Ok(())
}
