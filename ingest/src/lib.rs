#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a batch passes
//!
//! - `limits`: the limits of one message, batch or request
//! - `batch`: the context of a batch, and a decoded batch
//! - `decode`: Arrow IPC messages, checked and brought to the table's columns
//! - `line`: line protocol, brought to the same columns
//! - `rows`: the checks of rows and readings, devices by name, and rows of the table `rejected`
//! - `pipeline`: quotas, queues and threads of the shards, and the flusher
//! - `write`: writes without sequence numbers, for HTTP and Flight SQL
//! - `refusal`: refusals of batches and streams, in words for the sender
//! - `metrics`: counters for `/metrics`; `health`: degraded components for `/health`

mod batch;
mod decode;
mod health;
mod limits;
mod line;
mod metrics;
mod pipeline;
mod refusal;
mod rows;
mod write;

pub use batch::{BatchContext, DecodedBatch};
pub use decode::arrow::ArrowDecoder;
pub use health::Health;
pub use limits::DecodeLimits;
pub use line::body::{DecodedLines, FaultyLines, LinesArgs, decode_lines};
pub use line::decoder::LineDecoder;
pub use line::precision::Precision;
pub use metrics::IngestMetrics;
pub use pipeline::command::{BatchSummary, PendingBatch, Reply, SessionId, StreamEvent, split_decoded};
pub use pipeline::flusher::Flusher;
pub use pipeline::gateway_quota::GatewayQuota;
pub use pipeline::pipeline::{Pipeline, PipelineOptions};
pub use pipeline::shard_writer::ShardWriter;
pub use refusal::Refusal;
pub use write::{WriteError, WriteSink, WriteState, Written};
