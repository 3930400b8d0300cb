//! Aggregates that know the time of each value.
//!
//! - [`arguments`]: the value and its time, row by row
//! - [`first_last`]: `first`, `last` and `delta`
//! - [`counters`]: `increase`, `rate`, averages over time, and how long a state held
//! - [`single_group`]: an aggregate over one group, made of one over many

pub(crate) mod arguments;
pub(crate) mod counters;
pub(crate) mod first_last;
pub(crate) mod single_group;
