//! Rollups that the program keeps: stretches that begin anew go in by COPY, which is some three times as fast; only what
//! may be there already is merged.

use std::collections::{BTreeMap, BTreeSet};

use headroom_rules::model::Timestamp;
use sqlx::postgres::PgConnection;

use super::copy::{CopyRows, copy_in};
use crate::store::instant::Instant;
use crate::store::rollup::{self, At, Part, Resolution};

const COPY: &str = "COPY rollup (resolution, point_id, start, readings, good, sum, low, low_at, high, high_at, first,
    first_at, last, last_at, bad, bad_at, bad_quality, invalid, not_topical, substituted, blocked, overflow)
    FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 22;

/// Value and time of each extreme, in the order of the columns.
const EXTREMES: [fn(&Part) -> Option<At>; 5] =
    [|part| part.low, |part| part.high, |part| part.first, |part| part.last, |part| part.bad.map(|(at, _)| at)];

/// The newest stretch in the table of each resolution and point that was written to over this connection. Nobody else
/// writes to it: the connection has the writer's lock.
#[derive(Debug, Default)]
pub(super) struct Newest(BTreeMap<(i16, i32), Timestamp>);

impl Newest {
    fn of(&self, part: &Part) -> Option<Timestamp> {
        self.0.get(&(part.resolution.code(), part.point_id)).copied()
    }

    /// Asks for those that are not known yet.
    async fn learn(&mut self, connection: &mut PgConnection, parts: &[Part]) -> Result<(), sqlx::Error> {
        let unknown = parts.iter().filter(|part| self.of(part).is_none()).map(|part| part.point_id);
        let unknown: Vec<i32> = unknown.collect::<BTreeSet<_>>().into_iter().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let query = "SELECT code, id, (SELECT max(start) FROM rollup WHERE resolution = code AND point_id = id)
                     FROM unnest($1::int2[]) AS code CROSS JOIN unnest($2::int4[]) AS id";
        let codes: Vec<i16> = Resolution::ALL.iter().map(|resolution| resolution.code()).collect();
        let rows: Vec<(i16, i32, Option<Instant>)> =
            sqlx::query_as(query).bind(codes).bind(unknown).persistent(false).fetch_all(connection).await?;
        let newest = |start: Option<Instant>| start.map_or(Timestamp::new(i64::MIN), Instant::timestamp);
        self.0.extend(rows.into_iter().map(|(code, point, start)| ((code, point), newest(start))));
        Ok(())
    }
}

pub(super) async fn write(
    connection: &mut PgConnection,
    newest: &mut Newest,
    parts: &[Part],
) -> Result<(), sqlx::Error> {
    newest.learn(connection, parts).await?;
    let is_new = |part: &&Part| newest.of(part).is_some_and(|newest| newest < part.start);
    let (new, known): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(is_new);
    if !new.is_empty() {
        copy_in(connection, COPY, COLUMNS, &new, |part, row| put(part, row)).await?.finish().await?;
    }
    if !known.is_empty() {
        merge(connection, &known).await?;
    }
    // Each point's parts rise in time. When the transaction fails, its connection goes, and this with it.
    newest.0.extend(new.iter().map(|part| ((part.resolution.code(), part.point_id), part.start)));
    Ok(())
}

fn put(part: &Part, row: &mut CopyRows) {
    row.int2(part.resolution.code()).int4(part.point_id).timestamptz(part.start.into());
    row.int8(part.readings).int8(part.good).numeric(part.sum());
    for extreme in EXTREMES {
        match extreme(part) {
            Some(At { at, value }) => row.int8(value).timestamptz(at.into()),
            None => row.null().null(),
        };
    }
    match part.bad {
        Some((_, quality)) => row.int2(i16::from(quality.bits())),
        None => row.null(),
    };
    let marks = part.marks;
    row.int8(marks.invalid).int8(marks.not_topical).int8(marks.substituted).int8(marks.blocked).int8(marks.overflow);
}

async fn merge(connection: &mut PgConnection, parts: &[&Part]) -> Result<(), sqlx::Error> {
    fn column<T>(parts: &[&Part], value: impl Fn(&Part) -> T) -> Vec<T> {
        parts.iter().map(|part| value(part)).collect()
    }
    let insert = format!(
        "INSERT INTO rollup SELECT * FROM unnest($1::int2[], $2::int4[], $3::timestamptz[], $4::int8[], $5::int8[],
             $6::int8[], $7::int8[], $8::timestamptz[], $9::int8[], $10::timestamptz[], $11::int8[], $12::timestamptz[],
             $13::int8[], $14::timestamptz[], $15::int8[], $16::timestamptz[], $17::int2[], $18::int8[], $19::int8[],
             $20::int8[], $21::int8[], $22::int8[]) {}",
        rollup::MERGE
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(insert))
        .bind(column(parts, |part| part.resolution.code()))
        .bind(column(parts, |part| part.point_id))
        .bind(column(parts, |part| Instant::from(part.start)))
        .bind(column(parts, |part| part.readings))
        .bind(column(parts, |part| part.good))
        .bind(column(parts, Part::sum));
    for extreme in EXTREMES {
        query = query
            .bind(column(parts, |part| extreme(part).map(|at| at.value)))
            .bind(column(parts, |part| extreme(part).map(|at| Instant::from(at.at))));
    }
    query
        .bind(column(parts, |part| part.bad.map(|(_, quality)| i16::from(quality.bits()))))
        .bind(column(parts, |part| part.marks.invalid))
        .bind(column(parts, |part| part.marks.not_topical))
        .bind(column(parts, |part| part.marks.substituted))
        .bind(column(parts, |part| part.marks.blocked))
        .bind(column(parts, |part| part.marks.overflow))
        .persistent(false)
        .execute(connection)
        .await?;
    Ok(())
}
