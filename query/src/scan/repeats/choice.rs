//! The row of each key out of rows that are sorted by zone, device and time, a batch at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, filter, filter_record_batch, take};
use arrow::error::ArrowError;
use zonelake_parquet::{RepeatColumns, counting_rows};
use zonelake_schemas::OnRepeat;

/// Choice of rows.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// What the table declares.
    pub on_repeat: OnRepeat,
    /// Positions of the fields among the columns.
    pub fields: Vec<usize>,
}

/// A batch in two parts.
pub(crate) struct Chosen {
    /// The row of each key but the last.
    pub rows: RecordBatch,
    /// Rows of the last zone, device and time, which the next batch may repeat.
    pub waiting: RecordBatch,
}

impl Choice {
    /// Takes the next rows, behind those that wait. There is at least one row.
    pub(crate) fn add(&self, waiting: Option<RecordBatch>, rows: RecordBatch) -> Result<Chosen, ArrowError> {
        let rows = match waiting {
            Some(waiting) => concat_batches(&rows.schema(), [&waiting, &rows])?,
            None => rows,
        };
        let last = RepeatColumns::of(&rows)?.runs()?.pop().unwrap_or_default();
        let waiting = self.reduced(rows.slice(last.start, last.len()))?;
        Ok(Chosen { rows: self.chosen(&rows.slice(0, last.start))?, waiting: compact(&waiting)? })
    }

    /// The row of each key.
    pub(crate) fn chosen(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let keys = repeats(rows)?;
        if keys.is_empty() {
            return Ok(rows.clone());
        }
        let winner = |key: &[usize]| match self.on_repeat {
            OnRepeat::FirstWins => key.first().copied(),
            _ => key.last().copied(),
        };
        let mut is_kept = vec![true; rows.num_rows()];
        keys.iter().flatten().for_each(|row| is_kept[*row] = false);
        keys.iter().filter_map(|key| winner(key)).for_each(|row| is_kept[row] = true);
        let is_kept = BooleanArray::from(is_kept);
        if self.on_repeat != OnRepeat::Merge {
            return filter_record_batch(rows, &is_kept);
        }
        let mut columns = Vec::with_capacity(rows.num_columns());
        for (position, column) in rows.columns().iter().enumerate() {
            let sources = if self.fields.contains(&position) { newest_values(column, &keys) } else { BTreeMap::new() };
            columns.push(merged(column, &is_kept, &sources)?);
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(is_kept.true_count()));
        RecordBatch::try_new_with_options(rows.schema(), columns, &options)
    }

    /// Rows of one zone, device and time without those that cannot count any more, where there are many.
    fn reduced(&self, rows: RecordBatch) -> Result<RecordBatch, ArrowError> {
        if rows.num_rows() <= WAITING_MAX {
            return Ok(rows);
        }
        let mut is_kept = vec![true; rows.num_rows()];
        for key in repeats(&rows)? {
            let is_set = |row: usize, field: usize| rows.column(self.fields[field]).is_valid(row);
            let counting = counting_rows(self.on_repeat, &key, 0..self.fields.len(), is_set);
            key.iter().for_each(|row| is_kept[*row] = false);
            counting.into_iter().for_each(|row| is_kept[row] = true);
        }
        filter_record_batch(&rows, &BooleanArray::from(is_kept))
    }
}

/// Keys that have several rows, each from the oldest to the newest.
fn repeats(rows: &RecordBatch) -> Result<Vec<Vec<usize>>, ArrowError> {
    let columns = RepeatColumns::of(rows)?;
    let mut keys = Vec::new();
    for run in columns.runs()? {
        keys.extend(columns.repeats(run)?);
    }
    Ok(keys)
}

/// By the newest row of each key the row that has its value of a field, where that is another one.
fn newest_values(column: &ArrayRef, keys: &[Vec<usize>]) -> BTreeMap<usize, usize> {
    let source = |key: &Vec<usize>| {
        let newest = *key.last()?;
        let source = key.iter().rev().copied().find(|row| column.is_valid(*row))?;
        (source != newest).then_some((newest, source))
    };
    keys.iter().filter_map(source).collect()
}

/// The kept values of a column, some of them from other rows.
fn merged(column: &ArrayRef, is_kept: &BooleanArray, sources: &BTreeMap<usize, usize>) -> Result<ArrayRef, ArrowError> {
    if sources.is_empty() {
        return filter(column, is_kept);
    }
    let kept = (0..column.len()).filter(|row| is_kept.value(*row));
    let rows: Result<UInt32Array, ArrowError> = kept
        .map(|row| {
            let source = sources.get(&row).copied().unwrap_or(row);
            u32::try_from(source).map(Some).map_err(|_large| ArrowError::OffsetOverflowError(source))
        })
        .collect();
    take(column, &rows?, None)
}

/// The same rows, without the memory of the batch that they come from.
fn compact(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let indices: UInt32Array = (0..).take(rows.num_rows()).map(Some).collect();
    let copied = |column: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        let column = take(column, &indices, None)?;
        Ok(match column.as_string_view_opt() {
            Some(views) => Arc::new(views.gc()),
            None => column,
        })
    };
    let columns = rows.columns().iter().map(copied).collect::<Result<_, _>>()?;
    RecordBatch::try_new(rows.schema(), columns)
}

/// Rows of one zone, device and time that wait for more without a look at which of them count.
const WAITING_MAX: usize = 64;
