//! Counters of the write side, for `/metrics`.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use zonelake_storage::Entry;

use crate::pipeline::command::BatchSummary;

/// Counters of the write side. A reading is one non-null value. Those that are public are counted by the interfaces.
#[derive(Debug)]
pub struct IngestMetrics {
    /// Rows stored.
    pub(crate) rows: Counter,
    /// Readings stored.
    pub(crate) readings: Counter,
    /// Rows that went whole to `rejected`.
    pub(crate) rejected_rows: Counter,
    /// Readings that went to `rejected`.
    pub(crate) rejected_readings: Counter,
    /// Batches that had been stored before.
    pub repeated_batches: Counter,
    /// Batches and streams refused.
    pub refusals: Counter,
    /// QUIC connections that are open.
    pub connections: Gauge,
    /// Initial packets that were answered with a Retry token.
    pub handshakes_retried: Counter,
    /// Connections that were closed after too long a silence.
    pub connections_lost: Counter,
    /// Connections refused by a limit.
    pub connections_refused: Counter,
    /// Connections without a token that were closed since their place was needed.
    pub connections_evicted: Counter,
    /// Streams of batches that are open.
    pub(crate) streams: Gauge,
    /// Batches that wait for a thread that decodes them.
    pub(crate) decode_waiting: Gauge,
    /// Time that a batch waited for it.
    pub(crate) decode_wait_seconds: Histogram,
    /// Batches that were not decoded, since their sender had gone away.
    pub(crate) decode_abandoned: Counter,
    /// Time from a batch's arrival to its acknowledgement.
    pub ack_seconds: Histogram,
    batches: Counter,
    log_bytes: Counter,
    group_seconds: Histogram,
    group_batches: Histogram,
    flushed_rows: Counter,
    flushed_bytes: Counter,
    flush_errors: Counter,
    merged_files: Counter,
    merged_bytes: Counter,
    merge_errors: Counter,
    erased_rows: Counter,
}

impl IngestMetrics {
    /// Counters that are registered in `registry`.
    pub fn new(registry: &mut Registry) -> Self {
        Self {
            connections: gauge(registry, "zonelake_quic_connections", "QUIC connections that are open"),
            streams: gauge(registry, "zonelake_streams", "Streams of batches that are open"),
            decode_waiting: gauge(
                registry,
                "zonelake_decode_waiting",
                "Batches and requests that wait for a thread that decodes them",
            ),
            decode_wait_seconds: seconds(
                registry,
                "zonelake_decode_wait",
                "Time that a batch or request waited for a thread that decodes it",
                0.000_05,
            ),
            group_seconds: seconds(
                registry,
                "zonelake_group_commit",
                "Time of one group commit: write, sync, publish",
                0.000_1,
            ),
            ack_seconds: seconds(
                registry,
                "zonelake_acknowledgement",
                "Time from the arrival of a batch over QUIC to its acknowledgement",
                0.000_25,
            ),
            group_batches: batches_of_group(registry),
            rows: counter(registry, "zonelake_rows_stored", "Rows stored"),
            readings: counter(registry, "zonelake_readings_stored", "Readings (non-null values) stored"),
            rejected_rows: counter(registry, "zonelake_rows_rejected", "Rows that went whole to the table rejected"),
            rejected_readings: counter(
                registry,
                "zonelake_readings_rejected",
                "Single readings that went to the table rejected",
            ),
            repeated_batches: counter(
                registry,
                "zonelake_batches_repeated",
                "Batches that were stored before and not again",
            ),
            refusals: counter(registry, "zonelake_refusals", "Batches and streams refused"),
            handshakes_retried: counter(
                registry,
                "zonelake_quic_handshakes_retried",
                "First packets whose sender was asked to prove its address",
            ),
            connections_lost: counter(
                registry,
                "zonelake_quic_connections_lost",
                "QUIC connections closed after too long a silence of the other side",
            ),
            connections_refused: counter(
                registry,
                "zonelake_quic_connections_refused",
                "QUIC connections refused by a limit",
            ),
            connections_evicted: counter(
                registry,
                "zonelake_quic_connections_evicted",
                "QUIC connections without a token closed since their place was needed",
            ),
            decode_abandoned: counter(
                registry,
                "zonelake_decode_abandoned",
                "Batches and requests that were not decoded, since their sender had gone away",
            ),
            batches: counter(registry, "zonelake_batches_written", "Batches written to the log"),
            log_bytes: counter(registry, "zonelake_log_written_bytes", "Bytes written to the log"),
            flushed_rows: counter(registry, "zonelake_rows_flushed", "Rows written to Parquet files and committed"),
            flushed_bytes: counter(registry, "zonelake_flushed_bytes", "Bytes of the Parquet files written"),
            flush_errors: counter(registry, "zonelake_flush_errors", "Flushes that failed; they are tried again"),
            merged_files: counter(registry, "zonelake_files_merged", "Files that were merged into larger ones"),
            merged_bytes: counter(registry, "zonelake_merged_bytes", "Bytes of the files that merges have written"),
            erased_rows: counter(registry, "zonelake_rows_erased", "Rows taken out of files, by retention or deletion"),
            merge_errors: counter(
                registry,
                "zonelake_merge_errors",
                "Merges that failed; their files stay as they are",
            ),
        }
    }

    /// Counts a batch that was stored now, and not before.
    pub fn count_stored(&self, batch: &BatchSummary) {
        self.rows.inc_by(batch.rows);
        self.readings.inc_by(batch.readings);
        self.rejected_rows.inc_by(batch.rejected_rows);
        self.rejected_readings.inc_by(batch.rejected_readings);
    }

    pub(crate) fn count_erased(&self, rows: u64) {
        self.erased_rows.inc_by(rows);
    }

    pub(crate) fn count_group<'a>(&self, entries: impl Iterator<Item = &'a Entry>, took: Duration) {
        let (batches, bytes) = entries.fold((0, 0), |(batches, bytes), entry| (batches + 1, bytes + entry.log_bytes()));
        self.batches.inc_by(batches);
        self.log_bytes.inc_by(bytes);
        self.group_seconds.observe(took.as_secs_f64());
        self.group_batches.observe(batches as f64);
    }

    pub(crate) fn count_flush(&self, flushed: &zonelake_storage::Flushed) {
        self.flushed_rows.inc_by(flushed.rows);
        self.flushed_bytes.inc_by(flushed.bytes);
    }

    pub(crate) fn count_merge(&self, merged: &zonelake_storage::Compacted) {
        self.merged_files.inc_by(merged.files);
        self.merged_bytes.inc_by(merged.bytes_after);
    }

    pub(crate) fn count_merge_error(&self) {
        self.merge_errors.inc();
    }

    pub(crate) fn count_flush_error(&self) {
        self.flush_errors.inc();
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

/// A histogram of sixteen buckets, each twice as wide as the one before: up to 33,000 times the first.
fn seconds(registry: &mut Registry, name: &str, help: &str, first: f64) -> Histogram {
    let histogram = Histogram::new(exponential_buckets(first, 2.0, 16));
    registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
    histogram
}

fn batches_of_group(registry: &mut Registry) -> Histogram {
    let histogram = Histogram::new(exponential_buckets(1.0, 2.0, 12));
    registry.register("zonelake_group_commit_batches", "Batches in one group commit", histogram.clone());
    histogram
}
