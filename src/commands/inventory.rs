//! `headroom inventory`: a fleet's file as CSV tables for a spreadsheet, and back.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use super::{say, whole_file};
use crate::config::Fleet;
use crate::config::tables::{Change, ChangeKind, Encoding, export, import};
use crate::printable::printable;

/// What is done with the inventory.
#[derive(Debug, Subcommand)]
pub enum Inventory {
    /// Brings rows of CSV files into a fleet's file: all of them, or none when anything is wrong with one
    Import(Import),
    /// Writes nodes.csv, customers.csv, terminals.csv, rounds.csv and measures.csv of a fleet's file
    Export(Export),
}

/// What an import is told.
#[derive(Debug, Args)]
pub struct Import {
    /// CSV files, each with the columns of one table as `export` writes it; commas, semicolons or tabs between them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The fleet's file; it is made where it is not there
    #[arg(long, value_name = "FILE")]
    fleet: PathBuf,
    /// Only says what is wrong, or what would be added, changed and removed
    #[arg(long)]
    dry_run: bool,
    /// Removes what the fleet has and the table does not; without it nothing goes
    #[arg(long)]
    remove: bool,
    /// How characters stand in files without a byte order mark; gb18030 is what a Chinese Excel saves as CSV
    #[arg(long, value_enum, default_value_t = CharacterSet::Utf8)]
    encoding: CharacterSet,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CharacterSet {
    #[value(name = "utf-8")]
    Utf8,
    #[value(name = "gb18030")]
    Gb18030,
}

/// What an export is told.
#[derive(Debug, Args)]
pub struct Export {
    /// The folder for the files; it is made where it is not there
    folder: PathBuf,
    /// The fleet's file
    #[arg(long, value_name = "FILE")]
    fleet: PathBuf,
    /// Replaces files that are there
    #[arg(long)]
    force: bool,
}

/// Does what was asked for.
///
/// # Errors
/// Everything that is wrong with the files, a line each; nothing is written then.
pub fn run(asked: &Inventory) -> anyhow::Result<()> {
    match asked {
        Inventory::Import(import) => bring_in(import),
        Inventory::Export(export) => write_tables(export),
    }
}

fn bring_in(asked: &Import) -> anyhow::Result<()> {
    let before = if asked.fleet.exists() { Fleet::read(&asked.fleet)? } else { Fleet::default() };
    let mut files = Vec::new();
    for file in &asked.files {
        let octets = fs::read(file).with_context(|| format!("{}: cannot be read", file.display()))?;
        files.push((file.clone(), octets));
    }
    let encoding = match asked.encoding {
        CharacterSet::Utf8 => Encoding::Utf8,
        CharacterSet::Gb18030 => Encoding::Gb18030,
    };
    let imported = import(&before, &asked.fleet, &files, encoding, asked.remove)?;
    say(&told(&imported.changes));
    let fleet = asked.fleet.display();
    if asked.dry_run || imported.changes.is_empty() {
        say(&format!("{fleet}: {}, nothing is written\n", if asked.dry_run { "dry run" } else { "as it was" }));
        return Ok(());
    }
    // Of a link, the file that it leads to.
    let file = fs::canonicalize(&asked.fleet).unwrap_or_else(|_| asked.fleet.clone());
    if file.exists() {
        let kept = kept_as(&file);
        fs::copy(&file, &kept)
            .with_context(|| format!("{}: what was there cannot be kept, so nothing is changed", kept.display()))?;
        say(&format!("{}: what was there, comments included\n", kept.display()));
    }
    whole_file::write(&file, &imported.fleet.to_toml())
        .with_context(|| format!("{fleet}: cannot be written, what was there stays"))?;
    say(&format!("{fleet}: written; a running centre takes it at its next start\n"));
    Ok(())
}

/// Where the file of before is kept: over no other that is kept.
fn kept_as(fleet: &Path) -> PathBuf {
    let named = |ending: &str| {
        let mut name = fleet.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        fleet.with_file_name(name)
    };
    let mut kept = named(".before");
    let mut number = 2;
    while kept.exists() {
        kept = named(&format!(".before-{number}"));
        number += 1;
    }
    kept
}

/// A line for each change, then how many there are.
fn told(changes: &[Change]) -> String {
    let mut text = String::new();
    let (mut added, mut changed, mut removed) = (0, 0, 0);
    for change in changes {
        match change.kind {
            ChangeKind::Added => added += 1,
            ChangeKind::Changed(_) => changed += 1,
            ChangeKind::Removed => removed += 1,
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", printable(&change.to_string()));
    }
    let _ = writeln!(text, "{added} added, {changed} changed, {removed} removed");
    text
}

fn write_tables(asked: &Export) -> anyhow::Result<()> {
    let fleet = Fleet::read(&asked.fleet)?;
    let tables = export(&fleet).map(|(table, text)| (asked.folder.join(table.file_name()), text));
    for (file, _) in &tables {
        anyhow::ensure!(
            asked.force || !file.exists(),
            "{}: is there already; name another folder, or give --force",
            file.display()
        );
    }
    fs::create_dir_all(&asked.folder).with_context(|| format!("{}: cannot be made", asked.folder.display()))?;
    for (file, text) in &tables {
        whole_file::write(file, text).with_context(|| format!("{}: cannot be written", file.display()))?;
        say(&format!("{}\n", file.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn site() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let fleet = folder.path().join("fleet.toml");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/examples/fleet.toml"), &fleet).unwrap();
        (folder, fleet)
    }

    fn import_of(fleet: &Path, name: &str, text: &str, dry_run: bool) -> Inventory {
        let file = fleet.with_file_name(name);
        fs::write(&file, text).unwrap();
        let (files, encoding) = (vec![file], CharacterSet::Utf8);
        Inventory::Import(Import { files, fleet: fleet.to_owned(), dry_run, remove: false, encoding })
    }

    #[test]
    fn an_import_writes_a_fleet_that_check_accepts_and_keeps_the_one_before() {
        let (_folder, fleet) = site();
        let before = fs::read_to_string(&fleet).unwrap();
        let rows = "id,contract_kw\nC001,1800\n";
        run(&import_of(&fleet, "customers.csv", rows, true)).unwrap();
        assert_eq!(fs::read_to_string(&fleet).unwrap(), before, "a dry run writes nothing");
        let kept = kept_as(&fleet);
        assert!(!kept.exists() && kept.ends_with("fleet.toml.before"));
        run(&import_of(&fleet, "customers.csv", rows, false)).unwrap();
        assert!(fs::read_to_string(&fleet).unwrap().contains("contract_kw = 1800"));
        assert_eq!(fs::read_to_string(&kept).unwrap(), before);
        // The next one is kept beside it, and not over it.
        run(&import_of(&fleet, "customers.csv", "id,contract_kw\nC001,1700\n", false)).unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), before);
        assert!(fleet.with_file_name("fleet.toml.before-2").exists());
        let checked = crate::config::check(std::slice::from_ref(&fleet)).unwrap();
        assert!(checked.to_string().ends_with("fleet: 5 nodes, 3 customers, 4 terminals"), "{checked}");
    }

    #[test]
    fn one_bad_row_among_good_ones_writes_nothing() {
        let (_folder, fleet) = site();
        let before = fs::read_to_string(&fleet).unwrap();
        let error =
            run(&import_of(&fleet, "customers.csv", "id,contract_kw\nC001,1800\nC002,-1\n", false)).unwrap_err();
        assert!(
            error.to_string().contains("customers.csv:3: contract_kw = -1: wanted a whole number of kW"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&fleet).unwrap(), before);
        assert!(!kept_as(&fleet).exists());
    }

    #[test]
    fn an_export_replaces_nothing_unless_told_to_and_comes_back_the_same() {
        let (folder, fleet) = site();
        let tables = folder.path().join("tables");
        let export = |force| Inventory::Export(Export { folder: tables.clone(), fleet: fleet.clone(), force });
        run(&export(false)).unwrap();
        let error = run(&export(false)).unwrap_err();
        assert!(
            error.to_string().ends_with("nodes.csv: is there already; name another folder, or give --force"),
            "{error}"
        );
        run(&export(true)).unwrap();
        let files = ["nodes", "customers", "terminals", "rounds", "measures"];
        let files = files.map(|name| tables.join(name).with_extension("csv"));
        let new = folder.path().join("new.toml");
        let (files, encoding) = (files.to_vec(), CharacterSet::Utf8);
        let import = Import { files, fleet: new.clone(), dry_run: false, remove: false, encoding };
        run(&Inventory::Import(import)).unwrap();
        assert_eq!(Fleet::read(&new).unwrap(), Fleet::read(&fleet).unwrap());
    }
}
