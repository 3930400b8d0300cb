//! Registration of all functions with a session.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use crate::aqi_index::AqiIndex;
use crate::geofence_distance::GeofenceDistance;
use crate::nowcast::{Nowcast, Weighting};

/// Adds the functions to a session.
///
/// # Errors
///
/// Fails where the session refuses one.
pub fn register(state: &mut SessionState) -> Result<()> {
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(AqiIndex::default())))?;
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(GeofenceDistance::default())))?;
    for weighting in [Weighting::Literal, Weighting::Normalized] {
        state.register_udaf(Arc::new(AggregateUDF::new_from_impl(Nowcast::new(weighting))))?;
    }
    Ok(())
}
