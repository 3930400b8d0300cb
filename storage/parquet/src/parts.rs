//! Dates whose text would not fit one file, cut into parts: Arrow addresses the text of a column with 32 bits, and settings allow a
//! flush of more.

use std::ops::Range;

use arrow::array::{AsArray, RecordBatch, StringArray};
use zonelake_schemas::columns::LIVE_FIXED;

use crate::sort::{RowRef, SortedRows};

/// Rows with each date cut into parts that a file can hold.
pub(crate) fn cut(sorted: SortedRows) -> SortedRows {
    let dates = cut_by_text(&sorted.chunks, &sorted.order, sorted.dates, TEXT_BYTES_MAX);
    SortedRows { dates, ..sorted }
}

/// Cuts the rows of each date so that no text column of a part has more than `bytes_max`, or the part is one row. Mostly nothing is
/// cut.
fn cut_by_text(
    chunks: &[RecordBatch],
    order: &[RowRef],
    dates: Vec<(i32, Range<usize>)>,
    bytes_max: usize,
) -> Vec<(i32, Range<usize>)> {
    let columns = large_columns(chunks, bytes_max);
    if columns.is_empty() {
        return dates;
    }
    let mut parts = Vec::with_capacity(dates.len());
    for (date, rows) in dates {
        let mut start = rows.start;
        let mut sums = vec![0; columns.len()];
        for position in rows.clone() {
            let row = order[position];
            let lengths: Vec<usize> = columns.iter().map(|column| column.length(row)).collect();
            sums.iter_mut().zip(&lengths).for_each(|(sum, length)| *sum += length);
            if position > start && sums.iter().any(|sum| *sum > bytes_max) {
                parts.push((date, start..position));
                (start, sums) = (position, lengths);
            }
        }
        parts.push((date, start..rows.end));
    }
    parts
}

/// A text column by chunk; chunks of an earlier version of the table lack it.
struct TextColumn<'a>(Vec<Option<&'a StringArray>>);

impl TextColumn<'_> {
    fn length(&self, row: RowRef) -> usize {
        let text = self.0[row.chunk as usize];
        text.map_or(0, |text| usize::try_from(text.value_length(row.row as usize)).unwrap_or_default())
    }

    fn bytes(&self) -> usize {
        let of_chunk = |text: &&StringArray| {
            let (first, last) = (text.value_offsets().first(), text.value_offsets().last());
            first.zip(last).map_or(0, |(first, last)| usize::try_from(last - first).unwrap_or_default())
        };
        self.0.iter().flatten().map(of_chunk).sum()
    }
}

/// The text columns that have more than this in all.
fn large_columns(chunks: &[RecordBatch], bytes_max: usize) -> Vec<TextColumn<'_>> {
    let width = chunks.iter().map(RecordBatch::num_columns).max().unwrap_or_default();
    let column = |position: usize| {
        let texts =
            chunks.iter().map(|chunk| chunk.columns().get(position).and_then(|column| column.as_string_opt::<i32>()));
        TextColumn(texts.collect())
    };
    (LIVE_FIXED..width).map(column).filter(|column| column.bytes() > bytes_max).collect()
}

/// Bytes of text that one column of a file may have; Arrow can address twice as much.
const TEXT_BYTES_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;

    /// A chunk with two columns of text behind the fixed ones, or one where it is of an earlier version.
    fn chunk(rows: &[(usize, Option<usize>)], is_earlier: bool) -> RecordBatch {
        let text = |lengths: Vec<Option<usize>>| -> ArrayRef {
            Arc::new(lengths.into_iter().map(|length| Some("x".repeat(length?))).collect::<StringArray>())
        };
        let mut columns: Vec<ArrayRef> =
            (0..LIVE_FIXED).map(|_| Arc::new(Int64Array::from(vec![0; rows.len()])) as ArrayRef).collect();
        columns.push(text(rows.iter().map(|(length, _)| Some(*length)).collect()));
        if !is_earlier {
            columns.push(text(rows.iter().map(|(_, length)| *length).collect()));
        }
        let field = |(position, column): (usize, &ArrayRef)| {
            Field::new(format!("c{position}"), DataType::clone(column.data_type()), true)
        };
        let schema = Schema::new(columns.iter().enumerate().map(field).collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    proptest! {
        #[test]
        fn parts_are_all_rows_of_each_date_in_order_and_none_has_more_text_than_it_may(
            chunks in prop::collection::vec(
                (prop::collection::vec((0usize..40, prop::option::of(0usize..40)), 1..12), any::<bool>()),
                1..5,
            ),
            cuts in prop::collection::vec(0usize..40, 0..3),
            bytes_max in 1usize..120,
        ) {
            let order: Vec<RowRef> = (0..)
                .zip(&chunks)
                .flat_map(|(chunk, (rows, _))| (0..).zip(rows).map(move |(row, _)| RowRef { chunk, row }))
                .collect();
            let mut ends: Vec<usize> = cuts.into_iter().filter(|end| (1..order.len()).contains(end)).collect();
            ends.push(order.len());
            ends.sort_unstable();
            ends.dedup();
            let mut start = 0;
            let dates: Vec<(i32, Range<usize>)> = (0..)
                .zip(ends)
                .map(|(date, end)| (date, std::mem::replace(&mut start, end)..end))
                .collect();
            let batches: Vec<RecordBatch> = chunks.iter().map(|(rows, is_earlier)| chunk(rows, *is_earlier)).collect();
            let parts = cut_by_text(&batches, &order, dates.clone(), bytes_max);
            for (date, rows) in dates {
                let of_date: Vec<_> = parts.iter().filter(|part| part.0 == date).map(|part| part.1.clone()).collect();
                prop_assert_eq!(of_date.iter().cloned().flatten().collect::<Vec<_>>(), rows.collect::<Vec<_>>());
            }
            for (_, rows) in parts {
                let lengths = order[rows.clone()].iter().map(|row| {
                    let (rows, is_earlier) = &chunks[row.chunk as usize];
                    let (first, second) = rows[row.row as usize];
                    (first, second.filter(|_| !is_earlier).unwrap_or_default())
                });
                let (first, second) = lengths.fold((0, 0), |sums, row| (sums.0 + row.0, sums.1 + row.1));
                prop_assert!(rows.len() == 1 || first.max(second) <= bytes_max, "{} and {} of {bytes_max}", first, second);
            }
        }
    }
}
