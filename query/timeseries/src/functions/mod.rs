//! Scalar functions over times.
//!
//! - [`function`]: a function of SQL from its types and its body
//! - [`ordering`]: the order of a result from the order of an argument
//! - [`time_bucket`]: the bucket of a time
//! - [`date_trunc`]: `date_trunc` and `date_part`
//! - [`timestamps`]: instants, local times and text made from each other
//! - [`intervals`]: arithmetic with intervals
//! - [`to_char`], [`number_chars`]: times and numbers in patterns
//! - [`now`]: the time of the statement

pub(crate) mod date_trunc;
pub(crate) mod function;
pub(crate) mod intervals;
pub(crate) mod now;
pub(crate) mod number_chars;
pub(crate) mod ordering;
pub(crate) mod time_bucket;
pub(crate) mod timestamps;
pub(crate) mod to_char;
