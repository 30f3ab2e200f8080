//! How often an append syncs, as `strace` counts it in a process that does nothing else; unknown where there is none.

use std::path::PathBuf;
use std::process::Command;

use crate::bases::{Base, Kind};
use crate::batch;

/// Marks that process; what it appends stands behind it.
const APPEND_IN: &str = "--append-in";
/// Enough for SQLite to write its log back several times with large batches.
const APPENDS: u64 = 400;

/// What that process was told.
pub(crate) struct Asked {
    folder: PathBuf,
    kind: Kind,
    inputs: usize,
}

pub(crate) fn asked() -> Option<Asked> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, mark, folder, kind, inputs, ..] = &arguments[..] else { return None };
    let kind = Kind::ALL.into_iter().find(|known| known.name() == kind).filter(|_| mark == APPEND_IN)?;
    Some(Asked { folder: folder.into(), kind, inputs: inputs.parse().ok()? })
}

pub(crate) fn append_in(Asked { folder, kind, inputs }: Asked) {
    let mut base = Base::open(kind, &folder);
    for n in 0..APPENDS {
        let first = n * inputs as u64 + 1;
        base.append(first, &batch(first, inputs));
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn of_an_append(kind: Kind, inputs: usize) -> Option<f64> {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fsync,fdatasync,msync,sync_file_range", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .arg(APPEND_IN)
        .arg(folder.path())
        .args([kind.name(), &inputs.to_string()])
        .status();
    if !traced.ok()?.success() {
        return None;
    }
    // A call that another thread's interrupts has a second line where it goes on.
    let calls = std::fs::read_to_string(&trace).unwrap();
    let calls = calls.lines().filter(|line| line.contains("sync") && !line.contains("resumed")).count();
    Some(calls as f64 / APPENDS as f64)
}
