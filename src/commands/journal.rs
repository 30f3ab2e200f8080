//! `headroom journal`: looks into a data folder's journal, beside a running centre or without one, and changes nothing.

use std::fmt::Write as _;
use std::io::{self, BufWriter, ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use headroom_rules::input::{Input, Request};
use headroom_rules::model::Timestamp;
use serde_json::json;

use crate::journal::{Finding, Inspector, Position, Stats, kind};
use crate::printable::printable;

/// Readings of one input that a line names; the rest is counted.
const READINGS_NAMED: usize = 3;
/// Columns of a terminal.
const COLUMNS: usize = 80;

/// What is asked.
#[derive(Debug)]
pub enum Ask {
    /// Whether it is whole.
    Verify,
    /// What there is.
    Stats,
    /// The inputs.
    Dump {
        /// The first position.
        from: Position,
        /// The last one.
        to: Position,
    },
}

/// Looks into the journal of the data folder `folder`, in lines for people or JSON for programs.
///
/// # Errors
/// When there is no journal, or it is damaged: with each damage said.
pub async fn run(ask: Ask, folder: PathBuf, as_json: bool) -> anyhow::Result<()> {
    let mut inspector = Inspector::open(&folder).await?;
    match ask {
        Ask::Verify => {
            let damaged = inspector.verify().await?;
            tell(&verified(&folder, &damaged, as_json))?;
            let count = damaged.len();
            anyhow::ensure!(
                count == 0,
                "{}: {count} {} damaged; a centre that starts there keeps the damaged file aside and goes on without \
                 what it needs of it",
                folder.display(),
                if count == 1 { "place is" } else { "places are" }
            );
            Ok(())
        }
        Ask::Stats => {
            let stats = inspector.stats().await?;
            tell(&if as_json { json!(stats).to_string() + "\n" } else { shown(&folder, &stats) })
        }
        Ask::Dump { from, to } => {
            let mut out = BufWriter::new(stdout().lock());
            let mut written = Ok(());
            let dumped = inspector.dump(from, to, |position, input| {
                written = dump_line(&mut out, position, input, as_json);
                written.is_ok()
            });
            let dumped = dumped.await;
            ignoring_who_left(written.and_then(|()| out.flush()))?;
            Ok(dumped?)
        }
    }
}

fn tell(text: &str) -> anyhow::Result<()> {
    ignoring_who_left(stdout().lock().write_all(text.as_bytes()))
}

/// A reader that goes away, as `head` does, is no error.
fn ignoring_who_left(written: io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the lines cannot be written"),
    }
}

fn verified(folder: &Path, damaged: &[Finding], as_json: bool) -> String {
    if as_json {
        return json!({ "whole": damaged.is_empty(), "damaged": damaged }).to_string() + "\n";
    }
    if damaged.is_empty() {
        return format!("{}: whole\n", folder.display());
    }
    let line = |Finding { position, what }: &Finding| match *position {
        Position::START => format!("{what}\n"),
        position => format!("position {position}: {what}\n"),
    };
    damaged.iter().map(line).collect()
}

fn dump_line(out: &mut impl Write, position: Position, input: &Input, as_json: bool) -> io::Result<()> {
    if as_json {
        let line = json!({ "position": position, "at": input.at(), "kind": kind(input), "input": input });
        return writeln!(out, "{line}");
    }
    let line = format!("{position:>10}  {}  {:<9} {}", input.at(), kind(input), what(input));
    writeln!(out, "{}", printable(line.trim_end()))
}

/// An input in a line, without its kind and time.
fn what(input: &Input) -> String {
    match input {
        Input::Started { .. } | Input::Tick { .. } => String::new(),
        Input::Inventory { inventory, .. } => {
            format!("{} nodes, {} terminals", inventory.nodes.len(), inventory.terminals.len())
        }
        Input::Policy { policy, .. } => format!("{} limits", policy.limits.len()),
        Input::Link { terminal, up, .. } => format!("{terminal} {}", if *up { "up" } else { "down" }),
        Input::Readings { terminal, readings, .. } => {
            let mut text = terminal.to_string();
            for reading in readings.iter().take(READINGS_NAMED) {
                // Writing to a string cannot fail.
                let _ = write!(text, " {}={}", reading.point, reading.value);
            }
            if let Some(more @ 1..) = readings.len().checked_sub(READINGS_NAMED) {
                let _ = write!(text, " and {more} more");
            }
            text
        }
        Input::Outcome { order, outcome, .. } => format!("{order} {outcome:?}"),
        Input::Request { origin, request, .. } => format!("{} {}", origin.operator, asked(request)),
        Input::Parameters { terminal, failed: Some(why), .. } => format!("{terminal} parameters not read: {why}"),
        Input::Parameters { terminal, failed: None, .. } => format!("{terminal} parameters read back"),
        Input::Told { notice, failed: Some(why), .. } => format!("{notice} not delivered: {why}"),
        Input::Told { notice, failed: None, .. } => format!("{notice} delivered"),
        Input::Trouble { cause, detail, .. } => match detail {
            Some(detail) => format!("{cause}: {detail}"),
            None => format!("{cause}: over"),
        },
    }
}

fn asked(request: &Request) -> String {
    match request {
        Request::Select { terminal, action, .. } => format!("selects {action:?} at {terminal}"),
        Request::Execute { order } => format!("executes {order}"),
        Request::Cancel { order } => format!("cancels {order}"),
        Request::DraftGroup { act, scope, .. } => format!("draws up a group order: {act} {scope}"),
        Request::ApproveGroup { group, .. } => format!("approves group order {group}"),
        Request::ExecuteGroup { group, at_once: None } => format!("executes group order {group}"),
        Request::ExecuteGroup { group, at_once: Some(_) } => format!("executes group order {group} at once"),
        Request::CancelGroup { group, .. } => format!("calls off group order {group}"),
        Request::SetTag { on, .. } => format!("tags {on}"),
        Request::RemoveTag { tag, .. } => format!("takes off tag {tag}"),
        Request::Dress { on, value, until, .. } => format!("puts in by hand {on} = {} until {until}", on.told(*value)),
        Request::Undress { dressing, .. } => format!("takes off value by hand {dressing}"),
        Request::AcknowledgeAlarm { alarm, .. } => format!("acknowledges {alarm}"),
        Request::SetLimit { node, limit, .. } => format!("limits {node} to {limit}"),
        Request::SetTarget { node, reduction, from, to, .. } => {
            format!("takes {reduction} off {node} from {from} to {to}")
        }
        Request::DecideProposal { proposal, approve, .. } => {
            format!("{} proposal {proposal}", if *approve { "approves" } else { "declines" })
        }
        Request::TryAgain { node, .. } => format!("lets the limit rule of {node} try again"),
        Request::CancelTarget { target, .. } => format!("cancels target {target}"),
        Request::SetParameters { terminal, .. } => format!("sets parameters of {terminal}"),
        Request::AskMeasure { terminal, kind, .. } => format!("asks {terminal} for {kind} as agreed"),
        Request::ReleaseMeasure { measure, .. } => format!("releases measure {measure}"),
        Request::DeclineMeasure { measure, .. } => format!("notes that the customer declined measure {measure}"),
        Request::StopAutomatic { .. } => "stops all automatic control".to_owned(),
        Request::ResumeAutomatic { .. } => "resumes automatic control".to_owned(),
    }
}

fn shown(folder: &Path, stats: &Stats) -> String {
    let mut lines = vec![("folder", folder.display().to_string())];
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    match stats.first.zip(stats.last) {
        Some((first, last)) => {
            lines.push(("positions", format!("{first} to {last}")));
            lines.push(("times", format!("{} to {}", time(stats.from), time(stats.to))));
        }
        None => lines.push(("positions", "none: the journal is empty".to_owned())),
    }
    lines.push(("batches", format!("{} with {}", stats.batches, size(stats.batch_bytes))));
    lines.push(("in use", format!("{} of the file", size(stats.used_bytes))));
    let may_go = format!("{} batches with {}, before the older snapshot", stats.free_batches, size(stats.free_bytes));
    lines.push(("may go", may_go));
    lines.push(("inputs", format!("{} with {} readings", stats.inputs, stats.readings)));
    lines.extend(stats.kinds.iter().map(|(kind, count)| ("", format!("{count:>10} {kind}"))));
    for snapshot in &stats.snapshots {
        let hash = snapshot.hash.as_deref().and_then(|hash| hash.get(..16)).unwrap_or("unknown");
        let bytes = snapshot.bytes.map_or_else(|| "DAMAGED".to_owned(), |bytes| size(bytes as u64));
        lines.push(("snapshot", format!("at {}, {bytes}, state {hash}", snapshot.position)));
    }
    for gap in &stats.gaps {
        lines.push(("lost", format!("{} to {}, kept in {}: {}", gap.first, gap.last, gap.kept, gap.why)));
    }
    lines.extend(
        verified(folder, &stats.damaged, false)
            .lines()
            .filter(|_| !stats.damaged.is_empty())
            .map(|line| ("DAMAGED", line.to_owned())),
    );
    let mut text = String::new();
    for (name, value) in lines {
        for (n, part) in wrapped(&value, COLUMNS - 12).into_iter().enumerate() {
            let _ = writeln!(text, "{:<11} {part}", if n == 0 { name } else { "" });
        }
    }
    text
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes / 100 % 10),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}

/// Lines of at most `columns`, cut at blanks where there are any.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() || line.chars().count() + 1 + word.chars().count() <= columns {
            if !line.is_empty() || word.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
