//! Batches that have become durable.

use std::time::Duration;

use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::Rejection;

/// Batches that one response of the server has made durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Acked {
    /// Last durable batch now.
    pub number: BatchNumber,
    /// The server's counts since its previous acknowledgement; `None` where the batches had become durable before a
    /// link broke, so that their acknowledgement was lost.
    pub counts: Option<AckedCounts>,
    /// Reasons why rows or readings were rejected; at most 16 entries.
    pub rejections: Vec<Rejection>,
    /// The batches, in their order.
    pub batches: Vec<AckedBatch>,
}

/// Counts of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AckedCounts {
    /// Rows stored in the table.
    pub rows: u64,
    /// Readings stored in the table.
    pub readings: u64,
    /// Rows that went whole to `rejected`.
    pub rejected_rows: u64,
    /// Single readings that went to `rejected`.
    pub rejected_readings: u64,
    /// Batches that were known already.
    pub repeated_batches: u64,
}

/// One batch that has become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckedBatch {
    /// Sequence number.
    pub number: BatchNumber,
    /// Rows that were sent in it.
    pub rows: u64,
    /// From its submission to its acknowledgement.
    pub latency: Duration,
}
