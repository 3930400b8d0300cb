//! Reasons why a run fails.

/// Reason why a run has failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// A stream has ended.
    #[error("a gateway's stream has ended: {0}")]
    Stream(#[from] zonelake_gateway::StreamError),
    /// A connection cannot be made.
    #[error("a gateway cannot connect: {0}")]
    Connect(#[from] zonelake_gateway::ConnectError),
    /// Rows cannot be encoded.
    #[error("rows cannot be encoded: {0}")]
    Encode(#[from] zonelake_gateway::EncodeError),
    /// The server.
    #[error("the server: {0}")]
    Server(String),
    /// A query.
    #[error("{query}: {reason}")]
    Query {
        /// Statement.
        query: String,
        /// Words of the server.
        reason: String,
    },
    /// Stored rows differ from those sent.
    #[error("NOT exactly once: {0}")]
    Proof(String),
    /// The report cannot be written.
    #[error("the report: {0}")]
    Report(String),
}
