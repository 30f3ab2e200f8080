//! What can go wrong with the store, each with what to do about it.

use std::path::PathBuf;

/// Why the store could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file was written by a later version.
    #[error(
        "{file}: written by a newer version (has migration {migration}, which this program does not know); use that version"
    )]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Number of the unknown migration.
        migration: i64,
    },
    /// The tables could not be brought to this version.
    #[error(
        "{file}: cannot bring the tables to this version; check that the disk has room and that this user may write to the file"
    )]
    Migrate {
        /// Which file.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// SQLite refused.
    #[error(
        "{file}: cannot {doing}; check that the disk has room and that this user may write to the file and its folder"
    )]
    Database {
        /// Which file.
        file: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A stored row cannot be understood.
    #[error("{file}: {what} cannot be read")]
    Row {
        /// Which file.
        file: PathBuf,
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
