//! A column of booleans: pages of one bit a value, the lowest bit first (`PLAIN`), as Arrow has them.

use std::ops::Range;

use arrow::array::{Array, BooleanArray};
use arrow::buffer::BooleanBuffer;
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

use crate::column::chunk::{
    Bounds, ChunkOptions, ChunkSummary, ChunkWriter, ColumnChunk, DataPage, PagedBounds, push_validity,
};

/// Encodes some rows of a column.
pub(crate) fn encode_booleans(
    column: &BooleanArray,
    rows: Range<usize>,
    descr: &ColumnDescPtr,
    options: ChunkOptions,
) -> Result<ColumnChunk> {
    let mut writer = ChunkWriter::new(descr, options)?;
    let (mut plain, mut bounds) = (Vec::new(), PagedBounds::default());
    for rows in options.pages(rows) {
        let page = column.slice(rows.start, rows.len());
        plain.clear();
        if descr.max_def_level() > 0 {
            push_validity(&mut plain, page.nulls(), page.len())?;
        }
        match page.nulls().filter(|validity| validity.null_count() > 0) {
            None => push_bits(&mut plain, page.values()),
            Some(_) => push_bits(&mut plain, &page.iter().flatten().collect()),
        }
        let of_page = bounds_of(&page);
        bounds.add(of_page);
        writer.write_data_page(DataPage {
            rows: page.len(),
            nulls: page.null_count(),
            bounds: of_page.map(|(min, max)| (vec![u8::from(min)], vec![u8::from(max)])),
            encoding: Encoding::PLAIN,
            plain: &plain,
        })?;
    }
    let (min, max) = bounds.all.unzip();
    let statistics = ValueStatistics::new(min, max, None, Some(writer.nulls()), false);
    writer.close(ChunkSummary {
        statistics: Statistics::Boolean(statistics),
        is_ascending: bounds.is_ascending,
        text_bytes: None,
    })
}

fn push_bits(plain: &mut Vec<u8>, bits: &BooleanBuffer) {
    plain.extend_from_slice(bits.sliced().as_slice());
}

/// Minimum and maximum value; false comes first.
fn bounds_of(page: &BooleanArray) -> Bounds<bool> {
    let (trues, valid) = (page.true_count(), page.len() - page.null_count());
    (valid > 0).then_some((trues == valid, trues > 0))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Field};
    use parquet::file::page_index::column_index::ColumnIndexMetaData;
    use proptest::prelude::*;

    use super::*;
    use crate::column::chunk::tests::{file_of, read_back};

    fn bounds_and_nulls(rows: &[Option<bool>]) -> (Option<bool>, Option<bool>, u64) {
        let values = || rows.iter().copied().flatten();
        (values().min(), values().max(), rows.iter().filter(|row| row.is_none()).count() as u64)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_with_its_bounds(
            runs in prop::collection::vec((prop::option::of(any::<bool>()), 1usize..40), 1..40),
            has_nulls in any::<bool>(),
            page_rows_max in 1usize..300,
            cut in 0usize..1_600,
        ) {
            let value = |value: Option<bool>| if has_nulls { value } else { value.or(Some(true)) };
            let expected: Vec<Option<bool>> =
                runs.into_iter().flat_map(|(of_run, rows)| std::iter::repeat_n(value(of_run), rows)).collect();
            let column = BooleanArray::from(expected.clone());
            let cut = cut % expected.len();
            let groups: Vec<Range<usize>> =
                [0..cut, cut..expected.len()].into_iter().filter(|rows| !rows.is_empty()).collect();
            let options = ChunkOptions { page_rows_max, zstd_level: 1 };
            let field = Field::new("b", DataType::Boolean, has_nulls);
            let file = file_of(&field, &groups, |rows, descr| {
                encode_booleans(&column, rows, descr, options).unwrap()
            });
            let (metadata, columns) = read_back(&file, &field, None);
            let rows: Vec<Option<bool>> = columns.iter().flat_map(|column| column.as_boolean()).collect();
            prop_assert_eq!(&rows, &expected);
            for (number, group) in groups.iter().enumerate() {
                let rows = &expected[group.clone()];
                let statistics = metadata.row_group(number).column(0).statistics().unwrap();
                let Statistics::Boolean(found) = statistics else { panic!("{statistics}") };
                let found = (found.min_opt().copied(), found.max_opt().copied(), found.null_count_opt().unwrap());
                prop_assert_eq!(found, bounds_and_nulls(rows));
                let Some(ColumnIndexMetaData::BOOLEAN(index)) = metadata.column_index().map(|index| &index[number][0])
                else {
                    panic!("no index of booleans")
                };
                for (page, rows) in rows.chunks(page_rows_max).enumerate() {
                    let nulls = index.null_count(page).unwrap().cast_unsigned();
                    let found = (index.min_value(page).copied(), index.max_value(page).copied(), nulls);
                    prop_assert_eq!(found, bounds_and_nulls(rows));
                }
            }
        }
    }
}
