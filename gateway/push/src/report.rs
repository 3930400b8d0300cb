//! Progress of a push while it runs, and its report at the end.

use zonelake_gateway::StreamTotals;

use crate::columns::position::BadRow;
use crate::error::PushError;

/// Receiver of the progress of a push, ten times a second.
pub trait ProgressSink: Send + Sync {
    /// Takes the progress so far.
    fn handle_progress(&self, progress: &PushProgress<'_>);
}

/// A sink that discards all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn handle_progress(&self, _progress: &PushProgress<'_>) {}
}

/// Progress of a push.
#[derive(Debug, Clone)]
pub struct PushProgress<'a> {
    /// Source that is being pushed.
    pub file: &'a str,
    /// Position of the source among the inputs, from 0.
    pub file_index: usize,
    /// Number of inputs.
    pub files: usize,
    /// Bytes of the source; `None` for standard input.
    pub bytes_total: Option<u64>,
    /// Bytes of the source whose rows are durable.
    pub bytes_durable: u64,
    /// Rows that were durable before this push.
    pub rows_before: u64,
    /// Totals of this source that this push has made durable.
    pub totals: &'a StreamTotals,
    /// Reason why the link is broken; `None` while it is open.
    pub broken: Option<String>,
    /// The source has been pushed completely.
    pub done: bool,
}

/// Result of a push, by source.
#[derive(Debug, Default)]
pub struct PushReport {
    /// Reports of the sources that were pushed, in their order.
    pub files: Vec<FileReport>,
    /// Sources that were not pushed, or not wholly, by a fault of theirs.
    pub failed: Vec<PushError>,
}

/// Result of one source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FileReport {
    /// Name of the source.
    pub file: String,
    /// Name of its producer.
    pub producer: String,
    /// Rows that could be read.
    pub rows: u64,
    /// Batches that were durable before this push, and were not sent.
    pub batches_before: u64,
    /// Rows in those batches.
    pub rows_before: u64,
    /// Rows that could not be read and were left out.
    pub bad_rows: u64,
    /// Cells that could not be read: they went to the table `rejected` as texts, and the rest of their rows is stored.
    pub bad_cells: u64,
    /// First rows and cells that could not be read; at most 8.
    pub first_bad: Vec<BadRow>,
    /// What is to be said about the source.
    pub notes: Vec<String>,
    /// Totals that this push has made durable.
    pub totals: StreamTotals,
}
