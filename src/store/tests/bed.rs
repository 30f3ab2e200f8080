//! Where a contract test runs: a folder, or a database that is wiped before.

use std::path::Path;

use headroom_rules::input::Input;
use headroom_rules::model::{PointKind, Quality, Reading, TerminalId, Timestamp};
use headroom_rules::output::{Audit, Event, Happening, Output};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::journal::Position;
use crate::store::{Entry, Place, Server, Store, StoreError, StoreReader, StoreSettings};

/// One test at a time has a server.
static ALONE: Mutex<()> = Mutex::const_new(());

/// 2027-01-15, 08:00 UTC.
pub(super) const T0: i64 = 1_800_000_000_000;

pub(super) struct Bed {
    pub(super) settings: StoreSettings,
    folder: TempDir,
    _alone: Option<MutexGuard<'static, ()>>,
}

impl Bed {
    pub(super) fn sqlite() -> Self {
        Self { settings: StoreSettings::default(), folder: tempfile::tempdir().unwrap(), _alone: None }
    }

    /// The database that `variable` names, with the extension where it is to have one.
    pub(super) async fn server(variable: &str) -> Self {
        let bed = Self::bare(variable).await;
        if variable.contains("TIMESCALE") {
            bed.execute("CREATE EXTENSION IF NOT EXISTS timescaledb").await;
        }
        bed
    }

    /// The same, as it is.
    pub(super) async fn bare(variable: &str) -> Self {
        let alone = ALONE.lock().await;
        let url = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} names no database: see ops/test"));
        let url = url.parse().unwrap_or_else(|error| panic!("{variable}: wanted {error}"));
        let server = Server { url, password_file: None };
        assert!(
            variable != "HEADROOM_TEST_TIMESCALE_URL" || server.url.shown().contains("headroom_test"),
            "{variable} is wiped by the tests, so its database's name has to have headroom_test in it"
        );
        let settings = StoreSettings { place: Place::Server(server), ..StoreSettings::default() };
        let bed = Self { settings, folder: tempfile::tempdir().unwrap(), _alone: Some(alone) };
        bed.wipe().await;
        bed
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) const fn url(&self) -> Option<&crate::store::ServerUrl> {
        match &self.settings.place {
            Place::Folder => None,
            Place::Server(server) => Some(&server.url),
        }
    }

    pub(super) async fn open(&self) -> Result<Store, StoreError> {
        Store::begin(&self.settings, self.folder()).await
    }

    pub(super) async fn store(&self) -> Store {
        self.open().await.unwrap()
    }

    pub(super) async fn reader(&self) -> StoreReader {
        StoreReader::begin(&self.settings, self.folder()).await.unwrap()
    }

    async fn connection(&self) -> PgConnection {
        let mut connection = PgConnection::connect_with(&self.url().unwrap().options().unwrap()).await.unwrap();
        connection.execute("SET client_min_messages = warning; DEALLOCATE ALL").await.unwrap();
        connection
    }

    /// Does something behind the store's back.
    pub(super) async fn execute(&self, sql: &str) {
        if self.url().is_some() {
            let mut connection = self.connection().await;
            connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            connection.close().await.unwrap();
        } else {
            let file = sqlx::sqlite::SqliteConnectOptions::new().filename(self.folder().join("headroom.db"));
            let mut connection = sqlx::SqliteConnection::connect_with(&file).await.unwrap();
            connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
            connection.close().await.unwrap();
        }
    }

    /// Texts of a database.
    pub(super) async fn ask(&self, sql: &'static str) -> Vec<String> {
        let mut connection = self.connection().await;
        let answer = sqlx::query_scalar(sql).persistent(false).fetch_all(&mut connection).await;
        connection.close().await.unwrap();
        answer.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    async fn wipe(&self) {
        let tables = self.ask("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").await;
        for name in self.aggregates().await.iter().rev() {
            self.execute(&format!("DROP MATERIALIZED VIEW {name} CASCADE")).await;
        }
        for name in tables {
            self.execute(&format!("DROP TABLE \"{name}\" CASCADE")).await;
        }
    }

    /// Names of the continuous aggregates, from the finest to the coarsest.
    pub(super) async fn aggregates(&self) -> Vec<String> {
        if self.url().is_none() {
            return Vec::new();
        }
        if self.ask("SELECT extname::text FROM pg_extension WHERE extname = 'timescaledb'").await.is_empty() {
            return Vec::new();
        }
        let there = "SELECT view_name::text FROM timescaledb_information.continuous_aggregates
                     ORDER BY materialization_hypertable_name";
        let there = self.ask(there).await;
        let wanted = ["rollup_minute", "rollup_quarter", "rollup_hour", "rollup_day"].map(str::to_owned);
        wanted.into_iter().filter(|name| there.contains(name)).collect()
    }

    /// What the database would do by itself sooner or later.
    pub(super) async fn refresh(&self) {
        for name in self.aggregates().await {
            self.execute(&format!("CALL refresh_continuous_aggregate('{name}', NULL, NULL)")).await;
        }
    }
}

pub(super) fn terminal() -> TerminalId {
    "T-1".parse().unwrap()
}

/// So many ms after [`T0`].
pub(super) const fn t(ms: i64) -> Timestamp {
    Timestamp::new(T0 + ms)
}

pub(super) const fn power(source_time: Option<Timestamp>, value: i64, quality: Quality) -> Reading {
    Reading { point: PointKind::ActivePower, value, quality, source_time, cause: 3 }
}

pub(super) fn readings(position: u64, at: Timestamp, readings: Vec<Reading>) -> Entry {
    let input = Input::Readings { at, terminal: terminal(), readings };
    Entry { position: Position(position), input, outputs: Vec::new() }
}

/// Twice the same reading, an event and an entry of the audit log; it arrives at 1,000 ms and its position.
pub(super) fn entry(position: u64, source_time: Option<i64>, value: i64, quality: Quality) -> Entry {
    let at = t(1_000 + i64::try_from(position).unwrap());
    let reading = power(source_time.map(t), value, quality);
    let audit = Audit {
        at,
        who: "wang".into(),
        from: "10.0.0.7".into(),
        action: "trip round 1".into(),
        object: "#1".into(),
        before: String::new(),
        after: "selecting".into(),
    };
    // The same reading twice, as a terminal may send it: both are kept.
    let mut entry = readings(position, at, vec![reading, reading]);
    entry.outputs = vec![
        Output::Event(Event { at, source_time: None, what: Happening::Link { terminal: terminal(), up: true } }),
        Output::Audit(audit),
    ];
    entry
}

pub(super) fn entries() -> Vec<Entry> {
    (1..=5).map(|n| entry(n, Some(10 * i64::try_from(n).unwrap()), 7, Quality::GOOD)).collect()
}

pub(super) async fn trend(reader: &StoreReader, from: i64, to: i64, max: usize) -> Vec<(i64, i64, Quality)> {
    let trend = reader.trend(terminal(), PointKind::ActivePower, t(from), t(to), max).await.unwrap();
    trend.into_iter().map(|point| (point.at.get() - T0, point.value, point.quality)).collect()
}
