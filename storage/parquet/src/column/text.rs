//! A text column of sorted rows, written as what it is: a few values in long runs.
//!
//! Location columns and the quality hardly ever change from one row to the next. The general writer looks each value up
//! in a hash table and compares it with the bounds of its page, row by row; here a run costs as much as a row does
//! there.
//!
//! The dictionary has each value that the chunk has, ascending: length as 4 bytes, UTF-8. The values of a page are the
//! width of their codes in bits as 1 byte, then runs of codes (`RLE_DICTIONARY`). A chunk of nulls alone has no
//! dictionary, and pages without values.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::StringArray;
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

use crate::column::chunk::{
    Bounds, ChunkOptions, ChunkSummary, ChunkWriter, ColumnChunk, DataPage, PagedBounds, length_bytes, push_levels,
    push_run,
};

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

    /// Minimum and maximum value, where there is any.
    pub(crate) fn bounds(&self) -> Option<(&str, &str)> {
        let bounds = CodeBounds::of(self.runs.iter().map(|run| (run.code, 1)));
        bounds.codes.map(|(min, max)| (self.value(min), self.value(max)))
    }

    pub(crate) fn nulls(&self) -> usize {
        CodeBounds::of(self.within(0..self.rows())).nulls
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

/// Bounds and nulls of some runs.
#[derive(Debug, Default, Clone, Copy)]
struct CodeBounds {
    codes: Bounds<i32>,
    nulls: usize,
}

impl CodeBounds {
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

/// Encodes some rows of a column.
pub(crate) fn encode_text(
    column: &TextRuns,
    rows: Range<usize>,
    descr: &ColumnDescPtr,
    options: ChunkOptions,
) -> Result<ColumnChunk> {
    let mut writer = ChunkWriter::new(descr, options)?;
    let used = used_codes(column, rows.clone());
    write_dictionary(&mut writer, column, &used)?;
    let is_nullable = descr.max_def_level() > 0;
    let (mut plain, mut bounds) = (Vec::new(), PagedBounds::default());
    for page in options.pages(rows.clone()) {
        let page_rows = page.len();
        let runs = column.within(page);
        plain.clear();
        if is_nullable {
            push_levels(&mut plain, runs.clone().map(|(code, rows)| (code != NULL, rows)))?;
        }
        let of_page = CodeBounds::of(runs.clone());
        bounds.add(of_page.codes);
        let encoding = push_codes(&mut plain, runs, &used);
        let text = |code: i32| column.value(code).as_bytes().to_vec();
        writer.write_data_page(DataPage {
            rows: page_rows,
            nulls: of_page.nulls,
            bounds: of_page.codes.map(|(min, max)| (text(min), text(max))),
            encoding,
            plain: &plain,
        })?;
    }
    let text = |code: i32| ByteArray::from(column.value(code));
    let (min, max) = bounds.all.map(|(min, max)| (text(min), text(max))).unzip();
    let length = |code: i32| if code == NULL { 0 } else { column.value(code).len() };
    let statistics = ValueStatistics::new(min, max, None, Some(writer.nulls()), false);
    writer.close(ChunkSummary {
        statistics: Statistics::ByteArray(statistics),
        is_ascending: bounds.is_ascending,
        text_bytes: Some(column.within(rows).map(|(code, rows)| length(code) * rows).sum()),
    })
}

/// Codes of the column that some rows have, ascending: their positions are the codes of the chunk.
fn used_codes(column: &TextRuns, rows: Range<usize>) -> Vec<i32> {
    let mut used: Vec<i32> = column.within(rows).map(|(code, _)| code).filter(|code| *code != NULL).collect();
    used.sort_unstable();
    used.dedup();
    used
}

fn write_dictionary(writer: &mut ChunkWriter, column: &TextRuns, used: &[i32]) -> Result<()> {
    if used.is_empty() {
        return Ok(());
    }
    let mut plain = Vec::new();
    for &code in used {
        let text = column.value(code);
        plain.extend_from_slice(&length_bytes(text.len())?);
        plain.extend_from_slice(text.as_bytes());
    }
    writer.write_dictionary(used.len(), &plain)
}

/// Appends the codes of a page and returns how they are encoded.
fn push_codes(plain: &mut Vec<u8>, runs: impl Iterator<Item = (i32, usize)>, used: &[i32]) -> Encoding {
    if used.is_empty() {
        return Encoding::PLAIN;
    }
    let width = (used.len() - 1).checked_ilog2().map_or(0, |bits| bits + 1);
    plain.push(u8::try_from(width).expect("a position has less than 64 bits"));
    for (code, rows) in runs.filter(|(code, _)| *code != NULL) {
        let code = used.binary_search(&code).expect("the codes of all runs were taken");
        push_run(plain, code as u64, rows, width);
    }
    Encoding::RLE_DICTIONARY
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field};
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
    use parquet::file::metadata::ParquetMetaData;
    use parquet::file::page_index::column_index::ColumnIndexMetaData;
    use proptest::prelude::*;

    use super::*;
    use crate::column::chunk::tests::{file_of, read_back};

    /// A file of one column, a row group for each range of rows.
    fn file(column: &TextRuns, is_nullable: bool, groups: &[Range<usize>], options: ChunkOptions) -> Bytes {
        file_of(&Field::new("text", DataType::Utf8, is_nullable), groups, |rows, descr| {
            encode_text(column, rows, descr, options).unwrap()
        })
    }

    fn read(
        file: &Bytes,
        is_nullable: bool,
        selection: Option<RowSelection>,
    ) -> (Arc<ParquetMetaData>, Vec<Option<String>>) {
        let (metadata, columns) = read_back(file, &Field::new("text", DataType::Utf8, is_nullable), selection);
        let texts = columns.iter().flat_map(|column| column.as_string::<i32>());
        (metadata, texts.map(|text| text.map(str::to_owned)).collect())
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
            let bytes = file(&column, has_nulls, &groups, ChunkOptions { page_rows_max, zstd_level: 1 });
            let (metadata, rows) = read(&bytes, has_nulls, None);
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
            let (_, rows) = read(&bytes, has_nulls, Some(selection.into()));
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
        let bytes = file(&column, true, &[all], ChunkOptions { page_rows_max: 2_000_000, zstd_level: 1 });
        assert!(bytes.len() < 1_000, "{} bytes", bytes.len());
        assert_eq!(read(&bytes, true, None).1.len(), 2_000_000);
    }
}
