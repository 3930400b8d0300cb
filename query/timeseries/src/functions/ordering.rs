//! The order of results, which spares a sort above a function.

use arrow::datatypes::DataType;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};

use crate::time::columns::{is_instant, is_text};

/// The order of the argument at `at`, where it is of a type that `keeps_order` and all others are constants.
pub(crate) fn time_order(inputs: &[ExprProperties], at: usize, keeps_order: fn(&DataType) -> bool) -> SortProperties {
    let constant = |(position, input): (usize, &ExprProperties)| {
        position == at || input.sort_properties == SortProperties::Singleton
    };
    match inputs.get(at) {
        Some(time) if keeps_order(&time.range.data_type()) && inputs.iter().enumerate().all(constant) => {
            time.sort_properties
        }
        _ => SortProperties::Unordered,
    }
}

/// Every type but text: texts are in another order than the times that they mean, since their offsets differ.
pub(crate) fn any_time(of: &DataType) -> bool {
    !is_text(of)
}

/// Types whose instants are in their own order. Local times are not: those that a clock jumps over are counted from before the jump, so
/// that they are later than some that follow them.
pub(crate) fn instant_or_day(of: &DataType) -> bool {
    is_instant(of) || *of == DataType::Date32
}
