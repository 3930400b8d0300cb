//! Rows on their way into windows.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal32Type, Decimal64Type, Float64Type, Int64Type};

use std::sync::Arc;

use crate::windows::bucket::{Bucket, CELL_BYTES, Numbers, Worth};
use crate::windows::groups::WindowKey;
use crate::windows::layout::NumberKind;
use crate::windows::live_windows::{LiveWindows, SECOND_US};

/// A column of numbers.
#[derive(Debug)]
pub struct NumberColumn<'a> {
    field: u16,
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
}

#[derive(Debug)]
enum Values<'a> {
    Double(&'a [f64]),
    Integer(&'a [i64]),
    Narrow(&'a [i32]),
}

/// Rows that are taken in. All columns have as many rows.
#[derive(Debug)]
pub struct WindowRows<'a> {
    /// Event times, µs.
    pub times: &'a [i64],
    /// Numbers of their places.
    pub groups: &'a [u32],
    /// Numbers of their qualities.
    pub qualities: &'a [u8],
    /// Their numbers.
    pub columns: Vec<NumberColumn<'a>>,
}

impl<'a> NumberColumn<'a> {
    /// Reads a column as it is stored; `None` where it has no values or is none of numbers.
    pub fn new(field: usize, array: &'a ArrayRef) -> Option<Self> {
        if array.null_count() == array.len() {
            return None;
        }
        let values = match array.data_type() {
            DataType::Float64 => Values::Double(array.as_primitive::<Float64Type>().values()),
            DataType::Int64 => Values::Integer(array.as_primitive::<Int64Type>().values()),
            DataType::Decimal64(..) => Values::Integer(array.as_primitive::<Decimal64Type>().values()),
            DataType::Decimal32(..) => Values::Narrow(array.as_primitive::<Decimal32Type>().values()),
            _ => return None,
        };
        Some(Self { field: u16::try_from(field).ok()?, values, nulls: array.nulls() })
    }

    fn kind(&self) -> NumberKind {
        match self.values {
            Values::Double(_) => NumberKind::Double,
            Values::Integer(_) | Values::Narrow(_) => NumberKind::Integer,
        }
    }

    fn has(&self, row: usize) -> bool {
        self.nulls.is_none_or(|nulls| nulls.is_valid(row))
    }
}

/// A row with the second and the place that it belongs to.
type Placed = (i64, u32, u32);

impl LiveWindows {
    /// The number of a place, which gets one where it has none yet.
    pub fn group(&mut self, key: WindowKey) -> u32 {
        // Mostly it is known, and what is shared needs no copy.
        self.groups.known(&key).unwrap_or_else(|| Arc::make_mut(&mut self.groups).number(key))
    }

    /// Takes rows in. Rows before the span are left out; where one is from `end_us` on or behind it, the span ends before it.
    ///
    /// # Panics
    /// Where the columns are not of one length.
    pub fn take(&mut self, rows: &WindowRows<'_>, end_us: i64) {
        assert!(rows.groups.len() == rows.times.len() && rows.qualities.len() == rows.times.len(), "rows are whole");
        let mut placed: Vec<Placed> = Vec::with_capacity(rows.times.len());
        for (row, (&time, &group)) in rows.times.iter().zip(rows.groups).enumerate() {
            if time < self.from_us {
                continue;
            }
            let second = time.div_euclid(SECOND_US);
            if time >= end_us.min(self.to_us) {
                self.to_us = self.to_us.min(second.saturating_mul(SECOND_US));
                continue;
            }
            placed.push((second, group, u32::try_from(row).expect("a batch has fewer rows than 2^32")));
        }
        // Rows of one device come together and those of one time do not: in order, each bucket is looked up once.
        if !placed.is_sorted() {
            placed.sort_unstable();
        }
        for run in placed.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (second, group, _) = run[0];
            let (bucket, made) = self.bucket(second, group);
            let cells = take_run(bucket, run, rows);
            self.bytes += made + cells * CELL_BYTES;
        }
    }
}

/// Takes rows of one bucket in, and returns the number of fields that are new there.
fn take_run(bucket: &mut Bucket, run: &[Placed], rows: &WindowRows<'_>) -> usize {
    let worth = |row: usize| Worth::of(rows.qualities[row]);
    let row_numbers = || run.iter().map(|(_, _, row)| *row as usize);
    row_numbers().for_each(|row| bucket.rows.note(worth(row)));
    let mut made = 0;
    for column in &rows.columns {
        if !row_numbers().any(|row| column.has(row)) {
            continue;
        }
        let (cell, is_new) = bucket.cell(column.field, column.kind());
        made += usize::from(is_new);
        for row in row_numbers().filter(|row| column.has(*row)) {
            let time = rows.times[row];
            match (worth(row), &mut cell.numbers, &column.values) {
                (Worth::Uncertain, ..) => cell.uncertain = cell.uncertain.saturating_add(1),
                (Worth::Bad, ..) => cell.bad = cell.bad.saturating_add(1),
                (Worth::Good, Numbers::Double(of), Values::Double(values)) => of.take(time, values[row]),
                (Worth::Good, Numbers::Integer(of), Values::Integer(values)) => of.take(time, values[row]),
                (Worth::Good, Numbers::Integer(of), Values::Narrow(values)) => of.take(time, values[row].into()),
                (Worth::Good, ..) => unreachable!("a field has one kind of numbers"),
            }
        }
    }
    made
}
