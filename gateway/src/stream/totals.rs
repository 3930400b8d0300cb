//! Totals of everything that was sent on a stream.

use zonelake_schemas::wire::control::Rejection;

use crate::outbox::acked::Acked;

/// Totals of everything that was sent. Counts of acknowledgements that were lost with a link are missing in them:
/// `uncounted_batches` is the number of such batches; their rows are durable nevertheless.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamTotals {
    /// Batches that became durable.
    pub batches: u64,
    /// Rows sent in them.
    pub rows_sent: u64,
    /// Rows stored in the table, as acknowledged.
    pub rows: u64,
    /// Readings stored in the table, as acknowledged.
    pub readings: u64,
    /// Rows that went whole to `rejected`, as acknowledged.
    pub rejected_rows: u64,
    /// Single readings that went to `rejected`, as acknowledged.
    pub rejected_readings: u64,
    /// Batches that became durable without their acknowledgement having arrived.
    pub uncounted_batches: u64,
    /// The first reasons of rejection; at most 16.
    pub rejections: Vec<Rejection>,
    /// Times that the stream was opened.
    pub links: u64,
}

impl StreamTotals {
    pub(super) fn add(&mut self, acked: &Acked) {
        let batches = acked.batches.len() as u64;
        self.batches += batches;
        self.rows_sent += acked.batches.iter().map(|batch| batch.rows).sum::<u64>();
        match acked.counts {
            Some(counts) => {
                self.rows += counts.rows;
                self.readings += counts.readings;
                self.rejected_rows += counts.rejected_rows;
                self.rejected_readings += counts.rejected_readings;
            }
            None => self.uncounted_batches += batches,
        }
        self.keep(acked.rejections.iter().cloned());
    }

    /// Adds the totals of another stream.
    pub fn merge(&mut self, other: Self) {
        self.batches += other.batches;
        self.rows_sent += other.rows_sent;
        self.rows += other.rows;
        self.readings += other.readings;
        self.rejected_rows += other.rejected_rows;
        self.rejected_readings += other.rejected_readings;
        self.uncounted_batches += other.uncounted_batches;
        self.links += other.links;
        self.keep(other.rejections);
    }

    fn keep(&mut self, rejections: impl IntoIterator<Item = Rejection>) {
        let room = REJECTIONS_KEPT_MAX.saturating_sub(self.rejections.len());
        self.rejections.extend(rejections.into_iter().take(room));
    }
}

/// Reasons of rejection that the totals keep.
const REJECTIONS_KEPT_MAX: usize = 16;
