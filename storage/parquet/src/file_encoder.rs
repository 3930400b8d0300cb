//! One Parquet file in the making: its columns are encoded in parallel, then put together row group by row group, and
//! its bytes are taken away as they come.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, FieldRef, Int32Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType,
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowWriterOptions, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnDescPtr;
use twox_hash::XxHash3_64;
use zonelake_schemas::columns::FILE_FIXED;
use zonelake_schemas::{TableSchemas, identity};

use crate::background::in_threads;
use crate::column::boolean::encode_booleans;
use crate::column::chunk::{ChunkOptions, ColumnChunk};
use crate::column::integer::{Stored, encode_integers};
use crate::column::runs::encode_runs;
use crate::column::text::{TextRuns, encode_text};
use crate::data_file::ColumnStats;
use crate::error::ParquetFileError;
use crate::gather::{Column, Gather};
use crate::options::ParquetOptions;
use crate::sort::SortedRows;
use crate::stats::StatsBuilder;

/// Schema and properties of all files of one table.
#[derive(Debug)]
pub(crate) struct FileLayout {
    pub(crate) schema: SchemaRef,
    pub(crate) properties: WriterProperties,
}

impl FileLayout {
    pub(crate) fn new(schemas: &TableSchemas, options: &ParquetOptions) -> Result<Self, ParquetFileError> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("zonelake ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(options.zstd_level)?))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_data_page_row_count_limit(options.page_rows_max.max(1))
            .set_write_batch_size(options.page_rows_max.clamp(1, WRITE_BATCH_ROWS_MAX))
            .set_max_row_group_row_count(None)
            .set_sorting_columns(Some(SORTED_BY.map(ascending_nulls_first).to_vec()));
        Ok(Self { schema: Arc::clone(&schemas.file), properties: properties.build() })
    }

    /// The writer of a file. Arrow's schema stays out of it: see [`crate::read::arrow_types`].
    pub(crate) fn writer(&self) -> Result<SerializedFileWriter<HashedBuffer>, ParquetError> {
        let options = ArrowWriterOptions::new().with_properties(self.properties.clone()).with_skip_arrow_metadata(true);
        let schema = Arc::clone(&self.schema);
        let writer = ArrowWriter::try_new_with_options(HashedBuffer::default(), schema, options)?;
        Ok(writer.into_serialized_writer()?.0)
    }
}

fn ascending_nulls_first(column_idx: i32) -> SortingColumn {
    SortingColumn { column_idx, descending: false, nulls_first: true }
}

/// A file in the making: its columns are encoded first, in parallel, then put together.
pub(crate) struct FileEncoder {
    writer: SerializedFileWriter<HashedBuffer>,
    /// Columns of the row groups that are not written yet, the last row group first.
    row_groups: Vec<Vec<EncodedChunk>>,
    stats: Vec<StatsBuilder>,
    layout: Arc<FileLayout>,
}

/// One column of the file, encoded.
pub(crate) struct EncodedColumn {
    /// By row group.
    pub(crate) chunks: Vec<EncodedChunk>,
    pub(crate) stats: StatsBuilder,
}

/// One column of one row group.
pub(crate) enum EncodedChunk {
    /// By our own writers.
    Known(ColumnChunk),
    /// By the general one.
    General(ArrowColumnChunk),
}

impl FileEncoder {
    /// Encodes the columns of all row groups, in several threads simultaneously.
    pub(crate) fn new(
        layout: Arc<FileLayout>,
        sorted: &SortedRows,
        rows: Range<usize>,
        options: &ParquetOptions,
    ) -> Result<Self, ParquetFileError> {
        let writer = layout.writer()?;
        let gather = Gather::new(sorted, &sorted.order[rows.clone()]);
        let encode = |position: usize| {
            let field = &layout.schema.fields()[position];
            let column = gather.column(position, field)?;
            let descr = &writer.schema_descr().columns()[position];
            let encoder = ColumnEncoder { field, descr, properties: &layout.properties, rows: rows.len(), options };
            encoder.encode(&column).map(|encoded| (position, encoded))
        };
        let positions = (0..layout.schema.fields().len()).collect();
        let mut columns = in_threads(options.encode_threads, positions, encode)?;
        // Threads finish in any order; the file has the columns in the order of the schema.
        columns.sort_unstable_by_key(|(position, _)| *position);
        let groups = row_groups(rows.len(), options).count();
        let mut row_groups: Vec<Vec<EncodedChunk>> = (0..groups).map(|_| Vec::new()).collect();
        let mut stats = Vec::with_capacity(columns.len());
        for (_, column) in columns {
            row_groups.iter_mut().rev().zip(column.chunks).for_each(|(group, chunk)| group.push(chunk));
            stats.push(column.stats);
        }
        Ok(Self { writer, row_groups, stats, layout })
    }

    /// Puts the next row group into the file; false where there is none left.
    pub(crate) fn add_row_group(&mut self) -> Result<bool, ParquetFileError> {
        let Some(chunks) = self.row_groups.pop() else { return Ok(false) };
        let mut row_group = self.writer.next_row_group()?;
        for chunk in chunks {
            match chunk {
                EncodedChunk::Known(chunk) => row_group.append_column(&chunk.bytes, chunk.close)?,
                EncodedChunk::General(chunk) => chunk.append_to_row_group(&mut row_group)?,
            }
        }
        row_group.close()?;
        Ok(true)
    }

    /// Encodes the page index and the footer: the file is complete.
    pub(crate) fn finish(&mut self) -> Result<(), ParquetFileError> {
        self.writer.finish()?;
        Ok(())
    }

    /// The bytes that have come since the last call.
    pub(crate) fn take_bytes(&mut self) -> Result<Bytes, ParquetFileError> {
        HashedBuffer::take_pending(&mut self.writer)
    }

    /// Size, checksum and statistics of the complete file.
    pub(crate) fn into_summary(self) -> FileSummary {
        summary(&self.writer, &self.layout, self.stats)
    }
}

/// Size, checksum and statistics of a complete file.
pub(crate) type FileSummary = (u64, u64, BTreeMap<String, ColumnStats>);

/// The summary of a file from what has written it.
pub(crate) fn summary(
    writer: &SerializedFileWriter<HashedBuffer>,
    layout: &FileLayout,
    stats: Vec<StatsBuilder>,
) -> FileSummary {
    let buffer = writer.inner();
    let columns = layout.schema.fields().iter().zip(stats).filter(|(field, _)| has_stats(field.name()));
    let stats = columns.map(|(field, stats)| (field.name().clone(), stats.finish()));
    (buffer.bytes, buffer.hasher.finish(), stats.collect())
}

/// True for a column whose bounds the table log has. The place of a row in its record tells nothing of a file.
fn has_stats(column: &str) -> bool {
    column != identity::ROW
}

/// True for a column whose values mostly repeat from one row to the next.
fn comes_in_runs(column: &str) -> bool {
    [INGESTED_AT, identity::SHARD, identity::LSN, identity::SEQUENCE].contains(&column)
}

/// Encodes one column of a file, row group by row group.
pub(crate) struct ColumnEncoder<'a> {
    pub(crate) field: &'a FieldRef,
    pub(crate) descr: &'a ColumnDescPtr,
    pub(crate) properties: &'a WriterProperties,
    pub(crate) rows: usize,
    pub(crate) options: &'a ParquetOptions,
}

impl ColumnEncoder<'_> {
    pub(crate) fn encode(&self, column: &Column) -> Result<EncodedColumn, ParquetFileError> {
        match column {
            Column::Nulls => self.nulls(),
            Column::Text(text) => self.text(text),
            Column::Values(values) => match values.data_type() {
                DataType::Timestamp(..) => self.integers::<TimestampMicrosecondType>(values),
                DataType::Int32 => self.integers::<Int32Type>(values),
                DataType::Int64 => self.integers::<Int64Type>(values),
                DataType::Decimal32(..) => self.integers::<Decimal32Type>(values),
                DataType::Decimal64(..) => self.integers::<Decimal64Type>(values),
                DataType::Boolean => self.booleans(values),
                _ => self.values(values),
            },
        }
    }

    fn nulls(&self) -> Result<EncodedColumn, ParquetFileError> {
        let mut stats = StatsBuilder::default();
        stats.add_nulls(self.rows);
        let chunks = self.known(|rows| ColumnChunk::of_nulls(rows.len(), self.descr, self.chunk_options()))?;
        Ok(EncodedColumn { chunks, stats })
    }

    fn text(&self, text: &TextRuns) -> Result<EncodedColumn, ParquetFileError> {
        let mut stats = StatsBuilder::default();
        stats.add_text(text);
        let chunks = self.known(|rows| encode_text(text, rows, self.descr, self.chunk_options()))?;
        Ok(EncodedColumn { chunks, stats })
    }

    fn integers<T: ArrowPrimitiveType<Native: Stored>>(
        &self,
        column: &ArrayRef,
    ) -> Result<EncodedColumn, ParquetFileError> {
        let mut stats = StatsBuilder::default();
        stats.add_nulls(column.null_count());
        let chunks = self.known(|rows| {
            let (values, options) = (column.as_primitive::<T>(), self.chunk_options());
            let (chunk, bounds) = match comes_in_runs(self.field.name()) {
                true => encode_runs(values, rows, self.descr, options)?,
                false => encode_integers(values, rows, self.descr, options)?,
            };
            stats.add_integer_bounds(column.data_type(), bounds);
            Ok(chunk)
        })?;
        Ok(EncodedColumn { chunks, stats })
    }

    fn booleans(&self, column: &ArrayRef) -> Result<EncodedColumn, ParquetFileError> {
        let mut stats = StatsBuilder::default();
        stats.add(column);
        let booleans = column.as_boolean();
        let chunks = self.known(|rows| encode_booleans(booleans, rows, self.descr, self.chunk_options()))?;
        Ok(EncodedColumn { chunks, stats })
    }

    fn values(&self, column: &ArrayRef) -> Result<EncodedColumn, ParquetFileError> {
        let mut stats = StatsBuilder::default();
        stats.add(column);
        let schema = Arc::new(Schema::new(vec![Arc::clone(self.field)]));
        let writer = ArrowWriter::try_new(io::sink(), schema, Some(self.properties.clone()))?;
        let (_, factory) = writer.into_serialized_writer()?;
        let mut chunks = Vec::new();
        for (group, rows) in row_groups(self.rows, self.options).enumerate() {
            let leaves = compute_leaves(self.field, &column.slice(rows.start, rows.len()))?;
            for (mut writer, leaf) in factory.create_column_writers(group)?.into_iter().zip(leaves) {
                writer.write(&leaf)?;
                chunks.push(EncodedChunk::General(writer.close()?));
            }
        }
        Ok(EncodedColumn { chunks, stats })
    }

    /// The chunks of all row groups by one of our own writers.
    fn known(
        &self,
        mut encode: impl FnMut(Range<usize>) -> Result<ColumnChunk, ParquetError>,
    ) -> Result<Vec<EncodedChunk>, ParquetFileError> {
        let chunks = row_groups(self.rows, self.options).map(|rows| encode(rows).map(EncodedChunk::Known));
        Ok(chunks.collect::<Result<_, _>>()?)
    }

    fn chunk_options(&self) -> ChunkOptions {
        ChunkOptions { page_rows_max: self.options.page_rows_max, zstd_level: self.options.zstd_level }
    }
}

/// The rows of each row group.
fn row_groups(rows: usize, options: &ParquetOptions) -> impl Iterator<Item = Range<usize>> {
    let of_group = options.row_group_rows_max.max(1);
    (0..rows).step_by(of_group).map(move |start| start..rows.min(start.saturating_add(of_group)))
}

/// Bytes that wait to be stored, and the size and checksum of all that ever came.
#[derive(Default)]
pub(crate) struct HashedBuffer {
    pending: Vec<u8>,
    bytes: u64,
    hasher: XxHash3_64,
}

impl HashedBuffer {
    /// The bytes of a writer that have come since the last call.
    pub(crate) fn take_pending(writer: &mut SerializedFileWriter<Self>) -> Result<Bytes, ParquetFileError> {
        writer.flush().map_err(ParquetError::from)?;
        Ok(std::mem::take(&mut writer.inner_mut().pending).into())
    }
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
pub(crate) const SORTED_BY: [i32; 3] = [3, 5, 0];
/// Name of the time of receipt.
const INGESTED_AT: &str = "ingested_at";
/// Rows that the writer takes between two looks at the size of a page.
const WRITE_BATCH_ROWS_MAX: usize = 1_024;

const _: () = assert!(FILE_FIXED == 8, "SORTED_BY and the columns of gather.rs follow the file schema");
