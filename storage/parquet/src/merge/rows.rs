//! The rows of a row group: runs of the batches that have them, and one column of it at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, MutableArrayData, RecordBatch, StringArray, make_array};
use arrow::compute::interleave;
use arrow::datatypes::{Field, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;
use zonelake_schemas::columns::{FILE_FIXED, is_null_column, memory_bytes};
use zonelake_schemas::{OnRepeat, identity};

use crate::column::text::{NULL, TextRuns};
use crate::file_encoder::SORTED_BY;
use crate::gather::Column;
use crate::merge::order::{Head, Key};
use crate::repeats::{RepeatColumns, counting_rows};

/// Rows that go into one row group.
#[derive(Default)]
pub(super) struct GroupRows {
    batches: Vec<RecordBatch>,
    /// Batch, first row and number of rows.
    runs: Vec<(usize, usize, usize)>,
    rows: usize,
    bytes: usize,
}

impl GroupRows {
    /// Takes a batch that rows may come from; returns its number.
    pub(super) fn add_batch(&mut self, batch: &RecordBatch) -> usize {
        self.bytes += memory_bytes(batch);
        self.batches.push(batch.clone());
        self.batches.len() - 1
    }

    /// The number that the next batch gets.
    pub(super) fn next_number(&self) -> usize {
        self.batches.len()
    }

    /// Adds the next rows.
    pub(super) fn push(&mut self, batch: usize, start: usize, rows: usize) {
        self.rows += rows;
        match self.runs.last_mut() {
            Some((last, first, length)) if *last == batch && *first + *length == start => *length += rows,
            _ => self.runs.push((batch, start, rows)),
        }
    }

    /// Whether a row that comes next is of the zone, device and time of the last one.
    pub(super) fn is_repeated_by<H: Head>(&self, heads: &[Option<H>]) -> bool {
        let Some(&(batch, start, rows)) = self.runs.last() else { return false };
        let last = key_of(&self.batches[batch], start + rows - 1);
        heads.iter().flatten().any(|head| head.key(head.at()) == last)
    }

    /// Leaves out rows that cannot count any more, whatever repeats them elsewhere. All rows of the last zone, device and time are here.
    /// Returns their number.
    pub(super) fn drop_repeats(&mut self, on_repeat: OnRepeat) -> Result<u64, ArrowError> {
        let rows: Vec<(usize, usize)> = self.indices().collect();
        if on_repeat.keeps_all() || rows.is_empty() {
            return Ok(0);
        }
        let columns = self.repeat_columns(&rows)?;
        let fields = FILE_FIXED..self.batches[0].num_columns() - identity::COLUMNS.len();
        let mut dropped = BTreeSet::new();
        for run in columns.runs()? {
            for key in columns.repeats(run)? {
                let is_set = |row: usize, field: usize| {
                    let (batch, row) = rows[row];
                    self.batches[batch].column(field).is_valid(row)
                };
                let counting = counting_rows(on_repeat, &key, fields.clone(), is_set);
                dropped.extend(key.into_iter().filter(|row| !counting.contains(row)));
            }
        }
        if dropped.is_empty() {
            return Ok(0);
        }
        self.runs.clear();
        self.rows = 0;
        for (position, (batch, row)) in rows.into_iter().enumerate() {
            if !dropped.contains(&position) {
                self.push(batch, row, 1);
            }
        }
        Ok(dropped.len() as u64)
    }

    fn repeat_columns(&self, rows: &[(usize, usize)]) -> Result<RepeatColumns, ArrowError> {
        let schema = self.batches[0].schema();
        let column = |name: &&str| {
            let position = schema.index_of(name)?;
            let columns: Vec<&dyn Array> = self.batches.iter().map(|batch| batch.column(position).as_ref()).collect();
            Ok((schema.field(position).clone(), interleave(&columns, rows)?))
        };
        let columns = RepeatColumns::NAMES.iter().map(column).collect::<Result<Vec<_>, ArrowError>>()?;
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
        RepeatColumns::of(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    /// Batch and row of each row.
    fn indices(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.runs.iter().flat_map(|&(batch, start, rows)| (start..start + rows).map(move |row| (batch, row)))
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Memory of the batches.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A column of the file schema, in the order of the rows.
    pub(super) fn column(&self, position: usize) -> Result<Column, ArrowError> {
        let columns: Vec<&dyn Array> = self.batches.iter().map(|batch| batch.column(position).as_ref()).collect();
        if columns.iter().all(|column| is_null_column(*column)) {
            return Ok(Column::Nulls);
        }
        // Locations and the quality are among the fixed columns, and hardly ever change from row to row.
        if position < FILE_FIXED && columns[0].as_string_opt::<i32>().is_some() {
            let texts: Vec<&StringArray> = columns.iter().map(|column| column.as_string()).collect();
            return Ok(Column::Text(self.text(&texts)));
        }
        let data: Vec<_> = columns.iter().map(|column| column.to_data()).collect();
        let mut gathered = MutableArrayData::new(data.iter().collect(), false, self.rows);
        for &(batch, start, rows) in &self.runs {
            gathered.try_extend(batch, start, start + rows)?;
        }
        Ok(Column::Values(make_array(gathered.freeze())))
    }

    fn text(&self, columns: &[&StringArray]) -> TextRuns {
        let values: BTreeSet<&str> = self.texts(columns).flatten().collect();
        let values: Vec<&str> = values.into_iter().collect();
        let mut text = TextRuns::new(Arc::new(StringArray::from_iter_values(&values)));
        let (mut last, mut code) = (None, NULL);
        for value in self.texts(columns) {
            if value != last {
                let position = value.and_then(|value| values.binary_search(&value).ok());
                code = position.and_then(|position| i32::try_from(position).ok()).unwrap_or(NULL);
                last = value;
            }
            text.push(code, 1);
        }
        text
    }

    fn texts<'a>(&'a self, columns: &'a [&'a StringArray]) -> impl Iterator<Item = Option<&'a str>> {
        self.indices().map(|(batch, row)| columns[batch].is_valid(row).then(|| columns[batch].value(row)))
    }
}

/// Where a row of the file schema belongs.
fn key_of(rows: &RecordBatch, row: usize) -> Key<'_> {
    let [zone, device, time] = SORTED_BY.map(|column| rows.column(usize::try_from(column).unwrap_or_default()));
    (text_of(zone, row), text_of(device, row), time.as_primitive::<TimestampMicrosecondType>().value(row))
}

fn text_of(column: &ArrayRef, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.as_string::<i32>().value(row))
}
