//! Relations made of other relations.
//!
//! - [`latest`]: the last row of every device
//! - [`asof_join`]: rows joined to the nearest in time
//! - [`generate_series`]: series of times

pub(crate) mod asof_join;
pub(crate) mod generate_series;
pub(crate) mod latest;
