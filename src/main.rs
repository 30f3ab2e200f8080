//! `headroom`: one binary with a subcommand for each person.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use headroom::{config, console};

/// A load-management centre: two-way terminals, limiting by readable rules, an operator's console.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The operator's console on a centre's API
    Console(Console),
    /// Reads configuration files and says what is wrong with them
    Check {
        /// serve.toml, fleet.toml, rules.toml, sim.toml or terminal.toml files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Args)]
struct Console {
    /// The centre's API
    #[arg(long, default_value = "http://127.0.0.1:8104")]
    url: String,
    /// The operator's token
    #[arg(long, env = "HEADROOM_TOKEN", hide_env_values = true, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file that holds the operator's token
    #[arg(long, default_value = "headroom-data/operator.token", value_name = "FILE")]
    token_file: PathBuf,
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

fn size(text: &str) -> Result<(u16, u16), String> {
    let wanted = || "wanted columns and rows, as 120x40".to_owned();
    let (columns, rows) = text.split_once('x').ok_or_else(wanted)?;
    match (columns.parse(), rows.parse()) {
        (Ok(columns @ 20..=500), Ok(rows @ 5..=200)) => Ok((columns, rows)),
        _ => Err(wanted()),
    }
}

/// The token in `file`, without the line's end.
fn read_token(file: &PathBuf) -> anyhow::Result<String> {
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
        Command::Check { files } => check(&files),
        Command::Console(Console { url, token, token_file, once, json, size }) => {
            let token = token.map_or_else(|| read_token(&token_file), Ok)?;
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
            eprintln!("headroom: {error:#}");
            ExitCode::FAILURE
        }
    }
}
