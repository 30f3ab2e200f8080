//! `headroom capture`: a capture as lines for people or JSON for programs.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write, stdin, stdout};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::capture::{Decoder, Summary, json};

/// What is read, and how it is shown.
#[derive(Debug)]
pub struct Options {
    /// The capture; `-` is standard input.
    pub file: PathBuf,
    /// JSON lines.
    pub json: bool,
    /// Ports of controlled stations; none for any.
    pub ports: Vec<u16>,
    /// Nothing but the summary.
    pub only_summary: bool,
}

/// A capture that is read.
pub(super) type Input = Decoder<Box<dyn Read>>;

/// Opens a capture.
///
/// # Errors
/// It cannot be read or is no capture.
pub(super) fn open(file: &Path, ports: Vec<u16>) -> anyhow::Result<Input> {
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(stdin())
    } else {
        Box::new(BufReader::new(File::open(file).with_context(|| format!("{}: cannot be read", file.display()))?))
    };
    Decoder::new(input, ports).with_context(|| file.display().to_string())
}

/// The error of a capture of which nothing was read.
///
/// # Errors
/// It holds no APDU.
pub(super) fn read_something(file: &Path, summary: &Summary) -> anyhow::Result<()> {
    let hint = "wanted connections with 68H frames; name their --port if they are on a certain one";
    anyhow::ensure!(
        summary.apdus() > 0,
        "{}: no IEC 60870-5-104 in {} packets: {hint}",
        file.display(),
        summary.packets
    );
    Ok(())
}

/// Shows a capture; a reader that goes away, as `head` does, is no error.
///
/// # Errors
/// The file is no capture, or nothing of IEC 60870-5-104 is in it.
pub fn run(options: Options) -> anyhow::Result<()> {
    let Options { file, json, ports, only_summary } = options;
    let mut decoder = open(&file, ports)?;
    let mut out = BufWriter::new(stdout().lock());
    let shown = show(&mut decoder, json, only_summary, &mut out).and_then(|()| out.flush());
    match shown {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        shown => shown.context("the lines cannot be written")?,
    }
    if !only_summary {
        // Whoever took the lines needs it not.
        let _ = write!(io::stderr().lock(), "{}", decoder.summary());
    }
    read_something(&file, decoder.summary())
}

fn show(decoder: &mut Input, json: bool, only_summary: bool, out: &mut impl Write) -> io::Result<()> {
    for seen in decoder.by_ref().filter(|_| !only_summary) {
        if json { writeln!(out, "{}", json::object(&seen))? } else { writeln!(out, "{seen}")? }
    }
    match (only_summary, json) {
        (false, _) => Ok(()),
        (true, false) => write!(out, "{}", decoder.summary()),
        (true, true) => writeln!(out, "{}", decoder.summary().json()),
    }
}
