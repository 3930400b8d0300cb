//! Rows with other values in their fields: what a correction writes in the place of a file.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

/// Gives rows of the file schema, a batch at a time, other values in some fields.
type Change = dyn Fn(&RecordBatch) -> Result<RecordBatch, ArrowError> + Send + Sync;

/// Change of values. It leaves alone how many rows there are, and by what they are sorted.
#[derive(Clone)]
pub struct RowChange(Arc<Change>);

impl fmt::Debug for RowChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowChange").finish_non_exhaustive()
    }
}

impl RowChange {
    /// A change by a function of the rows.
    pub fn new(change: impl Fn(&RecordBatch) -> Result<RecordBatch, ArrowError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(change))
    }

    /// The rows with their new values.
    pub(crate) fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let changed = (self.0)(rows)?;
        assert!(changed.num_rows() == rows.num_rows(), "a change of values leaves all rows");
        Ok(changed)
    }
}
