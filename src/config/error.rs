//! What is wrong with a file, in one line for each fault.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::printable::printable;

/// One fault of one file: `fleet.toml:12: customer.contract_kw = -5: wanted a whole number of kW, 1 to 1000000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{}{}: {text}", file.display(), LineOf(*line))]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    text: String,
}

impl ConfigError {
    /// `text` may repeat what the file has, which is not to do more to a terminal than be read.
    pub(super) fn new(file: &Path, line: Option<usize>, text: &str) -> Self {
        Self { file: file.to_owned(), line, text: printable(text).into_owned() }
    }

    /// The file, as it was named.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line, from 1; none when the file as a whole is meant.
    pub const fn line(&self) -> Option<usize> {
        self.line
    }
}

struct LineOf(Option<usize>);

impl fmt::Display for LineOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// All faults found, by file and line, never none. What has any is refused whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The faults in order; an error only when there are any.
    pub(super) fn check(mut faults: Vec<ConfigError>) -> Result<(), Self> {
        if faults.is_empty() {
            return Ok(());
        }
        faults.sort();
        faults.dedup();
        Err(Self(faults))
    }

    /// The faults.
    pub fn faults(&self) -> &[ConfigError] {
        &self.0
    }

    pub(super) fn into_faults(self) -> Vec<ConfigError> {
        self.0
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(fault: ConfigError) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for ConfigErrors {
    /// A line for each fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { "\n" })?;
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
