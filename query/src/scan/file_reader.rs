//! Readers of Parquet files that keep the whole metadata of a file, its page index included. DataFusion's own cached reader
//! keeps the footer alone: it would read and decode the page index again with every statement.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::{CachedParquetMetaData, DFParquetMetadata};
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::statistics::Statistics;
use zonelake_parquet::with_arrow_types;

/// Factory of the reader of each file that a scan opens.
#[derive(Debug)]
pub(crate) struct FileReaders {
    store: Arc<dyn ObjectStore>,
    metadata: Arc<FileMetadataCache>,
    pages: CachedParquetFileReaderFactory,
}

impl FileReaders {
    /// Readers of files in `store`, whose metadata is cached in `metadata`.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, metadata: Arc<FileMetadataCache>) -> Self {
        let pages = CachedParquetFileReaderFactory::new(Arc::clone(&store), Arc::clone(&metadata));
        Self { store, metadata, pages }
    }
}

impl ParquetFileReaderFactory for FileReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let meta = file.object_meta.clone();
        Ok(Box::new(FileReader {
            store: Arc::clone(&self.store),
            metadata: Arc::clone(&self.metadata),
            meta,
            metadata_size_hint,
            pages: self.pages.create_reader(partition, file, metadata_size_hint, metrics)?,
        }))
    }
}

struct FileReader {
    store: Arc<dyn ObjectStore>,
    metadata: Arc<FileMetadataCache>,
    meta: ObjectMeta,
    metadata_size_hint: Option<usize>,
    pages: Box<dyn AsyncFileReader + Send>,
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.pages.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        self.pages.get_byte_ranges(ranges)
    }

    /// Metadata with the page index, whatever is asked for: the next statement needs it if this one does not. Decimals are read
    /// as wide as they are stored.
    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            if let Some(known) = known(self.metadata.as_ref(), &self.meta) {
                return Ok(known);
            }
            let read = DFParquetMetadata::new(&self.store, &self.meta)
                .with_metadata_size_hint(self.metadata_size_hint)
                .with_page_index_policy(Some(PageIndexPolicy::Optional))
                .fetch_metadata()
                .await
                .map_err(|error| ParquetError::External(error.into()))?;
            let read = Arc::new(with_arrow_types(Arc::unwrap_or_clone(read))?);
            let entry = CachedParquetMetaData::new(Arc::clone(&read));
            self.metadata.put(&self.meta.location, CachedFileMetadataEntry::new(self.meta.clone(), Arc::new(entry)));
            Ok(read)
        }
        .boxed()
    }
}

/// Metadata of a file that was read before.
fn known(metadata: &FileMetadataCache, file: &ObjectMeta) -> Option<Arc<ParquetMetaData>> {
    let known = metadata.get(&file.location).filter(|known| known.is_valid_for(file))?;
    Some(Arc::clone(known.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()?.parquet_metadata()))
}

/// Minimum and maximum time in a file, µs, if its metadata was read before. The Delta log has them to the millisecond.
pub(crate) fn times_us(metadata: &FileMetadataCache, file: &PartitionedFile, time: usize) -> Option<(i64, i64)> {
    let known = known(metadata, &file.object_meta)?;
    let mut times: Option<(i64, i64)> = None;
    for row_group in known.row_groups() {
        let Some(Statistics::Int64(of_group)) = row_group.columns().get(time)?.statistics() else { return None };
        let is_exact = of_group.min_is_exact() && of_group.max_is_exact();
        let (&first, &last) = of_group.min_opt().zip(of_group.max_opt()).filter(|_| is_exact)?;
        times = Some(times.map_or((first, last), |(minimum, maximum)| (minimum.min(first), maximum.max(last))));
    }
    times
}
