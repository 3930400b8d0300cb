//! One Parquet file in the making: row groups are encoded column by column, and its bytes are taken away as they come.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use twox_hash::XxHash3_64;
use zonelake_schemas::columns::FILE_FIXED;
use zonelake_schemas::{Kept, TableDef, TableSchemas};

use crate::ColumnStats;
use crate::gather::Gather;
use crate::parquet_file::{ParquetFileError, ParquetOptions};
use crate::sort::SortedRows;
use crate::stats::StatsBuilder;

/// What all files of one table have in common.
#[derive(Debug)]
pub(crate) struct FileLayout {
    schema: SchemaRef,
    properties: WriterProperties,
}

impl FileLayout {
    pub(crate) fn new(
        def: &TableDef,
        schemas: &TableSchemas,
        options: &ParquetOptions,
    ) -> Result<Self, ParquetFileError> {
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("zonelake ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.zstd_level)?))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_data_page_row_count_limit(options.page_rows_max.max(1))
            .set_write_batch_size(options.page_rows_max.clamp(1, WRITE_BATCH_ROWS_MAX))
            .set_max_row_group_row_count(None)
            .set_sorting_columns(Some(SORTED_BY.map(ascending_nulls_first).to_vec()));
        let fixed = ["time", "ingested_at"].into_iter();
        let fields = def.fields.iter().filter(|field| is_packed(field.kept())).map(|field| field.name.as_str());
        for name in fixed.chain(fields) {
            let path = ColumnPath::from(name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        Ok(Self { schema: Arc::clone(&schemas.file), properties: properties.build() })
    }
}

/// Whether values follow each other in small steps as integers.
fn is_packed(kept: Kept) -> bool {
    match kept {
        Kept::Decimal32 { .. } | Kept::Decimal64 { .. } | Kept::Int64 | Kept::Timestamp => true,
        Kept::Float64 | Kept::Boolean | Kept::Utf8 => false,
    }
}

fn ascending_nulls_first(column_idx: i32) -> SortingColumn {
    SortingColumn { column_idx, descending: false, nulls_first: true }
}

/// A file in the making.
pub(crate) struct FileEncoder {
    layout: Arc<FileLayout>,
    writer: SerializedFileWriter<HashedBuffer>,
    row_groups: ArrowRowGroupWriterFactory,
    stats: Vec<StatsBuilder>,
}

impl FileEncoder {
    pub(crate) fn new(layout: Arc<FileLayout>) -> Result<Self, ParquetFileError> {
        let writer =
            ArrowWriter::try_new(HashedBuffer::default(), Arc::clone(&layout.schema), Some(layout.properties.clone()))?;
        let (writer, row_groups) = writer.into_serialized_writer()?;
        let stats = layout.schema.fields().iter().map(|_| StatsBuilder::default()).collect();
        Ok(Self { layout, writer, row_groups, stats })
    }

    /// Encodes rows, given by their position in the order, as one row group.
    pub(crate) fn add_row_group(&mut self, sorted: &SortedRows, rows: Range<usize>) -> Result<(), ParquetFileError> {
        let gather = Gather::new(sorted, &sorted.order[rows]);
        let writers = self.row_groups.create_column_writers(self.writer.flushed_row_groups().len())?;
        let mut chunks = Vec::with_capacity(writers.len());
        let fields = self.layout.schema.fields().iter().zip(&mut self.stats).zip(writers).enumerate();
        for (position, ((field, stats), mut writer)) in fields {
            let column = gather.column(position, field.data_type())?;
            stats.add(&column);
            for leaf in compute_leaves(field, &column)? {
                writer.write(&leaf)?;
            }
            chunks.push(writer.close()?);
        }
        let mut row_group = self.writer.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        Ok(())
    }

    /// Encodes the page index and the footer: the file is complete.
    pub(crate) fn finish(&mut self) -> Result<(), ParquetFileError> {
        self.writer.finish()?;
        Ok(())
    }

    /// The bytes that have come since the last call.
    pub(crate) fn take_bytes(&mut self) -> Result<Bytes, ParquetFileError> {
        self.writer.flush().map_err(parquet::errors::ParquetError::from)?;
        Ok(std::mem::take(&mut self.writer.inner_mut().pending).into())
    }

    /// Size, checksum and statistics of the complete file.
    pub(crate) fn into_summary(self) -> (u64, u64, BTreeMap<String, ColumnStats>) {
        let buffer = self.writer.inner();
        let (bytes, checksum) = (buffer.bytes, buffer.hasher.finish());
        let names = self.layout.schema.fields().iter().map(|field| field.name().clone());
        let stats = names.zip(self.stats.into_iter().map(StatsBuilder::finish)).collect();
        (bytes, checksum, stats)
    }
}

/// Bytes that wait to be stored, and the size and checksum of all that ever came.
#[derive(Default)]
struct HashedBuffer {
    pending: Vec<u8>,
    bytes: u64,
    hasher: XxHash3_64,
}

impl io::Write for HashedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        self.bytes += bytes.len() as u64;
        self.hasher.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Positions of zone, device and time in the file schema.
const SORTED_BY: [i32; 3] = [3, 5, 0];
/// Rows that the writer takes between two looks at the size of a page.
const WRITE_BATCH_ROWS_MAX: usize = 1_024;

const _: () = assert!(FILE_FIXED == 8, "SORTED_BY and the columns of gather.rs follow the file schema");
