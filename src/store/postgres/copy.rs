//! Rows in the binary format of COPY (PostgreSQL, COPY, "Binary Format"; numeric as `numeric_recv` takes it).

use sqlx::postgres::{PgConnection, PgCopyIn};

use crate::store::instant::Instant;

/// The signature, no flags, no extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// Some 300 kB: the server is at work on one piece while the next is made.
const ROWS_PER_PIECE: usize = 4_000;

/// Rows as they go over the wire; every field is given in the order of the columns.
#[derive(Default)]
pub(super) struct CopyRows(Vec<u8>);

/// Sends `rows` of so many columns each, as `put` writes them, to a COPY that the caller finishes.
pub(super) async fn copy_in<'c, T>(
    connection: &'c mut PgConnection,
    copy: &'static str,
    columns: i16,
    rows: &[T],
    put: impl Fn(&T, &mut CopyRows),
) -> Result<PgCopyIn<&'c mut PgConnection>, sqlx::Error> {
    let mut copying = connection.copy_in_raw(copy).await?;
    for piece in pieces(columns, rows, put) {
        copying.send(piece).await?;
    }
    Ok(copying)
}

/// What goes over the wire; nothing for no rows.
pub(super) fn pieces<T>(columns: i16, rows: &[T], put: impl Fn(&T, &mut CopyRows)) -> impl Iterator<Item = Vec<u8>> {
    let count = rows.len().div_ceil(ROWS_PER_PIECE);
    (1..).zip(rows.chunks(ROWS_PER_PIECE)).map(move |(n, piece)| {
        let mut wire = CopyRows(if n == 1 { HEAD.to_vec() } else { Vec::new() });
        for row in piece {
            wire.0.extend_from_slice(&columns.to_be_bytes());
            put(row, &mut wire);
        }
        if n == count {
            wire.0.extend_from_slice(&END);
        }
        wire.0
    })
}

impl CopyRows {
    fn field<const LENGTH: usize>(&mut self, value: [u8; LENGTH]) -> &mut Self {
        const { assert!(LENGTH <= 8) };
        #[allow(clippy::cast_possible_truncation, reason = "at most 8")]
        self.0.extend_from_slice(&(LENGTH as u32).to_be_bytes());
        self.0.extend_from_slice(&value);
        self
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.0.extend_from_slice(&(-1_i32).to_be_bytes());
        self
    }

    pub(super) fn bool(&mut self, value: bool) -> &mut Self {
        self.field([u8::from(value)])
    }

    pub(super) fn int2(&mut self, value: i16) -> &mut Self {
        self.field(value.to_be_bytes())
    }

    pub(super) fn int4(&mut self, value: i32) -> &mut Self {
        self.field(value.to_be_bytes())
    }

    pub(super) fn int8(&mut self, value: i64) -> &mut Self {
        self.field(value.to_be_bytes())
    }

    pub(super) fn timestamptz(&mut self, value: Instant) -> &mut Self {
        self.int8(value.micros())
    }

    /// Digits to the base of 10,000 from the highest on, which has the weight of their number less one.
    pub(super) fn numeric(&mut self, value: i64) -> &mut Self {
        let mut digits = [0; 5];
        let mut rest = value.unsigned_abs();
        for digit in digits.iter_mut().rev() {
            *digit = u16::try_from(rest % 10_000).unwrap_or_default();
            rest /= 10_000;
        }
        let digits = digits.iter().skip_while(|digit| **digit == 0);
        let count = u16::try_from(digits.clone().count()).unwrap_or_default();
        let sign = if value < 0 { 0x4000 } else { 0 };
        self.0.extend_from_slice(&(8 + 2 * u32::from(count)).to_be_bytes());
        let scale = 0;
        for part in [count, count.saturating_sub(1), sign, scale].iter().chain(digits) {
            self.0.extend_from_slice(&part.to_be_bytes());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_one_head_and_one_end() {
        let rows = vec![7; ROWS_PER_PIECE + 1];
        let pieces: Vec<_> = pieces(1, &rows, |value, row| _ = row.int2(*value)).collect();
        let row = [0, 1, 0, 0, 0, 2, 0, 7];
        assert!(pieces[0] == [HEAD, &row.repeat(ROWS_PER_PIECE)].concat(), "a head, full rows and no end");
        assert_eq!(pieces[1..], [[&row[..], &END].concat()]);
    }

    #[test]
    fn a_numeric_has_its_digits_to_the_base_of_ten_thousand() {
        let of = |value| {
            let mut row = CopyRows::default();
            row.numeric(value);
            row.0
        };
        assert_eq!(of(0), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        // 1 2345
        assert_eq!(of(-12_345), [0, 0, 0, 12, 0, 2, 0, 1, 0x40, 0, 0, 0, 0, 1, 0x09, 0x29]);
        // 3 0000
        assert_eq!(of(30_000), [0, 0, 0, 12, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0]);
        // 922 3372 0368 5477 5808
        let least =
            [0, 0, 0, 18, 0, 5, 0, 4, 0x40, 0, 0, 0, 0x03, 0x9A, 0x0D, 0x2C, 0x01, 0x70, 0x15, 0x65, 0x16, 0xB0];
        assert_eq!(of(i64::MIN), least);
    }
}
