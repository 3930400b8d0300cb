//! Limits of what is filled in.

/// Buckets that a range may have.
pub(crate) const BUCKETS_MAX: i64 = 1_000_000;
/// Rows that may be filled in, in one answer.
pub(crate) const ROWS_MAX: u64 = 100_000_000;
