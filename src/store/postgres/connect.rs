//! The way into a database, and what it means when it is shut.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::store::StoreError;
use crate::store::settings::{PASSWORD_VARIABLE, Server};

/// What the database's list of sessions shows.
pub(super) const WRITER: &str = "headroom writer";
pub(super) const READER: &str = "headroom reader";
/// Most readers at the same time; others wait their turn.
const READERS_MAX: u32 = 4;
/// For a reader to get its turn.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What the database can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Edition {
    /// PostgreSQL without the extension.
    Plain,
    /// TimescaleDB, Apache edition: hypertables.
    Apache,
    /// TimescaleDB, community edition: hypertables, columnstore, continuous aggregates, policies.
    Community,
}

impl Edition {
    /// Whether the database keeps the rollups itself.
    pub(super) const fn has_aggregates(self) -> bool {
        matches!(self, Self::Community)
    }

    /// What is there, and what is missing.
    pub(super) fn tell(self, store: &str) {
        match self {
            Self::Plain => tracing::warn!(
                store,
                "PostgreSQL without TimescaleDB: everything is stored, nothing is compressed; install the extension and \
                 run CREATE EXTENSION timescaledb in this database, and the centre converts the tables when it next connects"
            ),
            Self::Apache => tracing::warn!(
                store,
                "TimescaleDB, Apache edition: hypertables, but no compression, no continuous aggregates and no policies; \
                 the community edition has them (timescaledb.license = 'timescale')"
            ),
            Self::Community => tracing::info!(store, "TimescaleDB, community edition"),
        }
    }
}

/// A URL has been parsed before; the password may have changed since.
pub(super) async fn options(server: &Server, name: &str) -> Result<PgConnectOptions, StoreError> {
    let options = server.url.options().map_err(|source| failed(server, source))?;
    let options = options.application_name(name).disable_statement_logging();
    let password = match &server.password_file {
        Some(file) => Some(tokio::fs::read_to_string(file).await.map_err(|source| StoreError::Password {
            store: server.url.shown(),
            file: file.clone(),
            source,
        })?),
        None => std::env::var(PASSWORD_VARIABLE).ok(),
    };
    // An editor leaves a line's end behind.
    Ok(password.map_or(options.clone(), |password| options.password(password.trim_end_matches(['\r', '\n']))))
}

pub(super) async fn connect(server: &Server, name: &str) -> Result<PgConnection, StoreError> {
    let options = options(server, name).await?;
    let mut connection = PgConnection::connect_with(&options).await.map_err(|source| failed(server, source))?;
    begin(&mut connection).await.map_err(|source| failed(server, source))?;
    Ok(connection)
}

/// Connections that are made when they are wanted.
pub(super) fn pool(options: PgConnectOptions) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(READERS_MAX).acquire_timeout(READ_WITHIN);
    pool.after_connect(|connection, _| Box::pin(begin(connection))).connect_lazy_with(options)
}

/// A pooler between us and the server may hand us a session with somebody's statements in it.
async fn begin(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    connection.execute("SET client_min_messages = warning").await?;
    connection.execute("DEALLOCATE ALL").await?;
    connection.ping().await
}

fn failed(server: &Server, source: sqlx::Error) -> StoreError {
    StoreError::Database { store: server.url.shown(), doing: "connect", advice: advice(&source), source }
}

/// What to do, by what the server or the way to it says (PostgreSQL, appendix A: error codes).
pub(super) fn advice(error: &sqlx::Error) -> &'static str {
    if let sqlx::Error::Database(database) = error {
        let code = database.code().unwrap_or_default();
        return match &*code {
            "28P01" | "28000" => {
                "check the user in the URL and the password (password_file under [store], or HEADROOM_STORE_PASSWORD), and \
                 that pg_hba.conf lets this machine in"
            }
            "3D000" => "create the database, or correct its name in url under [store]",
            "42501" => "let this user create tables in the database and write to them",
            "25006" => "this server only reads, as a standby does: name the primary in url under [store]",
            "53100" => "make room on the server's disk",
            "53300" => "the server has too many connections: raise max_connections, or close others",
            "57P01" | "57P02" | "57P03" => "the server stops or starts; it is tried again",
            _ => "the server's log has more",
        };
    }
    match error {
        sqlx::Error::Io(_) => "check that the server runs and that host and port in url under [store] are right",
        sqlx::Error::Tls(_) => "check sslmode and sslrootcert in url under [store], and the server's certificate",
        sqlx::Error::PoolTimedOut => "the server is not reached, or busy; the centre's log has more",
        _ => "check url under [store] and the server's log",
    }
}
