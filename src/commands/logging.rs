//! Where the program's own log goes.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

/// `RUST_LOG` where it is set, otherwise from this level on.
fn filter(default: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default))
}

/// To stderr, from the level `default` on where `RUST_LOG` says nothing else; for processes that own no screen.
pub(super) fn to_stderr(default: &str) {
    let log = tracing_subscriber::fmt().with_env_filter(filter(default)).with_ansi(io::stderr().is_terminal());
    // A second call keeps the first log.
    let _ = log.with_writer(io::stderr).try_init();
}

/// To a file, for processes whose terminal shows the console. What was in it is kept.
///
/// # Errors
/// When the file cannot be written to.
pub(super) fn to_file(file: &Path) -> io::Result<()> {
    let opened = File::options().create(true).append(true).open(file)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter("info")).with_ansi(false);
    let _ = log.with_writer(Arc::new(opened)).try_init();
    Ok(())
}
