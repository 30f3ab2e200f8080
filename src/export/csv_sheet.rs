//! Tables in CSV.

use std::io::{self, Write};

use super::{Cell, Column, ExportError, Offset};

#[derive(Debug)]
pub(super) struct CsvSheet<W: Write> {
    writer: csv::Writer<W>,
    offset: Offset,
}

impl<W: Write> CsvSheet<W> {
    pub(super) fn begin(columns: &[Column], offset: Offset, into: W) -> Result<Self, ExportError> {
        let mut writer = csv::Writer::from_writer(into);
        writer.write_record(columns.iter().map(|column| column.name))?;
        Ok(Self { writer, offset })
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        for cell in cells {
            match *cell {
                Cell::Missing => self.writer.write_field("")?,
                Cell::Text(text) => self.writer.write_field(text)?,
                Cell::Time(at) => self.writer.write_field(self.offset.show(at))?,
                Cell::Whole(number) => self.writer.write_field(number.to_string())?,
                Cell::Thousandths(number) => self.writer.write_field(decimal(number))?,
            }
        }
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }

    pub(super) fn finish(self) -> Result<W, ExportError> {
        self.writer.into_inner().map_err(|error| ExportError::Write(io::Error::other(error.to_string())))
    }
}

/// Thousandths with all three decimals, exactly.
fn decimal(thousandths: i64) -> String {
    let (sign, size) = (if thousandths < 0 { "-" } else { "" }, thousandths.unsigned_abs());
    format!("{sign}{}.{:03}", size / 1_000, size % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_exact_to_the_ends_of_the_range() {
        assert_eq!(decimal(12_345), "12.345");
        assert_eq!(decimal(-5), "-0.005");
        assert_eq!(decimal(0), "0.000");
        assert_eq!(decimal(i64::MAX), "9223372036854775.807");
        assert_eq!(decimal(i64::MIN), "-9223372036854775.808");
    }
}
