//! CSV as spreadsheets write it: with comma, semicolon or tab, with or without a byte order mark, in UTF-8 or GB18030.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use super::{Row, Table};
use crate::config::error::ConfigError;

/// Excel takes a file for UTF-8 by it.
const MARK: &str = "\u{feff}";

/// How characters stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// With or without a byte order mark.
    #[default]
    Utf8,
    /// What a Chinese Excel saves as CSV.
    Gb18030,
}

/// What a file has: the rows of one table, and which of its columns they have.
pub(super) struct Read {
    pub(super) table: Table,
    pub(super) columns: Vec<bool>,
    pub(super) rows: Vec<Row>,
}

/// Reads a file's octets; faults of single rows are added to `faults`.
pub(super) fn read(
    file: &Path,
    octets: &[u8],
    encoding: Encoding,
    faults: &mut Vec<ConfigError>,
) -> Result<Read, Vec<ConfigError>> {
    let fault = |line, text: &str| ConfigError::new(file, line, text);
    let text = decoded(octets, encoding).map_err(|(line, why)| vec![fault(line, &why)])?;
    let (line, header) = records(&text, b',').next().ok_or_else(|| vec![fault(None, "empty: wanted a header line")])?;
    // The last of equals is taken.
    let delimiter = [b'\t', b';', b','].into_iter().max_by_key(|delimiter| {
        let names = cells(header, *delimiter);
        Table::ALL.iter().map(|table| known(*table, &names)).max()
    });
    let delimiter = delimiter.unwrap_or(b',');
    let names = cells(header, delimiter);
    let (table, places) =
        columns(&names, file).map_err(|texts| texts.iter().map(|text| fault(Some(line), text)).collect::<Vec<_>>())?;
    let name: Rc<Path> = Rc::from(file);
    let mut rows = Vec::new();
    for (line, record) in records(&text, delimiter).skip(1) {
        let found = cells(record, delimiter);
        if found.iter().all(String::is_empty) {
            continue;
        }
        if never_closed(record, delimiter) {
            faults
                .push(fault(Some(line), "a quotation mark opens a text here that nothing closes: wanted a second one"));
        }
        if found.iter().skip(names.len()).any(|cell| !cell.is_empty()) {
            let why = format!(
                "{} cells where the header has {}: wanted as many; a text with the separator in it stands in quotation marks",
                found.len(),
                names.len()
            );
            faults.push(fault(Some(line), &why));
        }
        if found.len() < names.len() && !never_closed(record, delimiter) {
            let why = format!("{} cells where the header has {}: wanted as many", found.len(), names.len());
            faults.push(fault(Some(line), &why));
        }
        let mut row = vec![String::new(); table.columns().len()];
        for (place, cell) in places.iter().zip(found) {
            if let Some(of_column) = row.get_mut(*place) {
                *of_column = cell;
            }
        }
        rows.push(Row { origin: (Rc::clone(&name), Some(line)), cells: row });
    }
    let mut there = vec![false; table.columns().len()];
    places.iter().for_each(|place| there.iter_mut().skip(*place).take(1).for_each(|there| *there = true));
    Ok(Read { table, columns: there, rows })
}

fn decoded(octets: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, (Option<usize>, String)> {
    if octets.starts_with(&[0xFF, 0xFE]) || octets.starts_with(&[0xFE, 0xFF]) {
        return Err((None, "UTF-16: wanted UTF-8, in Excel \"CSV UTF-8\" among the file types".to_owned()));
    }
    let marked = octets.strip_prefix(MARK.as_bytes());
    if encoding == Encoding::Gb18030 && marked.is_none() {
        let text = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(octets);
        return text.ok_or_else(|| (None, "neither UTF-8 nor GB18030: wanted one of them".to_owned()));
    }
    let octets = marked.unwrap_or(octets);
    std::str::from_utf8(octets).map(Cow::Borrowed).map_err(|error| {
        let before = octets.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
        let why = "not UTF-8: wanted \"CSV UTF-8\" among Excel's file types, or --encoding gb18030 for what a Chinese \
                   Excel saves as CSV";
        (Some(line), why.to_owned())
    })
}

/// The columns of one table by the header's names, as places among them. Where they are of several, the file's own name
/// decides.
fn columns(names: &[String], file: &Path) -> Result<(Table, Vec<usize>), Vec<String>> {
    let most = Table::ALL.iter().map(|table| known(*table, names)).max().unwrap_or_default();
    let fitting: Vec<_> = Table::ALL.into_iter().filter(|table| known(*table, names) == most).collect();
    let named = |table: &Table| file.file_name().is_some_and(|name| name.eq_ignore_ascii_case(table.file_name()));
    let table = match fitting.as_slice() {
        [one] => Some(*one),
        several => several.iter().copied().find(named),
    };
    let Some(table) = table.filter(|_| most > 0) else {
        let wanted = Table::ALL.map(|table| format!("{} ({})", table.file_name(), column_names(table)));
        return Err(vec![format!("the header is of no one table: wanted the columns of {}", wanted.join(", "))]);
    };
    let mut faults = Vec::new();
    let mut places = Vec::new();
    for name in names {
        let place = table.columns().iter().position(|(column, _)| column.eq_ignore_ascii_case(name));
        match place {
            // A spreadsheet leaves empty columns behind.
            None if name.is_empty() => places.push(usize::MAX),
            None => faults.push(format!("column \"{name}\": unknown: wanted one of {}", column_names(table))),
            Some(place) if places.contains(&place) => {
                faults.push(format!("column \"{name}\": there twice: wanted once"))
            }
            Some(place) => places.push(place),
        }
    }
    for (place, (key, _)) in table.columns().iter().enumerate().take(table.key_columns()) {
        if !places.contains(&place) {
            faults.push(format!("column \"{key}\" is missing: wanted it, as rows are known by it"));
        }
    }
    if faults.is_empty() { Ok((table, places)) } else { Err(faults) }
}

fn known(table: Table, names: &[String]) -> usize {
    let is_column = |name: &&String| table.columns().iter().any(|(column, _)| column.eq_ignore_ascii_case(name));
    names.iter().filter(is_column).count()
}

fn column_names(table: Table) -> String {
    table.columns().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A text's records with their rows as a spreadsheet numbers them, where a cell with two lines is in one row; blank lines
/// count, and are left out.
fn records(text: &str, delimiter: u8) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(text);
    let rows = std::iter::from_fn(move || {
        let text = rest?;
        let end = record_end(text, delimiter);
        let (record, more) = text.split_at_checked(end).unwrap_or((text, ""));
        rest = more.strip_prefix("\r\n").or_else(|| more.strip_prefix(['\r', '\n']));
        Some(record)
    });
    (1..).zip(rows).filter(|(_, record)| !record.trim().is_empty())
}

/// Where the first record ends: before a line's end that is not within quotation marks, which open at a cell's begin only.
fn record_end(text: &str, delimiter: u8) -> usize {
    let mut state = State::Begin;
    for (at, octet) in text.bytes().enumerate() {
        if state != State::Quoted && matches!(octet, b'\r' | b'\n') {
            return at;
        }
        state = state.after(octet, delimiter);
    }
    text.len()
}

fn never_closed(record: &str, delimiter: u8) -> bool {
    record.bytes().fold(State::Begin, |state, octet| state.after(octet, delimiter)) == State::Quoted
}

/// Where in a cell one is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Bare,
    Quoted,
    /// After a quotation mark that closes, or is the first of two.
    Closed,
}

impl State {
    const fn after(self, octet: u8, delimiter: u8) -> Self {
        match (self, octet) {
            (Self::Begin, b'"') | (Self::Closed, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, _) => Self::Quoted,
            (_, octet) if octet == delimiter => Self::Begin,
            _ => Self::Bare,
        }
    }
}

/// The cells of one record, without the blanks around them.
fn cells(record: &str, delimiter: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .flexible(true)
        .buffer_capacity(record.len().max(1))
        .from_reader(record.as_bytes());
    let mut cells = csv::StringRecord::new();
    // From memory and of a text there is nothing to fail.
    let _ = reader.read_record(&mut cells);
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// A table with its header, marked as UTF-8.
pub(super) fn write(table: Table, rows: &[Row]) -> String {
    let mut writer = csv::Writer::from_writer(MARK.as_bytes().to_vec());
    let header = table.columns().iter().map(|(name, _)| *name);
    // Into memory and with as many cells in each row there is nothing to fail.
    let _ = writer.write_record(header);
    for row in rows {
        let _ = writer.write_record(&row.cells);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}
