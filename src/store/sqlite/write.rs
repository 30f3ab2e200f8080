//! What goes into SQLite in one transaction.

use futures_util::TryStreamExt as _;
use headroom_rules::model::{Quality, Span, Timestamp};
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection as _, QueryBuilder};

use crate::journal::Position;
use crate::store::batch::{Batch, EventRow, Points, ReadingRow, StateRow, new_points};
use crate::store::instant::Instant;
use crate::store::load::{self, LoadPart};
use crate::store::rollup::{self, Part, Resolution, parts};
use crate::store::{Entry, StoreError, StoreSettings};

/// Rows of one insert of readings; with nine columns far below SQLite's limit of 32766 values.
const ROWS_PER_INSERT: usize = 500;
/// Of rollups, with 22 columns.
const PARTS_PER_INSERT: usize = 500;
/// Of loads, with 12.
const LOADS_PER_INSERT: usize = 100;

/// Why a transaction did not come about.
pub(super) enum Failure {
    Database(sqlx::Error),
    Entry(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

pub(super) async fn write_all(
    connection: &mut SqliteConnection,
    points: &mut Points,
    entries: &[Entry],
    settings: &StoreSettings,
    last: Position,
) -> Result<Batch, Failure> {
    let mut transaction = connection.begin().await?;
    for (terminal, kind) in new_points(entries, points) {
        let id = point_id(&mut transaction, terminal.as_str(), kind.code()).await?;
        points.insert((terminal, kind), id);
    }
    let batch = Batch::of(entries, points, settings).map_err(Failure::Entry)?;
    insert_all(&mut transaction, &batch.readings, ROWS_PER_INSERT, readings).await?;
    for row in &batch.set_aside {
        set_aside(&mut transaction, row).await?;
    }
    roll_up(&mut transaction, batch.parts()).await?;
    insert_all(&mut transaction, &batch.loads, LOADS_PER_INSERT, loads).await?;
    for row in batch.last_values() {
        last_value(&mut transaction, row).await?;
    }
    for row in &batch.events {
        event(&mut transaction, row).await?;
    }
    for row in &batch.alarms {
        state(&mut transaction, "INSERT OR REPLACE INTO alarm VALUES (?, ?, ?, ?, ?, ?)", row).await?;
    }
    for row in &batch.orders {
        state(&mut transaction, "INSERT OR REPLACE INTO \"order\" VALUES (?, ?, ?, ?, ?, ?)", row).await?;
    }
    for row in &batch.audits {
        sqlx::query("INSERT INTO audit (position, place, at, who, json) VALUES (?, ?, ?, ?, ?)")
            .bind(row.position)
            .bind(row.place)
            .bind(Instant::from(row.at))
            .bind(&row.who)
            .bind(&row.json)
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query("UPDATE journal_position SET position = ?").bind(last.column()).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(batch)
}

async fn point_id(connection: &mut SqliteConnection, terminal: &str, kind: u16) -> Result<i32, sqlx::Error> {
    sqlx::query("INSERT INTO terminal (code) VALUES (?) ON CONFLICT DO NOTHING")
        .bind(terminal)
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO point (terminal_id, kind) SELECT id, ?2 FROM terminal WHERE code = ?1 ON CONFLICT DO NOTHING",
    )
    .bind(terminal)
    .bind(kind)
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar(
        "SELECT point.id FROM point JOIN terminal ON terminal.id = terminal_id WHERE code = ? AND kind = ?",
    )
    .bind(terminal)
    .bind(kind)
    .fetch_one(&mut *connection)
    .await
}

/// As one statement for each so many rows. While SQLite, in a thread of its own, is at work on one, the next is made.
async fn insert_all<T>(
    connection: &mut SqliteConnection,
    rows: &[T],
    rows_per_insert: usize,
    statement: impl Fn(&[T]) -> QueryBuilder<Sqlite>,
) -> Result<(), sqlx::Error> {
    let mut chunks = rows.chunks(rows_per_insert).map(|rows| (rows.len(), statement(rows)));
    let mut next = chunks.next();
    while let Some((rows, mut insert)) = next {
        // Only the full chunk comes again and again; keeping every other length would push the rest out of the cache.
        let inserting = insert.build().persistent(rows == rows_per_insert).execute(&mut *connection);
        let (done, made) = tokio::join!(inserting, async { chunks.next() });
        done?;
        next = made;
    }
    Ok(())
}

fn readings(rows: &[ReadingRow]) -> QueryBuilder<Sqlite> {
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO reading (point_id, at, position, place, source_time, arrived_at, value, quality, cause) ",
    );
    insert.push_values(rows, |mut values, row| {
        values.push_bind(row.point_id).push_bind(row.at).push_bind(row.position).push_bind(row.place);
        values.push_bind(row.source_time).push_bind(row.arrived_at).push_bind(row.value);
        values.push_bind(row.quality.bits()).push_bind(row.cause);
    });
    insert
}

async fn set_aside(connection: &mut SqliteConnection, row: &ReadingRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO set_aside (position, place, point_id, source_time, arrived_at, value, quality, cause)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.position)
    .bind(row.place)
    .bind(row.point_id)
    .bind(row.source_time)
    .bind(row.arrived_at)
    .bind(row.value)
    .bind(row.quality.bits())
    .bind(row.cause)
    .execute(connection)
    .await?;
    Ok(())
}

async fn last_value(connection: &mut SqliteConnection, row: &ReadingRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO last_value (point_id, at, source_time, arrived_at, value, quality, cause)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (point_id) DO UPDATE SET at = excluded.at, source_time = excluded.source_time,
             arrived_at = excluded.arrived_at, value = excluded.value, quality = excluded.quality,
             cause = excluded.cause
         WHERE (excluded.at, excluded.arrived_at) >= (last_value.at, last_value.arrived_at)",
    )
    .bind(row.point_id)
    .bind(row.at)
    .bind(row.source_time)
    .bind(row.arrived_at)
    .bind(row.value)
    .bind(row.quality.bits())
    .bind(row.cause)
    .execute(connection)
    .await?;
    Ok(())
}

/// Those that have nothing but good readings by themselves: less is bound for them.
async fn roll_up(connection: &mut SqliteConnection, parts: Vec<Part>) -> Result<(), sqlx::Error> {
    let (plain, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(Part::is_plain);
    insert_all(connection, &plain, PARTS_PER_INSERT, rollups).await?;
    insert_all(connection, &others, PARTS_PER_INSERT, rollups).await
}

fn rollups(parts: &[Part]) -> QueryBuilder<Sqlite> {
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO rollup ");
    insert.push_values(parts, |mut values, part| {
        values.push_bind(part.resolution.code()).push_bind(part.point_id).push_bind(Instant::from(part.start));
        values.push_bind(part.readings).push_bind(part.good).push_bind(part.sum());
        for at in [part.low, part.high, part.first, part.last] {
            values.push_bind(at.map(|at| at.value)).push_bind(at.map(|at| Instant::from(at.at)));
        }
        if part.is_plain() {
            values.push("NULL, NULL, NULL, 0, 0, 0, 0, 0");
            return;
        }
        let bad = part.bad.map(|(at, _)| at);
        values.push_bind(bad.map(|at| at.value)).push_bind(bad.map(|at| Instant::from(at.at)));
        values.push_bind(part.bad.map(|(_, quality)| quality.bits()));
        let marks = part.marks;
        values.push_bind(marks.invalid).push_bind(marks.not_topical).push_bind(marks.substituted);
        values.push_bind(marks.blocked).push_bind(marks.overflow);
    });
    // A SELECT without a condition before ON CONFLICT would be ambiguous; VALUES is not.
    insert.push(" ").push(rollup::MERGE);
    insert
}

fn loads(parts: &[LoadPart]) -> QueryBuilder<Sqlite> {
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO load ");
    insert.push_values(parts, |mut values, part| {
        values.push_bind(part.of.to_string()).push_bind(part.resolution.code()).push_bind(Instant::from(part.start));
        values.push_bind(part.low).push_bind(part.high).push_bind(Instant::from(part.high_at)).push_bind(part.sum);
        values.push_bind(part.last).push_bind(Instant::from(part.last_at));
        values.push_bind(part.known_ms).push_bind(part.over_ms).push_bind(part.limit);
    });
    insert.push(" ").push(load::MERGE);
    insert
}

async fn event(connection: &mut SqliteConnection, row: &EventRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO event (position, place, at, source_time, kind, subject, text, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.position)
    .bind(row.place)
    .bind(Instant::from(row.at))
    .bind(row.source_time.map(Instant::from))
    .bind(&row.kind)
    .bind(&row.subject)
    .bind(&row.text)
    .bind(&row.json)
    .execute(connection)
    .await?;
    Ok(())
}

async fn state(connection: &mut SqliteConnection, insert: &'static str, row: &StateRow) -> Result<(), sqlx::Error> {
    sqlx::query(insert)
        .bind(row.id)
        .bind(&row.subject)
        .bind(&row.state)
        .bind(Instant::from(row.began_at))
        .bind(Instant::from(row.changed_at))
        .bind(&row.json)
        .execute(connection)
        .await?;
    Ok(())
}

/// Readings of before there were rollups get theirs, point by point.
pub(super) async fn roll_up_what_was_there(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let bare = "SELECT EXISTS (SELECT 1 FROM reading) AND NOT EXISTS (SELECT 1 FROM rollup)";
    let bare: bool = sqlx::query_scalar(bare).fetch_one(&mut *connection).await?;
    if !bare {
        return Ok(());
    }
    tracing::info!("rollups are made of what is stored");
    let mut transaction = connection.begin().await?;
    let points: Vec<i32> = sqlx::query_scalar("SELECT id FROM point ORDER BY id").fetch_all(&mut *transaction).await?;
    for point_id in points {
        let mut rows = Vec::new();
        let query =
            "SELECT at, arrived_at, value, quality FROM reading WHERE point_id = ? ORDER BY at, position, place";
        let mut readings = sqlx::query_as::<_, (i64, i64, i64, u8)>(query).bind(point_id).fetch(&mut *transaction);
        while let Some((at, arrived_at, value, quality)) = readings.try_next().await? {
            let quality = Quality::from_bits(quality);
            rows.push(ReadingRow { point_id, at, arrived_at, value, quality, ..ReadingRow::default() });
        }
        drop(readings);
        roll_up(&mut transaction, parts(&rows)).await?;
    }
    transaction.commit().await
}

/// Gives up what is older than the settings say, readings point by point so that nobody waits long, and says how many of
/// these there were.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    settings: &StoreSettings,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let before = |keep: Span| Instant::from(now.after(-keep));
    let points: Vec<i32> = sqlx::query_scalar("SELECT id FROM point ORDER BY id").fetch_all(&mut *connection).await?;
    let readings = before(settings.readings_keep);
    let mut forgotten = 0;
    for point in points {
        // By the key, and of that what also came long ago: a clock that is years behind does not make a value old.
        let query = "DELETE FROM reading WHERE point_id = ?1 AND at < ?2 AND arrived_at < ?2";
        forgotten += sqlx::query(query).bind(point).bind(readings).execute(&mut *connection).await?.rows_affected();
        let query = "DELETE FROM set_aside WHERE point_id = ?1 AND arrived_at < ?2";
        forgotten += sqlx::query(query).bind(point).bind(readings).execute(&mut *connection).await?.rows_affected();
        for resolution in Resolution::ALL {
            let old = before(settings.rollup_keep(resolution));
            let query = "DELETE FROM rollup WHERE resolution = ? AND point_id = ? AND start < ?";
            sqlx::query(query).bind(resolution.code()).bind(point).bind(old).execute(&mut *connection).await?;
        }
    }
    for resolution in Resolution::ALL {
        let old = before(settings.rollup_keep(resolution));
        let query = sqlx::query("DELETE FROM load WHERE resolution = ? AND start < ?").bind(resolution.code());
        query.bind(old).execute(&mut *connection).await?;
    }
    let events = before(settings.events_keep);
    sqlx::query("DELETE FROM event WHERE at < ?").bind(events).execute(&mut *connection).await?;
    Ok(forgotten)
}
