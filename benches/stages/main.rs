//! The stages of the pipeline: each step of a reading's way, measured with the real components on the common workload, in readings a second.
//! A file for each stage, hence more than fifteen.
//! `cargo bench --workspace --bench stages`, with the name of a stage behind `--` for that one alone.
//!
//! - [`harness`]: a store in a real folder, gateways, and what they send
//! - [`stage`]: how long and how often a stage is measured
//! - [`encode`]: rows to payloads, at the gateway
//! - [`frame`]: the bytes of a stream to frames, and their digests
//! - [`arrow_decode`], [`line_decode`]: payloads to checked rows
//! - [`record`]: checked rows to the bytes of the WAL
//! - [`wal`]: records to the disk, synced
//! - [`shard`]: a group of batches: classified, written, synced, published
//! - [`live`]: rows published and merged
//! - [`sort`], [`parquet`]: live rows to files
//! - [`delta`]: files to the table
//! - [`scan`]: SQL over live rows and over files
//! - [`ceilings`]: what the machine can do at all: memory, disk, QUIC
#![expect(
    clippy::cast_possible_truncation,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]

mod arrow_decode;
mod ceilings;
mod delta;
mod encode;
mod frame;
mod harness;
mod line_decode;
mod live;
mod parquet;
mod record;
mod scan;
mod shard;
mod sort;
mod stage;
mod wal;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().without_plots().configure_from_args();
    for stage in [
        ceilings::measure,
        encode::measure,
        frame::measure,
        arrow_decode::measure,
        line_decode::measure,
        record::measure,
        wal::measure,
        shard::measure,
        live::measure,
        sort::measure,
        parquet::measure,
        delta::measure,
        scan::measure_hot,
        scan::measure_cold,
    ] {
        stage(&mut criterion);
    }
    criterion.final_summary();
}
