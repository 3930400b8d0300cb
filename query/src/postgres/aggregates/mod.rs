//! Aggregates whose last step, or whose moving frame, DataFusion gets wrong.
//!
//! A sum over a frame that moves subtracts what leaves the frame there: after 1e20 it has lost its small numbers, and after an infinity it is
//! NaN for good. PostgreSQL does not subtract doubles either, and adds up each frame again.
//!
//! - [`moments`]: what is known of a row, and of rows together
//! - [`moving`]: the accumulator of a frame that moves
//! - [`interval_mean`]: the mean of intervals
//! - [`percentile`]: the value between two others
//! - [`corrected`]: DataFusion's aggregates with these accumulators

pub(crate) mod corrected;
pub(crate) mod interval_mean;
pub(crate) mod moments;
pub(crate) mod moving;
pub(crate) mod percentile;
