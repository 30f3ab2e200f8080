//! Tables in Parquet, without Arrow: columns are gathered for a row group, then written one after the other.

use std::io::Write;
use std::mem::take;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type, TypePtr};

use super::{Cell, Column, ExportError, Holds};

/// Rows of one group: enough for compression and statistics, a few megabytes of numbers.
pub(super) const GROUP_ROWS: usize = 65_536;
/// Octets of text at which a group ends before that.
const GROUP_TEXT: usize = 16_000_000;
/// What an INT64 of DECIMAL(18, 3) may be, in thousandths (Parquet's LogicalTypes, DECIMAL).
const DECIMAL_MAX: i64 = 999_999_999_999_999_999;

pub(super) struct ParquetSheet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Gathered>,
    rows: usize,
    text: usize,
    beyond: u64,
}

/// A column of the group in the making: what there is, and for each row whether there is anything.
struct Gathered {
    holds: Holds,
    values: Values,
    there: Vec<i16>,
}

enum Values {
    Text(Vec<ByteArray>),
    Numbers(Vec<i64>),
}

impl<W: Write + Send> std::fmt::Debug for ParquetSheet<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetSheet").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<W: Write + Send> ParquetSheet<W> {
    pub(super) fn begin(columns: &[Column], into: W) -> Result<Self, ExportError> {
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("headroom ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY);
        for column in columns.iter().filter(|column| column.holds != Holds::Text) {
            // Times rise and values are near to each other: their differences are small, a dictionary would be full.
            let path = ColumnPath::from(column.name);
            properties = properties.set_column_dictionary_enabled(path.clone(), false);
            properties = properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        let fields = columns.iter().map(field).collect::<Result<_, _>>()?;
        let schema = Type::group_type_builder("headroom").with_fields(fields).build()?;
        let writer = SerializedFileWriter::new(into, Arc::new(schema), Arc::new(properties.build()))?;
        let columns = columns.iter().map(|column| Gathered::new(column.holds)).collect();
        Ok(Self { writer, columns, rows: 0, text: 0, beyond: 0 })
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            match (&mut column.values, cell) {
                (Values::Text(values), Cell::Text(text)) => {
                    self.text += text.len();
                    // Ids and marks come in long runs, which then share their octets.
                    let value = values.last().filter(|last| last.data() == text.as_bytes()).cloned();
                    values.push(value.unwrap_or_else(|| ByteArray::from(*text)));
                    column.there.push(1);
                }
                (Values::Numbers(values), cell) => {
                    let number = number(column.holds, *cell);
                    self.beyond += u64::from(number.is_none() && *cell != Cell::Missing);
                    column.there.push(i16::from(number.is_some()));
                    values.extend(number);
                }
                (Values::Text(_), _) => column.there.push(0),
            }
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.text >= GROUP_TEXT { self.end_group() } else { Ok(()) }
    }

    fn end_group(&mut self) -> Result<(), ExportError> {
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let there = take(&mut column.there);
            let Some(mut writer) = group.next_column()? else { break };
            match &mut column.values {
                Values::Text(values) => {
                    writer.typed::<ByteArrayType>().write_batch(&take(values), Some(&there), None)?
                }
                Values::Numbers(values) => {
                    writer.typed::<Int64Type>().write_batch(&take(values), Some(&there), None)?
                }
            };
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.text) = (0, 0);
        Ok(())
    }

    /// Where it was written to, and how many values were beyond the decimals.
    pub(super) fn finish(mut self) -> Result<(W, u64), ExportError> {
        if self.rows > 0 {
            self.end_group()?;
        }
        Ok((self.writer.into_inner()?, self.beyond))
    }
}

impl Gathered {
    const fn new(holds: Holds) -> Self {
        let values = match holds {
            Holds::Text => Values::Text(Vec::new()),
            Holds::Time | Holds::Whole | Holds::Thousandths => Values::Numbers(Vec::new()),
        };
        Self { holds, values, there: Vec::new() }
    }
}

/// A cell as the column has it; none where it is missing, of another kind, or beyond the column's range.
fn number(holds: Holds, cell: Cell<'_>) -> Option<i64> {
    match (holds, cell) {
        (Holds::Time, Cell::Time(at)) => Some(at.get()),
        (Holds::Whole, Cell::Whole(number)) => Some(number),
        (Holds::Thousandths, Cell::Whole(number)) => number.checked_mul(1_000).filter(fits),
        (Holds::Thousandths, Cell::Thousandths(number)) => Some(number).filter(fits),
        _ => None,
    }
}

fn fits(thousandths: &i64) -> bool {
    (-DECIMAL_MAX..=DECIMAL_MAX).contains(thousandths)
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match column.holds {
        Holds::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Holds::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
        Holds::Whole => (Physical::INT64, None),
        Holds::Thousandths => (Physical::INT64, Some(LogicalType::decimal(3, 18))),
    };
    let field = Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    let field = if column.holds == Holds::Thousandths { field.with_precision(18).with_scale(3) } else { field };
    Ok(Arc::new(field.build()?))
}
