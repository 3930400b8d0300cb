//! Instants that can be stored.

use std::ops::RangeInclusive;

/// Instants that a column of timestamps stores, microseconds since 1970, UTC: from the beginning of the year 1 to the end of
/// the year 9999. What formats and clients of SQL have as a date ends there: beyond it a row could be stored and not be read.
pub const INSTANTS_US: RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;
