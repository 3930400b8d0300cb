#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a connection and its batches pass
//!
//! - `receive_thread`: the thread that takes packets from the system
//! - `admission`: the decision on a first packet, before any cryptography, and the places of connections
//! - `windows`: the bytes that connections may have in flight and unread
//! - `endpoint`: the socket, its connections, and a task for each of their streams
//! - `connection`: a connection as its streams share it
//! - `open`: from the frame `Open` to an opened stream
//! - `pushes`: the frame `Pushes`: the ledger of what was pushed
//! - `schema_message`: a table's wire schema as gateways get it
//! - `session`: one stream of batches: reading, submitting; `decoding`: its jobs for the threads that decode
//! - `acks`: acknowledgements and refusals back to the gateway
//! - `ahead`: how far ahead of its acknowledgements a stream may send
//! - `frames`: frames read and written within limits of length and time
//! - `log_limit`: limits of what peers cause in the server log
//! - `shared`: the state that all streams share; `stream_limits`: limits of a stream

mod acks;
mod admission;
mod ahead;
mod connection;
mod decoding;
mod endpoint;
mod frames;
mod log_limit;
mod open;
mod pushes;
mod receive_thread;
mod schema_message;
mod session;
mod shared;
mod stream_limits;
mod windows;

pub use admission::admission::AdmissionLimits;
pub use endpoint::{QuicError, QuicOptions, QuicServer};
pub use pushes::stored_times::{AskedTimes, StoredTimes};
pub use stream_limits::SessionOptions;
