//! Source of rows: CSV, Parquet or Arrow IPC, read in chunks.

use crate::columns::rows::RawRows;
use crate::error::PushError;

/// Rows of a source, in chunks.
pub(crate) trait RowSource: Send {
    /// Names of its columns.
    fn columns(&self) -> &[String];

    /// The next `rows_max` rows, or fewer at the end; of the columns at the positions `used` at least.
    fn next_rows(&mut self, used: &[usize], rows_max: usize) -> Result<Option<RawRows>, PushError>;
}
