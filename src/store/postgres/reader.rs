//! Looking things up in PostgreSQL, beside the writer.

use std::sync::{Arc, OnceLock};

use sqlx::postgres::PgPool;

use super::connect::{READER, advice, options, pool};
use crate::store::page_queries::pages;
use crate::store::queries::queries;
use crate::store::settings::Server;

/// The tables for reading. Copies share their connections, which are made when they are wanted.
#[derive(Clone, Debug)]
pub(in crate::store) struct PgRows {
    pub(in crate::store) store: String,
    server: Server,
    pool: Arc<OnceLock<PgPool>>,
}

impl PgRows {
    pub(in crate::store) fn new(server: &Server) -> Self {
        Self { store: server.url.shown(), server: server.clone(), pool: Arc::default() }
    }

    /// What is connected from here on is let in by the password of now.
    async fn pool(&self) -> Result<&PgPool, StoreError> {
        let options = options(&self.server, READER).await?;
        let pool = self.pool.get_or_init(|| pool(options.clone()));
        pool.set_connect_options(options);
        Ok(pool)
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError + use<> {
        let store = self.store.clone();
        move |source| StoreError::Database { store, doing, advice: advice(&source), source }
    }
}

/// What a reading is made of.
macro_rules! reading {
    () => {
        "at, CASE WHEN timed THEN at + coalesce(ahead_ms, 0) * INTERVAL '1 millisecond' END AS source_time,
         at + delay_ms * INTERVAL '1 millisecond' AS arrived_at"
    };
}

queries!(PgRows, "at, delay_ms, nth", reading!());
pages!(PgRows, "delay_ms", "nth", "at, delay_ms, nth, value, quality, cause, source_time", reading!());
