//! Live rows in the columns of SQL that a scan wants, made from the live schema.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatchOptions, StringViewArray, UInt32Array,
};
use arrow::buffer::Buffer;
use arrow::compute::{FilterBuilder, FilterPredicate, TakeOptions, cast, take};
use arrow::datatypes::{DataType, Date32Type, SchemaRef, TimestampMicrosecondType, UInt8Type, UInt32Type};
use arrow::record_batch::RecordBatch;
use datafusion::common::Result;
use zonelake_schemas::Quality;
use zonelake_schemas::columns::{LIVE_FIXED, SQL_FIXED, live, null_column};

use crate::scan::decimal_as_double::to_doubles;
use crate::scan::location_columns::LocationColumns;

/// Microseconds of a day; days are UTC.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// Projection of live rows to the columns of a scan.
#[derive(Debug)]
pub(crate) struct LiveRows {
    columns: Vec<ColumnSource>,
    schema: SchemaRef,
    locations: Arc<LocationColumns>,
    devices: Option<BooleanArray>,
    qualities: StringViewArray,
}

/// Source of a column of a scan.
#[derive(Debug, Clone, Copy)]
enum ColumnSource {
    Date,
    Location(usize),
    Quality,
    /// Live column as it is stored, or cast to the type of SQL.
    Stored(usize),
}

impl LiveRows {
    /// Rows with the columns of the SQL schema at the positions of `projection`, whose schema is `schema`. Where
    /// `devices` is given, rows of other device keys are left out.
    pub(crate) fn new(
        projection: &[usize],
        schema: SchemaRef,
        locations: Arc<LocationColumns>,
        devices: Option<BooleanArray>,
    ) -> Self {
        let columns = projection.iter().map(|&position| column_source(position)).collect();
        let qualities = StringViewArray::from_iter_values(Quality::ALL.map(Quality::name));
        Self { columns, schema, locations, devices, qualities }
    }

    /// Schema of the rows.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// True where all rows of a chunk are kept.
    pub(crate) fn keeps_all_rows(&self) -> bool {
        self.devices.is_none()
    }

    /// Rows of a batch in the live schema; none where no row is of a wanted device.
    ///
    /// # Errors
    /// For a device key that is not among the locations.
    pub(crate) fn project(&self, rows: &RecordBatch) -> Result<Option<RecordBatch>> {
        let filter = match &self.devices {
            Some(wanted) => match device_filter(wanted, rows)? {
                Wanted::None => return Ok(None),
                Wanted::All => None,
                Wanted::Some(filter) => Some(filter),
            },
            None => None,
        };
        let count = filter.as_ref().map_or(rows.num_rows(), FilterPredicate::count);
        let columns = self.columns.iter().zip(self.schema.fields()).map(|(&source, field)| {
            let stored = |position: usize| -> Result<ArrayRef> {
                let Some(column) = rows.columns().get(position) else {
                    return Ok(null_column(field.data_type(), count));
                };
                Ok(match &filter {
                    Some(filter) => filter.filter(column)?,
                    None => Arc::clone(column),
                })
            };
            self.column(source, field.data_type(), stored)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?))
    }

    fn column(
        &self,
        source: ColumnSource,
        data_type: &DataType,
        stored: impl Fn(usize) -> Result<ArrayRef>,
    ) -> Result<ArrayRef> {
        Ok(match source {
            ColumnSource::Date => {
                let times = stored(live::TIME)?;
                let dates: Date32Array =
                    times.as_primitive::<TimestampMicrosecondType>().unary::<_, Date32Type>(date_of);
                Arc::new(dates)
            }
            ColumnSource::Location(part) => {
                let keys = stored(live::DEVICE_KEY)?;
                compact(self.locations.gather(part, keys.as_primitive::<UInt32Type>())?)
            }
            ColumnSource::Quality => {
                let numbers = stored(live::QUALITY)?;
                let numbers: UInt32Array = numbers.as_primitive::<UInt8Type>().unary(u32::from);
                take(&self.qualities, &numbers, Some(TakeOptions { check_bounds: true }))?
            }
            ColumnSource::Stored(position) => compact(as_sql_type(stored(position)?, data_type)?),
        })
    }
}

/// Days since 1970 of the UTC date of an instant in µs.
pub(crate) fn date_of(time_us: i64) -> i32 {
    // The quotient of any 64-bit instant fits: 2^63 µs are 107 million days.
    i32::try_from(time_us.div_euclid(DAY_US)).unwrap_or(i32::MAX)
}

/// Source of a column by its position in the SQL schema, which begins with date, time, ingested_at, the location, quality and
/// backfill.
fn column_source(position: usize) -> ColumnSource {
    match position {
        0 => ColumnSource::Date,
        1 => ColumnSource::Stored(live::TIME),
        2 => ColumnSource::Stored(live::INGESTED_AT),
        3..=6 => ColumnSource::Location(position - 3),
        7 => ColumnSource::Quality,
        8 => ColumnSource::Stored(live::BACKFILL),
        field => ColumnSource::Stored(field - SQL_FIXED + LIVE_FIXED),
    }
}

fn as_sql_type(stored: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if stored.data_type() == data_type {
        Ok(stored)
    } else if stored.data_type().is_decimal() {
        to_doubles(&stored)
    } else {
        Ok(cast(&stored, data_type)?)
    }
}

/// Copies text that refers to far more bytes than it has: an operator that keeps batches, as a sort does, counts all bytes
/// that they refer to as its own, be they the names of all devices.
fn compact(column: ArrayRef) -> ArrayRef {
    let Some(views) = column.as_string_view_opt() else { return column };
    let held: usize = views.data_buffers().iter().map(Buffer::len).sum();
    if held > COMPACT_BYTES_MIN && held / 4 > views.total_buffer_bytes_used() { Arc::new(views.gc()) } else { column }
}

/// Text below this size is never copied.
const COMPACT_BYTES_MIN: usize = 65_536;

enum Wanted {
    None,
    All,
    Some(FilterPredicate),
}

fn device_filter(wanted: &BooleanArray, rows: &RecordBatch) -> Result<Wanted> {
    let keys = rows.column(live::DEVICE_KEY).as_primitive::<UInt32Type>();
    let bits = BooleanArray::from_unary(keys, |key| {
        let key = key as usize;
        key < wanted.len() && wanted.is_valid(key) && wanted.value(key)
    });
    Ok(match bits.true_count() {
        0 => Wanted::None,
        all if all == bits.len() => Wanted::All,
        _ => Wanted::Some(FilterBuilder::new(&bits).optimize().build()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_refers_to_far_more_than_it_has_is_copied() {
        let names: StringViewArray = (0..10_000).map(|n| Some(format!("a name of some length {n}"))).collect();
        let few = take(&names, &UInt32Array::from(vec![7, 9_999]), None).expect("two names");
        let held =
            |column: &ArrayRef| -> usize { column.as_string_view().data_buffers().iter().map(Buffer::len).sum() };
        let compacted = compact(Arc::clone(&few));
        assert!(held(&few) > 200_000 && held(&compacted) < 100);
        assert_eq!(few.as_string_view(), compacted.as_string_view());
        let all: ArrayRef = Arc::new(names);
        assert_eq!(held(&compact(Arc::clone(&all))), held(&all));
    }

    #[test]
    fn the_date_of_an_instant_before_1970_is_the_day_that_it_is_in() {
        assert_eq!(date_of(0), 0);
        assert_eq!(date_of(-1), -1);
        assert_eq!(date_of(DAY_US - 1), 0);
        assert_eq!(date_of(DAY_US), 1);
        assert_eq!(date_of(i64::MIN), -106_751_992);
    }
}
