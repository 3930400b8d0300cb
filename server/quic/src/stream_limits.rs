//! Limits of a stream and of a connection.

use std::time::Duration;

use zonelake_ingest::DecodeLimits;

/// Limits of a stream.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Limits of frames and batches.
    pub decode: DecodeLimits,
    /// Maximum length of a frame, bytes.
    pub frame_bytes_max: usize,
    /// Bytes of one connection's batches that may wait for their acknowledgement.
    pub unacked_bytes_max: usize,
    /// Time for a frame to arrive whole once it has begun, and for `Open` to arrive at all.
    pub frame_timeout: Duration,
}

/// Bytes that an unauthenticated connection may have in flight: enough for the messages that open its streams.
pub(crate) const UNAUTHENTICATED_WINDOW_BYTES: u32 = 64 << 10;
