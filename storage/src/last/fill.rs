//! The last rows of a table that has files and no checkpoint that fits them: read once, from its files. Statements read the
//! table's rows meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, UInt8Array, UInt32Array};
use arrow::datatypes::Int64Type;
use zonelake_parquet::{FileRows, ParquetFileError};
use zonelake_schemas::columns::{FILE_FIXED, live};
use zonelake_schemas::{DeviceKey, Location, Quality};

use crate::last::last_rows::{LastRows, LastRowsState};
use crate::store::Store;
use crate::table::table::Table;

/// Reason why last rows could not be read from files; the next try may succeed.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// A file cannot be read.
    #[error("{path} of table {table}: {source}")]
    File {
        /// Table.
        table: String,
        /// File, below the table's folder.
        path: String,
        /// Cause.
        source: ParquetFileError,
    },
    /// A file has a row of a device that the registry does not know.
    #[error("{path} of table {table} has rows of a device that the registry does not know: {location:?}")]
    UnknownDevice {
        /// Table.
        table: String,
        /// File, below the table's folder.
        path: String,
        /// Location of the row.
        location: Box<Location>,
    },
    /// A file has a quality that there is not.
    #[error("{path} of table {table} has the quality \"{quality}\", which there is not")]
    UnknownQuality {
        /// Table.
        table: String,
        /// File, below the table's folder.
        path: String,
        /// Quality of the row.
        quality: String,
    },
}

impl Store {
    /// Reads the last rows of a table from its files, where they are not known. Returns the number of files that were read, or
    /// `None` where nothing was to be done, or the files have changed meanwhile in a way that asks for another try.
    ///
    /// # Errors
    /// [`FillError`]; statements go on reading the table's rows.
    pub async fn fill_last_rows(&self, table: &Table) -> Result<Option<usize>, FillError> {
        let view = table.view();
        if view.last.state() != LastRowsState::Filling {
            return Ok(None);
        }
        tracing::info!(
            table = table.name(),
            files = view.files.len(),
            rows = view.file_rows(),
            "the last rows of the devices are read from files once"
        );
        let locations = self.registry().locations();
        let keys: HashMap<&Location, DeviceKey> = locations.iter().map(|(key, at)| (at.as_ref(), key)).collect();
        let mut found = LastRows::default();
        for file in view.files.iter() {
            let failed = |source| FillError::File { table: table.name().into(), path: file.path.clone(), source };
            let schema = Arc::clone(&table.registered.schemas.file);
            let rows = FileRows::open(Arc::clone(self.object_store()), table.root(), file, schema).await;
            let mut rows = rows.map_err(failed)?;
            while let Some(batch) = rows.next().await.map_err(failed)? {
                let live = KeyedRows { table, path: &file.path, keys: &keys }.live(&batch)?;
                found.take_rows(&live, sequences_of(&batch)).map_err(|error| failed(error.into()))?;
            }
            found = found.bounded();
            if found.state() == LastRowsState::TooLarge {
                break;
            }
        }
        let is_whole = table.complete_last_rows(&view.last, &found);
        if is_whole {
            self.keep_filled(table).await;
        }
        Ok(is_whole.then_some(view.files.len()))
    }

    /// Writes the checkpoint at once: the next start must not read the files again only because no row came meanwhile.
    async fn keep_filled(&self, table: &Table) {
        // No commit is under way while this lock is held, and one whose fate is not known says nothing of the files.
        let in_doubt = table.flush.lock().await;
        let view = table.view();
        let is_usable = view.last.state() == LastRowsState::Complete && view.last.covers(&table.all_committed());
        if in_doubt.is_none() && is_usable {
            self.write_checkpoint_of(table, &view, (view.file_rows(), view.file_rows()));
        }
    }
}

/// Sequences of the groups that the rows of a file came in; null in rows of a release that did not write them.
fn sequences_of(rows: &RecordBatch) -> &Int64Array {
    let last = rows.columns().last().expect("a file has columns");
    last.as_primitive::<Int64Type>()
}

/// Rows of a file on their way back into the live schema.
pub(crate) struct KeyedRows<'a> {
    pub(crate) table: &'a Table,
    pub(crate) path: &'a str,
    pub(crate) keys: &'a HashMap<&'a Location, DeviceKey>,
}

impl KeyedRows<'_> {
    pub(crate) fn live(&self, rows: &RecordBatch) -> Result<RecordBatch, FillError> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::clone(rows.column(0)),
            Arc::clone(rows.column(1)),
            Arc::new(self.device_keys(rows)?),
            Arc::new(self.qualities(rows)?),
        ];
        debug_assert!(columns.len() == live::BACKFILL, "the flag of the lane follows");
        let schema = Arc::clone(&self.table.registered.schemas.live);
        // Behind the fields stands the identity, which live rows have elsewhere.
        let fields = schema.fields().len() - columns.len();
        columns.extend(rows.columns()[FILE_FIXED - 1..].iter().take(fields).cloned());
        RecordBatch::try_new(schema, columns).map_err(|error| FillError::File {
            table: self.table.name().into(),
            path: self.path.into(),
            source: error.into(),
        })
    }

    fn device_keys(&self, rows: &RecordBatch) -> Result<UInt32Array, FillError> {
        let parts: [&StringArray; 4] = std::array::from_fn(|part| rows.column(2 + part).as_string::<i32>());
        let value = |part: usize, row: usize| parts[part].is_valid(row).then(|| parts[part].value(row));
        let mut keys = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            // Files are sorted by device: mostly the row before is of the same one.
            let is_as_before = row > 0 && (0..4).all(|part| value(part, row) == value(part, row - 1));
            let key = match (is_as_before, keys.last()) {
                (true, Some(&before)) => before,
                _ => self.device_key(|part| value(part, row))?,
            };
            keys.push(key);
        }
        Ok(keys.into())
    }

    fn device_key<'v>(&self, value: impl Fn(usize) -> Option<&'v str>) -> Result<u32, FillError> {
        let part = |part: usize| value(part).map(Arc::from);
        let location = Location { province: part(0), zone: part(1), site: part(2), device: part(3) };
        self.keys.get(&location).map(|key| key.0).ok_or_else(|| FillError::UnknownDevice {
            table: self.table.name().into(),
            path: self.path.into(),
            location: Box::new(location),
        })
    }

    fn qualities(&self, rows: &RecordBatch) -> Result<UInt8Array, FillError> {
        let names = rows.column(6).as_string::<i32>();
        let number = |name: &str| {
            Quality::from_name(name).map(|quality| quality as u8).ok_or_else(|| FillError::UnknownQuality {
                table: self.table.name().into(),
                path: self.path.into(),
                quality: name.into(),
            })
        };
        (0..names.len()).map(|row| number(names.value(row))).collect::<Result<Vec<u8>, _>>().map(Into::into)
    }
}
