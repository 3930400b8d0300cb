//! Digests of rows, of their order, and of all of them in any order.
//!
//! | digest | XXH3 of 128 bits, little-endian |
//! |---|---|
//! | of a value | its bytes, with the XXH3 of 64 bits of its field's name as seed; a text in UTF-8, a number, an instant and a boolean as 8 bytes |
//! | of a line of line protocol | its bytes as they are sent, with the XXH3 of 64 bits of `line` as seed |
//! | of a row | the sum of the digests of its values that are not null; a cell that cannot be read counts as its text, of a field `name?` |
//! | chain | 0; then the digest of the chain so far and the row's digest |
//! | set | the sum of the digests of the rows' digests |
//!
//! Sums are those of unsigned integers of 128 bits.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use twox_hash::{XxHash3_64, XxHash3_128};

use crate::columns::cells::as_texts;
use crate::columns::rows::WireRows;

/// Digests of rows that come one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RowTotals {
    pub(crate) rows: u64,
    pub(crate) chain: u128,
    pub(crate) set: u128,
}

impl RowTotals {
    pub(crate) fn add(&mut self, row: u128) {
        self.rows += 1;
        self.chain = XxHash3_128::oneshot(&[self.chain.to_le_bytes(), row.to_le_bytes()].concat());
        self.set = self.set.wrapping_add(XxHash3_128::oneshot(&row.to_le_bytes()));
    }
}

/// A digest as it is sent.
pub(crate) fn sent(digest: u128) -> Bytes {
    Bytes::copy_from_slice(&digest.to_le_bytes())
}

/// The digest of each row.
pub(crate) fn row_digests(read: &WireRows) -> Vec<u128> {
    let mut digests = vec![0u128; read.batch.num_rows()];
    for (field, column) in read.batch.schema().fields().iter().zip(read.batch.columns()) {
        let seed = XxHash3_64::oneshot(field.name().as_bytes());
        let mut add = |row: usize, bytes: &[u8]| {
            digests[row] = digests[row].wrapping_add(XxHash3_128::oneshot_with_seed(seed, bytes));
        };
        each_value(column, &mut add);
    }
    for (row, cell) in &read.bad_cells {
        let name = cell.field.as_deref().unwrap_or_default();
        let seed = XxHash3_64::oneshot(format!("{name}?").as_bytes());
        let digest = XxHash3_128::oneshot_with_seed(seed, cell.value.as_bytes());
        digests[*row] = digests[*row].wrapping_add(digest);
    }
    digests
}

/// The digest of a line of line protocol.
pub(crate) fn line_digest(line: &[u8]) -> u128 {
    XxHash3_128::oneshot_with_seed(XxHash3_64::oneshot(b"line"), line)
}

fn each_value(column: &ArrayRef, add: &mut impl FnMut(usize, &[u8])) {
    let valid = (0..column.len()).filter(|row| column.is_valid(*row));
    match column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            // Both zeros are one number.
            valid.for_each(|row| add(row, &(values.value(row) + 0.0).to_bits().to_le_bytes()));
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            valid.for_each(|row| add(row, &values.value(row).to_le_bytes()));
        }
        DataType::Timestamp(..) => {
            let values = column.as_primitive::<TimestampMicrosecondType>();
            valid.for_each(|row| add(row, &values.value(row).to_le_bytes()));
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            valid.for_each(|row| add(row, &u64::from(values.value(row)).to_le_bytes()));
        }
        _ => {
            let texts = as_texts(column).expect("a column of a batch is of numbers, instants, booleans or texts");
            valid.for_each(|row| add(row, texts.value(row).as_bytes()));
        }
    }
}
