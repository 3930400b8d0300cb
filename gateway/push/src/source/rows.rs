//! Source of rows: text, sheet, Parquet or Arrow IPC, read in chunks.

use crate::columns::rows::RawRows;
use crate::error::PushError;

/// Rows of a source, in chunks.
pub(crate) trait RowSource: Send {
    /// Names of its columns.
    fn columns(&self) -> &[String];

    /// Units of its columns, where the source states them.
    fn units(&self) -> Option<&[String]> {
        None
    }

    /// The next `rows_max` rows, or fewer at the end; of the columns at the positions `used` at least.
    fn next_rows(&mut self, used: &[usize], rows_max: usize) -> Result<Option<RawRows>, PushError>;

    /// What is to be said about the source once all of it has been read.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

impl RowSource for Box<dyn RowSource> {
    fn columns(&self) -> &[String] {
        (**self).columns()
    }

    fn units(&self) -> Option<&[String]> {
        (**self).units()
    }

    fn next_rows(&mut self, used: &[usize], rows_max: usize) -> Result<Option<RawRows>, PushError> {
        (**self).next_rows(used, rows_max)
    }

    fn notes(&self) -> Vec<String> {
        (**self).notes()
    }
}
