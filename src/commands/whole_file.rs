//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file in the making, beside the place where it will be. What is not finished is removed.
#[derive(Debug)]
pub(super) struct WholeFile {
    file: File,
    pending: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl WholeFile {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "not the path of a file");
        let mut name = path.file_name().ok_or_else(not_a_file)?.to_owned();
        name.push(format!(".{}.pending", std::process::id()));
        let pending = path.with_file_name(name);
        Ok(Self { file: File::create(&pending)?, pending, path: path.to_owned(), finished: false })
    }

    /// Moves it to its place: who reads meanwhile sees what was there before, or all of it.
    ///
    /// # Errors
    /// When it cannot be written or moved; what was there before then stays.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.pending, &self.path)?;
        self.finished = true;
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.finished {
            // Whatever went wrong has been told.
            let _ = fs::remove_file(&self.pending);
        }
    }
}

/// Writes `text` beside `path` and moves it there.
///
/// # Errors
/// When the folder takes no file; what was there before then stays.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = WholeFile::begin(path)?;
    file.write_all(text.as_bytes())?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.toml");
        write(&path, "one, and longer").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_nothing_else_is_left_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a-folder");
        fs::create_dir(&path).unwrap();
        assert!(write(&path, "text").is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("none/fleet.toml"), "text").is_err());
    }

    #[test]
    fn a_file_that_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = WholeFile::begin(&folder.path().join("export.csv")).unwrap();
        file.write_all(b"half of it").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
