//! What can go wrong with a journal, each with what to do about it.

use std::io;
use std::path::PathBuf;

use super::Position;

/// Why the journal could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The data folder cannot be made or written to.
    #[error("data folder {folder}: cannot write there; make it a folder that this user may write to, or name another")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has the folder open.
    #[error("data folder {folder}: another headroom process has it open; stop that one, or name another folder")]
    InUse {
        /// Which.
        folder: PathBuf,
    },
    /// The file was written by a later version.
    #[error("{file}: written by a newer version (format {found}, this program knows up to {known}); use that version")]
    Newer {
        /// Which.
        file: PathBuf,
        /// Format of the file.
        found: i64,
        /// The newest known one.
        known: i64,
    },
    /// The file was written by an earlier version, and nobody may change it now.
    #[error(
        "{file}: written by an older version (format {found}, wanted {known}); a centre that starts on it brings it up to date"
    )]
    Older {
        /// Which.
        file: PathBuf,
        /// Format of the file.
        found: i64,
        /// The one that is read.
        known: i64,
    },
    /// There is no journal.
    #[error("data folder {folder}: no journal.db there; name the folder that `data` in serve.toml names")]
    Absent {
        /// Which.
        folder: PathBuf,
    },
    /// SQLite refused.
    #[error("{file}: cannot {doing}; check that the disk has room and that the file may be written to")]
    Database {
        /// Which file.
        file: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A batch is not what was written. Everything before it can be read.
    #[error("{file}: the batch from position {position} on is damaged ({why}); everything before it is good")]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// First position of the batch; 0 where not even that can be told.
        position: Position,
        /// In which way.
        why: String,
    },
    /// What is damaged cannot be kept aside.
    #[error("data folder {folder}: the journal is damaged and cannot be kept aside; make room for a second copy of it")]
    KeepAside {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The wanted inputs were given up by retention.
    #[error("{file}: position {wanted} is no longer kept, the oldest is {oldest}; start from a snapshot")]
    Forgotten {
        /// Which file.
        file: PathBuf,
        /// What was wanted.
        wanted: Position,
        /// The oldest there is.
        oldest: Position,
    },
    /// An input cannot be put into bytes.
    #[error("input after position {after}: cannot be encoded: {why}")]
    Encode {
        /// The end of the journal.
        after: Position,
        /// Why.
        why: String,
    },
}
