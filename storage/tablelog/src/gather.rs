//! Columns of a file, collected row by row from the chunks in the order of the file, for one row group at a time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Int32Type, UInt8Type, UInt32Type};
use zonelake_schemas::Quality;
use zonelake_schemas::columns::{FILE_FIXED, LIVE_FIXED, is_null_column, live, null_column};

use crate::parquet_file::ParquetFileError;
use crate::sort::{PlaceColumn, RowRef, SortedRows};

/// The rows of one row group.
pub(crate) struct Gather<'a> {
    sorted: &'a SortedRows,
    rows: &'a [RowRef],
    /// The same, as `interleave` takes them.
    indices: Vec<(usize, usize)>,
    /// Their device keys, in long runs of one key.
    keys: Vec<u32>,
}

impl<'a> Gather<'a> {
    pub(crate) fn new(sorted: &'a SortedRows, rows: &'a [RowRef]) -> Self {
        let indices = rows.iter().map(|row| (row.chunk as usize, row.row as usize)).collect();
        let keys: Vec<&[u32]> = sorted
            .chunks
            .iter()
            .map(|chunk| &chunk.column(live::DEVICE_KEY).as_primitive::<UInt32Type>().values()[..])
            .collect();
        let keys = rows.iter().map(|row| keys[row.chunk as usize][row.row as usize]).collect();
        Self { sorted, rows, indices, keys }
    }

    /// A column by its position in the file schema. Place columns and the quality come as dictionaries whose values are
    /// sorted; the file's type is plain text.
    pub(crate) fn column(&self, position: usize, data_type: &DataType) -> Result<ArrayRef, ParquetFileError> {
        let places = &self.sorted.places;
        match position {
            0 => self.copied(live::TIME, data_type),
            1 => self.copied(live::INGESTED_AT, data_type),
            2 => Ok(self.placed(&places.province)),
            3 => Ok(self.placed(&places.zone)),
            4 => Ok(self.placed(&places.site)),
            5 => Ok(self.placed(&places.device)),
            6 => self.qualities(),
            7 => self.copied(live::BACKFILL, data_type),
            field => self.copied(field - FILE_FIXED + LIVE_FIXED, data_type),
        }
    }

    /// A column that files hold as memory does. Chunks of an earlier version of the table lack the newest fields.
    fn copied(&self, position: usize, data_type: &DataType) -> Result<ArrayRef, ParquetFileError> {
        let column = |chunk: &RecordBatch| match chunk.columns().get(position) {
            Some(column) => Arc::clone(column),
            None => null_column(data_type, chunk.num_rows()),
        };
        let columns: Vec<ArrayRef> = self.sorted.chunks.iter().map(column).collect();
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        // Most rows fill few of the fields of a wide table.
        if columns.iter().all(|column| is_null_column(*column)) {
            return Ok(null_column(data_type, self.indices.len()));
        }
        let gathered = interleave(&columns, &self.indices)?;
        if gathered.data_type() != data_type {
            return Err(ParquetFileError::NotTheSchema { position, found: gathered.data_type().clone() });
        }
        Ok(gathered)
    }

    fn placed(&self, column: &PlaceColumn) -> ArrayRef {
        let code = |&key: &u32| column.codes[key as usize];
        let codes: Int32Array = self.keys.iter().map(code).map(|code| (code >= 0).then_some(code)).collect();
        dictionary(codes, &column.values)
    }

    fn qualities(&self) -> Result<ArrayRef, ParquetFileError> {
        let mut sorted = Quality::ALL;
        sorted.sort_unstable_by_key(|quality| quality.name());
        let code_of = |quality| sorted.iter().position(|other| *other == quality).and_then(|at| i32::try_from(at).ok());
        let chunks = &self.sorted.chunks;
        let numbers: Vec<&[u8]> =
            chunks.iter().map(|chunk| &chunk.column(live::QUALITY).as_primitive::<UInt8Type>().values()[..]).collect();
        let codes = Quality::ALL.map(code_of);
        let code = |row: &RowRef| {
            let number = numbers[row.chunk as usize][row.row as usize];
            codes.get(usize::from(number)).copied().flatten().ok_or(ParquetFileError::UnknownQuality { number })
        };
        let codes: Vec<i32> = self.rows.iter().map(code).collect::<Result<_, _>>()?;
        let values: ArrayRef = Arc::new(StringArray::from_iter_values(sorted.iter().map(|quality| quality.name())));
        Ok(dictionary(codes.into(), &values))
    }
}

fn dictionary(codes: Int32Array, values: &ArrayRef) -> ArrayRef {
    Arc::new(DictionaryArray::<Int32Type>::new(codes, Arc::clone(values)))
}
