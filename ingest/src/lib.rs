//! From a gateway to durable acknowledgement, in the order in which a reading passes:
//!
//! - [`limits`]: how much one message may hold
//! - [`decode`]: Arrow IPC messages, checked and brought to the table's columns
//! - [`mod@line`]: line protocol, brought to the same columns
//! - `devices`: device names to registry keys, once per name
//! - `validate`: what a row and a reading must satisfy, and what becomes of those that do not
//! - `rejected`: rows of the table `rejected`
//! - [`shares`]: how much of what is in flight may be of one gateway
//! - [`space`]: whether the disk has room for more
//! - [`refusal`]: why a batch or a stream is refused
//! - [`http_write`]: line protocol over HTTP; [`unnumbered`]: its way to the shards
//! - [`admission`]: who may connect; [`server`]: the QUIC endpoint; `peer`: a connection on it, and what it may hold
//! - [`session`]: one stream of batches on a connection
//! - `credentials`: from a token to its gateway
//! - [`pipeline`]: the shards' queues and threads; [`shard_writer`]: what makes batches durable; `budget`: bytes in flight;
//!   `verdicts`: numbers that are refused
//! - [`flusher`]: the thread that brings rows into files
//! - [`metrics`]: what all of it counts; [`health`]: what keeps it from its work

pub mod admission;
mod budget;
mod credentials;
pub mod decode;
mod devices;
pub mod flusher;
pub mod health;
pub mod http_write;
pub mod limits;
pub mod line;
pub mod metrics;
mod peer;
pub mod pipeline;
mod receiving;
pub mod refusal;
mod rejected;
pub mod server;
pub mod session;
pub mod shard_writer;
pub mod shares;
pub mod space;
pub mod unnumbered;
mod validate;
mod verdicts;

pub use credentials::gateway_of;
pub use decode::arrow::ArrowDecoder;
pub use decode::{Decoded, Source};
pub use limits::DecodeLimits;
pub use line::{LineDecoder, Precision};
pub use refusal::Refusal;
