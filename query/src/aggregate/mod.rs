//! Aggregation of neighboring rows:
//!
//! - [`runs`]: neighboring rows with the same keys
//! - [`run_aggregate`]: the first stage of an aggregation, one look-up a run

pub(crate) mod run_aggregate;
pub(crate) mod runs;
