//! Who answers a report.

use arrow::array::RecordBatch;

use crate::error::ReportError;

/// Whoever answers the statements of a report, under rights and limits of its own.
pub trait Answers {
    /// Rows that answer a statement.
    ///
    /// # Errors
    /// Where it is refused or fails.
    fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, ReportError>;
}
