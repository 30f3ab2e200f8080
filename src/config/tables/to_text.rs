//! The text of a `fleet.toml` made of rows, each line with the row that it comes from.

use std::collections::BTreeMap;

use super::{Column, Holds, Row, Table, Tables};
use crate::config::reader::Origins;

#[derive(Default)]
struct Text {
    toml: String,
    origins: Origins,
}

impl Text {
    fn line(&mut self, row: &Row, line: &str) {
        self.toml.push_str(line);
        self.toml.push('\n');
        self.origins.0.push(row.origin.clone());
    }
}

/// Rounds stand with their terminals and measures with their customers; those of nobody are left out.
pub(super) fn to_text(tables: &Tables) -> (String, Origins) {
    let mut text = Text::default();
    let by_owner = |table| {
        let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in tables.of(table) {
            rows.entry(row.cell(0)).or_default().push(row);
        }
        rows
    };
    let (mut rounds, mut measures) = (by_owner(Table::Rounds), by_owner(Table::Measures));
    for table in [Table::Nodes, Table::Customers, Table::Terminals] {
        for row in tables.of(table) {
            text.line(row, &format!("[[{}]]", table.row_name()));
            let (calls, keys): (Vec<_>, Vec<_>) = set(table, row).partition(|((name, _), _)| of_dial_in(name));
            for (column, cell) in keys {
                text.line(row, &pair(column, cell));
            }
            if !calls.is_empty() {
                let pairs: Vec<_> = calls.into_iter().map(|(column, cell)| pair(column, cell)).collect();
                text.line(row, &format!("dial_in = {{ {} }}", pairs.join(", ")));
            }
            // What belongs to an id that stands there twice is told once.
            let (key, of, owned) = match table {
                Table::Terminals => ("rounds", Table::Rounds, rounds.remove(row.cell(0))),
                Table::Customers => ("measure", Table::Measures, measures.remove(row.cell(0))),
                _ => continue,
            };
            if let Some(owned) = owned {
                text.line(row, &format!("{key} = ["));
                for part in owned {
                    let pairs = set(of, part).skip(usize::from(!part.cell(0).is_empty()));
                    let pairs: Vec<_> = pairs.map(|(column, cell)| pair(column, cell)).collect();
                    text.line(part, &format!("{{ {} }},", pairs.join(", ")));
                }
                text.line(row, "]");
            }
        }
    }
    (text.toml, text.origins)
}

/// Columns of what the terminal says when it calls.
fn of_dial_in(name: &str) -> bool {
    matches!(name, "registration" | "heartbeat" | "answer")
}

/// What is set in a row.
fn set(table: Table, row: &Row) -> impl Iterator<Item = (Column, &str)> {
    table.columns().iter().copied().zip(row.cells.iter().map(String::as_str)).filter(|(_, cell)| !cell.is_empty())
}

/// A cell of the wrong kind stands as a text, for the one who wanted another to refuse.
fn pair((name, holds): Column, cell: &str) -> String {
    let value = match holds {
        Holds::Whole if cell.parse::<i64>().is_ok_and(|number| number.to_string() == cell) => cell.to_owned(),
        Holds::Flag if ["true", "false"].iter().any(|flag| cell.eq_ignore_ascii_case(flag)) => {
            cell.to_ascii_lowercase()
        }
        Holds::List => {
            let parts: Vec<_> = cell.split_whitespace().map(quoted).collect();
            match parts.as_slice() {
                [one] => one.clone(),
                _ => format!("[{}]", parts.join(", ")),
            }
        }
        Holds::Text | Holds::Whole | Holds::Flag => quoted(cell),
    };
    format!("{name} = {value}")
}

/// A basic string in one line, whatever is in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
