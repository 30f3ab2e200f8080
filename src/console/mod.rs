//! The operator's console: a client of the centre's HTTP API.
//!
//! Read `state` (all that it knows), `keys` (the one table of keys), `update` (what happens: pure), `dialogue` (select,
//! check-back, execute), `limit` (a node's limit), `automatic` (the stop of all rules), `acts` (all else that a person does: `tags`, `group`,
//! `target`, `proposal`, `dry_run`, `parameters`), `view` (what is drawn: pure), then `client` and `runtime`, which alone do I/O.
//!
//! **Invariant:** an execute is sent only while the centre answers and writes its journal, and only for an order whose select the terminal
//! confirmed as it was reviewed.

mod acts;
mod automatic;
pub(crate) mod client;
mod dialogue;
mod dress;
mod dry_run;
mod group;
mod keys;
mod layout;
mod limit;
mod measures;
pub(crate) mod message;
mod metering;
mod node;
mod parameters;
mod proposal;
mod runtime;
mod state;
mod tags;
mod target;
#[cfg(test)]
mod tests;
mod theme;
mod try_again;
mod update;
mod view;

use std::io::{IsTerminal, Write, stdin, stdout};

use anyhow::Context;
use headroom_rules::model::NodeId;
use headroom_rules::view::DryRun;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use client::Client;
use message::Message;
use state::State;
use theme::Theme;

/// What the console is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// The centre's address, `http://HOST:PORT`.
    pub url: String,
    /// The operator's token.
    pub token: String,
    /// Print one overview frame as text and end.
    pub once: bool,
    /// Print the view as JSON and end.
    pub json: bool,
    /// Columns and rows of the one frame; 80x24 without it.
    pub size: Option<(u16, u16)>,
}

/// Runs the console.
///
/// # Errors
/// When there is no terminal to draw on, when the terminal fails, and, for `once` and `json`, when the centre does not
/// answer. An interactive console waits for the centre instead.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let client = Client::new(&options.url, options.token)?;
    if options.json {
        let view = client.view().await?;
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&view)?)?;
        return Ok(());
    }
    if options.once {
        let mut state = State::new(Theme { colour: false }, options.size.unwrap_or((80, 24)));
        let about = client.about().await?;
        let (view, health) = client.view_and_health().await?;
        update::update(&mut state, Message::About(about));
        update::update(&mut state, Message::View(Box::new(view), health));
        write!(stdout(), "{}", frame_text(&state)?)?;
        return Ok(());
    }
    anyhow::ensure!(
        stdin().is_terminal() && stdout().is_terminal(),
        "this is not a terminal: use --once for one frame as text or --json"
    );
    // The theme heeds NO_COLOR by meaning; crossterm would strip colours by its own rule.
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    crossterm::style::force_color_output(true);
    let state = State::new(Theme { colour }, (80, 24));
    runtime::interactive(state, client).await.context("the console's terminal failed")
}

/// What the rule of a node would do now at a centre, under a limit in kW or under the one in force.
///
/// # Errors
/// No centre, no access, or nothing to reckon with, in a sentence.
pub async fn dry_run(url: &str, token: String, node: NodeId, limit_kw: Option<u32>) -> anyhow::Result<DryRun> {
    Ok(Client::new(url, token)?.dry_run(node, limit_kw).await?)
}

/// One frame as plain text, without spaces at the ends of lines.
fn frame_text(state: &State) -> anyhow::Result<String> {
    let buffer = frame_buffer(state)?;
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
            line.push_str(symbol);
            // A wide character fills the cell behind it too.
            x += u16::try_from(view::text::width(symbol)).unwrap_or(1).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text)
}

fn frame_buffer(state: &State) -> anyhow::Result<Buffer> {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1))?;
    terminal.draw(|frame| view::draw(state, frame))?;
    Ok(terminal.backend().buffer().clone())
}
