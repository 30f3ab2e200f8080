//! Looking things up in SQLite, beside the writer.

use std::fs::{self, File};
use std::future::ready;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Moment};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use super::{ADVICE, DAMAGED_FILE, FILE};
use crate::journal::is_damage;
use crate::store::page_queries::pages;
use crate::store::queries::queries;

/// Most readers at the same time; others wait their turn.
const READERS_MAX: u32 = 4;

/// Rows that SQLite's thread may be ahead of the one that takes them: each time it has to wait for that costs two
/// switches of threads, which on a busy machine is what a long answer takes.
const ROWS_AHEAD: usize = 1_024;

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
            .filename(&file)
            .create_if_missing(false)
            .read_only(true)
            .row_buffer_size(ROWS_AHEAD)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(READERS_MAX);
        // A file that was damaged has another in its place, which those that are open do not see.
        let known = Arc::new(Mutex::new((inode(&file), Moment::now())));
        let pool = pool.before_acquire(move |_, connection| {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let now = inode(&file);
            if known.0 != now {
                *known = (now, Moment::now());
            }
            let of_this_file = connection.age < known.1.elapsed();
            Box::pin(ready(Ok(of_this_file)))
        });
        let pool = pool.connect_with(options).await;
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
        move |source| {
            if is_damage(&source) {
                // Where it cannot be made, whoever asks next tries again.
                drop(File::create(Path::new(&store).with_file_name(DAMAGED_FILE)));
            }
            StoreError::Database { store, doing, advice: ADVICE, source }
        }
    }
}

/// Which file it is; none where there is none.
fn inode(file: &Path) -> Option<u64> {
    fs::metadata(file).ok().map(|metadata| metadata.ino())
}

queries!(SqliteRows, "at, position, place", "at, source_time, arrived_at");
pages!(SqliteRows, "position", "place", "at, position, place", "at, source_time, arrived_at");
