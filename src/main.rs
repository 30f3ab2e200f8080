//! `headroom`: one binary with a subcommand for each person.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use headroom::commands::{
    capture, demo, export, inventory, journal, plan, replay, serve, simulate, story, terminal, token as new_token,
    what_if,
};
use headroom::export::{Offset, When};
use headroom::journal::Position;
use headroom::printable::printable;
use headroom::{config, console};
use headroom_rules::input::Authority;
use headroom_rules::model::{NodeId, TerminalId};

/// A load-management centre: two-way terminals, limiting by readable rules, an operator's console.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the console looks for a centre unless told otherwise.
const API_PORT: u16 = 8104;
/// Where a centre that was started in the same folder leaves its operator's token.
const TOKEN_FILE: &str = "headroom-data/operator.token";

#[derive(Subcommand)]
enum Command {
    /// A whole centre on a simulated fleet, with the operator's console
    Demo(Demo),
    /// The centre of a real fleet
    Serve {
        /// What it runs on; ops/examples/serve.toml explains every key
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Believes this machine's clock though the centre was away for more than a month
        #[arg(long)]
        accept_clock: bool,
    },
    /// The operator's console on a centre's API
    Console(Console),
    /// Reads configuration files and says what is wrong with them
    Check {
        /// serve.toml, fleet.toml, rules.toml, sim.toml or terminal.toml files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// A simulated fleet, for a centre elsewhere; or a story, told line by line
    Sim {
        /// What it simulates; ops/examples/sim.toml explains every key
        #[arg(long, value_name = "FILE", required_unless_present = "story")]
        config: Option<PathBuf>,
        /// A story that ships, or a file of one: the engine and a fleet without sockets, in a moment; exit code 1 where it
        /// does not come as the story says
        #[arg(long, value_name = "NAME|FILE", conflicts_with = "config")]
        story: Option<String>,
    },
    /// One soft terminal on a simulated site
    Terminal {
        /// What it is; ops/examples/terminal.toml explains every key
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// An IEC 60870-5-104 capture as readable lines: pcap or pcapng, as tcpdump and Wireshark write them
    Capture(Capture),
    /// What a centre would have done on a capture: its rules and its fleet, nothing sent, nothing kept
    Replay(Replay),
    /// What the limit rule of a node would do now, or what other rules or another limit would have made of a past time: its
    /// plans, with reasons; nothing of it is done
    Plan(Plan),
    /// Looks into the journal of a data folder, beside a running centre or without one; changes nothing
    #[command(subcommand)]
    Journal(Journal),
    /// Writes what the store holds to a CSV or Parquet file, beside a running centre or without one
    Export(export::Arguments),
    /// A fleet's file as CSV tables for a spreadsheet, and back
    #[command(subcommand)]
    Inventory(inventory::Inventory),
    /// Makes a token for an operator
    Token {
        /// The operator's name, as the audit log shows it
        name: String,
        /// A node that the operator answers for with all below, may be given more than once; without it, everything
        #[arg(long, value_name = "NODE")]
        area: Vec<NodeId>,
        /// May take off others' tags and call off others' group orders, in that area
        #[arg(long)]
        supervisor: bool,
    },
}

#[derive(Args)]
struct Demo {
    /// Without the console: progress on stderr, and one JSON object with the figures on stdout
    #[arg(long)]
    headless: bool,
    /// For how long a headless run goes on, as 30s, 5m or 1h
    #[arg(long = "for", value_name = "TIME", value_parser = time, default_value = "30s", requires = "headless")]
    time: Duration,
    /// Terminals, those at the feeders' heads included
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=5000))]
    terminals: u32,
    /// The same seed gives the same fleet and the same loads
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What happens: evening-peak, quiet or stuck-switch
    #[arg(long, default_value = "evening-peak", value_name = "NAME")]
    scenario: String,
    /// Seconds of the supply's time in one second, 1 to 600
    #[arg(long, default_value_t = 60.0, value_parser = factor, value_name = "FACTOR")]
    time_factor: f64,
    /// The folder for everything that is kept
    #[arg(long, default_value = "headroom-data", value_name = "FOLDER")]
    data: PathBuf,
    /// The API's address; without the console a free port unless set
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
}

#[derive(Args)]
struct Capture {
    /// The capture; - for standard input
    file: PathBuf,
    /// One JSON object on each line, with every field
    #[arg(long)]
    json: bool,
    /// TCP port of the controlled stations, may be given more than once; unless set, every connection on which sound
    /// frames are found
    #[arg(long = "port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
    /// Only what there is and what is left out, on stdout
    #[arg(long)]
    summary: bool,
}

#[derive(Args)]
struct Replay {
    /// The capture, as of `headroom capture`, - for standard input; or, with --rules, a centre's data folder
    file: PathBuf,
    /// What the centre runs on, as of `headroom serve`: its fleet and its rules are used, nothing else
    #[arg(long, value_name = "FILE", required_unless_present = "rules")]
    config: Option<PathBuf>,
    /// Other rules for what is in the journal of the folder: what would have been, beside what was; nothing is changed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "map", "ports"])]
    rules: Option<PathBuf>,
    /// Which terminal a station is where the fleet dials another address, may be given more than once
    #[arg(long, value_name = "IP:PORT=TERMINAL", value_parser = station)]
    map: Vec<(SocketAddr, TerminalId)>,
    /// TCP port of the controlled stations, may be given more than once
    #[arg(long = "port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
    /// One JSON object on each line
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Journal {
    /// Reads all of it: exit code 0 when it is whole, 1 when something is damaged, with each position
    Verify(Folder),
    /// The inputs as readable lines, in their order
    Dump {
        #[command(flatten)]
        folder: Folder,
        /// The first position
        #[arg(long, value_name = "POSITION", default_value_t = 1)]
        from: u64,
        /// The last position; the end of the journal unless set
        #[arg(long, value_name = "POSITION")]
        to: Option<u64>,
    },
    /// Positions, times, inputs by kind, snapshots with their hashes, and what retention may give up
    Stats(Folder),
}

#[derive(Args)]
struct Folder {
    /// The data folder, as `data` in serve.toml
    folder: PathBuf,
    /// JSON instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Plan {
    /// The node
    node: NodeId,
    /// Of a running centre, with the loads of now: to be given, a plan is made and told, never carried out
    #[arg(long, required_unless_present = "from")]
    dry_run: bool,
    /// Under this limit; unless set, under the one in force, or in the past the rules' own
    #[arg(long, visible_alias = "limit", value_name = "KW", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    limit_kw: Option<u32>,
    /// The centre's API
    #[arg(long, default_value = "http://127.0.0.1:8104")]
    url: String,
    /// A file that holds the operator's token; unless set, the token in HEADROOM_TOKEN, or else the file
    /// headroom-data/operator.token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    past: PastWindow,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What would have been in a past window, beside what was, from a data folder; a centre may run on it
#[derive(Args)]
struct PastWindow {
    /// From then on: 2026-01-31T18:00 or 2026-01-31T18:00:00+08:00
    #[arg(long, value_name = "TIME", requires = "to", conflicts_with_all = ["url", "token_file"])]
    from: Option<When>,
    /// Before then
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<When>,
    /// The data folder, as `data` in serve.toml
    #[arg(long, value_name = "FOLDER", requires = "from")]
    data: Option<PathBuf>,
    /// What the centre runs on, as of `headroom serve`: its data folder and its zone
    #[arg(long, value_name = "FILE", requires = "from")]
    config: Option<PathBuf>,
    /// How far the clocks are ahead of UTC by which times are given and shown, as +08:00; unless set, as --config says,
    /// or else UTC
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true, requires = "from")]
    offset: Option<Offset>,
    /// By the rules of this file; unless set, by those of that time
    #[arg(long, value_name = "FILE", requires = "from")]
    rules: Option<PathBuf>,
}

#[derive(Args)]
struct Console {
    /// The centre's API
    #[arg(long, default_value = "http://127.0.0.1:8104")]
    url: String,
    /// A file that holds the operator's token; unless set, the token in HEADROOM_TOKEN, or else the file
    /// headroom-data/operator.token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// One frame as text, then leave
    #[arg(long)]
    once: bool,
    /// The overview as JSON, then leave
    #[arg(long, conflicts_with = "once")]
    json: bool,
    /// Size of that frame
    #[arg(long, value_parser = size, requires = "once", value_name = "COLUMNSxROWS")]
    size: Option<(u16, u16)>,
}

fn station(text: &str) -> Result<(SocketAddr, TerminalId), String> {
    let wanted = || "wanted a station and a terminal of the fleet, as 10.4.0.17:2404=T-001".to_owned();
    let (station, terminal) = text.split_once('=').ok_or_else(wanted)?;
    Ok((station.parse().map_err(|_| wanted())?, terminal.parse().map_err(|_| wanted())?))
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let wanted = || "wanted columns and rows, as 120x40".to_owned();
    let (columns, rows) = text.split_once('x').ok_or_else(wanted)?;
    match (columns.parse(), rows.parse()) {
        (Ok(columns @ 20..=500), Ok(rows @ 5..=200)) => Ok((columns, rows)),
        _ => Err(wanted()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let wanted = || "wanted a time of at least a second, as 30s, 5m or 1h".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "s" | "" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        _ => return Err(wanted()),
    };
    let number: u64 = number.parse().map_err(|_| wanted())?;
    // A year is more than anybody waits for.
    let span = number.checked_mul(seconds).filter(|s| (1..=31_536_000).contains(s)).ok_or_else(wanted)?;
    Ok(Duration::from_secs(span))
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| (1.0..=600.0).contains(factor));
    factor.ok_or_else(|| "wanted a number from 1 to 600".to_owned())
}

/// The operator's token. It is no argument, for every user of a machine sees the arguments of every process.
fn token(file: Option<&Path>) -> anyhow::Result<String> {
    match (file, std::env::var("HEADROOM_TOKEN")) {
        (None, Ok(token)) if !token.trim().is_empty() => Ok(token.trim().to_owned()),
        (file, _) => read_token(file.unwrap_or(Path::new(TOKEN_FILE))),
    }
}

/// The token in `file`, without the line's end.
fn read_token(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!(
            "{}: the operator's token cannot be read; name its file with --token-file or set HEADROOM_TOKEN",
            file.display()
        )
    })?;
    let token = text.trim();
    anyhow::ensure!(!token.is_empty(), "{}: empty; wanted an operator's token", file.display());
    Ok(token.to_owned())
}

fn check(files: &[PathBuf]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let summary = config::check(files)?;
    writeln!(std::io::stdout().lock(), "{summary}").context("the summary cannot be written")
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(Demo { headless, time, terminals, seed, scenario, time_factor, data, listen }) => {
            let listen = listen.unwrap_or((Ipv4Addr::LOCALHOST, if headless { 0 } else { API_PORT }).into());
            let headless_for = headless.then_some(time);
            let options = demo::Options { terminals, seed, scenario, time_factor, data, listen, headless_for };
            Box::pin(demo::run(options)).await
        }
        Command::Serve { config, accept_clock } => Box::pin(serve::run(&config, accept_clock)).await,
        Command::Check { files } => check(&files),
        Command::Sim { story: Some(story), .. } => story::run(&story),
        Command::Sim { config, .. } => simulate::run(&config.unwrap_or_default()).await,
        Command::Terminal { config } => terminal::run(&config).await,
        Command::Capture(Capture { file, json, ports, summary }) => {
            capture::run(capture::Options { file, json, ports, only_summary: summary })
        }
        Command::Replay(Replay { file, config, rules, map, ports, json }) => match (rules, config) {
            (Some(rules), _) => Box::pin(what_if::run(&file, &rules, json)).await,
            (None, Some(config)) => replay::run(replay::Options { file, config, map, ports, json }),
            (None, None) => anyhow::bail!("wanted --config with a capture, or --rules with a data folder"),
        },
        Command::Plan(Plan {
            node,
            limit_kw,
            past: PastWindow { from: Some(from), to: Some(to), data, config, offset, rules },
            json,
            ..
        }) => {
            let options = plan::past::Options { node, from, to, data, config, offset, rules, limit_kw, json };
            Box::pin(plan::past::run(options)).await
        }
        Command::Plan(Plan { node, limit_kw, url, token_file, json, .. }) => {
            let token = token(token_file.as_deref())?;
            plan::run(plan::Options { url, token, node, limit_kw, json }).await
        }
        Command::Journal(asked) => {
            let (ask, Folder { folder, json }) = match asked {
                Journal::Verify(folder) => (journal::Ask::Verify, folder),
                Journal::Stats(folder) => (journal::Ask::Stats, folder),
                Journal::Dump { folder, from, to } => {
                    (journal::Ask::Dump { from: Position(from), to: Position(to.unwrap_or(u64::MAX)) }, folder)
                }
            };
            journal::run(ask, folder, json).await
        }
        Command::Export(arguments) => Box::pin(export::run(arguments)).await,
        Command::Inventory(asked) => inventory::run(&asked),
        Command::Token { name, area, supervisor } => {
            let area = (!area.is_empty()).then_some(area);
            new_token::run(&name, &Authority { area, supervisor })
        }
        Command::Console(Console { url, token_file, once, json, size }) => {
            let token = token(token_file.as_deref())?;
            console::run(console::Options { url, token, once, json, size }).await
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("headroom: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A file's faults have a line each; whatever else would steer a terminal only shows.
            let text = format!("{error:#}");
            let lines: Vec<_> = text.lines().map(printable).collect();
            eprintln!("headroom: {}", lines.join("\n"));
            ExitCode::FAILURE
        }
    }
}
