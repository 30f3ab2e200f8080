//! What can go wrong with the store, each with what to do about it.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;

use crate::journal::{Position, is_damage};

/// Why the store could not be opened, written or read. `store` is a file, or a server's URL without its password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The tables were made by a later version.
    #[error(
        "{store}: written by a newer version (has migration {migration}, which this program does not know); use that version"
    )]
    Newer {
        /// Which.
        store: String,
        /// Number of the unknown migration.
        migration: i64,
    },
    /// The tables could not be brought to this version.
    #[error("{store}: cannot bring the tables to this version; {advice}")]
    Migrate {
        /// Which.
        store: String,
        /// What to do.
        advice: &'static str,
        /// Why.
        #[source]
        source: Box<MigrateError>,
    },
    /// The engine refused, or was not reached.
    #[error("{store}: cannot {doing}; {advice}")]
    Database {
        /// Which.
        store: String,
        /// What was being done.
        doing: &'static str,
        /// What to do.
        advice: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The file is damaged, and there is no new one yet.
    #[error("{store}: the file is damaged, and cannot be kept aside; make room for a second and a third copy of it")]
    KeepAside {
        /// Which.
        store: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A server gave no answer.
    #[error("{store}: no answer within {within_s} s, so it was hung up; check that the server and the way to it work")]
    Silent {
        /// Which.
        store: String,
        /// How long was waited.
        within_s: u64,
    },
    /// The file with the password cannot be read.
    #[error("{store}: the password's file {file} cannot be read; check password_file under [store]")]
    Password {
        /// Which.
        store: String,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two centres on one database.
    #[error(
        "{store}: another centre writes to this database; stop it, or give this one a database of its own (url under \
         [store])"
    )]
    Taken {
        /// Which.
        store: String,
    },
    /// The position moved by somebody else's hand.
    #[error("{store}: the stored position moved while it was written; it is read anew")]
    Moved {
        /// Which.
        store: String,
    },
    /// The store knows inputs that the journal does not.
    #[error(
        "{store}: it has everything up to position {stored}, but the journal ended at {journaled}: they do not belong \
         together; restore the journal from the same backup, or give the centre an empty database (url under [store])"
    )]
    Ahead {
        /// Which.
        store: String,
        /// Where the store stands.
        stored: Position,
        /// Where the journal ended.
        journaled: Position,
    },
    /// The store lacks inputs that are not being offered.
    #[error(
        "{store}: it has everything up to position {stored}, and what comes begins after {after}; start the centre again: \
         it then feeds the store from the journal"
    )]
    Gap {
        /// Which.
        store: String,
        /// Where the store stands.
        stored: Position,
        /// Where the entries begin.
        after: Position,
    },
    /// A stored row cannot be understood.
    #[error("{store}: {what} cannot be read")]
    Row {
        /// Which.
        store: String,
        /// Which row.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Something cannot be put into text.
    #[error("{what} cannot be stored")]
    Encode {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Whether SQLite says that its file is damaged.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Database { source, .. } => is_damage(source),
            Self::Migrate { source, .. } => {
                matches!(&**source, MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) if is_damage(error))
            }
            _ => false,
        }
    }

    pub(super) const fn encode(what: &'static str, source: serde_json::Error) -> Self {
        Self::Encode { what, source }
    }
}
