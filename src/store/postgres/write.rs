//! What goes into PostgreSQL in one transaction: readings by binary COPY, the rest as arrays.

use std::collections::BTreeSet;

use headroom_rules::model::{PointKind, TerminalId};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::copy::{CopyRows, copy_in};
use super::rollups::{self, Newest};
use crate::store::batch::{Batch, Points, ReadingRow, StateRow, new_points};
use crate::store::instant::Instant;
use crate::store::load::{self, LoadPart};
use crate::store::{Entry, StoreError, StoreSettings};

const COPY: &str =
    "COPY reading (at, value, delay_ms, ahead_ms, point_id, quality, cause, nth, timed) FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 9;

/// Why a transaction did not come about.
pub(super) enum Failure {
    Database(sqlx::Error),
    Entry(StoreError),
    /// Somebody else stored, or we did and were not told.
    Moved,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// All points of the database.
pub(super) async fn points(connection: &mut PgConnection) -> Result<Points, sqlx::Error> {
    let query = "SELECT code, kind, point.id FROM point JOIN terminal ON terminal.id = terminal_id";
    // Others are of a later version, and no entry of ours is theirs.
    Ok(sqlx::query_as(query).persistent(false).fetch_all(connection).await?.into_iter().filter_map(point).collect())
}

fn point((code, kind, id): (String, i16, i32)) -> Option<((TerminalId, PointKind), i32)> {
    let kind = u16::try_from(kind).ok().and_then(PointKind::from_code)?;
    Some(((code.parse().ok()?, kind), id))
}

pub(super) async fn write_all(
    connection: &mut PgConnection,
    points: &mut Points,
    entries: &[Entry],
    settings: &StoreSettings,
    (from, to): (i64, i64),
    newest: Option<&mut Newest>,
) -> Result<Batch, Failure> {
    let mut transaction = connection.begin().await?;
    // First, so that a transaction of ours whose end nobody told us of is waited for here.
    let moved = sqlx::query("UPDATE journal_position SET position = $1 WHERE position = $2")
        .bind(to)
        .bind(from)
        .persistent(false)
        .execute(&mut *transaction)
        .await?;
    if moved.rows_affected() != 1 {
        return Err(Failure::Moved);
    }
    let new = new_points(entries, points);
    if !new.is_empty() {
        points.extend(begin_points(&mut transaction, &new).await?);
    }
    let batch = Batch::of(entries, points, settings).map_err(Failure::Entry)?;
    if !batch.readings.is_empty() {
        let copy = copy_in(&mut transaction, COPY, COLUMNS, &batch.readings, put).await?;
        // While the server still has its hands full.
        let parts = if newest.is_some() { batch.parts() } else { Vec::new() };
        copy.finish().await?;
        if let Some(newest) = newest {
            rollups::write(&mut transaction, newest, &parts).await?;
        }
        last_values(&mut transaction, &batch).await?;
    }
    loads(&mut transaction, &batch.loads).await?;
    set_aside(&mut transaction, &batch.set_aside).await?;
    events(&mut transaction, &batch).await?;
    states(&mut transaction, ALARMS, &batch.alarms).await?;
    states(&mut transaction, ORDERS, &batch.orders).await?;
    audits(&mut transaction, &batch).await?;
    transaction.commit().await?;
    Ok(batch)
}

/// Gives new points their numbers.
async fn begin_points(
    connection: &mut PgConnection,
    new: &BTreeSet<(TerminalId, PointKind)>,
) -> Result<Points, sqlx::Error> {
    let codes: Vec<&str> = new.iter().map(|(terminal, _)| terminal.as_str()).collect();
    let kinds: Vec<i16> = new.iter().map(|(_, kind)| i16::try_from(kind.code()).unwrap_or(i16::MAX)).collect();
    sqlx::query("INSERT INTO terminal (code) SELECT DISTINCT unnest($1::text[]) ON CONFLICT DO NOTHING")
        .bind(&codes)
        .persistent(false)
        .execute(&mut *connection)
        .await?;
    let points = sqlx::query_as(
        "WITH new AS (
             INSERT INTO point (terminal_id, kind)
             SELECT id, kind FROM unnest($1::text[], $2::int2[]) AS new (code, kind) JOIN terminal USING (code)
             ON CONFLICT (terminal_id, kind) DO UPDATE SET kind = excluded.kind RETURNING terminal_id, kind, id
         ) SELECT code, kind, new.id FROM new JOIN terminal ON terminal.id = terminal_id",
    );
    let points = points.bind(&codes).bind(kinds).persistent(false).fetch_all(connection).await?;
    Ok(points.into_iter().filter_map(point).collect())
}

/// In the order of the columns of [`COPY`].
fn put(reading: &ReadingRow, row: &mut CopyRows) {
    row.timestamptz(Instant(reading.at)).int8(reading.value).int8(reading.arrived_at.saturating_sub(reading.at));
    match reading.source_time.map(|source| source.saturating_sub(reading.at)).filter(|ahead| *ahead != 0) {
        Some(ahead) => row.int8(ahead),
        None => row.null(),
    };
    row.int4(reading.point_id).int2(i16::from(reading.quality.bits())).int2(i16::from(reading.cause)).int2(reading.nth);
    row.bool(reading.source_time.is_some());
}

async fn last_values(connection: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let rows: Vec<&ReadingRow> = batch.last_values().collect();
    sqlx::query(
        "INSERT INTO last_value (point_id, at, source_time, arrived_at, value, quality, cause)
         SELECT * FROM unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::int8[],
             $6::int2[], $7::int2[])
         ON CONFLICT (point_id) DO UPDATE SET at = excluded.at, source_time = excluded.source_time,
             arrived_at = excluded.arrived_at, value = excluded.value, quality = excluded.quality,
             cause = excluded.cause
         WHERE (excluded.at, excluded.arrived_at) >= (last_value.at, last_value.arrived_at)",
    )
    .bind(column(&rows, |row| row.point_id))
    .bind(column(&rows, |row| Instant(row.at)))
    .bind(column(&rows, |row| row.source_time.map(Instant)))
    .bind(column(&rows, |row| Instant(row.arrived_at)))
    .bind(column(&rows, |row| row.value))
    .bind(column(&rows, |row| i16::from(row.quality.bits())))
    .bind(column(&rows, |row| i16::from(row.cause)))
    .persistent(false)
    .execute(connection)
    .await?;
    Ok(())
}

async fn loads(connection: &mut PgConnection, parts: &[LoadPart]) -> Result<(), sqlx::Error> {
    if parts.is_empty() {
        return Ok(());
    }
    let insert = format!(
        "INSERT INTO load SELECT * FROM unnest($1::text[], $2::int2[], $3::timestamptz[], $4::int8[], $5::int8[],
             $6::timestamptz[], $7::int8[], $8::int8[], $9::timestamptz[], $10::int8[], $11::int8[], $12::int8[]) {}",
        load::MERGE
    );
    sqlx::query(sqlx::AssertSqlSafe(insert))
        .bind(column(parts, |part| part.of.to_string()))
        .bind(column(parts, |part| part.resolution.code()))
        .bind(column(parts, |part| Instant::from(part.start)))
        .bind(column(parts, |part| part.low))
        .bind(column(parts, |part| part.high))
        .bind(column(parts, |part| Instant::from(part.high_at)))
        .bind(column(parts, |part| part.sum))
        .bind(column(parts, |part| part.last))
        .bind(column(parts, |part| Instant::from(part.last_at)))
        .bind(column(parts, |part| part.known_ms))
        .bind(column(parts, |part| part.over_ms))
        .bind(column(parts, |part| part.limit))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

async fn set_aside(connection: &mut PgConnection, rows: &[ReadingRow]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO set_aside (position, place, point_id, source_time, arrived_at, value, quality, cause)
         SELECT * FROM unnest($1::int8[], $2::int8[], $3::int4[], $4::timestamptz[], $5::timestamptz[], $6::int8[],
             $7::int2[], $8::int2[])",
    )
    .bind(column(rows, |row| row.position))
    .bind(column(rows, |row| row.place))
    .bind(column(rows, |row| row.point_id))
    .bind(column(rows, |row| row.source_time.map(Instant)))
    .bind(column(rows, |row| Instant(row.arrived_at)))
    .bind(column(rows, |row| row.value))
    .bind(column(rows, |row| i16::from(row.quality.bits())))
    .bind(column(rows, |row| i16::from(row.cause)))
    .persistent(false)
    .execute(connection)
    .await?;
    Ok(())
}

async fn events(connection: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let rows = &batch.events;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO event (position, place, at, source_time, kind, subject, text, json)
         SELECT * FROM unnest($1::int8[], $2::int8[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
             $7::text[], $8::text[])",
    )
    .bind(column(rows, |row| row.position))
    .bind(column(rows, |row| row.place))
    .bind(column(rows, |row| Instant::from(row.at)))
    .bind(column(rows, |row| row.source_time.map(Instant::from)))
    .bind(column(rows, |row| row.kind.clone()))
    .bind(column(rows, |row| row.subject.clone()))
    .bind(column(rows, |row| row.text.clone()))
    .bind(column(rows, |row| row.json.clone()))
    .persistent(false)
    .execute(connection)
    .await?;
    Ok(())
}

const ALARMS: &str = "INSERT INTO alarm SELECT * FROM unnest($1::int8[], $2::text[], $3::text[], $4::timestamptz[],
        $5::timestamptz[], $6::text[])
    ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, state = excluded.state, began_at = excluded.began_at,
        changed_at = excluded.changed_at, json = excluded.json";
const ORDERS: &str = "INSERT INTO \"order\" SELECT * FROM unnest($1::int8[], $2::text[], $3::text[], $4::timestamptz[],
        $5::timestamptz[], $6::text[])
    ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, state = excluded.state, began_at = excluded.began_at,
        changed_at = excluded.changed_at, json = excluded.json";

async fn states(connection: &mut PgConnection, insert: &'static str, rows: &[StateRow]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(insert)
        .bind(column(rows, |row| row.id))
        .bind(column(rows, |row| row.subject.clone()))
        .bind(column(rows, |row| row.state.clone()))
        .bind(column(rows, |row| Instant::from(row.began_at)))
        .bind(column(rows, |row| Instant::from(row.changed_at)))
        .bind(column(rows, |row| row.json.clone()))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}

async fn audits(connection: &mut PgConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let rows = &batch.audits;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO audit (position, place, at, who, json)
         SELECT * FROM unnest($1::int8[], $2::int8[], $3::timestamptz[], $4::text[], $5::text[])",
    )
    .bind(column(rows, |row| row.position))
    .bind(column(rows, |row| row.place))
    .bind(column(rows, |row| Instant::from(row.at)))
    .bind(column(rows, |row| row.who.clone()))
    .bind(column(rows, |row| row.json.clone()))
    .persistent(false)
    .execute(connection)
    .await?;
    Ok(())
}

fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use headroom_rules::model::Quality;

    use super::*;
    use crate::store::postgres::copy::pieces;

    #[test]
    fn a_row_is_copied_field_by_field_as_postgresql_documents_it() {
        let row = ReadingRow {
            point_id: 5,
            at: 946_684_800_001,
            arrived_at: 946_684_800_004,
            source_time: Some(946_684_800_001),
            value: -2,
            quality: Quality::INVALID,
            cause: 3,
            nth: 1,
            ..ReadingRow::default()
        };
        let wanted = [
            &b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..],
            &[0, 9],                                     // fields
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x03, 0xE8], // at: 1 ms after 2000, in µs
            &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3], // delay
            &[255, 255, 255, 255],                 // ahead: null
            &[0, 0, 0, 4, 0, 0, 0, 5],
            &[0, 0, 0, 2, 0, 0x80],
            &[0, 0, 0, 2, 0, 3],
            &[0, 0, 0, 2, 0, 1],
            &[0, 0, 0, 1, 1], // timed
            &[255, 255],      // the end
        ];
        let pieces: Vec<_> = pieces(COLUMNS, &[row], put).collect();
        assert_eq!(pieces.concat(), wanted.concat());
    }
}
