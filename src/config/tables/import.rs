//! Rows of CSV files into a fleet, all of them or none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::csv_text::{self, Encoding, Read};
use super::to_text::to_text;
use super::{Row, Table, Tables};
use crate::config::error::{ConfigError, ConfigErrors};
use crate::config::fleet::Fleet;

/// What an import comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The fleet with the rows in it, free of contradictions.
    pub fleet: Fleet,
    /// What is not as before, by table and key.
    pub changes: Vec<Change>,
}

/// One row that is not as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Of which table.
    pub table: Table,
    /// Which row: an id, a terminal and the number of its round, or a customer and what it agreed to, when.
    pub key: String,
    /// What became of it.
    pub kind: Kind,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is new.
    Added,
    /// Columns with what was and what is.
    Changed(Vec<(&'static str, String, String)>),
    /// It is gone.
    Removed,
}

impl fmt::Display for Change {
    /// `~ customer C001: contract_kw 2000 -> 1800`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, columns) = match &self.kind {
            Kind::Added => ('+', [].as_slice()),
            Kind::Changed(columns) => ('~', columns.as_slice()),
            Kind::Removed => ('-', [].as_slice()),
        };
        write!(f, "{sign} {} {}", self.table.row_name(), self.key)?;
        for (n, (column, before, after)) in columns.iter().enumerate() {
            let shown = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
            let before =
                if n == 0 { format!(": {column} {}", shown(before)) } else { format!(", {column} {}", shown(before)) };
            write!(f, "{before} -> {}", shown(after))?;
        }
        Ok(())
    }
}

/// Brings the rows of `files` into the fleet `before`, which is to be in `fleet_file`. A row whose key is there changes that
/// one, and what it has no column for stays; with `remove`, rows of the tables that `files` have, and that are not in them,
/// go. A terminal that goes takes its rounds along, a customer its measures.
///
/// # Errors
/// Everything that is wrong with any of the files, at their lines.
pub fn import(
    before: &Fleet,
    fleet_file: &Path,
    files: &[(PathBuf, Vec<u8>)],
    encoding: Encoding,
    remove: bool,
) -> Result<Imported, ConfigErrors> {
    let mut faults = Vec::new();
    let mut read = Vec::new();
    for (file, octets) in files {
        match csv_text::read(file, octets, encoding, &mut faults) {
            Ok(rows) => read.push(rows),
            Err(errors) => faults.extend(errors),
        }
    }
    if read.len() < files.len() {
        // What a file that is not read would have is missed by what is in the others.
        ConfigErrors::check(std::mem::take(&mut faults))?;
    }
    let old = Tables::from(before);
    let mut merged = merged(&old, fleet_file, &read, remove, &mut faults);
    homeless(&mut merged, (Table::Rounds, Table::Terminals), fleet_file, &mut faults);
    homeless(&mut merged, (Table::Measures, Table::Customers), fleet_file, &mut faults);
    let (text, origins) = to_text(&merged);
    let fleet = match Fleet::parse_from(fleet_file, &text, Some(&origins)) {
        Ok(fleet) => fleet,
        Err(errors) => {
            faults.extend(errors.into_faults());
            Fleet::default()
        }
    };
    ConfigErrors::check(faults)?;
    let changes = changes(&old, &Tables::from(&fleet));
    Ok(Imported { fleet, changes })
}

/// Columns that keep a customer from being tripped: an empty cell does not take that away.
const PROTECTING: [&str; 2] = ["guaranteed", "safety_floor_kw"];

fn merged(old: &Tables, fleet_file: &Path, read: &[Read], remove: bool, faults: &mut Vec<ConfigError>) -> Tables {
    let mut merged = Tables::default();
    for table in Table::ALL {
        let mut known: BTreeMap<_, _> = old.of(table).iter().map(|row| (row.key(table), row)).collect();
        let mut rows = Vec::new();
        let mut named = BTreeSet::new();
        for Read { columns, rows: new, .. } in read.iter().filter(|read| read.table == table) {
            for row in new {
                let mut row = row.clone();
                if let Some(old) = known.get(&row.key(table)) {
                    let names = table.columns().iter().map(|(name, _)| *name);
                    for (((cell, was), there), name) in row.cells.iter_mut().zip(&old.cells).zip(columns).zip(names) {
                        if !there {
                            cell.clone_from(was);
                        } else if cell.is_empty()
                            && !["", "false", "0"].contains(&was.as_str())
                            && PROTECTING.contains(&name)
                        {
                            let (file, line) = &row.origin;
                            let text =
                                format!("{name} is empty where it was {was}: wanted it written out, also false or 0");
                            faults.push(ConfigError::new(file, *line, &text));
                        }
                    }
                }
                named.insert(row.key(table));
                rows.push(row);
            }
        }
        known.retain(|key, _| !named.contains(key));
        if !remove || read.iter().all(|read| read.table != table) {
            rows.extend(known.into_values().map(|row| Row { origin: (fleet_file.into(), None), ..row.clone() }));
        }
        if let Some(of_table) = merged.of_mut(table) {
            *of_table = rows;
        }
    }
    merged
}

/// Takes out rounds of terminals, or measures of customers, that are not there: those of before are gone with theirs, those
/// that came are faults.
fn homeless(tables: &mut Tables, (table, of): (Table, Table), fleet_file: &Path, faults: &mut Vec<ConfigError>) {
    let owners: BTreeSet<_> = tables.of(of).iter().map(|row| row.cell(0).to_owned()).collect();
    let Some(rows) = tables.of_mut(table) else { return };
    for row in rows.iter().filter(|row| !owners.contains(row.cell(0)) && *row.origin.0 != *fleet_file) {
        let (file, line) = &row.origin;
        let owner = of.row_name();
        let text = match row.cell(0) {
            "" => format!("{owner} is missing: wanted the id of a {owner}"),
            id => format!("{owner} = \"{id}\": not among the {owner}s: wanted the id of one"),
        };
        faults.push(ConfigError::new(file, *line, &text));
    }
    rows.retain(|row| owners.contains(row.cell(0)));
}

fn changes(before: &Tables, after: &Tables) -> Vec<Change> {
    let mut changes = Vec::new();
    for table in Table::ALL {
        let by_key = |tables: &Tables| -> BTreeMap<String, Row> {
            tables.of(table).iter().map(|row| (row.key(table), row.clone())).collect()
        };
        let (was, is) = (by_key(before), by_key(after));
        let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
        for key in keys {
            let kind = match (was.get(key), is.get(key)) {
                (Some(was), Some(is)) => {
                    let cells = table.columns().iter().zip(was.cells.iter().zip(&is.cells));
                    let other = cells.filter(|(_, (was, is))| was != is);
                    let columns: Vec<_> =
                        other.map(|((name, _), (was, is))| (*name, was.clone(), is.clone())).collect();
                    if columns.is_empty() {
                        continue;
                    }
                    Kind::Changed(columns)
                }
                (None, _) => Kind::Added,
                (_, None) => Kind::Removed,
            };
            changes.push(Change { table, key: key.clone(), kind });
        }
    }
    changes
}
