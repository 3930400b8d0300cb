//! Arguments of aggregates: a value and its time.

use arrow::array::{Array, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use crate::time::columns::{instant_type, is_text};

/// The type of the argument that is the time of a value.
pub(crate) fn time_argument(given: &DataType) -> Result<DataType> {
    match given {
        DataType::Timestamp(..) | DataType::Date32 => Ok(given.clone()),
        DataType::Null => Ok(instant_type()),
        text if is_text(text) => Ok(instant_type()),
        _ => plan_err!("a value has a time, and not {given}"),
    }
}

/// Calls `row` with each row that passes the filter and has a value in all of `columns`.
pub(crate) fn for_each_row(
    columns: &[&dyn Array],
    filter: Option<&BooleanArray>,
    rows: usize,
    mut row: impl FnMut(usize),
) {
    let full = columns.iter().all(|column| column.null_count() == 0);
    // Without nulls and filter, as most often, no row is looked at twice.
    match (full, filter) {
        (true, None) => (0..rows).for_each(row),
        _ => {
            let passes = |at: usize| filter.is_none_or(|filter| filter.is_valid(at) && filter.value(at));
            for at in 0..rows {
                if passes(at) && columns.iter().all(|column| column.is_valid(at)) {
                    row(at);
                }
            }
        }
    }
}
