//! The files of a data folder: their names, the lock, and how they are opened.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};

use super::{JournalError, Position};

/// Name of the journal's file in the data folder.
pub(super) const FILE: &str = "journal.db";
/// SQLite's write-ahead log of it.
pub(super) const WAL_FILE: &str = "journal.db-wal";
/// SQLite's index of that; made anew whenever it is missing.
pub(super) const SHM_FILE: &str = "journal.db-shm";
/// Held locked by the process that has the folder open.
const LOCK_FILE: &str = "headroom.lock";
/// How long somebody who reads beside may hold the file.
const BUSY: Duration = Duration::from_secs(5);

/// Makes the data folder for this user only: it tells how customers use power, and may hold the operator's token. One that
/// is there already keeps the mode its owner gave it.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes the folder, tries that it can be written to, and takes it for this process.
pub(super) fn lock(folder: &Path) -> Result<File, JournalError> {
    let failed = |source| JournalError::Folder { folder: folder.to_owned(), source };
    make_folder(folder).map_err(failed)?;
    let path = folder.join(LOCK_FILE);
    let lock = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Copies `names` of `folder` into a folder of their own in it, `damaged-1` and so on, and gives that; those that are not there
/// are passed over. All of them or none.
pub(crate) fn keep_aside(folder: &Path, names: &[&str]) -> io::Result<PathBuf> {
    let aside = folder_aside(folder)?;
    let copy = |name: &&str| match fs::copy(folder.join(name), aside.join(name)) {
        Ok(_) => File::open(aside.join(name))?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    match names.iter().try_for_each(copy) {
        Ok(()) => Ok(aside),
        Err(error) => {
            // Half a copy is of no use, and it is tried again.
            drop(fs::remove_dir_all(&aside));
            Err(error)
        }
    }
}

/// The name of what is kept aside.
pub(crate) fn kept_name(aside: &Path) -> String {
    aside.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn folder_aside(folder: &Path) -> io::Result<PathBuf> {
    for n in 1_u32.. {
        let aside = folder.join(format!("damaged-{n}"));
        match DirBuilder::new().mode(0o700).create(&aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("no name is left for one more folder"))
}

/// A file that need not be there.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// For writing; every commit is synced.
pub(super) async fn connect(file: &Path) -> Result<SqliteConnection, JournalError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY);
    let connected = SqliteConnection::connect_with(&options).await;
    connected.map_err(|source| fault(file, "open the journal", Position::START, source))
}

/// For reading only, beside whoever writes.
pub(super) async fn connect_for_reading(file: &Path) -> Result<SqliteConnection, JournalError> {
    let options =
        SqliteConnectOptions::new().filename(file).create_if_missing(false).read_only(true).busy_timeout(BUSY);
    let connected = SqliteConnection::connect_with(&options).await;
    connected.map_err(|source| fault(file, "open the journal for reading", Position::START, source))
}

/// What SQLite says, told apart: a damaged file from a disk that refuses. `wanted` is the position that was sought.
pub(super) fn fault(file: &Path, doing: &'static str, wanted: Position, source: sqlx::Error) -> JournalError {
    if is_damage(&source) {
        let why = format!("cannot {doing}: {source}");
        return JournalError::Damaged { file: file.to_owned(), position: wanted, why };
    }
    JournalError::Database { file: file.to_owned(), doing, source }
}

/// SQLITE_CORRUPT and SQLITE_NOTADB.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(11 | 26))
}

/// SQLite's code of an error, without what extends it (sqlite.org/rescode.html).
pub(crate) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<u32>().ok().map(|code| code & 0xFF)
}
