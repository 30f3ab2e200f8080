//! What each subcommand does: `capture`, `demo`, `export`, `inventory`, `journal`, `plan`, `replay`, `serve`, `sim`, `terminal`, `token`. Their arguments are in `main`; `check` and
//! `console` are in [`crate::config`] and [`crate::console`].
//!
//! `served` is a centre with its API, as `serve` and `demo` run it; `logging`, `stop` and `whole_file` are how a process
//! behaves: where its log goes, when it ends, how it writes a file that others read.

use std::io::{Write as _, stdout};

pub mod capture;
pub mod demo;
pub mod export;
pub mod inventory;
pub mod journal;
mod logging;
pub mod plan;
pub mod replay;
pub mod serve;
mod served;
pub mod simulate;
mod stop;
pub mod story;
pub mod terminal;
pub mod token;
pub mod what_if;
mod whole_file;

/// Says something to whoever listens; that nobody does is no reason to end.
fn say(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
