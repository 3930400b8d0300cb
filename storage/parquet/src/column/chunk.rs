//! A column chunk of a Parquet file in the making: its pages one after the other, and what the file says of them.
//!
//! The general writer takes columns of any kind and looks at each value several times. What nearly all columns of
//! telemetry are costs far less when it is known: text in long runs ([`crate::column::text`]), integers in small steps
//! ([`crate::column::integer`]), booleans ([`crate::column::boolean`]), and nothing at all ([`ColumnChunk::of_nulls`]).
//!
//! The result is a plain column chunk of Parquet, format version 1 (all integers little-endian):
//!
//! | part | bytes |
//! |---|---|
//! | dictionary page, where there is one | its values, `PLAIN` |
//! | data page: definition levels, where the column may be null | length as 4 bytes, runs of 1 bit |
//! | values that are not null | as the page's encoding says |
//!
//! A run of one value is its length times two as a varint, then the value in as many whole bytes as its width needs. A
//! run of many values is the number of its groups of 8 times two, plus one, as a varint, then the values bit by bit.
//! Each page is compressed by ZSTD.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::NullBuffer;
use bytes::Bytes;
use parquet::basic::{BoundaryOrder, Compression, Encoding, EncodingMask, PageType, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// An encoded column of one row group.
pub(crate) struct ColumnChunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

/// Options of chunks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkOptions {
    /// At least 1.
    pub page_rows_max: usize,
    pub zstd_level: i32,
}

impl ChunkOptions {
    /// The rows of each page.
    pub(crate) fn pages(self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let of_page = self.page_rows_max.max(1);
        rows.clone().step_by(of_page).map(move |start| start..rows.end.min(start + of_page))
    }
}

/// A data page before it is compressed.
pub(crate) struct DataPage<'a> {
    pub rows: usize,
    pub nulls: usize,
    /// Minimum and maximum value as the page index has them; absent where all values are null.
    pub bounds: Option<(Vec<u8>, Vec<u8>)>,
    pub encoding: Encoding,
    /// Definition levels and values.
    pub plain: &'a [u8],
}

/// Minimum and maximum of some values; absent where there are none.
pub(crate) type Bounds<T> = Option<(T, T)>;

/// The bounds of a chunk, page by page.
pub(crate) struct PagedBounds<T> {
    pub all: Bounds<T>,
    last: Bounds<T>,
    /// Neither minimum nor maximum values of pages descend from one page to the next.
    pub is_ascending: bool,
}

/// Totals of a chunk whose last page is written.
pub(crate) struct ChunkSummary {
    pub statistics: Statistics,
    /// As in [`PagedBounds`].
    pub is_ascending: bool,
    /// Bytes of all texts without their lengths, for columns of text.
    pub text_bytes: Option<usize>,
}

impl<T> Default for PagedBounds<T> {
    fn default() -> Self {
        Self { all: None, last: None, is_ascending: true }
    }
}

impl<T: Ord + Copy> PagedBounds<T> {
    /// Takes in the next page.
    pub(crate) fn add(&mut self, page: Bounds<T>) {
        let Some((min, max)) = page else { return };
        self.is_ascending &= self.last.is_none_or(|last| last.0 <= min && last.1 <= max);
        self.last = page;
        self.all = Some(self.all.map_or((min, max), |all| (all.0.min(min), all.1.max(max))));
    }
}

impl ColumnChunk {
    /// A column without any value, as one page.
    pub(crate) fn of_nulls(rows: usize, descr: &ColumnDescPtr, options: ChunkOptions) -> Result<Self> {
        let mut writer = ChunkWriter::new(descr, options)?;
        let mut plain = Vec::new();
        push_levels(&mut plain, [(false, rows)].into_iter())?;
        writer.write_data_page(DataPage {
            rows,
            nulls: rows,
            bounds: None,
            encoding: Encoding::PLAIN,
            plain: &plain,
        })?;
        let text_bytes = (descr.physical_type() == Type::BYTE_ARRAY).then_some(0);
        let statistics = statistics_of_nulls(descr.physical_type(), rows as u64);
        writer.close(ChunkSummary { statistics, is_ascending: true, text_bytes })
    }
}

/// Writes the pages of one chunk.
pub(crate) struct ChunkWriter {
    sink: TrackedWrite<Vec<u8>>,
    compressor: zstd::bulk::Compressor<'static>,
    descr: ColumnDescPtr,
    zstd_level: ZstdLevel,
    columns: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    rows: usize,
    nulls: usize,
    compressed: usize,
    uncompressed: usize,
    dictionary_at: Option<u64>,
    data_at: Option<u64>,
    data_pages: i32,
    encoding: Option<Encoding>,
}

impl ChunkWriter {
    pub(crate) fn new(descr: &ColumnDescPtr, options: ChunkOptions) -> Result<Self> {
        Ok(Self {
            sink: TrackedWrite::new(Vec::new()),
            compressor: zstd::bulk::Compressor::new(options.zstd_level)?,
            descr: Arc::clone(descr),
            zstd_level: ZstdLevel::try_new(options.zstd_level)?,
            columns: ColumnIndexBuilder::new(descr.physical_type()),
            offsets: OffsetIndexBuilder::new(),
            totals: Totals::default(),
        })
    }

    /// Writes the values that the codes of the pages behind it stand for.
    pub(crate) fn write_dictionary(&mut self, values: usize, plain: &[u8]) -> Result<()> {
        let page = Page::DictionaryPage {
            buf: self.compressor.compress(plain)?.into(),
            num_values: count(values)?,
            encoding: Encoding::PLAIN,
            is_sorted: true,
        };
        let spec = self.write_page(page, plain.len())?;
        self.totals.dictionary_at = Some(spec.offset);
        Ok(())
    }

    /// Writes the next rows. All data pages of a chunk have one encoding.
    pub(crate) fn write_data_page(&mut self, page: DataPage<'_>) -> Result<()> {
        if page.nulls > 0 && self.descr.max_def_level() == 0 {
            // Without definition levels, the values behind a null would move up.
            return Err(ParquetError::General(format!("column {} has nulls and may not", self.descr.path())));
        }
        let compressed = Page::DataPage {
            buf: self.compressor.compress(page.plain)?.into(),
            num_values: count(page.rows)?,
            encoding: page.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let spec = self.write_page(compressed, page.plain.len())?;
        self.totals.data_at.get_or_insert(spec.offset);
        self.totals.data_pages += 1;
        self.totals.rows += page.rows;
        self.totals.nulls += page.nulls;
        assert_eq!(*self.totals.encoding.get_or_insert(page.encoding), page.encoding, "a chunk has one encoding");
        let is_null = page.bounds.is_none();
        let (min, max) = page.bounds.unwrap_or_default();
        self.columns.append(is_null, min, max, offset(page.nulls as u64)?);
        self.offsets.append_row_count(offset(page.rows as u64)?);
        // As in `count`, the conversion has nothing to add.
        let size = i32::try_from(spec.compressed_size).map_err(|_range| too_large("a page"))?;
        self.offsets.append_offset_and_size(offset(spec.offset)?, size);
        Ok(())
    }

    /// Nulls of all pages so far.
    pub(crate) fn nulls(&self) -> u64 {
        self.totals.nulls as u64
    }

    fn write_page(&mut self, page: Page, uncompressed: usize) -> Result<PageWriteSpec> {
        let mut pages = SerializedPageWriter::new(&mut self.sink);
        let spec = pages.write_page(CompressedPage::new(page, uncompressed))?;
        self.totals.compressed += spec.compressed_size;
        self.totals.uncompressed += spec.uncompressed_size;
        Ok(spec)
    }

    /// Completes the chunk.
    pub(crate) fn close(self, summary: ChunkSummary) -> Result<ColumnChunk> {
        let Self { sink, descr, zstd_level, mut columns, offsets, totals, .. } = self;
        let encoding = totals.encoding.unwrap_or(Encoding::PLAIN);
        let mut encodings = vec![encoding, Encoding::RLE];
        let mut pages = vec![PageEncodingStats { page_type: PageType::DATA_PAGE, encoding, count: totals.data_pages }];
        if totals.dictionary_at.is_some() {
            encodings.push(Encoding::PLAIN);
            pages.insert(
                0,
                PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 },
            );
        }
        let metadata = ColumnChunkMetaData::builder(descr)
            .set_compression(Compression::ZSTD(zstd_level))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(pages)
            .set_total_compressed_size(offset(totals.compressed as u64)?)
            .set_total_uncompressed_size(offset(totals.uncompressed as u64)?)
            .set_num_values(offset(totals.rows as u64)?)
            .set_dictionary_page_offset(totals.dictionary_at.map(offset).transpose()?)
            .set_data_page_offset(offset(totals.data_at.unwrap_or_default())?)
            .set_statistics(summary.statistics)
            .set_unencoded_byte_array_data_bytes(summary.text_bytes.map(|bytes| offset(bytes as u64)).transpose()?)
            .build()?;
        if summary.is_ascending {
            columns.set_boundary_order(BoundaryOrder::ASCENDING);
        }
        let close = ColumnCloseResult {
            bytes_written: totals.compressed as u64,
            rows_written: totals.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: Some(columns.build()?),
            offset_index: Some(offsets.build()),
        };
        Ok(ColumnChunk { bytes: sink.into_inner()?.into(), close })
    }
}

/// Appends the definition levels of runs: whether there is a value, and for how many rows.
pub(crate) fn push_levels(bytes: &mut Vec<u8>, runs: impl Iterator<Item = (bool, usize)>) -> Result<()> {
    push_with_length(bytes, |bytes| {
        for (is_valid, rows) in runs {
            push_run(bytes, u64::from(is_valid), rows, 1);
        }
    })
}

/// Appends the definition levels of rows: one run of one value where none is null, else one run of many values.
pub(crate) fn push_validity(bytes: &mut Vec<u8>, validity: Option<&NullBuffer>, rows: usize) -> Result<()> {
    let Some(validity) = validity.filter(|validity| validity.null_count() > 0) else {
        return push_levels(bytes, [(true, rows)].into_iter());
    };
    push_with_length(bytes, |bytes| {
        push_varint(bytes, (rows.div_ceil(8) as u64) << 1 | 1);
        // Arrow has the same order of bits as Parquet.
        bytes.extend_from_slice(validity.inner().sliced().as_slice());
    })
}

fn push_with_length(bytes: &mut Vec<u8>, push: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; LENGTH_BYTES]);
    push(bytes);
    let length = length_bytes(bytes.len() - start - LENGTH_BYTES)?;
    bytes[start..start + LENGTH_BYTES].copy_from_slice(&length);
    Ok(())
}

/// Appends a run of one value.
pub(crate) fn push_run(bytes: &mut Vec<u8>, value: u64, rows: usize, width_bits: u32) {
    push_varint(bytes, (rows as u64) << 1);
    bytes.extend_from_slice(&value.to_le_bytes()[..width_bits.div_ceil(8) as usize]);
}

/// Appends a number, seven bits to a byte, the lowest first (ULEB128).
pub(crate) fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    bytes.push(low_bits(number));
}

fn low_bits(number: u64) -> u8 {
    u8::try_from(number & 0x7f).expect("seven bits fit a byte")
}

/// A length in front of what has it.
pub(crate) fn length_bytes(length: usize) -> Result<[u8; LENGTH_BYTES]> {
    Ok(count(length)?.to_le_bytes())
}

fn statistics_of_nulls(physical: Type, nulls: u64) -> Statistics {
    macro_rules! none {
        ($variant:ident, $type:ty) => {
            Statistics::$variant(ValueStatistics::<$type>::new(None, None, None, Some(nulls), false))
        };
    }
    match physical {
        Type::BOOLEAN => none!(Boolean, bool),
        Type::INT32 => none!(Int32, i32),
        Type::INT64 => none!(Int64, i64),
        Type::INT96 => none!(Int96, Int96),
        Type::FLOAT => none!(Float, f32),
        Type::DOUBLE => none!(Double, f64),
        Type::BYTE_ARRAY => none!(ByteArray, ByteArray),
        Type::FIXED_LEN_BYTE_ARRAY => none!(FixedLenByteArray, FixedLenByteArray),
    }
}

fn count(number: usize) -> Result<u32> {
    // The error of the conversion says nothing that this one does not.
    u32::try_from(number).map_err(|_range| too_large("a column"))
}

fn offset(number: u64) -> Result<i64> {
    // As in `count`.
    i64::try_from(number).map_err(|_range| too_large("a file"))
}

fn too_large(what: &str) -> ParquetError {
    ParquetError::General(format!("{what} is larger than Parquet can say"))
}

/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

#[cfg(test)]
pub(crate) mod tests {
    use arrow::array::{Array, ArrayRef};
    use arrow::datatypes::{DataType, Field, Schema};
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection};
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
    use parquet::file::writer::SerializedFileWriter;

    use super::*;

    /// A file of one column, a row group for each range of rows.
    pub(crate) fn file_of(
        field: &Field,
        groups: &[Range<usize>],
        mut encode: impl FnMut(Range<usize>, &ColumnDescPtr) -> ColumnChunk,
    ) -> Bytes {
        let types = ArrowSchemaConverter::new().convert(&Schema::new(vec![field.clone()])).unwrap();
        let mut writer = SerializedFileWriter::new(Vec::new(), types.root_schema_ptr(), Arc::default()).unwrap();
        for rows in groups {
            let chunk = encode(rows.clone(), &types.columns()[0]);
            let mut group = writer.next_row_group().unwrap();
            group.append_column(&chunk.bytes, chunk.close).unwrap();
            group.close().unwrap();
        }
        writer.into_inner().unwrap().into()
    }

    /// The column of such a file, batch by batch, with the metadata and its page index.
    pub(crate) fn read_back(
        file: &Bytes,
        field: &Field,
        selection: Option<RowSelection>,
    ) -> (Arc<ParquetMetaData>, Vec<ArrayRef>) {
        let options = ArrowReaderOptions::new()
            .with_schema(Arc::new(Schema::new(vec![field.clone()])))
            .with_page_index_policy(PageIndexPolicy::Required);
        let mut builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap();
        let metadata = Arc::clone(builder.metadata());
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        (metadata, builder.build().unwrap().map(|batch| Arc::clone(batch.unwrap().column(0))).collect())
    }

    #[test]
    fn nulls_are_refused_where_the_column_may_not_be_null() {
        let types = ArrowSchemaConverter::new();
        let types = types.convert(&Schema::new(vec![Field::new("time", DataType::Int64, false)])).unwrap();
        let options = ChunkOptions { page_rows_max: 10, zstd_level: 1 };
        let error = ColumnChunk::of_nulls(1, &types.columns()[0], options).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("time"), "{error}");
    }

    #[test]
    fn a_column_of_nulls_is_read_back_whatever_its_type() {
        let types = [
            DataType::Boolean,
            DataType::Float64,
            DataType::Utf8,
            DataType::Int64,
            DataType::Decimal32(9, 2),
            DataType::Decimal64(15, 4),
            zonelake_schemas::columns::timestamp(),
        ];
        for data_type in types {
            let options = ChunkOptions { page_rows_max: 10, zstd_level: 1 };
            let field = Field::new("f", data_type.clone(), true);
            let file = file_of(&field, &[0..70_000, 0..1], |rows, descr| {
                ColumnChunk::of_nulls(rows.len(), descr, options).unwrap()
            });
            let (metadata, columns) = read_back(&file, &field, None);
            assert_eq!(columns.iter().map(|column| column.len()).sum::<usize>(), 70_001, "{data_type}");
            assert!(columns.iter().all(|column| column.null_count() == column.len()), "{data_type}");
            let statistics = metadata.row_group(0).column(0).statistics().unwrap();
            assert_eq!(statistics.null_count_opt(), Some(70_000), "{data_type}");
            assert_eq!((statistics.min_bytes_opt(), statistics.max_bytes_opt()), (None, None), "{data_type}");
            assert!(metadata.column_index().unwrap()[0][0].is_null_page(0), "{data_type}");
            assert!(file.len() < 1_000, "{data_type}: {} bytes", file.len());
        }
    }
}
