//! What TimescaleDB is asked for: hypertables, a columnstore, continuous aggregates and policies, each as far as it goes
//! in the edition and version that are there. Everything here may be done again, and goes on where it was cut off.

use headroom_rules::model::{Span, Timestamp};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor as _};

use super::connect::Edition;
use crate::store::StoreSettings;
use crate::store::instant::Instant;
use crate::store::rollup::Resolution;

/// Qualities that decide nothing: IV, NT, OV.
const BAD: i16 = 0x80 | 0x40 | 0x01;
/// Events are few.
const EVENT_CHUNK: Span = Span::from_s(7 * 86_400);
const DAY: Span = Span::from_s(86_400);

/// The name of a resolution's continuous aggregate.
const fn aggregate(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Minute => "rollup_minute",
        Resolution::Quarter => "rollup_quarter",
        Resolution::Hour => "rollup_hour",
        Resolution::Day => "rollup_day",
    }
}

/// Brings the tables to what the database can do, and says what that is.
pub(super) async fn arrange(
    connection: &mut PgConnection,
    settings: &StoreSettings,
    store: &str,
) -> Result<Edition, sqlx::Error> {
    let there: bool =
        ask(connection, "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'timescaledb')").await?;
    if !there {
        return Ok(Edition::Plain);
    }
    let full: bool = ask(connection, "SELECT current_setting('timescaledb.license', true) = 'timescale'").await?;
    for (table, chunk) in [("reading", settings.chunk), ("event", EVENT_CHUNK)] {
        hypertable(connection, table, chunk, store).await?;
    }
    if !full {
        return Ok(Edition::Apache);
    }
    let columnstore = "SELECT EXISTS (SELECT 1 FROM pg_proc WHERE proname = 'add_columnstore_policy')";
    let columnstore: bool = ask(connection, columnstore).await?;
    compress(connection, columnstore).await?;
    aggregates(connection, store).await?;
    policies(connection, settings, columnstore).await?;
    Ok(Edition::Community)
}

async fn ask(connection: &mut PgConnection, question: &'static str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(question).persistent(false).fetch_one(connection).await
}

async fn run(connection: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    // As one simple query: what opens transactions of its own refuses to be in one.
    connection.execute(AssertSqlSafe(statement)).await.map(|_| ())
}

/// As SQL has it.
fn interval(span: Span) -> String {
    format!("INTERVAL '{} seconds'", span.s())
}

async fn hypertable(
    connection: &mut PgConnection,
    table: &'static str,
    chunk: Span,
    store: &str,
) -> Result<(), sqlx::Error> {
    let done: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM timescaledb_information.hypertables
         WHERE hypertable_schema = current_schema() AND hypertable_name = $1)",
    )
    .bind(table)
    .persistent(false)
    .fetch_one(&mut *connection)
    .await?;
    let chunk = interval(chunk);
    if done {
        return run(connection, format!("SELECT set_chunk_time_interval('{table}', {chunk})")).await;
    }
    tracing::info!(store, table, "becomes a hypertable; what is in it is moved, which may take a while");
    let create = format!(
        "SELECT create_hypertable('{table}', 'at', chunk_time_interval => {chunk}, migrate_data => true,
         create_default_indexes => false, if_not_exists => true)"
    );
    run(connection, create).await
}

/// By point and time, as trends are asked for.
async fn compress(connection: &mut PgConnection, columnstore: bool) -> Result<(), sqlx::Error> {
    let enabled = "SELECT compression_enabled FROM timescaledb_information.hypertables
                   WHERE hypertable_schema = current_schema() AND hypertable_name = 'reading'";
    if ask(connection, enabled).await? {
        return Ok(());
    }
    let enable = if columnstore { "enable_columnstore" } else { "compress" };
    let [segment, order] =
        if columnstore { ["segmentby", "orderby"] } else { ["compress_segmentby", "compress_orderby"] };
    let alter = format!(
        "ALTER TABLE reading SET (timescaledb.{enable} = true, timescaledb.{segment} = 'point_id',
         timescaledb.{order} = 'at')"
    );
    run(connection, alter).await
}

/// Each resolution of the one before; those that the program kept until now give way where readings are there to
/// make them of.
async fn aggregates(connection: &mut PgConnection, store: &str) -> Result<(), sqlx::Error> {
    for resolution in Resolution::ALL {
        let name = aggregate(resolution);
        let done: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(name)
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
        if !done {
            run(connection, aggregate_of(resolution)).await?;
        }
    }
    let own = "SELECT EXISTS (SELECT 1 FROM rollup WHERE start >= (SELECT min(at) FROM reading) - INTERVAL '1 day')";
    if ask(connection, own).await? {
        tracing::info!(store, "rollups become continuous aggregates, which may take a while");
        for resolution in Resolution::ALL {
            run(connection, format!("CALL refresh_continuous_aggregate('{}', NULL, NULL)", aggregate(resolution)))
                .await?;
        }
        for resolution in Resolution::ALL {
            let (code, width) = (resolution.code(), interval(resolution.span()));
            let give_way = format!(
                "DELETE FROM rollup WHERE resolution = {code}
                 AND start >= (SELECT time_bucket({width}, min(at)) FROM reading)"
            );
            run(connection, give_way).await?;
        }
    }
    let mut view = String::from("CREATE OR REPLACE VIEW rollups AS SELECT * FROM rollup");
    for resolution in Resolution::ALL {
        let (code, name) = (resolution.code(), aggregate(resolution));
        view.push_str(&format!(
            " UNION ALL SELECT {code}::smallint, point_id, start, readings::bigint, good::bigint, coalesce(sum, 0), low,
             low_at, high, high_at, first, first_at, last, last_at, bad, bad_at, bad_quality, invalid::bigint,
             not_topical::bigint, substituted::bigint, blocked::bigint, overflow::bigint FROM {name}"
        ));
    }
    run(connection, view).await
}

fn aggregate_of(resolution: Resolution) -> String {
    let (name, width) = (aggregate(resolution), interval(resolution.span()));
    let finer = Resolution::ALL.into_iter().take_while(|finer| *finer < resolution).last();
    let (columns, from, time) = match finer {
        None => {
            let good = format!("FILTER (WHERE quality & {BAD} = 0)");
            let bad = format!("FILTER (WHERE quality & {BAD} <> 0)");
            let mark = |bit: i16, name: &str| format!("count(*) FILTER (WHERE quality & {bit} <> 0) AS {name}");
            let columns = format!(
                "count(*) AS readings, count(*) {good} AS good, sum(value) {good} AS sum,
                 min(value) {good} AS low, first(at, value) {good} AS low_at,
                 max(value) {good} AS high, last(at, value) {good} AS high_at,
                 first(value, at) {good} AS first, min(at) {good} AS first_at,
                 last(value, at) {good} AS last, max(at) {good} AS last_at,
                 first(value, at) {bad} AS bad, min(at) {bad} AS bad_at, first(quality, at) {bad} AS bad_quality,
                 {}, {}, {}, {}, {}",
                mark(0x80, "invalid"),
                mark(0x40, "not_topical"),
                mark(0x20, "substituted"),
                mark(0x10, "blocked"),
                mark(0x01, "overflow"),
            );
            (columns, "reading", "at")
        }
        Some(finer) => {
            let columns = "sum(readings) AS readings, sum(good) AS good, sum(sum) AS sum,
                 min(low) AS low, first(low_at, low) AS low_at, max(high) AS high, last(high_at, high) AS high_at,
                 first(first, first_at) AS first, min(first_at) AS first_at,
                 last(last, last_at) AS last, max(last_at) AS last_at,
                 first(bad, bad_at) AS bad, min(bad_at) AS bad_at, first(bad_quality, bad_at) AS bad_quality,
                 sum(invalid) AS invalid, sum(not_topical) AS not_topical, sum(substituted) AS substituted,
                 sum(blocked) AS blocked, sum(overflow) AS overflow";
            (columns.to_owned(), aggregate(finer), "start")
        }
    };
    // What is not materialized yet is computed when it is asked for.
    format!(
        "CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
         SELECT point_id, time_bucket({width}, {time}) AS start, {columns}
         FROM {from} GROUP BY point_id, time_bucket({width}, {time}) WITH NO DATA"
    )
}

/// As the settings say now, whatever they said before.
async fn policies(
    connection: &mut PgConnection,
    settings: &StoreSettings,
    columnstore: bool,
) -> Result<(), sqlx::Error> {
    let after = interval(settings.compress_after);
    if columnstore {
        run(connection, "CALL remove_columnstore_policy('reading', if_exists => true)".to_owned()).await?;
        run(connection, format!("CALL add_columnstore_policy('reading', after => {after})")).await?;
    } else {
        run(connection, "SELECT remove_compression_policy('reading', if_exists => true)".to_owned()).await?;
        run(connection, format!("SELECT add_compression_policy('reading', {after})")).await?;
    }
    // Late readings change what is materialized, but not where readings were given up: there nothing could be made anew.
    let reach = settings.readings_keep.get().saturating_sub(DAY.get()).max(DAY.get() * 4);
    let reach = interval(Span::new(reach));
    for resolution in Resolution::ALL {
        let (name, width) = (aggregate(resolution), interval(resolution.span()));
        let every = interval(resolution.span().min(Span::from_s(6 * 3_600)));
        run(connection, format!("SELECT remove_continuous_aggregate_policy('{name}', if_exists => true)")).await?;
        let add = format!(
            "SELECT add_continuous_aggregate_policy('{name}', start_offset => {reach}, end_offset => {width},
             schedule_interval => {every})"
        );
        run(connection, add).await?;
    }
    let keep = [("reading", settings.readings_keep), ("event", settings.events_keep)];
    let rollups = Resolution::ALL.map(|resolution| (aggregate(resolution), settings.rollup_keep(resolution)));
    for (table, keep) in keep.into_iter().chain(rollups) {
        run(connection, format!("SELECT remove_retention_policy('{table}', if_exists => true)")).await?;
        run(connection, format!("SELECT add_retention_policy('{table}', {})", interval(keep))).await?;
    }
    Ok(())
}

/// Gives up what is older than the settings say and has no policy of its own. Says how many readings went, which nobody
/// counts where whole chunks go.
pub(super) async fn forget(
    connection: &mut PgConnection,
    edition: Edition,
    settings: &StoreSettings,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let before = |keep: Span| Instant::from(now.after(-keep));
    let aside = sqlx::query("DELETE FROM set_aside WHERE arrived_at < $1").bind(before(settings.readings_keep));
    let mut forgotten = aside.persistent(false).execute(&mut *connection).await?.rows_affected();
    for resolution in Resolution::ALL {
        let old = before(settings.rollup_keep(resolution));
        for delete in [
            "DELETE FROM rollup WHERE resolution = $1 AND start < $2",
            "DELETE FROM load WHERE resolution = $1 AND start < $2",
        ] {
            let delete = sqlx::query(delete).bind(resolution.code()).bind(old).persistent(false);
            delete.execute(&mut *connection).await?;
        }
    }
    match edition {
        Edition::Community => {}
        Edition::Apache => {
            for (chunks, keep) in [
                ("SELECT drop_chunks('reading', older_than => $1)", settings.readings_keep),
                ("SELECT drop_chunks('event', older_than => $1)", settings.events_keep),
            ] {
                sqlx::query(chunks).bind(before(keep)).persistent(false).execute(&mut *connection).await?;
            }
        }
        Edition::Plain => {
            let ids = sqlx::query_scalar("SELECT id FROM point ORDER BY id").persistent(false);
            let ids: Vec<i32> = ids.fetch_all(&mut *connection).await?;
            for id in ids {
                let delete = sqlx::query("DELETE FROM reading WHERE point_id = $1 AND at < $2").bind(id);
                let delete = delete.bind(before(settings.readings_keep)).persistent(false);
                forgotten += delete.execute(&mut *connection).await?.rows_affected();
            }
            let events = sqlx::query("DELETE FROM event WHERE at < $1").bind(before(settings.events_keep));
            events.persistent(false).execute(&mut *connection).await?;
        }
    }
    Ok(forgotten)
}
