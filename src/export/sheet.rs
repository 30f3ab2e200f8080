//! A table on its way into a file.

use std::io::Write;
use std::path::Path;

use super::csv_sheet::CsvSheet;
use super::parquet_sheet::ParquetSheet;
use super::{Cell, Column, ExportError, Offset};

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, UTF-8, a header line; numbers are exact, times are RFC 3339.
    Csv,
    /// Parquet, compressed by Snappy; times are UTC milliseconds, numbers with decimals are DECIMAL(18, 3).
    Parquet,
}

impl Format {
    /// By the end of a file's name; `-` is CSV.
    pub fn of(file: &Path) -> Option<Self> {
        if file == Path::new("-") {
            return Some(Self::Csv);
        }
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// What became of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<W> {
    /// Where it was written to.
    pub into: W,
    /// How many rows it has.
    pub rows: u64,
    /// Values beyond what Parquet's decimals hold, which are missing in the file; none in CSV.
    pub beyond: u64,
}

/// A table of either format.
#[derive(Debug)]
pub struct Sheet<W: Write + Send> {
    kind: Kind<W>,
    rows: u64,
}

#[derive(Debug)]
enum Kind<W: Write + Send> {
    Csv(Box<CsvSheet<W>>),
    Parquet(Box<ParquetSheet<W>>),
}

impl<W: Write + Send> Sheet<W> {
    /// Begins a table. CSV shows times by the clocks that are `offset` ahead; Parquet's are instants.
    ///
    /// # Errors
    /// When `into` takes nothing.
    pub fn begin(format: Format, columns: &'static [Column], offset: Offset, into: W) -> Result<Self, ExportError> {
        let kind = match format {
            Format::Csv => Kind::Csv(Box::new(CsvSheet::begin(columns, offset, into)?)),
            Format::Parquet => Kind::Parquet(Box::new(ParquetSheet::begin(columns, into)?)),
        };
        Ok(Self { kind, rows: 0 })
    }

    /// Adds a row, with a cell for each column.
    ///
    /// # Errors
    /// When there is no room.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        self.rows += 1;
        match &mut self.kind {
            Kind::Csv(sheet) => sheet.row(cells),
            Kind::Parquet(sheet) => sheet.row(cells),
        }
    }

    /// How many rows there are.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// When there is no room.
    pub fn finish(self) -> Result<Written<W>, ExportError> {
        let rows = self.rows;
        match self.kind {
            Kind::Csv(sheet) => Ok(Written { into: sheet.finish()?, rows, beyond: 0 }),
            Kind::Parquet(sheet) => {
                let (into, beyond) = sheet.finish()?;
                Ok(Written { into, rows, beyond })
            }
        }
    }
}
