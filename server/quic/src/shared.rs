//! The state that all streams of all connections share.

use std::sync::Arc;

use tokio::sync::watch;
use zonelake_ingest::{GatewayQuota, Pipeline};
use zonelake_net::Authenticator;

use crate::log_limit::LogLimits;
use crate::pushes::stored_times::StoredTimes;
use crate::stream_limits::SessionOptions;

/// State that all streams share.
#[derive(Debug)]
pub(crate) struct SharedState {
    /// The way of batches to the shards.
    pub(crate) pipeline: Arc<Pipeline>,
    /// Check of tokens.
    pub(crate) authenticator: Arc<Authenticator>,
    /// What can say which rows are stored.
    pub(crate) stored: Option<Arc<dyn StoredTimes>>,
    /// Limits.
    pub(crate) options: SessionOptions,
    /// The part of the bytes in flight that one gateway may hold.
    pub(crate) gateway_quota: GatewayQuota,
    /// Limits of the lines in the server log.
    pub(crate) logs: LogLimits,
    /// True once the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
}
