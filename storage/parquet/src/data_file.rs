//! A data file as a table lists it: path, size, partition and statistics.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use object_store::path::Path;

use crate::error::ParquetFileError;

/// One Parquet file of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Path below the table's root, with `/`, not percent-encoded: `date=2026-01-01/part-….parquet`.
    pub path: String,
    /// Size of the file.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// Partition: days since 1970 of the UTC date of every row's `time`.
    pub date: i32,
    /// Statistics by column name of the file schema; a column without them is absent.
    pub stats: BTreeMap<String, ColumnStats>,
    /// XXH3-64 of all bytes; absent where another program has written it. `zonelake check` compares it.
    pub checksum: Option<u64>,
}

/// Statistics of one column in one file.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStats {
    /// A lower bound of its values, never above the true minimum (timestamps are rounded down to a millisecond, text is
    /// cut); absent where all are null, where the column has no order (booleans), and where no bound is known.
    pub min: Option<StatValue>,
    /// An upper bound of its values, never below the true maximum (timestamps are rounded up to a millisecond, cut text
    /// is rounded up); absent as `min` is.
    pub max: Option<StatValue>,
    /// Nulls. All values are null where this equals the rows of the file.
    pub nulls: u64,
}

/// A bound in the type in which the column is stored. Text is ordered by its bytes.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum StatValue {
    /// Integers, instants in µs, and decimals as their integer n.
    Integer(i64),
    /// Doubles.
    Double(f64),
    /// Text.
    Text(String),
}

/// The path of a data file in the store.
pub fn path_in_store(table_root: &Path, file: &str) -> Path {
    file.split('/').fold(table_root.clone(), |path, part| path.join(part))
}

/// The date of days since 1970, as partition folders have it.
///
/// # Errors
/// `DateOutOfRange` where the year has no four digits.
pub fn date_text(days: i32) -> Result<String, ParquetFileError> {
    let since = Days::new(u64::from(days.unsigned_abs()));
    let date = if days < 0 {
        NaiveDate::default().checked_sub_days(since)
    } else {
        NaiveDate::default().checked_add_days(since)
    };
    let text = date.map(|date| date.to_string()).filter(|text| text.len() == DATE_BYTES);
    text.ok_or(ParquetFileError::DateOutOfRange { days })
}

/// Reads what [`date_text`] writes.
pub fn date_from_text(text: &str) -> Option<i32> {
    let date: NaiveDate = text.parse().ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Bytes of `YYYY-MM-DD`.
const DATE_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_iso_8601_and_read_back() {
        for (days, text) in [(0, "1970-01-01"), (-1, "1969-12-31"), (10_957, "2000-01-01"), (20_454, "2026-01-01")] {
            assert_eq!(date_text(days).unwrap(), text);
            assert_eq!(date_from_text(text), Some(days));
        }
        for days in [i32::MAX, i32::MIN, 2_932_897] {
            assert!(matches!(date_text(days), Err(ParquetFileError::DateOutOfRange { .. })), "{days}");
        }
        assert_eq!(date_from_text("2026-13-01"), None);
    }
}
