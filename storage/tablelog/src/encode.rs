//! One Parquet file in the making: its columns are encoded side by side, then put together row group by row group, and its
//! bytes are taken away as they come.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{FieldRef, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, ColumnPath};
use twox_hash::XxHash3_64;
use zonelake_schemas::columns::FILE_FIXED;
use zonelake_schemas::{Kept, TableDef, TableSchemas};

use crate::ColumnStats;
use crate::background::in_threads;
use crate::gather::{Column, Gather};
use crate::parquet_file::{ParquetFileError, ParquetOptions};
use crate::sort::SortedRows;
use crate::stats::StatsBuilder;
use crate::text_column::{TextChunk, TextOptions, TextRuns};

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

/// A file in the making: its columns are encoded first, in parallel, then put together.
pub(crate) struct FileEncoder {
    writer: SerializedFileWriter<HashedBuffer>,
    /// Columns of the row groups that are not written yet, the last row group first.
    row_groups: Vec<Vec<EncodedChunk>>,
    stats: Vec<StatsBuilder>,
    layout: Arc<FileLayout>,
}

/// What one column of the file has become.
struct EncodedColumn {
    /// By row group.
    chunks: Vec<EncodedChunk>,
    stats: StatsBuilder,
}

/// One column of one row group.
enum EncodedChunk {
    Values(ArrowColumnChunk),
    Text(TextChunk),
}

impl FileEncoder {
    /// Encodes the columns of all row groups, in so many threads at once.
    pub(crate) fn new(
        layout: Arc<FileLayout>,
        sorted: &SortedRows,
        rows: Range<usize>,
        options: &ParquetOptions,
    ) -> Result<Self, ParquetFileError> {
        let writer =
            ArrowWriter::try_new(HashedBuffer::default(), Arc::clone(&layout.schema), Some(layout.properties.clone()))?;
        let (writer, factory) = writer.into_serialized_writer()?;
        let gather = Gather::new(sorted, &sorted.order[rows.clone()]);
        let groups = rows.len().div_ceil(options.row_group_rows_max.max(1));
        // By column, each with its writers by row group.
        let mut jobs: Vec<(usize, Vec<ArrowColumnWriter>)> =
            (0..layout.schema.fields().len()).map(|column| (column, Vec::with_capacity(groups))).collect();
        for group in 0..groups {
            for ((_, writers), writer) in jobs.iter_mut().zip(factory.create_column_writers(group)?) {
                writers.push(writer);
            }
        }
        let descrs = writer.schema_descr().columns();
        let encode = |column: usize, writers: Vec<ArrowColumnWriter>| {
            let field = &layout.schema.fields()[column];
            let encoded = match gather.column(column, field.data_type())? {
                Column::Values(values) => encode_values(&values, field, writers, options),
                Column::Text(text) => encode_text(&text, &descrs[column], options),
            };
            encoded.map(|encoded| (column, encoded))
        };
        let mut columns = in_threads(options.encode_threads, jobs, |(column, writers)| encode(column, writers))?;
        columns.sort_unstable_by_key(|(column, _)| *column);
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
                EncodedChunk::Values(chunk) => chunk.append_to_row_group(&mut row_group)?,
                EncodedChunk::Text(chunk) => row_group.append_column(&chunk.bytes, chunk.close)?,
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

fn encode_values(
    column: &ArrayRef,
    field: &FieldRef,
    writers: Vec<ArrowColumnWriter>,
    options: &ParquetOptions,
) -> Result<EncodedColumn, ParquetFileError> {
    let mut stats = StatsBuilder::default();
    stats.add(column);
    let mut chunks = Vec::with_capacity(writers.len());
    for (rows, mut writer) in row_groups(column.len(), options).zip(writers) {
        for leaf in compute_leaves(field, &column.slice(rows.start, rows.len()))? {
            writer.write(&leaf)?;
        }
        chunks.push(EncodedChunk::Values(writer.close()?));
    }
    Ok(EncodedColumn { chunks, stats })
}

fn encode_text(
    text: &TextRuns,
    descr: &ColumnDescPtr,
    options: &ParquetOptions,
) -> Result<EncodedColumn, ParquetFileError> {
    let mut stats = StatsBuilder::default();
    stats.add_text(text);
    let text_options = TextOptions { page_rows_max: options.page_rows_max, zstd_level: options.zstd_level };
    let encode = |rows| TextChunk::encode(text, rows, descr, text_options).map(EncodedChunk::Text);
    let chunks = row_groups(text.rows(), options).map(encode).collect::<Result<_, _>>()?;
    Ok(EncodedColumn { chunks, stats })
}

/// The rows of each row group.
fn row_groups(rows: usize, options: &ParquetOptions) -> impl Iterator<Item = Range<usize>> {
    let of_group = options.row_group_rows_max.max(1);
    (0..rows).step_by(of_group).map(move |start| start..rows.min(start + of_group))
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
