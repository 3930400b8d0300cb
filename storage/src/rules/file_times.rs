//! Bounds of the time of a file's rows, by its statistics.

use zonelake_parquet::{DataFile, StatValue};

/// Bounds of the time of a file's rows, microseconds since 1970, UTC, to the millisecond.
pub fn times_us(file: &DataFile) -> Option<(i64, i64)> {
    let stats = file.stats.get("time")?;
    match (&stats.min, &stats.max) {
        (Some(StatValue::Integer(first)), Some(StatValue::Integer(last))) => Some((*first, *last)),
        _ => None,
    }
}
