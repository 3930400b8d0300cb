//! Counters of the write side, for `/metrics`.

use std::sync::atomic::AtomicU64;
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
    /// Streams of batches that are open.
    pub(crate) streams: Gauge,
    /// Time from a batch's arrival to its acknowledgement.
    pub ack_seconds: Histogram,
    batches: Counter,
    log_bytes: Counter,
    group_seconds: Histogram,
    group_batches: Histogram,
    flushed_rows: Counter,
    flushed_bytes: Counter,
    flush_errors: Counter<u64, AtomicU64>,
}

impl IngestMetrics {
    /// Counters that are registered in `registry`.
    pub fn new(registry: &mut Registry) -> Self {
        let counter = |registry: &mut Registry, name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let connections = Gauge::default();
        registry.register("zonelake_quic_connections", "QUIC connections that are open", connections.clone());
        let streams = Gauge::default();
        registry.register("zonelake_streams", "Streams of batches that are open", streams.clone());
        // Buckets from 0.1 ms to 3.3 s.
        let group_seconds = Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        registry.register_with_unit(
            "zonelake_group_commit",
            "Time of one group commit: write, sync, publish",
            Unit::Seconds,
            group_seconds.clone(),
        );
        let ack_seconds = Histogram::new(exponential_buckets(0.000_25, 2.0, 16));
        registry.register_with_unit(
            "zonelake_acknowledgement",
            "Time from the arrival of a batch over QUIC to its acknowledgement",
            Unit::Seconds,
            ack_seconds.clone(),
        );
        let group_batches = Histogram::new(exponential_buckets(1.0, 2.0, 12));
        registry.register("zonelake_group_commit_batches", "Batches in one group commit", group_batches.clone());
        Self {
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
            connections,
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
            streams,
            ack_seconds,
            batches: counter(registry, "zonelake_batches_written", "Batches written to the log"),
            log_bytes: counter(registry, "zonelake_log_written_bytes", "Bytes written to the log"),
            group_seconds,
            group_batches,
            flushed_rows: counter(registry, "zonelake_rows_flushed", "Rows written to Parquet files and committed"),
            flushed_bytes: counter(registry, "zonelake_flushed_bytes", "Bytes of the Parquet files written"),
            flush_errors: counter(registry, "zonelake_flush_errors", "Flushes that failed; they are tried again"),
        }
    }

    /// Counts a batch that was stored now, and not before.
    pub fn count_stored(&self, batch: &BatchSummary) {
        self.rows.inc_by(batch.rows);
        self.readings.inc_by(batch.readings);
        self.rejected_rows.inc_by(batch.rejected_rows);
        self.rejected_readings.inc_by(batch.rejected_readings);
    }

    pub(crate) fn count_group(&self, entries: &[Entry], took: Duration) {
        self.batches.inc_by(entries.len() as u64);
        self.log_bytes.inc_by(entries.iter().map(Entry::log_bytes).sum());
        self.group_seconds.observe(took.as_secs_f64());
        self.group_batches.observe(entries.len() as f64);
    }

    pub(crate) fn count_flush(&self, flushed: &zonelake_storage::Flushed) {
        self.flushed_rows.inc_by(flushed.rows);
        self.flushed_bytes.inc_by(flushed.bytes);
    }

    pub(crate) fn count_flush_error(&self) {
        self.flush_errors.inc();
    }
}
