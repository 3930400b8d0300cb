#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which a connection and its batches pass
//!
//! - `receive_thread`: the thread that takes packets from the system
//! - `admission`: the decision on a first packet, before any cryptography
//! - `endpoint`: the socket, its connections, and a task for each of their streams
//! - `connection`: a connection as its streams share it
//! - `open`: from the frame `Open` to an opened stream
//! - `session`: one stream of batches: reading, decoding, submitting
//! - `acks`: acknowledgements and refusals back to the gateway
//! - `frames`: reading of frames within limits of length and time
//! - `shared`: the state that all streams share; `stream_limits`: limits of a stream

mod acks;
mod admission;
mod connection;
mod endpoint;
mod frames;
mod open;
mod receive_thread;
mod session;
mod shared;
mod stream_limits;

pub use admission::AdmissionLimits;
pub use endpoint::{QuicError, QuicOptions, QuicServer};
pub use stream_limits::SessionOptions;
