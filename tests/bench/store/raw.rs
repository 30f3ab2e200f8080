//! What the engines take and need without the store.

use std::path::Path;
use std::time::Instant;

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, QueryBuilder, Row as _, Sqlite};

const ROWS_PER_INSERT: usize = 500;
const ROWS_PER_TRANSACTION: usize = headroom::store::READINGS_MAX;

async fn connected(url: &str) -> PgConnection {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute("SET client_min_messages = warning; DEALLOCATE ALL").await.unwrap();
    connection
}

async fn texts(connection: &mut PgConnection, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).persistent(false).fetch_all(connection).await.unwrap()
}

async fn number(connection: &mut PgConnection, query: &'static str) -> f64 {
    sqlx::query_scalar(query).persistent(false).fetch_one(connection).await.unwrap()
}

/// A database without anything of ours; with the extension, where the server has it to give.
pub(crate) async fn wipe(url: Option<&str>) {
    let Some(url) = url else { return };
    let mut connection = connected(url).await;
    let extension = "SELECT name::text FROM pg_available_extensions WHERE name = 'timescaledb'";
    if !texts(&mut connection, extension).await.is_empty() {
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb").await.unwrap();
        for name in ["rollup_day", "rollup_hour", "rollup_quarter", "rollup_minute"] {
            let drop = format!("DROP MATERIALIZED VIEW IF EXISTS {name} CASCADE");
            connection.execute(AssertSqlSafe(drop)).await.unwrap();
        }
    }
    let tables = texts(&mut connection, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").await;
    for name in tables {
        connection.execute(AssertSqlSafe(format!("DROP TABLE \"{name}\" CASCADE"))).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// Rows/s of what the store has, written once more into a table like its own by the fastest way that the engine has.
pub(crate) async fn limit(url: Option<&str>, folder: &Path) -> f64 {
    match url {
        Some(url) => copied(url).await,
        None => inserted(folder).await,
    }
}

/// Binary COPY of the rows in the order in which they lie, in one go.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn copied(url: &str) -> f64 {
    let mut connection = connected(url).await;
    let rows = connection.copy_out_raw("COPY (SELECT * FROM reading) TO STDOUT (FORMAT binary)").await.unwrap();
    let bytes: Vec<u8> = rows
        .try_fold(Vec::new(), |mut all, part| async move {
            all.extend_from_slice(&part);
            Ok(all)
        })
        .await
        .unwrap();
    connection.execute("CREATE TABLE bare (LIKE reading INCLUDING ALL)").await.unwrap();
    if !texts(&mut connection, "SELECT extname::text FROM pg_extension WHERE extname = 'timescaledb'").await.is_empty()
    {
        let create = "SELECT create_hypertable('bare', 'at', chunk_time_interval => INTERVAL '1 day',
                      create_default_indexes => false)";
        connection.execute(create).await.unwrap();
    }
    let began = Instant::now();
    let mut copy = connection.copy_in_raw("COPY bare FROM STDIN (FORMAT binary)").await.unwrap();
    copy.send(bytes).await.unwrap();
    let rows = copy.finish().await.unwrap();
    let per_s = rows as f64 / began.elapsed().as_secs_f64();
    connection.close().await.unwrap();
    per_s
}

/// Rows of several each insert, in the store's order and transactions.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
async fn inserted(folder: &Path) -> f64 {
    let options = |name| {
        SqliteConnectOptions::new()
            .filename(folder.join(name))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            // As the store has it: without, this is half as fast.
            .pragma("cache_size", "-65536")
            .pragma("wal_autocheckpoint", "16384")
    };
    let mut from = SqliteConnection::connect_with(&options("headroom.db")).await.unwrap();
    let table: String =
        sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE name = 'reading'").fetch_one(&mut from).await.unwrap();
    let rows = "SELECT point_id, at, position, place, source_time, arrived_at, value, quality, cause FROM reading
                ORDER BY position, place";
    let rows = sqlx::query(rows).fetch_all(&mut from).await.unwrap();
    let mut rows: Vec<[i64; 9]> = rows.iter().map(|row| std::array::from_fn(|n| row.get(n))).collect();
    from.close().await.unwrap();
    rows.chunks_mut(ROWS_PER_TRANSACTION).for_each(<[_]>::sort_unstable);

    let mut to = SqliteConnection::connect_with(&options("bare.db")).await.unwrap();
    to.execute(AssertSqlSafe(table)).await.unwrap();
    let began = Instant::now();
    for batch in rows.chunks(ROWS_PER_TRANSACTION) {
        let mut transaction = to.begin().await.unwrap();
        for chunk in batch.chunks(ROWS_PER_INSERT) {
            let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO reading ");
            insert.push_values(chunk, |mut values, row| {
                for value in row {
                    values.push_bind(value);
                }
            });
            insert.build().persistent(chunk.len() == ROWS_PER_INSERT).execute(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }
    let per_s = rows.len() as f64 / began.elapsed().as_secs_f64();
    to.close().await.unwrap();
    per_s
}

/// What the readings take on disk; in SQLite everything does.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn bytes(url: Option<&str>, folder: &Path) -> f64 {
    let Some(url) = url else {
        let file = SqliteConnectOptions::new().filename(folder.join("headroom.db"));
        let mut connection = SqliteConnection::connect_with(&file).await.unwrap();
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
        connection.close().await.unwrap();
        let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
        return size("headroom.db") as f64;
    };
    let mut connection = connected(url).await;
    let hypertable = !texts(&mut connection, "SELECT extname::text FROM pg_extension WHERE extname = 'timescaledb'")
        .await
        .is_empty();
    let size = if hypertable {
        "SELECT hypertable_size('reading'::regclass)::float8"
    } else {
        "SELECT pg_total_relation_size('reading'::regclass)::float8"
    };
    let size = number(&mut connection, size).await;
    connection.close().await.unwrap();
    size
}

/// What they take once all of them are compressed; none where nothing compresses.
pub(crate) async fn compressed(url: Option<&str>) -> Option<f64> {
    let mut connection = connected(url?).await;
    let can = "SELECT 'yes' WHERE current_setting('timescaledb.license', true) = 'timescale'";
    if texts(&mut connection, can).await.is_empty() {
        return None;
    }
    connection.execute("SELECT compress_chunk(chunk) FROM show_chunks('reading'::regclass) AS chunk").await.unwrap();
    let size = number(&mut connection, "SELECT hypertable_size('reading'::regclass)::float8").await;
    connection.close().await.unwrap();
    Some(size)
}
