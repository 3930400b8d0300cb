//! A column of integers (instants, decimals, bigints), which mostly follow each other in small steps: pages of
//! `DELTA_BINARY_PACKED` values.

use std::ops::Range;

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::NullBuffer;
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

use crate::column::chunk::{
    Bounds, ChunkOptions, ChunkSummary, ChunkWriter, ColumnChunk, DataPage, PagedBounds, push_validity,
};
use crate::column::delta_binary_packed::{Packed, push_packed};

/// An integer with the statistics of its physical type.
pub(crate) trait Stored: Packed {
    fn le_bytes(self) -> Vec<u8>;
    fn statistics(bounds: Bounds<Self>, nulls: u64) -> Statistics;
}

macro_rules! stored {
    ($type:ty, $variant:ident) => {
        impl Stored for $type {
            fn le_bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }

            fn statistics(bounds: Bounds<Self>, nulls: u64) -> Statistics {
                let (min, max) = bounds.unzip();
                let statistics = ValueStatistics::new(min, max, None, Some(nulls), false);
                // Signed numbers have had this order since the first version of the format.
                Statistics::$variant(statistics.with_backwards_compatible_min_max(true))
            }
        }
    };
}

stored!(i32, Int32);
stored!(i64, Int64);

/// Encodes some rows of a column; returns their minimum and maximum value too.
pub(crate) fn encode_integers<T: ArrowPrimitiveType>(
    column: &PrimitiveArray<T>,
    rows: Range<usize>,
    descr: &ColumnDescPtr,
    options: ChunkOptions,
) -> Result<(ColumnChunk, Bounds<T::Native>)>
where
    T::Native: Stored,
{
    let mut writer = ChunkWriter::new(descr, options)?;
    let (mut plain, mut dense) = (Vec::new(), Vec::new());
    let mut bounds = PagedBounds::default();
    for page in options.pages(rows) {
        let page_rows = page.len();
        let validity = column.nulls().map(|nulls| nulls.slice(page.start, page_rows));
        let validity = validity.filter(|validity| validity.null_count() > 0);
        let values = &column.values()[page];
        plain.clear();
        if descr.max_def_level() > 0 {
            push_validity(&mut plain, validity.as_ref(), page_rows)?;
        }
        let values = match &validity {
            None => values,
            Some(validity) => {
                keep_valid(&mut dense, values, validity);
                &dense[..]
            }
        };
        push_packed(&mut plain, values);
        let of_page = bounds_of(values);
        bounds.add(of_page);
        writer.write_data_page(DataPage {
            rows: page_rows,
            nulls: page_rows - values.len(),
            bounds: of_page.map(|(min, max)| (min.le_bytes(), max.le_bytes())),
            encoding: Encoding::DELTA_BINARY_PACKED,
            plain: &plain,
        })?;
    }
    let statistics = T::Native::statistics(bounds.all, writer.nulls());
    let chunk = writer.close(ChunkSummary { statistics, is_ascending: bounds.is_ascending, text_bytes: None })?;
    Ok((chunk, bounds.all))
}

/// Copies the values that are not null.
fn keep_valid<T: Copy>(dense: &mut Vec<T>, values: &[T], validity: &NullBuffer) {
    dense.clear();
    for (start, end) in validity.valid_slices() {
        dense.extend_from_slice(&values[start..end]);
    }
}

fn bounds_of<T: Packed>(values: &[T]) -> Bounds<T> {
    // Two passes, each of which becomes instructions that take many values at a time.
    let min = values.iter().fold(T::MAX, |min, value| min.min(*value));
    let max = values.iter().fold(T::MIN, |max, value| max.max(*value));
    (!values.is_empty()).then_some((min, max))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "narrow values are made of wide ones")]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Decimal32Type, Field, Int64Type, TimestampMicrosecondType};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
    use parquet::basic::{Compression, ZstdLevel};
    use parquet::file::metadata::ParquetMetaData;
    use parquet::file::page_index::column_index::ColumnIndexMetaData;
    use parquet::file::properties::WriterProperties;
    use proptest::prelude::*;

    use super::*;
    use crate::column::chunk::tests::{file_of, read_back};

    type Pages = Vec<(Option<i64>, Option<i64>, Option<i64>)>;

    /// Minimum and maximum value and nulls of each page, as the index has them.
    fn indexed(metadata: &ParquetMetaData, group: usize) -> Pages {
        macro_rules! pages {
            ($index:expr) => {
                (0..usize::try_from($index.num_pages()).unwrap())
                    .map(|page| {
                        let bound = |value: Option<&_>| value.copied().map(i64::from);
                        (bound($index.min_value(page)), bound($index.max_value(page)), $index.null_count(page))
                    })
                    .collect()
            };
        }
        match &metadata.column_index().unwrap()[group][0] {
            ColumnIndexMetaData::INT32(index) => pages!(index),
            ColumnIndexMetaData::INT64(index) => pages!(index),
            _ => panic!("no index of integers"),
        }
    }

    fn bounds_and_nulls(rows: &[Option<i64>]) -> (Option<i64>, Option<i64>, Option<i64>) {
        let values = || rows.iter().copied().flatten();
        (values().min(), values().max(), i64::try_from(rows.iter().filter(|row| row.is_none()).count()).ok())
    }

    fn check<T: ArrowPrimitiveType<Native: Stored>>(
        column: &PrimitiveArray<T>,
        is_nullable: bool,
        page_rows_max: usize,
        (cut, skip): (usize, usize),
    ) -> std::result::Result<(), TestCaseError> {
        let expected: Vec<Option<i64>> = column.iter().map(|value| value.map(Into::into)).collect();
        let all = expected.len();
        let groups = [0..cut % all, cut % all..all];
        let groups: Vec<Range<usize>> = groups.into_iter().filter(|rows| !rows.is_empty()).collect();
        let options = ChunkOptions { page_rows_max, zstd_level: 1 };
        let mut returned = Vec::new();
        let field = Field::new("n", column.data_type().clone(), is_nullable);
        let file = file_of(&field, &groups, |rows, descr| {
            let (chunk, bounds) = encode_integers(column, rows, descr, options).unwrap();
            returned.push(bounds.map(|(min, max)| (min.into(), max.into())));
            chunk
        });
        let read = |selection: Option<RowSelection>| {
            let (metadata, columns) = read_back(&file, &field, selection);
            let rows = columns.iter().flat_map(|column| column.as_primitive::<T>().iter());
            (metadata, rows.map(|value| value.map(Into::into)).collect::<Vec<Option<i64>>>())
        };
        let (metadata, rows) = read(None);
        prop_assert_eq!(&rows, &expected);
        for (number, group) in groups.iter().enumerate() {
            let rows = &expected[group.clone()];
            let (min, max, nulls) = bounds_and_nulls(rows);
            prop_assert_eq!(returned[number], min.zip(max));
            let statistics = metadata.row_group(number).column(0).statistics().unwrap();
            let found = match statistics {
                Statistics::Int32(found) => {
                    (found.min_opt().copied().map(i64::from), found.max_opt().copied().map(i64::from))
                }
                Statistics::Int64(found) => (found.min_opt().copied(), found.max_opt().copied()),
                other => panic!("{other}"),
            };
            prop_assert_eq!(found, (min, max));
            prop_assert_eq!(statistics.null_count_opt(), nulls.map(i64::cast_unsigned));
            let pages: Pages = rows.chunks(page_rows_max).map(bounds_and_nulls).collect();
            prop_assert_eq!(indexed(&metadata, number), pages);
        }
        // Pages are found by their offsets alone.
        let skip = skip % all;
        let selection = vec![RowSelector::skip(skip), RowSelector::select(all - skip)];
        let (_, rows) = read(Some(selection.into()));
        prop_assert_eq!(&rows, &expected[skip..]);
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_with_its_bounds(
            values in prop::collection::vec(prop_oneof![any::<i64>(), 0i64..100, Just(i64::MIN), Just(i64::MAX)], 1..2_000),
            null_runs in prop::collection::vec((0usize..2_000, 0usize..500), 0..4),
            scattered in any::<bool>(),
            page_rows_max in 1usize..700,
            at in (0usize..5_000, 0usize..5_000),
        ) {
            let is_null = |row: usize| {
                null_runs.iter().any(|&(start, rows)| (start..start + rows).contains(&row)) || scattered && values[row] % 3 == 0
            };
            let wide: Vec<Option<i64>> = (0..values.len()).map(|row| (!is_null(row)).then_some(values[row])).collect();
            let narrow = wide.iter().map(|value| value.map(|value| (value >> 7) as i32));
            let is_nullable = wide.contains(&None);
            check(&narrow.collect::<PrimitiveArray<Decimal32Type>>(), is_nullable, page_rows_max, at)?;
            check(&wide.iter().copied().collect::<PrimitiveArray<Int64Type>>(), is_nullable, page_rows_max, at)?;
            let instants: PrimitiveArray<TimestampMicrosecondType> = values.iter().copied().map(Some).collect();
            check(&instants, false, page_rows_max, at)?;
            check(&instants, true, page_rows_max, at)?;
        }
    }

    #[test]
    fn it_is_as_small_as_the_general_writers() {
        let mut walk = 5_000i32;
        let walk = (0..100_000i32).map(|row| {
            walk += row.wrapping_mul(0x9e37_79b9_u32.cast_signed()) >> 27;
            walk
        });
        let column: PrimitiveArray<Decimal32Type> = walk.map(Some).collect();
        let field = Field::new("n", column.data_type().clone(), false);
        let options = ChunkOptions { page_rows_max: 8_192, zstd_level: 1 };
        let own = file_of(&field, std::slice::from_ref(&(0..column.len())), |rows, descr| {
            encode_integers(&column, rows, descr, options).unwrap().0
        });
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()))
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::DELTA_BINARY_PACKED)
            .set_data_page_row_count_limit(options.page_rows_max)
            .set_write_batch_size(1_024)
            .build();
        let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(vec![field]));
        let mut general = ArrowWriter::try_new(Vec::new(), std::sync::Arc::clone(&schema), Some(properties)).unwrap();
        let rows = arrow::array::RecordBatch::try_new(schema, vec![std::sync::Arc::new(column)]).unwrap();
        general.write(&rows).unwrap();
        let general: Bytes = general.into_inner().unwrap().into();
        // The general file has the Arrow schema besides.
        assert!(own.len() <= general.len(), "{} bytes, {} by the general writer", own.len(), general.len());
        assert!(own.len() + 1_000 > general.len(), "{} bytes, {} by the general writer", own.len(), general.len());
    }
}
