//! Relations made of other relations.
//!
//! - [`latest`]: the last row of every device
//! - [`live_windows`]: what places have measured up to now
//! - [`asof_join`]: rows joined to the nearest in time
//! - [`generate_series`]: series of times
//! - [`range`]: series of times without their end

pub(crate) mod asof_join;
pub(crate) mod generate_series;
pub(crate) mod latest;
pub(crate) mod live_windows;
pub(crate) mod range;
