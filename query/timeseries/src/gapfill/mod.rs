//! Rows for the buckets of which there are none, in the order in which a statement meets it:
//!
//! - [`functions`]: `time_bucket_gapfill`, `locf` and `interpolate`, which mean something together only
//! - [`rule`]: finds them in a plan and puts the operator in their place
//! - [`node`]: the operator in a logical plan
//! - [`planner`]: what it is made from when it runs
//! - [`exec`]: the operator that runs
//! - [`limits`]: how many buckets and rows are filled in

pub(crate) mod exec;
pub(crate) mod functions;
pub(crate) mod limits;
pub(crate) mod node;
pub(crate) mod planner;
pub(crate) mod rule;
