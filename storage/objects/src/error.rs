//! Errors of the store that its users tell from others.

use std::io;
use std::path::PathBuf;

/// A file has its name already, but the folder that holds the name could not be synced: it may be gone after a power
/// loss. This error stands in the source chain of the store's error.
#[derive(Debug, thiserror::Error)]
#[error("{path} is written but its folder cannot be synced: {source}", path = path.display())]
pub struct NotSynced {
    /// File whose name may not survive.
    pub path: PathBuf,
    /// Cause.
    pub source: io::Error,
}

/// Name of this store in errors.
pub(crate) const STORE_NAME: &str = "SyncedStore";
