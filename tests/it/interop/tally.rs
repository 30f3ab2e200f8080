//! Counts rows, and tells all that failed at once.

use std::fmt::{Debug, Write as _};
use std::path::{Path, PathBuf};

/// Where captures and figures of a run go, for `ops/test`.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os("HEADROOM_TEST_INTEROP").map(PathBuf::from)
}

pub(crate) struct Tally {
    name: &'static str,
    passed: u32,
    failed: Vec<String>,
}

impl Tally {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, passed: 0, failed: Vec::new() }
    }

    pub(crate) fn row<T: Debug + PartialEq>(&mut self, what: impl Into<String>, got: &T, wanted: &T) {
        if got == wanted {
            self.passed += 1;
        } else {
            self.failed.push(format!("{}: {got:?}, wanted {wanted:?}", what.into()));
        }
    }

    /// Every row passed, and their number is kept.
    pub(crate) fn finish(self) {
        assert!(
            self.failed.is_empty(),
            "{} of {} rows: {:#?}",
            self.failed.len(),
            self.passed as usize + self.failed.len(),
            self.failed
        );
        if let Some(folder) = folder() {
            keep(&folder, &format!("{}.rows", self.name), format!("{}\n", self.passed).as_bytes());
        }
    }
}

pub(crate) fn keep(folder: &Path, name: &str, content: &[u8]) {
    let file = folder.join(name);
    std::fs::write(&file, content).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// As hexadecimal, to be read in a failure.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
