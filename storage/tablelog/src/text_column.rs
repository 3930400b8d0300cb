//! A text column of sorted rows, written as what it is: a few values in long runs.
//!
//! Place columns and the quality hardly ever change from one row to the next. The general writer looks each value up in a
//! hash table and compares it with the bounds of its page, row by row; here a run costs as much as a row does there.
//!
//! What comes out is a plain column chunk of Parquet, format version 1 (all integers little-endian):
//!
//! | part | bytes |
//! |---|---|
//! | dictionary page, `PLAIN`: each value that the chunk has, ascending | length as 4 bytes, UTF-8 |
//! | data page, one for `page_rows_max` rows: definition levels, where the column may be null | length as 4 bytes, runs of 1 bit |
//! | codes of the values that are not null, `RLE_DICTIONARY` | width in bits as 1 byte, runs |
//!
//! A run is its length times two as a varint, then the value in as many whole bytes as its width needs. A chunk of nulls alone has
//! no dictionary, and pages without values. Each page is compressed by ZSTD.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::StringArray;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, EncodingMask, PageType, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// A text column: the values that it may have, and which of them its rows have, run by run.
#[derive(Debug)]
pub(crate) struct TextRuns {
    values: Arc<StringArray>,
    runs: Vec<Run>,
}

/// Rows next to each other that have one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Position in the values, or [`NULL`].
    code: i32,
    /// The row behind its last one.
    end: usize,
}

/// The code of null.
pub(crate) const NULL: i32 = -1;

impl TextRuns {
    /// No rows yet. The values are ascending, each once.
    pub(crate) fn new(values: Arc<StringArray>) -> Self {
        Self { values, runs: Vec::new() }
    }

    /// Adds so many rows of one value.
    pub(crate) fn push(&mut self, code: i32, rows: usize) {
        let end = self.rows() + rows;
        match self.runs.last_mut() {
            Some(last) if last.code == code => last.end = end,
            _ => self.runs.push(Run { code, end }),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.runs.last().map_or(0, |run| run.end)
    }

    /// Least and greatest value, where there is any.
    pub(crate) fn bounds(&self) -> Option<(&str, &str)> {
        let bounds = Bounds::of(self.runs.iter().map(|run| (run.code, 1)));
        bounds.codes.map(|(min, max)| (self.value(min), self.value(max)))
    }

    pub(crate) fn nulls(&self) -> usize {
        Bounds::of(self.within(0..self.rows())).nulls
    }

    fn value(&self, code: i32) -> &str {
        self.values.value(usize::try_from(code).expect("a code that is not null's is a position"))
    }

    /// Code and length of the runs of some rows.
    fn within(&self, rows: Range<usize>) -> impl Iterator<Item = (i32, usize)> + Clone {
        let first = self.runs.partition_point(|run| run.end <= rows.start);
        let mut start = rows.start;
        self.runs[first..].iter().map_while(move |run| {
            let end = run.end.min(rows.end);
            let length = end.checked_sub(start).filter(|length| *length > 0)?;
            start = end;
            Some((run.code, length))
        })
    }
}

/// What is known of some runs.
#[derive(Debug, Default, Clone, Copy)]
struct Bounds {
    codes: Option<(i32, i32)>,
    nulls: usize,
}

impl Bounds {
    fn of(runs: impl Iterator<Item = (i32, usize)>) -> Self {
        let mut bounds = Self::default();
        for (code, rows) in runs {
            if code == NULL {
                bounds.nulls += rows;
            } else {
                bounds.codes = Some(bounds.codes.map_or((code, code), |(min, max)| (min.min(code), max.max(code))));
            }
        }
        bounds
    }
}

/// How text columns are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextOptions {
    pub page_rows_max: usize,
    pub zstd_level: i32,
}

/// An encoded column of one row group.
pub(crate) struct TextChunk {
    pub bytes: Bytes,
    pub close: ColumnCloseResult,
}

impl TextChunk {
    /// Encodes some rows of a column.
    pub(crate) fn encode(
        column: &TextRuns,
        rows: Range<usize>,
        descr: &ColumnDescPtr,
        options: TextOptions,
    ) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut sink = TrackedWrite::new(&mut bytes);
        let mut writer = ChunkWriter::new(&mut sink, column, rows.clone(), descr, options)?;
        writer.write_dictionary()?;
        let page_rows = options.page_rows_max.max(1);
        for start in rows.clone().step_by(page_rows) {
            writer.write_data_page(start..rows.end.min(start + page_rows))?;
        }
        let close = writer.close(rows.len())?;
        drop(sink);
        Ok(Self { bytes: bytes.into(), close })
    }
}

struct ChunkWriter<'a, W: io::Write + Send> {
    pages: SerializedPageWriter<'a, W>,
    compressor: zstd::bulk::Compressor<'static>,
    column: &'a TextRuns,
    descr: &'a ColumnDescPtr,
    zstd_level: i32,
    /// Codes of the column that the chunk has, ascending: their positions are the codes of the chunk.
    used: Vec<i32>,
    bounds: Bounds,
    text_bytes: usize,
    index: PageIndex,
    totals: Totals,
}

/// Where pages are and what they hold.
struct PageIndex {
    columns: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    /// Bounds of the last page that had any.
    last: Option<(i32, i32)>,
    is_ascending: bool,
}

#[derive(Default)]
struct Totals {
    compressed: usize,
    uncompressed: usize,
    dictionary_at: Option<u64>,
    data_at: Option<u64>,
    data_pages: i32,
}

impl<'a, W: io::Write + Send> ChunkWriter<'a, W> {
    fn new(
        sink: &'a mut TrackedWrite<W>,
        column: &'a TextRuns,
        rows: Range<usize>,
        descr: &'a ColumnDescPtr,
        options: TextOptions,
    ) -> Result<Self> {
        let runs = column.within(rows);
        let mut used: Vec<i32> = runs.clone().map(|(code, _)| code).filter(|code| *code != NULL).collect();
        used.sort_unstable();
        used.dedup();
        let length = |code: i32| if code == NULL { 0 } else { column.value(code).len() };
        Ok(Self {
            pages: SerializedPageWriter::new(sink),
            compressor: zstd::bulk::Compressor::new(options.zstd_level)?,
            column,
            descr,
            zstd_level: options.zstd_level,
            used,
            bounds: Bounds::of(runs.clone()),
            text_bytes: runs.map(|(code, rows)| length(code) * rows).sum(),
            index: PageIndex {
                columns: ColumnIndexBuilder::new(Type::BYTE_ARRAY),
                offsets: OffsetIndexBuilder::new(),
                last: None,
                is_ascending: true,
            },
            totals: Totals::default(),
        })
    }

    fn write_dictionary(&mut self) -> Result<()> {
        if self.used.is_empty() {
            return Ok(());
        }
        let mut plain = Vec::new();
        for &code in &self.used {
            let text = self.column.value(code);
            plain.extend_from_slice(&length_bytes(text.len())?);
            plain.extend_from_slice(text.as_bytes());
        }
        let page = Page::DictionaryPage {
            buf: self.compressor.compress(&plain)?.into(),
            num_values: count(self.used.len())?,
            encoding: Encoding::PLAIN,
            is_sorted: true,
        };
        let spec = self.write_page(page, plain.len())?;
        self.totals.dictionary_at = Some(spec.offset);
        Ok(())
    }

    fn write_data_page(&mut self, rows: Range<usize>) -> Result<()> {
        let column = self.column;
        let runs = column.within(rows.clone());
        let mut plain = Vec::new();
        if self.descr.max_def_level() > 0 {
            let mut levels = Vec::new();
            for (code, rows) in runs.clone() {
                push_run(&mut levels, u64::from(code != NULL), rows, 1);
            }
            plain.extend_from_slice(&length_bytes(levels.len())?);
            plain.append(&mut levels);
        }
        let bounds = Bounds::of(runs.clone());
        let encoding = if self.used.is_empty() {
            Encoding::PLAIN
        } else {
            let width = (self.used.len() - 1).checked_ilog2().map_or(0, |bits| bits + 1);
            plain.push(u8::try_from(width).expect("a position has less than 64 bits"));
            for (code, rows) in runs.filter(|(code, _)| *code != NULL) {
                let code = self.used.binary_search(&code).expect("the codes of all runs were taken");
                push_run(&mut plain, code as u64, rows, width);
            }
            Encoding::RLE_DICTIONARY
        };
        let page = Page::DataPage {
            buf: self.compressor.compress(&plain)?.into(),
            num_values: count(rows.len())?,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let spec = self.write_page(page, plain.len())?;
        self.totals.data_at.get_or_insert(spec.offset);
        self.totals.data_pages += 1;
        self.index.push(self.column, bounds, rows.len(), &spec)
    }

    fn write_page(&mut self, page: Page, uncompressed: usize) -> Result<PageWriteSpec> {
        let spec = self.pages.write_page(CompressedPage::new(page, uncompressed))?;
        self.totals.compressed += spec.compressed_size;
        self.totals.uncompressed += spec.uncompressed_size;
        Ok(spec)
    }

    fn close(self, rows: usize) -> Result<ColumnCloseResult> {
        let Self { column, descr, used, bounds, totals, index, .. } = self;
        let text = |code: i32| ByteArray::from(column.value(code));
        let (min, max) = bounds.codes.map(|(min, max)| (text(min), text(max))).unzip();
        let nulls = bounds.nulls as u64;
        let data_page =
            |encoding| PageEncodingStats { page_type: PageType::DATA_PAGE, encoding, count: totals.data_pages };
        let dictionary_page =
            PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 };
        let (encodings, pages) = if used.is_empty() {
            (vec![Encoding::PLAIN, Encoding::RLE], vec![data_page(Encoding::PLAIN)])
        } else {
            let encodings = vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
            (encodings, vec![dictionary_page, data_page(Encoding::RLE_DICTIONARY)])
        };
        let metadata = ColumnChunkMetaData::builder(Arc::clone(descr))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(self.zstd_level)?))
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.iter()))
            .set_page_encoding_stats(pages)
            .set_total_compressed_size(offset(totals.compressed as u64)?)
            .set_total_uncompressed_size(offset(totals.uncompressed as u64)?)
            .set_num_values(offset(rows as u64)?)
            .set_dictionary_page_offset(totals.dictionary_at.map(offset).transpose()?)
            .set_data_page_offset(offset(totals.data_at.unwrap_or_default())?)
            .set_statistics(Statistics::ByteArray(ValueStatistics::new(min, max, None, Some(nulls), false)))
            .set_unencoded_byte_array_data_bytes(Some(offset(self.text_bytes as u64)?))
            .build()?;
        let (column_index, offset_index) = index.build()?;
        Ok(ColumnCloseResult {
            bytes_written: totals.compressed as u64,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: Some(column_index),
            offset_index: Some(offset_index),
        })
    }
}

impl PageIndex {
    fn push(&mut self, column: &TextRuns, bounds: Bounds, rows: usize, spec: &PageWriteSpec) -> Result<()> {
        let text = |code: i32| column.value(code).as_bytes().to_vec();
        let (min, max) = bounds.codes.map(|(min, max)| (text(min), text(max))).unwrap_or_default();
        self.columns.append(bounds.codes.is_none(), min, max, offset(bounds.nulls as u64)?);
        if let Some((min, max)) = bounds.codes {
            self.is_ascending &= self.last.is_none_or(|last| last.0 <= min && last.1 <= max);
            self.last = Some((min, max));
        }
        self.offsets.append_row_count(offset(rows as u64)?);
        let size = i32::try_from(spec.compressed_size).map_err(|_| too_large("a page"))?;
        self.offsets.append_offset_and_size(offset(spec.offset)?, size);
        Ok(())
    }

    fn build(mut self) -> Result<(ColumnIndexMetaData, OffsetIndexMetaData)> {
        if self.is_ascending {
            self.columns.set_boundary_order(parquet::basic::BoundaryOrder::ASCENDING);
        }
        Ok((self.columns.build()?, self.offsets.build()))
    }
}

/// Appends a run: twice its length as a varint, then its value in whole bytes.
fn push_run(bytes: &mut Vec<u8>, value: u64, rows: usize, width_bits: u32) {
    let mut header = (rows as u64) << 1;
    while header >= 0x80 {
        bytes.push(header as u8 | 0x80);
        header >>= 7;
    }
    bytes.push(header as u8);
    bytes.extend_from_slice(&value.to_le_bytes()[..width_bits.div_ceil(8) as usize]);
}

fn length_bytes(length: usize) -> Result<[u8; 4]> {
    Ok(count(length)?.to_le_bytes())
}

fn count(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| too_large("a text column"))
}

fn offset(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| too_large("a file"))
}

fn too_large(what: &str) -> ParquetError {
    ParquetError::General(format!("{what} is larger than Parquet can say"))
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;
    use arrow::datatypes::{DataType, Field, Schema};
    use parquet::arrow::ArrowSchemaConverter;
    use parquet::arrow::arrow_reader::{
        ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
    };
    use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
    use parquet::file::writer::SerializedFileWriter;
    use proptest::prelude::*;

    use super::*;

    /// A file of one column, a row group for each range of rows.
    fn file(column: &TextRuns, is_nullable: bool, groups: &[Range<usize>], options: TextOptions) -> Bytes {
        let schema = Schema::new(vec![Field::new("text", DataType::Utf8, is_nullable)]);
        let types = ArrowSchemaConverter::new().convert(&schema).unwrap();
        let mut writer = SerializedFileWriter::new(Vec::new(), types.root_schema_ptr(), Arc::default()).unwrap();
        for rows in groups {
            let chunk = TextChunk::encode(column, rows.clone(), &types.columns()[0], options).unwrap();
            let mut group = writer.next_row_group().unwrap();
            group.append_column(&chunk.bytes, chunk.close).unwrap();
            group.close().unwrap();
        }
        writer.into_inner().unwrap().into()
    }

    fn read(file: &Bytes, selection: Option<RowSelection>) -> (Arc<ParquetMetaData>, Vec<Option<String>>) {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let mut builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap();
        let metadata = Arc::clone(builder.metadata());
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let mut rows = Vec::new();
        for batch in builder.build().unwrap() {
            let batch = batch.unwrap();
            let texts = batch.column(0).as_any().downcast_ref::<StringArray>().unwrap();
            rows.extend(texts.iter().map(|text| text.map(str::to_owned)));
        }
        (metadata, rows)
    }

    fn bounds_of<'a>(rows: &'a [Option<&str>]) -> (Option<&'a str>, Option<&'a str>, u64) {
        let values = || rows.iter().copied().flatten();
        (values().min(), values().max(), rows.iter().filter(|row| row.is_none()).count() as u64)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_with_its_bounds(
            (values, runs) in prop::collection::btree_set("[a-z\u{e9}]{0,5}", 1..300).prop_flat_map(|values| {
                let code = -1..i32::try_from(values.len()).unwrap();
                (Just(values), prop::collection::vec((code, 1usize..300), 1..60))
            }),
            has_nulls in any::<bool>(),
            page_rows_max in 1usize..700,
            cut in 0usize..5_000,
            skip in 0usize..5_000,
        ) {
            let values: Vec<String> = values.into_iter().collect();
            let mut column = TextRuns::new(Arc::new(StringArray::from(values.clone())));
            let mut expected: Vec<Option<&str>> = Vec::new();
            for (code, rows) in runs {
                let code = if has_nulls { code } else { code.max(0) };
                column.push(code, rows);
                let value = usize::try_from(code).ok().map(|code| values[code].as_str());
                expected.extend(std::iter::repeat_n(value, rows));
            }
            let all = expected.len();
            prop_assert_eq!(column.rows(), all);
            let cut = cut % all;
            let groups: Vec<Range<usize>> = [0..cut, cut..all].into_iter().filter(|rows| !rows.is_empty()).collect();
            let bytes = file(&column, has_nulls, &groups, TextOptions { page_rows_max, zstd_level: 1 });
            let (metadata, rows) = read(&bytes, None);
            let rows: Vec<Option<&str>> = rows.iter().map(Option::as_deref).collect();
            prop_assert_eq!(&rows, &expected);

            for (number, group) in groups.iter().enumerate() {
                let chunk = metadata.row_group(number).column(0);
                let (min, max, nulls) = bounds_of(&expected[group.clone()]);
                let stats = chunk.statistics().unwrap();
                prop_assert_eq!(stats.min_bytes_opt(), min.map(str::as_bytes));
                prop_assert_eq!(stats.max_bytes_opt(), max.map(str::as_bytes));
                prop_assert_eq!(stats.null_count_opt(), Some(nulls));
                let Some(ColumnIndexMetaData::BYTE_ARRAY(index)) =
                    metadata.column_index().map(|index| &index[number][0])
                else {
                    panic!("no column index")
                };
                let pages = metadata.offset_index().unwrap()[number][0].page_locations();
                prop_assert_eq!(pages.len(), group.len().div_ceil(page_rows_max));
                for (page, location) in pages.iter().enumerate() {
                    let start = group.start + usize::try_from(location.first_row_index).unwrap();
                    let (min, max, nulls) = bounds_of(&expected[start..group.end.min(start + page_rows_max)]);
                    prop_assert_eq!(index.min_value(page), min.map(str::as_bytes));
                    prop_assert_eq!(index.max_value(page), max.map(str::as_bytes));
                    prop_assert_eq!(index.null_count(page), i64::try_from(nulls).ok());
                }
            }

            // Pages are found by their offsets alone.
            let skip = skip % all;
            let selection = vec![RowSelector::skip(skip), RowSelector::select(all - skip)];
            let (_, rows) = read(&bytes, Some(selection.into()));
            let rows: Vec<Option<&str>> = rows.iter().map(Option::as_deref).collect();
            prop_assert_eq!(&rows, &expected[skip..]);
        }
    }

    #[test]
    fn long_runs_take_a_few_bytes() {
        let mut column = TextRuns::new(Arc::new(StringArray::from(vec!["A", "B"])));
        column.push(0, 1_000_000);
        column.push(1, 1_000_000);
        let all = 0..2_000_000;
        let bytes = file(&column, true, &[all], TextOptions { page_rows_max: 2_000_000, zstd_level: 1 });
        assert!(bytes.len() < 1_000, "{} bytes", bytes.len());
        assert_eq!(read(&bytes, None).1.len(), 2_000_000);
    }
}
