//! Writes live rows as Parquet files: one for each UTC date of `time`, sorted by zone, device and time.
//!
//! | columns | physical type | encoding |
//! |---|---|---|
//! | time, ingested_at, timestamps, bigint | INT64 | DELTA_BINARY_PACKED |
//! | fields with decimals | INT32 up to 9 digits, INT64 up to 15 | DELTA_BINARY_PACKED |
//! | places, quality, text | BYTE_ARRAY, UTF-8 | dictionary |
//! | double | DOUBLE | dictionary, PLAIN where it grows too large |
//! | backfill, booleans | BOOLEAN | PLAIN |
//!
//! All of it ZSTD. Every column has statistics and a page index; the sorting columns are declared. A file is
//! `date=YYYY-MM-DD/part-<uuid>.parquet` below the table's root, and `date` is a column of the table only. It is durable
//! when it is returned, if the store is a [`crate::SyncedStore`], and part of the table once the log says so.
//!
//! Memory beyond the rows themselves: 16 bytes a row for sorting, and for each file in work 8 bytes a row, one column in
//! Arrow for each encoding thread, and the file in Parquet.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use chrono::{Days, NaiveDate};
use futures::{StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::{DeviceKey, Locations, TableSchemas};

use crate::DataFile;
use crate::background::in_background;
use crate::encode::{FileEncoder, FileLayout};
use crate::sort::SortedRows;

/// Rows to write.
#[derive(Debug, Clone, Copy)]
pub struct SortInput<'a> {
    /// The table's schemas.
    pub schemas: &'a TableSchemas,
    /// The rows in the order of their arrival, in the live schema; chunks of an earlier version lack the newest fields.
    pub chunks: &'a [RecordBatch],
    /// The places of all their devices.
    pub places: &'a Locations,
}

/// How files are laid out.
#[derive(Debug, Clone)]
pub struct ParquetOptions {
    /// Rows of a row group at most; at least 1. More compress better, fewer take less memory to write. Default 262,144.
    pub row_group_rows_max: usize,
    /// Rows of a data page at most; at least 1. Fewer prune better, more compress better. Default 8,192.
    pub page_rows_max: usize,
    /// ZSTD level, 1 to 22. Default 1.
    pub zstd_level: i32,
    /// Files that are encoded and written at the same time; at least 1. It hides the waits for fsync where back-fill
    /// touches many dates. Default 4.
    pub files_in_work_max: usize,
    /// Threads that encode the columns of one file; at least 1. Default: one for each core.
    pub encode_threads: usize,
    /// Where file names come from.
    pub file_ids: Arc<dyn FileIds>,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        Self {
            row_group_rows_max: 256 * 1024,
            page_rows_max: 8 * 1024,
            zstd_level: 1,
            files_in_work_max: 4,
            encode_threads: std::thread::available_parallelism().map_or(1, usize::from),
            file_ids: Arc::new(RandomFileIds),
        }
    }
}

/// A source of ids that no file has yet.
pub trait FileIds: Send + Sync + fmt::Debug {
    /// The next one.
    fn next_id(&self) -> Uuid;
}

/// Random ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomFileIds;

impl FileIds for RandomFileIds {
    fn next_id(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// Why rows could not be written. Nothing of them is part of the table; files that were complete already are deleted.
#[derive(Debug, thiserror::Error)]
pub enum ParquetFileError {
    /// A row's device is not among the places.
    #[error("a row has device key {key}, which no place has")]
    UnknownDevice {
        /// The key.
        key: DeviceKey,
    },
    /// A row's quality is no number of the scale.
    #[error("a row has quality number {number}, which is none of the scale")]
    UnknownQuality {
        /// The number.
        number: u8,
    },
    /// A row's time is in a year that has no four digits.
    #[error("a row has a time {days} days after 1970, outside of the years 0 to 9999")]
    DateOutOfRange {
        /// Days since 1970.
        days: i32,
    },
    /// A chunk is not in the live schema of the table.
    #[error("column {position} of the live rows is of type {found}, not as the table's schema has it")]
    NotTheSchema {
        /// Position in the live schema.
        position: usize,
        /// Type found.
        found: DataType,
    },
    /// Rows could not be gathered.
    #[error("cannot gather rows: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Rows could not be encoded.
    #[error("cannot encode a Parquet file: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A file could not be stored.
    #[error("cannot store {path}: {source}")]
    Store {
        /// Path in the store.
        path: String,
        /// Cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread that encodes has ended before its time.
    #[error("encoding was cut off: {0}")]
    CutOff(#[from] tokio::task::JoinError),
}

impl ParquetFileError {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store { .. } | Self::CutOff(_) => ErrorKind::Retry,
            _ => ErrorKind::Bug,
        }
    }
}

/// Writes rows as one file for each date and returns them by date. No rows make no file.
///
/// # Errors
/// See [`ParquetFileError`]. Files that were complete when another failed are deleted again.
pub async fn write_sorted(
    input: SortInput<'_>,
    store: Arc<dyn ObjectStore>,
    table_root: &Path,
    options: &ParquetOptions,
) -> Result<Vec<DataFile>, ParquetFileError> {
    let (chunks, places) = (input.chunks.to_vec(), input.places.clone());
    let sorted = Arc::new(in_background(move || SortedRows::new(chunks, &places)).await??);
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

/// The path of a data file in the store.
pub fn path_in_store(table_root: &Path, file: &str) -> Path {
    file.split('/').fold(table_root.clone(), |path, part| path.join(part))
}

struct NewFile {
    sorted: Arc<SortedRows>,
    layout: Arc<FileLayout>,
    options: ParquetOptions,
    /// Which of the dates.
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
        rows: std::ops::Range<usize>,
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

/// Deletes files that no version of the table lists. One that cannot be deleted is logged and stays: nothing reads it.
pub async fn delete_files(store: &dyn ObjectStore, table_root: &Path, paths: &[&str]) {
    for file in paths {
        let path = path_in_store(table_root, file);
        if let Err(error) = store.delete(&path).await {
            tracing::warn!(%path, %error, "cannot delete a file of a write that failed; nothing lists it");
        }
    }
}

/// The date of days since 1970, as partition folders have it.
pub(crate) fn date_text(days: i32) -> Result<String, ParquetFileError> {
    let since = Days::new(u64::from(days.unsigned_abs()));
    let date = if days < 0 {
        NaiveDate::default().checked_sub_days(since)
    } else {
        NaiveDate::default().checked_add_days(since)
    };
    let text = date.map(|date| date.to_string()).filter(|text| text.len() == DATE_BYTES);
    text.ok_or(ParquetFileError::DateOutOfRange { days })
}

/// Reads what [`date_text`] writes.
pub(crate) fn date_from_text(text: &str) -> Option<i32> {
    let date: NaiveDate = text.parse().ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Bytes of `YYYY-MM-DD`.
const DATE_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_iso_8601_and_read_back() {
        for (days, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (10_957, "2000-01-01"), (20_454, "2026-01-01")] {
            assert_eq!(date_text(days).unwrap(), text);
            assert_eq!(date_from_text(text), Some(days));
        }
        for days in [i32::MAX, i32::MIN, 2_932_897] {
            assert!(matches!(date_text(days), Err(ParquetFileError::DateOutOfRange { .. })), "{days}");
        }
        assert_eq!(date_from_text("2026-13-01"), None);
    }
}
