//! Options of a stream, and the trait of its observers.

use std::sync::Arc;
use std::time::Duration;

use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{BatchNumber, Epoch, Lane};

use crate::backoff::BackoffPolicy;
use crate::error::StreamError;
use crate::outbox::acked::Acked;

/// Identity and limits of a stream.
#[derive(Clone)]
pub struct StreamOptions {
    /// Secret of the gateway.
    pub token: String,
    /// Name of the producer: 1 to 128 bytes without control characters.
    pub producer: String,
    /// Number of times that the producer began without state: 1 or more.
    pub epoch: Epoch,
    /// Table that the batches go to.
    pub table: String,
    /// Live or back-fill.
    pub lane: Lane,
    /// Encoding of payloads.
    pub encoding: Encoding,
    /// Maximum of bytes that wait here for their acknowledgement; the server may allow less. Default 16 MiB.
    pub unacked_bytes_max: usize,
    /// Pauses between retries after the link broke.
    pub backoff: BackoffPolicy,
    /// Software that sends, for the server log.
    pub software: String,
    /// Observer of acknowledgements and of the link.
    pub observer: Option<Arc<dyn StreamObserver>>,
}

impl StreamOptions {
    /// Epoch 1, the live lane, Arrow, and the defaults.
    pub fn new(token: impl Into<String>, producer: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            token: token.into(),
            producer: producer.into(),
            epoch: Epoch(1),
            table: table.into(),
            lane: Lane::Live,
            encoding: Encoding::Arrow,
            unacked_bytes_max: 16 << 20,
            backoff: BackoffPolicy::default(),
            software: concat!("zonelake-gateway ", env!("CARGO_PKG_VERSION")).into(),
            observer: None,
        }
    }
}

impl std::fmt::Debug for StreamOptions {
    /// Leaves the token out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamOptions")
            .field("producer", &self.producer)
            .field("epoch", &self.epoch)
            .field("table", &self.table)
            .field("lane", &self.lane)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

/// Observer of a stream, called on its task: it must not wait.
pub trait StreamObserver: Send + Sync {
    /// Batches have become durable.
    fn handle_acked(&self, _acked: &Acked) {}

    /// The link has opened or broken.
    fn handle_link(&self, _event: &LinkEvent) {}
}

/// Event of the link of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// The stream is open, with the server's last durable batch.
    Opened {
        /// Sequence number of that batch.
        last_number: BatchNumber,
    },
    /// The link broke; another try follows.
    Broken {
        /// Cause.
        error: StreamError,
        /// Pause before the next try.
        retry_after: Duration,
    },
}
