//! `headroom replay`: a capture through the engine, on a fleet's files.

use std::io::{self, BufWriter, ErrorKind, Write, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use headroom_rules::model::TerminalId;

use super::capture::{Input, open, read_something};
use crate::centre::profiles;
use crate::config::Centre;
use crate::replay::Replay;

/// What is replayed, on what, and how it is shown.
#[derive(Debug)]
pub struct Options {
    /// The capture; `-` is standard input.
    pub file: PathBuf,
    /// `serve.toml` of the centre.
    pub config: PathBuf,
    /// Stations that are another terminal than their address says.
    pub map: Vec<(SocketAddr, TerminalId)>,
    /// Ports of controlled stations; none for any.
    pub ports: Vec<u16>,
    /// JSON lines.
    pub json: bool,
}

/// Replays a capture; a reader that goes away is no error.
///
/// # Errors
/// A file that cannot be used, or a capture with nothing of IEC 60870-5-104 in it.
pub fn run(options: Options) -> anyhow::Result<()> {
    let Options { file, config, map, ports, json } = options;
    let Centre { serve, fleet, policy, .. } = Centre::read(&config)?;
    let profiles = profiles(&serve.fleet, &fleet.links)?;
    let mut replay = Replay::new(fleet, policy, profiles, &map)?;
    let mut decoder = open(&file, ports)?;
    let mut out = BufWriter::new(stdout().lock());
    match show(&mut decoder, &mut replay, json, &mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        shown => shown.context("the lines cannot be written")?,
    }
    // Whoever took the lines needs it not.
    let _ = write!(io::stderr().lock(), "{}{}", decoder.summary(), replay.figures());
    read_something(&file, decoder.summary())
}

fn show(decoder: &mut Input, replay: &mut Replay, json: bool, out: &mut impl Write) -> io::Result<()> {
    let mut told = Vec::new();
    for seen in decoder.by_ref() {
        replay.take(&seen, &mut told);
        for told in told.drain(..) {
            if json { writeln!(out, "{}", told.json()?)? } else { writeln!(out, "{told}")? }
        }
    }
    Ok(())
}
