//! The client side of the protocol `zonelake/1`, as it runs at the zone, in the order in which a batch travels:
//!
//! - [`encode`]: rows into payloads: Arrow IPC messages ([`ArrowEncoder`]) or blocks of lines ([`line_block`])
//! - [`batch`]: an encoded batch and the schema and dictionaries that its payload needs
//! - [`outbox`]: numbers, window, acknowledgements and resuming: the protocol's state, without I/O
//! - [`backoff`]: when to try again, without I/O
//! - [`trust`]: which server to believe
//! - [`connection`]: the QUIC connection, dialled again when it is lost
//! - [`sockets`]: what it is dialled from
//! - [`stream`]: one stream of batches over it, kept going across connections ([`BatchStream`])
//! - [`spool`]: batches on disk until they are acknowledged
//! - [`forward`]: store and forward: both lanes of a stream from a spool ([`Forwarder`])
//! - [`error`]: what can go wrong, and what to do about each
//!
//! What a [`BatchStream`] holds is in memory only: after a crash of the gateway, the server's last number says from
//! where to go on, and the caller must have the rows behind it. A push has them in its files. A [`Forwarder`] keeps them on
//! disk, for as long as the link may be down:
//!
//! ```no_run
//! # async fn example(rows: arrow::array::RecordBatch) -> Result<(), Box<dyn std::error::Error>> {
//! use zonelake_gateway::{
//!     ArrowEncoder, Compression, Connection, ConnectionOptions, ForwardOptions, Forwarder, StreamOptions, Trust,
//! };
//! let trust = Trust::CertificateFile("cert.pem".into());
//! let connection = Connection::new(ConnectionOptions::new("zonelake.example:7420", trust))?;
//! let stream = StreamOptions::new("zl_…", "plc-7", "energy");
//! let forwarder = Forwarder::open(connection, ForwardOptions::new(stream, "/var/lib/gateway/energy")).await?;
//! let mut encoder = ArrowEncoder::new(&rows.schema(), Compression::Zstd)?;
//! forwarder.send(encoder.encode(&rows)?).await?; // on disk now, link or no link
//! # Ok(())
//! # }
//! ```

mod backoff;
mod batch;
mod connection;
mod encode;
mod error;
mod forward;
mod link;
mod outbox;
mod sockets;
mod spool;
mod stream;
mod trust;

pub use backoff::BackoffPolicy;
pub use batch::{EncodedBatch, Prelude};
pub use connection::{Connection, ConnectionOptions};
pub use encode::{ArrowEncoder, Compression, line_block};
pub use error::{ConnectError, EncodeError, StreamError};
pub use forward::{ForwardOptions, ForwardStatus, Forwarder, LaneStatus, WhenFull};
pub use outbox::{Acked, AckedBatch, AckedCounts, Outbox};
pub use sockets::Sockets;
pub use spool::SpoolError;
pub use stream::{BatchSender, BatchStream, LinkEvent, Serving, StreamObserver, StreamOptions, StreamTotals};
pub use trust::Trust;
