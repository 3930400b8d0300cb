//! Which stream to open, and who hears of it.

use std::sync::Arc;
use std::time::Duration;

use zonelake_schemas::wire::control::Encoding;
use zonelake_schemas::{BatchNumber, Epoch, Lane};

use crate::backoff::BackoffPolicy;
use crate::error::StreamError;
use crate::outbox::acked::Acked;

/// Which stream to open.
#[derive(Clone)]
pub struct StreamOptions {
    /// Secret of the gateway.
    pub token: String,
    /// Name of the producer: 1 to 128 bytes without control characters.
    pub producer: String,
    /// How often the producer has lost its state: 1 or more.
    pub epoch: Epoch,
    /// Table that the batches go to.
    pub table: String,
    /// Live or back-fill.
    pub lane: Lane,
    /// How payloads are encoded.
    pub encoding: Encoding,
    /// Most bytes that wait here for their acknowledgement; the server may allow less. Default 16 MiB.
    pub unacked_bytes_max: usize,
    /// When to try again after the link broke.
    pub backoff: BackoffPolicy,
    /// Software that sends, for the server's log.
    pub software: String,
    /// Hears of acknowledgements and of the link.
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

/// Hears of what happens on a stream, on its task: it must not wait.
pub trait StreamObserver: Send + Sync {
    /// Batches have become durable.
    fn handle_acked(&self, acked: &Acked) {
        let _ = acked;
    }

    /// The link has opened or broken.
    fn handle_link(&self, event: &LinkEvent) {
        let _ = event;
    }
}

/// What has happened to the link of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// The stream is open, with the server's last durable batch.
    Opened {
        /// Its number.
        last_number: BatchNumber,
    },
    /// The link broke; another try follows.
    Broken {
        /// Why.
        error: StreamError,
        /// Pause before the next try.
        retry_after: Duration,
    },
}
