//! `headroom replay FOLDER --rules NEW.toml`: a centre's journal under other rules, compared with what was.

use std::io::{Write as _, stdout};
use std::path::Path;

use anyhow::Context as _;
use headroom_rules::input::Input;
use headroom_rules::model::Inventory;

use crate::config::rules;
use crate::journal::{Inspector, Position};
use crate::replay::what_if::WhatIf;

/// Compares; changes nothing in the folder, beside a running centre or without one.
///
/// # Errors
/// When the rules have a fault, the journal is not there or damaged, or has no start of a centre.
pub async fn run(folder: &Path, file: &Path, as_json: bool) -> anyhow::Result<()> {
    let mut inspector = Inspector::open(folder).await?;
    // New rules are held against the last fleet that the centre ran on.
    let mut fleet: Option<Inventory> = None;
    let (first, last) = (Position(0), Position(u64::MAX));
    inspector
        .dump(first, last, |_, input| {
            if let Input::Inventory { inventory, .. } = input {
                fleet = Some((**inventory).clone());
            }
            true
        })
        .await?;
    let policy = rules::read(file, fleet.as_ref())?;
    let mut what_if = WhatIf::new(policy);
    inspector
        .dump(first, last, |_, input| {
            what_if.take(input);
            true
        })
        .await?;
    let comparison = what_if.end().with_context(|| {
        format!("{}: no start of a centre is in the journal: wanted one that goes back to a start", folder.display())
    })?;
    let text = if as_json { serde_json::to_string(&comparison)? + "\n" } else { comparison.to_string() };
    stdout().lock().write_all(text.as_bytes()).context("the comparison cannot be written")
}
