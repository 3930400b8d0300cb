//! A column of integers that mostly repeat from one row to the next: the time of receipt, which all rows of a batch share, and the
//! parts of a row's identity that all rows of a record share.
//!
//! Where runs are long, the dictionary has each value that the chunk has, ascending, `PLAIN`. The values of a page are the width of
//! their codes in bits as 1 byte, then runs of codes (`RLE_DICTIONARY`). Elsewhere the differences between neighbours take
//! less: [`crate::column::integer`].

use std::ops::Range;

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::schema::types::ColumnDescPtr;

use crate::column::chunk::{
    Bounds, ChunkOptions, ChunkSummary, ChunkWriter, ColumnChunk, DataPage, PagedBounds, push_levels, push_run,
};
use crate::column::integer::{Stored, encode_integers};

/// Encodes some rows of a column; returns their minimum and maximum value too.
pub(crate) fn encode_runs<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    rows: Range<usize>,
    descr: &ColumnDescPtr,
    options: ChunkOptions,
) -> Result<(ColumnChunk, Bounds<T::Native>)>
where
    T::Native: Stored,
{
    if Runs::new(column, rows.clone()).count() * RUN_ROWS_MIN > rows.len() {
        return encode_integers(column, rows, descr, options);
    }
    let mut values: Vec<T::Native> = Runs::new(column, rows.clone()).filter_map(|run| run.value).collect();
    values.sort_unstable();
    values.dedup();
    if values.is_empty() {
        return encode_integers(column, rows, descr, options);
    }
    let mut writer = ChunkWriter::new(descr, options)?;
    let dictionary: Vec<u8> = values.iter().flat_map(|value| value.le_bytes()).collect();
    writer.write_dictionary(values.len(), &dictionary)?;
    let (mut plain, mut bounds) = (Vec::new(), PagedBounds::default());
    for page in options.pages(rows) {
        let page_rows = page.len();
        let runs: Vec<Run<T::Native>> = Runs::new(column, page).collect();
        plain.clear();
        if descr.max_def_level() > 0 {
            push_levels(&mut plain, runs.iter().map(|run| (run.value.is_some(), run.rows)))?;
        }
        push_codes(&mut plain, &runs, &values);
        let present = || runs.iter().filter_map(|run| run.value);
        let of_page = present().min().zip(present().max());
        bounds.add(of_page);
        writer.write_data_page(DataPage {
            rows: page_rows,
            nulls: runs.iter().filter(|run| run.value.is_none()).map(|run| run.rows).sum(),
            bounds: of_page.map(|(min, max)| (min.le_bytes(), max.le_bytes())),
            encoding: Encoding::RLE_DICTIONARY,
            plain: &plain,
        })?;
    }
    let statistics = T::Native::statistics(bounds.all, writer.nulls());
    let chunk = writer.close(ChunkSummary { statistics, is_ascending: bounds.is_ascending, text_bytes: None })?;
    Ok((chunk, bounds.all))
}

/// Rows next to each other that have one value, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run<N> {
    value: Option<N>,
    rows: usize,
}

/// The runs of some rows.
struct Runs<'a, T: ArrowPrimitiveType> {
    column: &'a PrimitiveArray<T>,
    rows: Range<usize>,
}

impl<'a, T: ArrowPrimitiveType> Runs<'a, T> {
    fn new(column: &'a PrimitiveArray<T>, rows: Range<usize>) -> Self {
        Self { column, rows }
    }

    fn value(&self, row: usize) -> Option<T::Native> {
        self.column.is_valid(row).then(|| self.column.value(row))
    }
}

impl<T: ArrowPrimitiveType> Iterator for Runs<'_, T> {
    type Item = Run<T::Native>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.rows.next()?;
        let value = self.value(start);
        while self.rows.start < self.rows.end && self.value(self.rows.start) == value {
            self.rows.start += 1;
        }
        Some(Run { value, rows: self.rows.start - start })
    }
}

/// Appends the codes of a page.
fn push_codes<N: Stored>(plain: &mut Vec<u8>, runs: &[Run<N>], values: &[N]) {
    let width = (values.len() - 1).checked_ilog2().map_or(0, |bits| bits + 1);
    plain.push(u8::try_from(width).expect("a position has less than 64 bits"));
    for run in runs {
        let Some(value) = run.value else { continue };
        let code = values.binary_search(&value).expect("the values of all runs were taken");
        push_run(plain, code as u64, run.rows, width);
    }
}

/// Rows of a run, on average, from which a dictionary takes less: a run takes three bytes or so, and a change between
/// neighbours makes all 64 differences around it as wide as it is.
const RUN_ROWS_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field, Int64Type};
    use parquet::file::page_index::column_index::ColumnIndexMetaData;
    use proptest::prelude::*;

    use super::*;
    use crate::column::chunk::tests::{file_of, read_back};

    proptest! {
        #[test]
        fn what_is_written_is_read_back_with_its_bounds(
            runs in prop::collection::vec(
                (prop::option::weighted(0.9, prop_oneof![0i64..20, any::<i64>()]), 1usize..60),
                1..80,
            ),
            page_rows_max in 1usize..300,
            cut in any::<usize>(),
        ) {
            let rows: Vec<Option<i64>> =
                runs.iter().flat_map(|&(value, rows)| std::iter::repeat_n(value, rows)).collect();
            let column: PrimitiveArray<Int64Type> = rows.iter().copied().collect();
            let cut = cut % rows.len();
            let groups: Vec<_> = [0..cut, cut..rows.len()].into_iter().filter(|rows| !rows.is_empty()).collect();
            let field = Field::new("n", DataType::Int64, true);
            let options = ChunkOptions { page_rows_max, zstd_level: 1 };
            let bounds_of = |rows: &[Option<i64>]| {
                rows.iter().flatten().min().copied().zip(rows.iter().flatten().max().copied())
            };
            let file = file_of(&field, &groups, |group, descr| {
                let (chunk, bounds) = encode_runs(&column, group.clone(), descr, options).unwrap();
                assert_eq!(bounds, bounds_of(&rows[group]));
                chunk
            });
            let (metadata, columns) = read_back(&file, &field, None);
            let found: Vec<_> = columns.iter().flat_map(|column| column.as_primitive::<Int64Type>().iter()).collect();
            prop_assert_eq!(&found, &rows);
            for (number, group) in groups.into_iter().enumerate() {
                let ColumnIndexMetaData::INT64(index) = &metadata.column_index().unwrap()[number][0] else { panic!() };
                for (page, rows) in rows[group].chunks(page_rows_max).enumerate() {
                    prop_assert_eq!(index.min_value(page).copied().zip(index.max_value(page).copied()), bounds_of(rows));
                }
            }
        }
    }

    #[test]
    fn long_runs_take_a_few_bytes_each_and_short_ones_the_difference() {
        let field = Field::new("n", DataType::Int64, false);
        let options = ChunkOptions { page_rows_max: 8_192, zstd_level: 1 };
        let size = |of_run: i64| {
            let column: PrimitiveArray<Int64Type> = (0..80_000).map(|row| Some(row / of_run * 1_000_003)).collect();
            let file = file_of(&field, std::slice::from_ref(&(0..80_000)), |rows, descr| {
                encode_runs(&column, rows, descr, options).unwrap().0
            });
            let (metadata, _) = read_back(&file, &field, None);
            let is_dictionary = metadata.row_group(0).column(0).dictionary_page_offset().is_some();
            (is_dictionary, usize::try_from(metadata.row_group(0).column(0).compressed_size()).unwrap())
        };
        let (is_dictionary, bytes) = size(100);
        assert!(is_dictionary && bytes < 800 * 8, "{bytes} bytes for 800 runs");
        let (is_dictionary, bytes) = size(1);
        assert!(!is_dictionary && bytes < 4_000, "{bytes} bytes for 80,000 equal steps");
    }
}
