//! Compaction: small files of a date are merged into larger ones, in the background.
//!
//! - [`options`]: sizes, budgets, retention
//! - [`policy`]: the files that are merged next
//! - [`mod@compact`]: one merge from its choice to its commit
//! - [`change`]: files exchanged for others by one commit
//! - [`retired`]: files that no version lists any more, until they are deleted
//! - [`sweep`]: their deletion, and what an earlier process has left
//! - [`error`]: why a merge failed

pub(crate) mod change;
pub(crate) mod compact;
pub(crate) mod error;
pub(crate) mod options;
pub(crate) mod policy;
pub(crate) mod retired;
pub(crate) mod sweep;
