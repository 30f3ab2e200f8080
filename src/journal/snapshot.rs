//! The engine's state at a position, as the journal keeps it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::{Position, record};

/// What wrote a snapshot. States of two programs may differ in their bytes and mean the same.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// SHA-256 of a state's bytes. Two states of one program are the same when these are: their maps are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateHash([u8; 32]);

impl StateHash {
    /// Of a state as a snapshot holds it.
    pub fn of(state: &[u8]) -> Self {
        Self(Sha256::digest(state).into())
    }
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A snapshot as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// It holds the state after this input.
    pub position: Position,
    /// Of the state when it was saved. None where an early version saved it.
    pub hash: Option<StateHash>,
    /// Whether this very program saved it: only then a state that is replayed to the position must have its hash.
    pub of_this_program: bool,
    /// The state, or in which way it is damaged.
    pub state: Result<Vec<u8>, String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    position: i64,
    crc: i64,
    bytes: Vec<u8>,
    hash: Option<Vec<u8>>,
    program: Option<String>,
}

impl Row {
    fn snapshot(self) -> Snapshot {
        let position = Position::from_column(self.position);
        let hash = self.hash.and_then(|hash| hash.try_into().ok()).map(StateHash);
        let state = if i64::from(record::checksum(position.0, &self.bytes)) != self.crc {
            Err("its checksum does not match".to_owned())
        } else if hash.is_some_and(|hash| hash != StateHash::of(&self.bytes)) {
            Err("its state hash does not match".to_owned())
        } else {
            Ok(self.bytes)
        };
        Snapshot { position, hash, of_this_program: self.program.as_deref() == Some(PROGRAM), state }
    }
}

/// All of them, newest first.
pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Vec<Snapshot>, sqlx::Error> {
    let rows = sqlx::query_as::<_, Row>("SELECT position, crc, bytes, hash, program FROM snapshot ORDER BY 1 DESC");
    Ok(rows.fetch_all(connection).await?.into_iter().map(Row::snapshot).collect())
}

/// Saves one, and gives up all but the newest two.
pub(super) async fn save(connection: &mut SqliteConnection, at: Position, state: &[u8]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("INSERT OR REPLACE INTO snapshot (position, crc, bytes, hash, program) VALUES (?, ?, ?, ?, ?)")
        .bind(at.column())
        .bind(i64::from(record::checksum(at.0, state)))
        .bind(state)
        .bind(StateHash::of(state).0.as_slice())
        .bind(PROGRAM)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("DELETE FROM snapshot WHERE position NOT IN (SELECT position FROM snapshot ORDER BY 1 DESC LIMIT 2)")
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}
