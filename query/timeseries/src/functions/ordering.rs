//! The order of results, which spares a sort above a function.

use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};

/// The order of the argument at `at`, where all others are constants.
pub(crate) fn time_order(inputs: &[ExprProperties], at: usize) -> SortProperties {
    let constant = |(position, input): (usize, &ExprProperties)| {
        position == at || input.sort_properties == SortProperties::Singleton
    };
    match inputs.get(at) {
        Some(time) if inputs.iter().enumerate().all(constant) => time.sort_properties,
        _ => SortProperties::Unordered,
    }
}
