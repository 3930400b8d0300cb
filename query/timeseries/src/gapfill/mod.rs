//! Rows for the buckets of which there are none, in the order in which a statement meets it:
//!
//! - [`functions`]: `time_bucket_gapfill`, `locf` and `interpolate`, which mean something together only
//! - [`rule`]: finds them in a plan and puts the operator in their place
//! - [`node`]: the operator in a logical plan
//! - [`planner`]: what it is made from when it runs
//! - [`exec`]: the operator that runs

pub mod exec;
pub mod functions;
pub mod node;
pub mod planner;
pub mod rule;

/// Buckets that a range may have.
pub const BUCKETS_MAX: i64 = 1_000_000;
/// Rows that may be filled in, in one answer.
pub const ROWS_MAX: u64 = 100_000_000;
