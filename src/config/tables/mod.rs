//! A fleet as tables for spreadsheets: `nodes`, `customers`, `terminals`, `rounds`, `measures`, one CSV file each.
//!
//! Rows become the text of a `fleet.toml`, which [`Fleet`] parses as any other: there is one validator, and what it finds
//! is told at the row that a line came from. `csv_text` reads and writes CSV, `of_fleet` makes rows of a fleet, `to_text`
//! the text, `import` brings rows into a fleet.

mod csv_text;
mod import;
mod of_fleet;
#[cfg(test)]
mod tests;
mod to_text;

use std::path::Path;
use std::rc::Rc;

use super::fleet::Fleet;

pub use csv_text::Encoding;
pub use import::{Change, Imported, Kind as ChangeKind, import};

/// One of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// The supply tree.
    Nodes,
    /// Who is supplied.
    Customers,
    /// What measures and switches, and how it is reached.
    Terminals,
    /// Switchable load groups of terminals.
    Rounds,
    /// What customers agreed to do themselves.
    Measures,
}

/// How a cell stands in TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Text,
    Whole,
    Flag,
    /// Texts, apart by blanks.
    List,
}

type Column = (&'static str, Holds);

impl Table {
    /// In the order in which they are written.
    pub const ALL: [Self; 5] = [Self::Nodes, Self::Customers, Self::Terminals, Self::Rounds, Self::Measures];

    /// Its file's name.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes.csv",
            Self::Customers => "customers.csv",
            Self::Terminals => "terminals.csv",
            Self::Rounds => "rounds.csv",
            Self::Measures => "measures.csv",
        }
    }

    /// What one of its rows is.
    pub const fn row_name(self) -> &'static str {
        match self {
            Self::Nodes => "node",
            Self::Customers => "customer",
            Self::Terminals => "terminal",
            Self::Rounds => "round",
            Self::Measures => "measure",
        }
    }

    /// Its columns; the first ones are its key.
    const fn columns(self) -> &'static [Column] {
        match self {
            Self::Nodes => &[
                ("id", Holds::Text),
                ("kind", Holds::Text),
                ("name", Holds::Text),
                ("parent", Holds::Text),
                ("measured_by", Holds::Text),
            ],
            Self::Customers => &[
                ("id", Holds::Text),
                ("name", Holds::Text),
                ("supplied_by", Holds::Text),
                ("contract_kw", Holds::Whole),
                ("guaranteed", Holds::Flag),
                ("safety_floor_kw", Holds::Whole),
                ("priority", Holds::Whole),
            ],
            Self::Terminals => &[
                ("id", Holds::Text),
                ("customer", Holds::Text),
                ("address", Holds::List),
                ("registration", Holds::Text),
                ("heartbeat", Holds::Text),
                ("answer", Holds::Text),
                ("tls", Holds::Flag),
                ("peer", Holds::List),
                ("common_address", Holds::Whole),
                ("profile", Holds::Text),
            ],
            Self::Rounds => &[("terminal", Holds::Text), ("no", Holds::Whole), ("name", Holds::Text)],
            Self::Measures => &[
                ("customer", Holds::Text),
                ("kind", Holds::Text),
                ("days", Holds::List),
                ("from", Holds::Text),
                ("to", Holds::Text),
                ("kw", Holds::Whole),
                ("to_kw", Holds::Whole),
                ("notice_min", Holds::Whole),
                ("lasts_min_max", Holds::Whole),
                ("per_week_max", Holds::Whole),
            ],
        }
    }

    const fn key_columns(self) -> usize {
        match self {
            Self::Rounds => 2,
            // One kind may be agreed for several windows.
            Self::Measures => 4,
            Self::Nodes | Self::Customers | Self::Terminals => 1,
        }
    }
}

/// A row, with an empty text for what is not set.
#[derive(Clone, Debug)]
struct Row {
    /// Its file, and its line there as a spreadsheet numbers it.
    origin: (Rc<Path>, Option<usize>),
    cells: Vec<String>,
}

impl Row {
    fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    fn key(&self, table: Table) -> String {
        let set = self.cells.iter().take(table.key_columns()).map(String::as_str);
        set.filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The rows of all tables, in the order of [`Table::ALL`].
#[derive(Clone, Debug, Default)]
struct Tables([Vec<Row>; 5]);

impl Tables {
    fn of(&self, table: Table) -> &[Row] {
        self.0.get(table as usize).map_or(&[], Vec::as_slice)
    }

    fn of_mut(&mut self, table: Table) -> Option<&mut Vec<Row>> {
        self.0.get_mut(table as usize)
    }
}

/// A fleet's tables as CSV, which [`import`] brings back.
pub fn export(fleet: &Fleet) -> [(Table, String); 5] {
    let tables = Tables::from(fleet);
    Table::ALL.map(|table| (table, csv_text::write(table, tables.of(table))))
}
