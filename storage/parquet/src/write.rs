//! Writes live rows as Parquet files: one for each UTC date of `time`, sorted by zone, device and time; several where a column has more
//! than 1 GiB of text.
//!
//! | columns | physical type | encoding |
//! |---|---|---|
//! | time, timestamps, bigint | INT64 | DELTA_BINARY_PACKED |
//! | fields with decimals | INT32 up to 9 digits, INT64 up to 15 | DELTA_BINARY_PACKED |
//! | locations, quality, text | BYTE_ARRAY, UTF-8 | dictionary |
//! | double | DOUBLE | dictionary, PLAIN where it grows too large |
//! | backfill, booleans | BOOLEAN | PLAIN |
//! | ingested_at, _shard, _lsn, _sequence | INT64 | dictionary where runs are long, else DELTA_BINARY_PACKED |
//! | _row | INT32 | DELTA_BINARY_PACKED |
//!
//! All of it ZSTD. Every column has statistics and a page index; the sorting columns are declared. The Arrow schema is not in
//! the file, see [`crate::read::arrow_types`]. A file is
//! `date=YYYY-MM-DD/part-<uuid>.parquet` below the table's root, and `date` is a column of the table only. It is
//! durable when it is returned, if the store is a `zonelake_objects::SyncedStore`, and part of the table once the table
//! log lists it.
//!
//! Memory beyond the rows themselves: 16 bytes a row for sorting, 28 bytes a record, and for each file in work 8 bytes a row, one column
//! in Arrow for each encoding thread, and the file in Parquet.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;
use zonelake_schemas::{Locations, OnRepeat, TableSchemas};

use crate::background::in_background;
use crate::data_file::{DataFile, date_text, path_in_store};
use crate::error::ParquetFileError;
use crate::file_encoder::{FileEncoder, FileLayout};
use crate::options::ParquetOptions;
use crate::origins::ChunkOrigins;
use crate::parts::cut;
use crate::sort::SortedRows;

/// Rows to write.
#[derive(Debug, Clone, Copy)]
pub struct SortInput<'a> {
    /// The table's schemas.
    pub schemas: &'a TableSchemas,
    /// The rows in the order of their arrival, in the live schema; chunks of an earlier version lack the newest fields.
    pub chunks: &'a [RecordBatch],
    /// Where the rows of each chunk come from; empty where that is not known, and the identity of the rows is null.
    pub origins: &'a [ChunkOrigins],
    /// Locations of all their devices.
    pub locations: &'a Locations,
    /// What becomes of repeats. Rows that cannot count any more are not written.
    pub on_repeat: OnRepeat,
}

/// Writes rows as one file for each date, or several where one cannot hold their text, and returns them by date. No rows make no file.
///
/// # Errors
/// See [`ParquetFileError`]. Files that were complete when another failed are deleted again.
pub async fn write_sorted(
    input: SortInput<'_>,
    store: Arc<dyn ObjectStore>,
    table_root: &Path,
    options: &ParquetOptions,
) -> Result<Vec<DataFile>, ParquetFileError> {
    let (chunks, origins, locations) = (input.chunks.to_vec(), input.origins.to_vec(), input.locations.clone());
    let on_repeat = input.on_repeat;
    let sort = move || {
        let sorted = SortedRows::new(chunks, &locations)?.with_origins(origins);
        Ok::<_, ParquetFileError>(cut(sorted.without_repeats(on_repeat)))
    };
    let sorted = Arc::new(in_background(sort).await??);
    let layout = Arc::new(FileLayout::new(input.schemas, options)?);
    let work = (0..sorted.dates.len()).map(|index| {
        let file =
            NewFile { sorted: Arc::clone(&sorted), layout: Arc::clone(&layout), options: options.clone(), index };
        let (store, id) = (Arc::clone(&store), options.file_ids.next_id());
        file.write(store, table_root, id)
    });
    let mut files = Vec::with_capacity(sorted.dates.len());
    let mut written = futures::stream::iter(work).buffered(options.files_in_work_max.max(1));
    let result = async {
        while let Some(file) = written.try_next().await? {
            files.push(file);
        }
        Ok(())
    }
    .await;
    // Files that are still being written end here: what they have uploaded is dropped with them.
    drop(written);
    match result {
        Ok(()) => Ok(files),
        Err(error) => {
            let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            delete_files(store.as_ref(), table_root, &paths).await;
            Err(error)
        }
    }
}

struct NewFile {
    sorted: Arc<SortedRows>,
    layout: Arc<FileLayout>,
    options: ParquetOptions,
    /// Position among the dates of the rows.
    index: usize,
}

impl NewFile {
    async fn write(
        self,
        store: Arc<dyn ObjectStore>,
        table_root: &Path,
        id: Uuid,
    ) -> Result<DataFile, ParquetFileError> {
        let (date, rows) = self.sorted.dates[self.index].clone();
        let path = format!("date={}/part-{id}.parquet", date_text(date)?);
        let location = path_in_store(table_root, &path);
        let mut upload = BufWriter::new(store, location.clone());
        let written = self.encode(&mut upload, &location, rows.clone()).await;
        let encoder = match written {
            Ok(encoder) => encoder,
            Err(error) => {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(path, %error, "cannot take back an upload; nothing lists it");
                }
                return Err(error);
            }
        };
        let stored = upload.shutdown().await;
        stored.map_err(|source| ParquetFileError::Store { path: location.to_string(), source: source.into() })?;
        let (bytes, checksum, stats) = encoder.into_summary();
        Ok(DataFile { path, bytes, rows: rows.len() as u64, date, stats, checksum: Some(checksum) })
    }

    async fn encode(
        &self,
        upload: &mut BufWriter,
        location: &Path,
        rows: Range<usize>,
    ) -> Result<FileEncoder, ParquetFileError> {
        let (sorted, layout, options) = (Arc::clone(&self.sorted), Arc::clone(&self.layout), self.options.clone());
        let encoded = in_background(move || FileEncoder::new(layout, &sorted, rows, &options));
        let mut encoder = encoded.await??;
        let mut goes_on = true;
        while goes_on {
            goes_on = encoder.add_row_group()?;
            if !goes_on {
                encoder.finish()?;
            }
            let put = upload.put(encoder.take_bytes()?).await;
            put.map_err(|source| ParquetFileError::Store { path: location.to_string(), source: source.into() })?;
        }
        Ok(encoder)
    }
}

/// Deletes files that no version of the table lists. A failure is reported in the server log and the file stays:
/// nothing reads it.
pub async fn delete_files(store: &dyn ObjectStore, table_root: &Path, paths: &[&str]) {
    for file in paths {
        let path = path_in_store(table_root, file);
        if let Err(error) = store.delete(&path).await {
            tracing::warn!(%path, %error, "cannot delete a file of a write that failed; nothing lists it");
        }
    }
}
