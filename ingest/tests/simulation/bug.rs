//! Bugs that are planted to see whether the simulation finds them. None of them is in the product.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The WAL's files are never synced.
    FileSyncDropped,
    /// The WAL's folders are never synced.
    FolderSyncDropped,
    /// With each segment that goes, the next one goes too.
    TruncatesTooEarly,
    /// Only the first checkpoint of each WAL is kept.
    LaterCheckpointsDropped,
    /// A batch is acknowledged when it is read, not when it is durable.
    AcknowledgedEarly,
    /// Recovery does not look at the transactions in the Delta log.
    TransactionsIgnored,
    /// A commit is reported before it is in the Delta log.
    CommitReportedEarly,
    /// Batches are stored whatever their number.
    NumbersIgnored,
}

impl Bug {
    pub(crate) const ALL: [Self; 8] = [
        Self::FileSyncDropped,
        Self::FolderSyncDropped,
        Self::TruncatesTooEarly,
        Self::LaterCheckpointsDropped,
        Self::AcknowledgedEarly,
        Self::TransactionsIgnored,
        Self::CommitReportedEarly,
        Self::NumbersIgnored,
    ];
}
