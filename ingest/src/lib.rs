#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a batch passes
//!
//! - `limits`: the limits of one message, batch or request
//! - `batch`: the context of a batch, and a decoded batch
//! - `decode`: Arrow IPC messages, checked and brought to the table's columns
//! - `decode_pool`: the threads that decode, in turns of the principals
//! - `line`: line protocol, brought to the same columns
//! - `rows`: the checks of rows and readings, devices by name, and rows of the table `rejected`
//! - `pipeline`: quotas, queues and threads of the shards, and the flusher
//! - `write`: writes without sequence numbers, for HTTP and Flight SQL
//! - `audit`: entries of audit on their way into the WAL
//! - `replay`: rejected rows that have become acceptable
//! - `clock_watch`: a wall clock that is behind
//! - `refusal`: refusals of batches and streams, in words for the sender
//! - `metrics`: counters for `/metrics`; `health`: degraded components for `/health`

mod audit;
mod batch;
mod clock_watch;
mod decode;
mod decode_pool;
mod health;
mod limits;
mod line;
mod metrics;
mod pipeline;
mod refusal;
mod replay;
mod rows;
mod write;

pub use audit::log::AuditLog;
pub use batch::{BatchContext, DecodedBatch};
pub use decode::arrow::ArrowDecoder;
pub use decode_pool::pool::{DecodeError, DecodePlace, DecodePool, DecodeQueue};
pub use health::Health;
pub use limits::DecodeLimits;
pub use line::body::{DecodedLines, FaultyLines, LinesArgs, decode_lines};
pub use line::decoder::{LINE_GROWTH, LineDecoder};
pub use line::precision::Precision;
pub use line::tags::TagRules;
pub use metrics::IngestMetrics;
pub use pipeline::command::{BatchSummary, PendingBatch, Reply, SenderPermits, SessionId, StreamEvent, split_decoded};
pub use pipeline::compactor::Compactor;
pub use pipeline::flusher::Flusher;
pub use pipeline::gateway_quota::GatewayQuota;
pub use pipeline::last_keeper::LastKeeper;
pub use pipeline::pipeline::{Pipeline, PipelineOptions};
pub use pipeline::shard_writer::ShardWriter;
pub use pipeline::worker::{Stopped, Worker};
pub use refusal::Refusal;
pub use replay::replay::{RejectedRow, Replayed, drop_rows, replay_rows};
pub use write::{WriteError, WriteSink, WriteState, Written};
