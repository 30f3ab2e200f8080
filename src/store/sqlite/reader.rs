//! Looking things up in SQLite, beside the writer.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::{ADVICE, FILE};
use crate::store::page_queries::pages;
use crate::store::queries::queries;

/// Most readers at the same time; others wait their turn.
const READERS_MAX: u32 = 4;

/// The tables for reading only. Copies share their connections.
#[derive(Clone, Debug)]
pub(in crate::store) struct SqliteRows {
    pub(in crate::store) store: String,
    pool: SqlitePool,
}

impl SqliteRows {
    pub(in crate::store) async fn open(folder: &Path) -> Result<Self, StoreError> {
        let file = folder.join(FILE);
        let store = file.display().to_string();
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(false)
            .read_only(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).connect_with(options).await;
        match pool {
            Ok(pool) => Ok(Self { store, pool }),
            Err(source) => {
                Err(StoreError::Database { store, doing: "open the store for reading", advice: ADVICE, source })
            }
        }
    }

    #[allow(clippy::unused_async, reason = "as the other engine's, which may have to connect")]
    async fn pool(&self) -> Result<&SqlitePool, StoreError> {
        Ok(&self.pool)
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError + use<> {
        let store = self.store.clone();
        move |source| StoreError::Database { store, doing, advice: ADVICE, source }
    }
}

queries!(SqliteRows, "at, position, place", "at, source_time, arrived_at");
pages!(SqliteRows, "position", "place", "at, position, place", "at, source_time, arrived_at");
