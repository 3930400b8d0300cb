//! Columns of a file, brought from the chunks into the order of the file, one whole column at a time.
//!
//! Rows arrive time by time and are kept device by device, so that neighbours in the file lie far apart in memory. A
//! column without nulls is therefore read in its order of arrival and each value written to its position: the few cache
//! lines that are being filled, one for each device, stay near. Reading it in the order of the file would miss the
//! cache with every value.

use std::sync::{Arc, OnceLock};

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Int32Array, Int64Array, PrimitiveArray, RecordBatch,
    StringArray,
};
use arrow::compute::interleave;
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Field, Float64Type, Int64Type, TimestampMicrosecondType, UInt8Type,
    UInt32Type,
};
use zonelake_schemas::columns::{FILE_FIXED, LIVE_FIXED, is_null_column, live, null_column};
use zonelake_schemas::{Quality, RowOrigin, ShardNumber, identity};

use crate::column::text::TextRuns;
use crate::error::ParquetFileError;
use crate::sort::{LocationColumn, RowRef, SortedRows};

/// The rows of one file.
pub(crate) struct Gather<'a> {
    sorted: &'a SortedRows,
    rows: &'a [RowRef],
    /// Position of each row of each chunk, in the order of arrival; one behind the last where it goes to another file.
    /// Empty where this file takes but few of the rows.
    positions: Vec<Vec<u32>>,
    /// The rows as `interleave` takes them, once a column needs it.
    indices: OnceLock<Vec<(usize, usize)>>,
    /// Their device keys: each with the number of rows next to each other that have it.
    key_runs: Vec<(u32, usize)>,
}

/// A column in the order of the file.
pub(crate) enum Column {
    /// As the general writer takes it.
    Values(ArrayRef),
    /// Location or quality.
    Text(TextRuns),
    /// Without any value.
    Nulls,
}

impl<'a> Gather<'a> {
    pub(crate) fn new(sorted: &'a SortedRows, rows: &'a [RowRef]) -> Self {
        let mut gather = Self { sorted, rows, positions: Vec::new(), indices: OnceLock::new(), key_runs: Vec::new() };
        if rows.len() * SCATTER_SHARE >= sorted.order.len() {
            gather.positions = positions(sorted, rows);
        }
        let keys: Vec<&[u32]> = gather.values::<UInt32Type>(live::DEVICE_KEY);
        gather.key_runs = gather.ordered(&keys).chunk_by(u32::eq).map(|run| (run[0], run.len())).collect();
        gather
    }

    /// A column by its position in the file schema.
    pub(crate) fn column(&self, position: usize, field: &Field) -> Result<Column, ParquetFileError> {
        if let Some(column) = self.identity(field.name()) {
            return Ok(column);
        }
        let locations = &self.sorted.locations;
        let copied = |position| self.copied(position, field.data_type());
        match position {
            0 => copied(live::TIME),
            1 => copied(live::INGESTED_AT),
            2 => Ok(Column::Text(self.located(&locations.province))),
            3 => Ok(Column::Text(self.located(&locations.zone))),
            4 => Ok(Column::Text(self.located(&locations.site))),
            5 => Ok(Column::Text(self.located(&locations.device))),
            6 => self.qualities().map(Column::Text),
            7 => copied(live::BACKFILL),
            field => copied(field - FILE_FIXED + LIVE_FIXED),
        }
    }

    /// A column of the identity of rows; `None` for the name of another one.
    fn identity(&self, name: &str) -> Option<Column> {
        if identity::COLUMNS.contains(&name) && self.sorted.origins.is_empty() {
            return Some(Column::Nulls);
        }
        let signed = |number: u64| number.cast_signed();
        let column: ArrayRef = match name {
            identity::SHARD => Arc::new(Int64Array::from(self.by_origin(|shard, _, _| signed(shard.0)))),
            identity::LSN => Arc::new(Int64Array::from(self.by_origin(|_, of, _| signed(of.lsn.0)))),
            identity::ROW => Arc::new(Int32Array::from(self.by_origin(|_, _, row| row.cast_signed()))),
            identity::SEQUENCE => Arc::new(Int64Array::from(self.by_origin(|_, of, _| signed(of.sequence.0)))),
            _ => return None,
        };
        Some(Column::Values(column))
    }

    /// What a row has from its record and its place there, in the order of the file.
    fn by_origin<T: Copy + Default>(&self, value: impl Fn(ShardNumber, &RowOrigin, u32) -> T) -> Vec<T> {
        let origins = &self.sorted.origins;
        if self.positions.is_empty() {
            let of_row = |row: &RowRef| {
                let chunk = &origins[row.chunk as usize];
                let (record, place) = chunk.of_row(row.row);
                value(chunk.shard(), record, place)
            };
            return self.rows.iter().map(of_row).collect();
        }
        // One more, for the rows of other files.
        let mut ordered = vec![T::default(); self.rows.len() + 1];
        for (positions, chunk) in self.positions.iter().zip(origins) {
            let mut positions = positions.iter();
            for record in chunk.records() {
                // The rows come first: they end without taking a position from the next record.
                for (place, &position) in (0..record.rows).zip(positions.by_ref()) {
                    ordered[position as usize] = value(chunk.shard(), record, place);
                }
            }
        }
        ordered.truncate(self.rows.len());
        ordered
    }

    /// A column that files hold as memory does. Chunks of an earlier version of the table lack the newest fields.
    fn copied(&self, position: usize, data_type: &DataType) -> Result<Column, ParquetFileError> {
        let column = |chunk: &RecordBatch| match chunk.columns().get(position) {
            Some(column) => Arc::clone(column),
            None => null_column(data_type, chunk.num_rows()),
        };
        let columns: Vec<ArrayRef> = self.sorted.chunks.iter().map(column).collect();
        // Most rows fill few of the fields of a wide table.
        if columns.iter().all(|column| is_null_column(column.as_ref())) {
            return Ok(Column::Nulls);
        }
        if let Some(found) = columns.iter().map(|column| column.data_type()).find(|found| *found != data_type) {
            return Err(ParquetFileError::NotTheSchema { position, found: found.clone() });
        }
        if columns.iter().all(|column| column.null_count() == 0)
            && let Some(ordered) = self.without_nulls(&columns, data_type)
        {
            return Ok(Column::Values(ordered));
        }
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        let indices = || self.rows.iter().map(|row| (row.chunk as usize, row.row as usize)).collect();
        Ok(Column::Values(interleave(&columns, self.indices.get_or_init(indices))?))
    }

    /// Columns of numbers without nulls, and booleans that are all the same; `None` for others.
    fn without_nulls(&self, columns: &[ArrayRef], data_type: &DataType) -> Option<ArrayRef> {
        if *data_type == DataType::Boolean {
            let trues: usize = columns.iter().map(|column| column.as_boolean().true_count()).sum();
            // Of all rows in memory, of which the file need not take all.
            let is_constant = trues == 0 || trues == columns.iter().map(|column| column.len()).sum::<usize>();
            return is_constant.then(|| Arc::new(BooleanArray::from(vec![trues > 0; self.rows.len()])) as ArrayRef);
        }
        macro_rules! ordered {
            ($type:ty) => {{
                let values: Vec<&[<$type as ArrowPrimitiveType>::Native]> =
                    columns.iter().map(|column| &column.as_primitive::<$type>().values()[..]).collect();
                let ordered = PrimitiveArray::<$type>::new(self.ordered(&values).into(), None);
                Some(Arc::new(ordered.with_data_type(data_type.clone())) as ArrayRef)
            }};
        }
        match data_type {
            DataType::Timestamp(..) => ordered!(TimestampMicrosecondType),
            DataType::Int64 => ordered!(Int64Type),
            DataType::Float64 => ordered!(Float64Type),
            DataType::Decimal32(..) => ordered!(Decimal32Type),
            DataType::Decimal64(..) => ordered!(Decimal64Type),
            _ => None,
        }
    }

    fn values<T: ArrowPrimitiveType>(&self, position: usize) -> Vec<&'a [T::Native]> {
        let chunks = self.sorted.chunks.iter();
        chunks.map(|chunk| &chunk.column(position).as_primitive::<T>().values()[..]).collect()
    }

    /// Values by chunk, in the order of the file.
    fn ordered<T: Copy + Default>(&self, chunks: &[&[T]]) -> Vec<T> {
        if self.positions.is_empty() {
            return self.rows.iter().map(|row| chunks[row.chunk as usize][row.row as usize]).collect();
        }
        // One more, for the rows of other files.
        let mut ordered = vec![T::default(); self.rows.len() + 1];
        for (positions, values) in self.positions.iter().zip(chunks) {
            for (&position, &value) in positions.iter().zip(*values) {
                ordered[position as usize] = value;
            }
        }
        ordered.truncate(self.rows.len());
        ordered
    }

    fn located(&self, column: &LocationColumn) -> TextRuns {
        let mut text = TextRuns::new(Arc::clone(&column.values));
        for &(key, rows) in &self.key_runs {
            text.push(column.codes[key as usize], rows);
        }
        text
    }

    fn qualities(&self) -> Result<TextRuns, ParquetFileError> {
        let mut sorted = Quality::ALL;
        sorted.sort_unstable_by_key(|quality| quality.name());
        let code_of = |quality| sorted.iter().position(|other| *other == quality).and_then(|at| i32::try_from(at).ok());
        let codes = Quality::ALL.map(code_of);
        let mut text =
            TextRuns::new(Arc::new(StringArray::from_iter_values(sorted.iter().map(|quality| quality.name()))));
        for run in self.ordered(&self.values::<UInt8Type>(live::QUALITY)).chunk_by(u8::eq) {
            let code = codes.get(usize::from(run[0])).copied().flatten();
            text.push(code.ok_or(ParquetFileError::UnknownQuality { number: run[0] })?, run.len());
        }
        Ok(text)
    }
}

/// Position of each row of each chunk in a file that takes `rows` in this order.
fn positions(sorted: &SortedRows, rows: &[RowRef]) -> Vec<Vec<u32>> {
    let elsewhere = u32::try_from(rows.len()).expect("a flush has fewer rows than 2^32");
    let mut positions: Vec<Vec<u32>> = sorted.chunks.iter().map(|chunk| vec![elsewhere; chunk.num_rows()]).collect();
    for (position, row) in (0..).zip(rows) {
        positions[row.chunk as usize][row.row as usize] = position;
    }
    positions
}

/// A file that takes at least one in so many of all rows is filled by reading all of them once for each column.
const SCATTER_SHARE: usize = 4;
