#![doc = include_str!("../README.md")]
//!
//! In the order in which a batch travels:
//!
//! - [`encode`]: rows into payloads: Arrow IPC messages ([`ArrowEncoder`]) or blocks of lines ([`line_block`])
//! - [`batch`]: an encoded batch and the schema and dictionaries that its payload needs
//! - [`spool`]: batches on disk until they are acknowledged
//! - [`forward`]: store and forward: both lanes of a stream from a spool ([`Forwarder`])
//! - [`stream`]: one stream of batches, kept open across connections ([`BatchStream`])
//! - [`pushes`]: questions to the server's ledger of what was pushed ([`ask_pushes`])
//! - [`outbox`]: numbers, window, acknowledgements and resuming: the protocol's state, without I/O
//! - [`backoff`]: pauses between retries, without I/O
//! - [`link`]: one opened QUIC stream: its handshake and frames
//! - [`connection`]: the QUIC connection, dialled again when it is lost; [`sockets`]: the UDP sockets that it is dialled from
//! - [`trust`]: the server that is trusted
//! - [`error`]: errors, and what to do about each

mod backoff;
mod batch;
mod connection;
mod encode;
mod error;
mod forward;
mod link;
mod outbox;
mod pushes;
mod sockets;
mod spool;
mod stream;
mod trust;

pub use backoff::BackoffPolicy;
pub use batch::{EncodedBatch, Prelude};
pub use connection::{Connection, ConnectionOptions};
pub use encode::{ArrowEncoder, Compression, line_block};
pub use error::{ConnectError, EncodeError, StreamError};
pub use forward::{
    ForwardOptions, ForwardStatus, Forwarder, LaneStatus, RetryError, RetryReport, WhenFull, retry_refused,
};
pub use outbox::{Acked, AckedBatch, AckedCounts, Outbox};
pub use pushes::ask_pushes;
pub use sockets::Sockets;
pub use spool::{LaneSummary, RefusedBatch, SpoolError, SpoolSummary, read_spool};
pub use stream::{BatchSender, BatchStream, LinkEvent, Serving, StreamObserver, StreamOptions, StreamTotals};
pub use trust::Trust;
