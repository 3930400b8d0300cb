//! A batch whose columns have been read and checked.

use arrow::array::ArrayRef;
use arrow::buffer::ScalarBuffer;

use super::faults::{ReadingFaults, RowFaults};
use super::zones::RowZones;

/// Access to what was sent, for the table `rejected`.
pub(crate) trait Sent {
    /// The row as a JSON object by column name, nulls left out; with `field`, only its time, device and that field.
    fn row(&self, row: usize, field: Option<&str>) -> serde_json::Map<String, serde_json::Value>;
}

/// A batch whose columns have been read and checked.
#[derive(Debug)]
pub(crate) struct CheckedRows {
    /// Event times. Those of faulty rows may be anything.
    pub(crate) times_us: ScalarBuffer<i64>,
    /// Device keys; 0 in faulty rows.
    pub(crate) devices: Vec<u32>,
    /// Zone of each row.
    pub(crate) zones: RowZones,
    /// Qualities by number.
    pub(crate) qualities: Vec<u8>,
    /// Fields in the table's order and their storage types; none where a field was not sent.
    pub(crate) fields: Vec<Option<ArrayRef>>,
    /// Rows that are rejected whole.
    pub(crate) row_faults: RowFaults,
    /// Values that are no readings.
    pub(crate) reading_faults: ReadingFaults,
}

impl CheckedRows {
    pub(crate) fn len(&self) -> usize {
        self.times_us.len()
    }
}
