//! Commits whose outcome is not known: they were reported as failed and may have landed. The next commit of the table finds out first.

use std::sync::Arc;

use zonelake_parquet::DataFile;

/// A commit whose outcome is not known.
#[derive(Debug)]
pub(crate) enum CommitInDoubt {
    /// A flush, with the files that it has written.
    Flush(Vec<Arc<DataFile>>),
    /// Files exchanged for others.
    Exchange(Exchange),
}

/// Files, and what takes their place.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub inputs: Vec<Arc<DataFile>>,
    /// The files in their place, which no version lists before the commit; none where nothing is left of them.
    pub outputs: Vec<Arc<DataFile>>,
    /// True where the outputs do not have the same rows: some are gone, or have other values.
    pub changes_rows: bool,
}

impl Exchange {
    /// Whether a version of the table with these files has the exchange behind it.
    pub(crate) fn has_landed(&self, files: &[Arc<DataFile>]) -> bool {
        let is_listed = |path: &str| files.iter().any(|file| file.path == path);
        match self.outputs.is_empty() {
            false => self.outputs.iter().any(|output| is_listed(&output.path)),
            true => !self.inputs.iter().any(|input| is_listed(&input.path)),
        }
    }
}
