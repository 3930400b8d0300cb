//! Relations made of other relations.
//!
//! - [`latest`]: the last row of every device
//! - [`asof_join`]: rows joined to the nearest in time
//! - [`generate_series`]: series of times

pub mod asof_join;
pub mod generate_series;
pub mod latest;
