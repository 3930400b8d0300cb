//! Repeats: rows of one province, zone, device and time, and which of them count.
//!
//! Flushes and merges take out the rows that cannot count any more, whatever other file or live row is found to repeat them later. Of
//! `last_wins` and `first_wins` one row is left. Of `merge` there may be several, since each field has the newest value that is not
//! null: a row goes once each of its values has a newer one. Rows are never made up, so that a row on disk is always one that was
//! sent, under its own identity; what a field shows is put together when it is read.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, make_comparator};
use arrow::compute::{SortOptions, partition};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::error::ArrowError;
use zonelake_schemas::{OnRepeat, identity};

/// Age of a row, the greater the newer. Rows without identity, which another program has written, are older than all others, and among
/// them the time of receipt decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowAge {
    /// Group sequence, shard number, LSN and place in the record.
    pub identity: Option<(i64, i64, i64, i64)>,
    /// Time of receipt, microseconds.
    pub ingested_at_us: i64,
}

/// Rows that count among the repeats of one key, given from the oldest to the newest: one, or with [`OnRepeat::Merge`] all those that
/// have the newest value of a field. `is_set` says whether a row has a value of a field.
pub fn counting_rows(
    on_repeat: OnRepeat,
    oldest_first: &[usize],
    fields: Range<usize>,
    is_set: impl Fn(usize, usize) -> bool,
) -> Vec<usize> {
    let (Some(&oldest), Some(&newest)) = (oldest_first.first(), oldest_first.last()) else { return Vec::new() };
    match on_repeat {
        OnRepeat::KeepAll => oldest_first.to_vec(),
        OnRepeat::LastWins => vec![newest],
        OnRepeat::FirstWins => vec![oldest],
        OnRepeat::Merge => {
            let source = |field| oldest_first.iter().rev().copied().find(|row| is_set(*row, field));
            let mut counting: Vec<usize> = fields.filter_map(source).chain([newest]).collect();
            counting.sort_unstable();
            counting.dedup();
            // In the order of their ages again.
            oldest_first.iter().copied().filter(|row| counting.binary_search(row).is_ok()).collect()
        }
    }
}

/// The columns of rows, sorted by zone, device and time, that say which of them repeat each other and which is newer.
#[derive(Debug)]
pub struct RepeatColumns {
    province: ArrayRef,
    key: [ArrayRef; 3],
    ingested_at: ArrayRef,
    identity: [ArrayRef; 4],
}

impl RepeatColumns {
    /// Names of the columns.
    pub const NAMES: [&str; 9] = [
        "province",
        "zone",
        "device",
        "time",
        "ingested_at",
        identity::SEQUENCE,
        identity::SHARD,
        identity::LSN,
        identity::ROW,
    ];

    /// These columns of a batch.
    ///
    /// # Errors
    /// Where one is missing.
    pub fn of(rows: &RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &str| {
            let missing = || ArrowError::SchemaError(format!("there is no column {name}"));
            rows.column_by_name(name).cloned().ok_or_else(missing)
        };
        Ok(Self {
            province: column("province")?,
            key: [column("zone")?, column("device")?, column("time")?],
            ingested_at: column("ingested_at")?,
            identity: [
                column(identity::SEQUENCE)?,
                column(identity::SHARD)?,
                column(identity::LSN)?,
                column(identity::ROW)?,
            ],
        })
    }

    /// The rows of each zone, device and time.
    ///
    /// # Errors
    /// Where the columns cannot be compared.
    pub fn runs(&self) -> Result<Vec<Range<usize>>, ArrowError> {
        Ok(partition(&self.key)?.ranges())
    }

    /// The repeats among the rows of one zone, device and time: each key that has several rows, from the oldest to the newest.
    ///
    /// # Errors
    /// Where the columns cannot be compared, or are not of their types.
    pub fn repeats(&self, run: Range<usize>) -> Result<Vec<Vec<usize>>, ArrowError> {
        if run.len() < 2 {
            return Ok(Vec::new());
        }
        let by_province = make_comparator(&self.province, &self.province, SortOptions::default())?;
        let ages = run.clone().map(|row| self.age(row)).collect::<Result<Vec<_>, _>>()?;
        let age = |row: usize| ages[row - run.start];
        let mut rows: Vec<usize> = run.clone().collect();
        // Stable, so that rows of one age keep their order.
        rows.sort_by(|&a, &b| by_province(a, b).then_with(|| age(a).cmp(&age(b))));
        let keys = rows.chunk_by(|&a, &b| by_province(a, b) == Ordering::Equal);
        Ok(keys.filter(|rows| rows.len() > 1).map(<[usize]>::to_vec).collect())
    }

    fn age(&self, row: usize) -> Result<RowAge, ArrowError> {
        let [sequence, shard, lsn, place] = &self.identity;
        let all = [integer(sequence, row)?, integer(shard, row)?, integer(lsn, row)?, integer(place, row)?];
        let identity = match all {
            [Some(sequence), Some(shard), Some(lsn), Some(place)] => Some((sequence, shard, lsn, place)),
            _ => None,
        };
        let ingested_at = self.ingested_at.as_primitive_opt::<arrow::datatypes::TimestampMicrosecondType>();
        let ingested_at = ingested_at.ok_or_else(|| wrong_type(&self.ingested_at))?;
        Ok(RowAge { identity, ingested_at_us: ingested_at.value(row) })
    }
}

fn integer(column: &ArrayRef, row: usize) -> Result<Option<i64>, ArrowError> {
    if column.is_null(row) {
        return Ok(None);
    }
    match column.data_type() {
        DataType::Int64 => Ok(Some(column.as_primitive::<Int64Type>().value(row))),
        DataType::Int32 => Ok(Some(column.as_primitive::<Int32Type>().value(row).into())),
        _ => Err(wrong_type(column)),
    }
}

fn wrong_type(column: &ArrayRef) -> ArrowError {
    ArrowError::SchemaError(format!("a column of the identity of rows is {}", column.data_type()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Value of each field of some rows, oldest first, as a reader of all of them would put it together.
    fn merged(rows: &[usize], values: &[[bool; 3]]) -> [Option<usize>; 3] {
        [0, 1, 2].map(|field| rows.iter().rev().copied().find(|row| values[*row][field]))
    }

    proptest! {
        #[test]
        fn what_is_taken_out_at_any_time_never_changes_what_all_rows_say(
            values in prop::collection::vec(any::<[bool; 3]>(), 1..12),
            parts in prop::collection::vec(0usize..4, 12),
        ) {
            let all: Vec<usize> = (0..values.len()).collect();
            let is_set = |row: usize, field: usize| values[row][field];
            for rule in [OnRepeat::LastWins, OnRepeat::FirstWins, OnRepeat::Merge] {
                // Any part may be reduced before the others are known, and what is left once more.
                let mut left: Vec<usize> = (0..4)
                    .flat_map(|part| {
                        let rows: Vec<usize> = all.iter().copied().filter(|row| parts[*row] == part).collect();
                        counting_rows(rule, &rows, 0..3, is_set)
                    })
                    .collect();
                left.sort_unstable();
                let at_once = counting_rows(rule, &all, 0..3, is_set);
                prop_assert_eq!(&counting_rows(rule, &left, 0..3, is_set), &at_once);
                prop_assert!(rule == OnRepeat::Merge || at_once.len() == 1);
                prop_assert!(at_once.len() <= 4, "a row for each field and the newest");
                if rule == OnRepeat::Merge {
                    prop_assert_eq!(merged(&at_once, &values), merged(&all, &values));
                    prop_assert_eq!(at_once.last(), all.last());
                }
            }
            prop_assert_eq!(counting_rows(OnRepeat::KeepAll, &all, 0..3, is_set), all);
        }
    }

    #[test]
    fn a_row_without_identity_is_older_than_all_others() {
        let with = |sequence, ingested_at_us| RowAge { identity: Some((sequence, 0, 0, 0)), ingested_at_us };
        let without = |ingested_at_us| RowAge { identity: None, ingested_at_us };
        assert!(without(9) < with(0, 1) && without(1) < without(2) && with(1, 9) < with(2, 1));
    }
}
