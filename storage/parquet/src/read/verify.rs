//! A data file read in full and compared with what the table log says of it.

use std::hash::Hasher;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use futures::TryStreamExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;
use twox_hash::XxHash3_64;
use zonelake_schemas::columns::FILE_FIXED;
use zonelake_schemas::{TableSchemas, identity};

use crate::data_file::{ColumnStats, DataFile, path_in_store};
use crate::read::arrow_types::open_file;
use crate::read::object_reader::ObjectReader;
use crate::stats::StatsBuilder;

/// Content of a sound file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifiedFile {
    /// Rows.
    pub rows: u64,
    /// Values of fields that are not null.
    pub readings: u64,
}

/// Damage to a file. Each message is to follow the path of the file.
#[derive(Debug, thiserror::Error)]
pub enum FileDamage {
    /// The file cannot be read from the store; it may be missing.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] object_store::Error),
    /// The file is shorter or longer than it was.
    #[error("has {found} bytes; the table log says {expected}")]
    Size {
        /// Bytes found.
        found: u64,
        /// Bytes that it was written with.
        expected: u64,
    },
    /// A byte of it has changed.
    #[error("has the checksum {found:016x}; the table log says {expected:016x}")]
    Checksum {
        /// Checksum found.
        found: u64,
        /// Checksum that it was written with.
        expected: u64,
    },
    /// The file is not Parquet, or a page of it cannot be decoded.
    #[error("cannot be decoded: {0}")]
    Parquet(#[from] ParquetError),
    /// A column is not as the table has it.
    #[error("has column {column} as {found}; the table has {expected}")]
    Column {
        /// Name of the column.
        column: String,
        /// Type found.
        found: DataType,
        /// Type of the table's column, or that it has none.
        expected: String,
    },
    /// The file has more or fewer rows than it was written with.
    #[error("has {found} rows; the table log says {expected}")]
    Rows {
        /// Rows found.
        found: u64,
        /// Rows in the table log.
        expected: u64,
    },
    /// A value lies outside of the bounds in the table log, so that queries would miss it, or there are more or fewer
    /// nulls.
    #[error("has column {column} with {found:?}; the table log says {expected:?}")]
    Stats {
        /// Name of the column.
        column: String,
        /// Statistics of what it holds.
        found: Box<ColumnStats>,
        /// Statistics in the table log.
        expected: Box<ColumnStats>,
    },
}

/// Reads all of a file: its bytes against the checksum, its rows, columns and values against the table log.
///
/// # Errors
/// The first damage found.
pub fn verify_file<'a>(
    schemas: &'a TableSchemas,
    store: &'a Arc<dyn ObjectStore>,
    table_root: &'a Path,
    file: &'a DataFile,
) -> BoxFuture<'a, Result<VerifiedFile, FileDamage>> {
    Box::pin(async move {
        let path = path_in_store(table_root, &file.path);
        check_bytes(store.as_ref(), &path, file).await?;
        let reader = ObjectReader::new(Arc::clone(store), path, file.bytes);
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let builder = open_file(reader, options).await?;
        check_columns(builder.schema(), &schemas.file)?;
        let mut found = FileContent::new(builder.schema());
        let mut batches = builder.with_batch_size(BATCH_ROWS).build()?;
        while let Some(batch) = batches.try_next().await? {
            found.add(&batch);
        }
        found.compare(file)
    })
}

async fn check_bytes(store: &dyn ObjectStore, path: &Path, file: &DataFile) -> Result<(), FileDamage> {
    let mut bytes = store.get(path).await?.into_stream();
    let (mut size, mut hasher) = (0, XxHash3_64::new());
    while let Some(part) = bytes.try_next().await? {
        size += part.len() as u64;
        hasher.write(&part);
    }
    if size != file.bytes {
        return Err(FileDamage::Size { found: size, expected: file.bytes });
    }
    match file.checksum {
        Some(expected) if expected != hasher.finish() => Err(FileDamage::Checksum { found: hasher.finish(), expected }),
        _ => Ok(()),
    }
}

/// Files of an earlier version of the table lack the newest columns.
fn check_columns(found: &Schema, table: &Schema) -> Result<(), FileDamage> {
    for field in found.fields() {
        let expected = table.column_with_name(field.name()).map(|(_, column)| column.data_type());
        if expected != Some(field.data_type()) {
            return Err(FileDamage::Column {
                column: field.name().clone(),
                found: field.data_type().clone(),
                expected: expected.map_or_else(|| "no such column".to_owned(), DataType::to_string),
            });
        }
    }
    Ok(())
}

/// Content of a file as far as it has been read.
struct FileContent {
    names: Vec<String>,
    stats: Vec<StatsBuilder>,
    rows: u64,
}

impl FileContent {
    fn new(schema: &Schema) -> Self {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        Self { stats: names.iter().map(|_| StatsBuilder::default()).collect(), names, rows: 0 }
    }

    fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        self.stats.iter_mut().zip(batch.columns()).for_each(|(stats, column)| stats.add(column));
    }

    fn compare(self, file: &DataFile) -> Result<VerifiedFile, FileDamage> {
        if self.rows != file.rows {
            return Err(FileDamage::Rows { found: self.rows, expected: file.rows });
        }
        let mut verified = VerifiedFile { rows: self.rows, readings: 0 };
        for (position, (column, stats)) in self.names.into_iter().zip(self.stats).enumerate() {
            let found = stats.finish();
            if position >= FILE_FIXED && !identity::COLUMNS.contains(&column.as_str()) {
                verified.readings += self.rows - found.nulls;
            }
            if let Some(expected) = file.stats.get(&column)
                && !is_within(&found, expected)
            {
                return Err(FileDamage::Stats { column, found: found.into(), expected: expected.clone().into() });
            }
        }
        Ok(verified)
    }
}

/// True where the statistics of the table log hold for what was found. A bound that is absent there binds nothing.
fn is_within(found: &ColumnStats, log: &ColumnStats) -> bool {
    let min_holds = found.min.is_none() || log.min.is_none() || found.min >= log.min;
    let max_holds = found.max.is_none() || log.max.is_none() || found.max <= log.max;
    found.nulls == log.nulls && min_holds && max_holds
}

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8_192;
