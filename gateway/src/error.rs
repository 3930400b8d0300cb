//! Errors between gateway and server. The `kind` of each tells what to do about it.

use std::time::Duration;

use zonelake_schemas::BatchNumber;
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::wire::control::{Refused, RefusedCode};

/// Reason why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address is not `host:port`, or its host has no address.
    #[error("cannot find the server {server}: {reason}")]
    Address {
        /// Address as given.
        server: String,
        /// Reason.
        reason: String,
    },
    /// The file or fingerprint that says which server to trust cannot be used.
    #[error("cannot use the trusted certificate {what}: {reason}")]
    Trust {
        /// File or fingerprint.
        what: String,
        /// Reason.
        reason: String,
    },
    /// The server's certificate is not the trusted one.
    #[error("{server} shows a certificate that is not trusted: {reason}")]
    NotTrusted {
        /// Address as given.
        server: String,
        /// Result of the check.
        reason: String,
    },
    /// The server does not speak this version.
    #[error("{server} does not speak {}: {reason}", alpn())]
    Version {
        /// Address as given.
        server: String,
        /// Words of the server.
        reason: String,
    },
    /// No answer, or the connection was lost.
    #[error("no connection to {server}: {reason}")]
    Unreachable {
        /// Address as given.
        server: String,
        /// Cause.
        reason: String,
    },
    /// This machine gives no UDP socket.
    #[error("cannot open a UDP socket: {0}")]
    Socket(String),
}

/// Reason why a stream of batches cannot continue. Batches up to the last acknowledged one are durable; nothing else is
/// known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The server refuses the stream or one of its batches.
    #[error("the server refuses{}: {message} ({code:?})", at_batch(*.number))]
    Refused {
        /// Kind of refusal.
        code: RefusedCode,
        /// The server's words.
        message: String,
        /// Batch at fault; 0 where none was.
        number: BatchNumber,
        /// Last durable batch that the server named; 0 where it named none.
        last_number: BatchNumber,
        /// Pause that the server asks for before another try; zero: another try does not help.
        retry_after: Duration,
    },
    /// There is no connection, and another try would not help.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The link broke; the stream opens again automatically until it gives up.
    #[error("the link broke: {0}")]
    Link(String),
    /// Nothing could be sent for so long.
    #[error("gave up after {} s without a useful link; at last: {last}", .after.as_secs())]
    GaveUp {
        /// Time spent on retries.
        after: Duration,
        /// The last failure.
        last: String,
    },
    /// The server has batches of this stream that this side never sent: its state is lost, or another uses its name.
    #[error(
        "the server has batch {server} of this stream, and this side has sent up to {sent}: its state was lost or another uses the same producer name; take the next epoch"
    )]
    NotOurs {
        /// Last number at the server.
        server: BatchNumber,
        /// Last number sent by this side.
        sent: BatchNumber,
    },
    /// The server has lost batches that it had acknowledged.
    #[error(
        "the server has only batch {server} of this stream, yet it had acknowledged {acknowledged}: its data folder is not the one it was"
    )]
    ServerForgot {
        /// Last number at the server.
        server: BatchNumber,
        /// Last number that it had acknowledged.
        acknowledged: BatchNumber,
    },
    /// A frame of the batch would be over the server's limit. The batch was not taken.
    #[error("a frame of {bytes} bytes; the server takes at most {bytes_max}: cut smaller batches")]
    FrameTooLong {
        /// Length of the frame.
        bytes: usize,
        /// Maximum length.
        bytes_max: usize,
    },
    /// The batch has more rows than the server takes. It was not taken.
    #[error("a batch of {rows} rows; the server takes at most {rows_max}: cut smaller batches")]
    TooManyRows {
        /// Rows of the batch.
        rows: u64,
        /// Maximum number of rows.
        rows_max: u64,
    },
    /// The server sent what the protocol does not allow.
    #[error("the server breaks the protocol: {0}")]
    Protocol(String),
    /// The stream is finished already.
    #[error("the stream is finished")]
    Finished,
}

/// Reason why rows cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The batch has not the schema that the encoder was made for.
    #[error("a batch of schema {found} for an encoder of {expected}")]
    OtherSchema {
        /// Schema of the encoder.
        expected: String,
        /// Schema of the batch.
        found: String,
    },
    /// Arrow cannot encode it.
    #[error("cannot encode: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

impl ConnectError {
    /// Kind of the error: what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } => ErrorKind::Retry,
            Self::NotTrusted { .. } => ErrorKind::Permission,
            Self::Address { .. } | Self::Trust { .. } | Self::Version { .. } | Self::Socket(_) => ErrorKind::Input,
        }
    }
}

impl StreamError {
    /// Kind of the error: what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { retry_after, .. } if !retry_after.is_zero() => ErrorKind::Retry,
            Self::Refused { code, .. } => kind_of(*code),
            Self::Connect(error) => error.kind(),
            Self::Link(_) | Self::GaveUp { .. } => ErrorKind::Retry,
            Self::NotOurs { .. } | Self::FrameTooLong { .. } | Self::TooManyRows { .. } => ErrorKind::Input,
            Self::ServerForgot { .. } => ErrorKind::Corrupt,
            Self::Protocol(_) | Self::Finished => ErrorKind::Bug,
        }
    }

    /// True where the stream may be opened again automatically, with the batches that are not acknowledged.
    pub(crate) fn is_retryable(&self) -> bool {
        self.kind() == ErrorKind::Retry
    }

    /// The pause that the server asks for.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => Duration::ZERO,
        }
    }
}

impl From<Refused> for StreamError {
    fn from(refused: Refused) -> Self {
        Self::Refused {
            code: refused.code(),
            message: refused.message,
            number: BatchNumber(refused.number),
            last_number: BatchNumber(refused.last_number),
            retry_after: Duration::from_millis(refused.retry_after_ms.into()),
        }
    }
}

/// Kind of a refusal for which the server names no pause.
fn kind_of(code: RefusedCode) -> ErrorKind {
    match code {
        RefusedCode::ShuttingDown | RefusedCode::Unavailable | RefusedCode::Limit => ErrorKind::Retry,
        RefusedCode::Token | RefusedCode::Right => ErrorKind::Permission,
        RefusedCode::Version
        | RefusedCode::UnknownTable
        | RefusedCode::UnknownColumn
        | RefusedCode::WrongType
        | RefusedCode::BadPayload
        | RefusedCode::TooLarge
        | RefusedCode::Fenced
        | RefusedCode::OtherContent => ErrorKind::Input,
        RefusedCode::Unstated | RefusedCode::Protocol | RefusedCode::Gap | RefusedCode::Internal => ErrorKind::Bug,
    }
}

fn at_batch(number: BatchNumber) -> String {
    if number == BatchNumber::default() { String::new() } else { format!(" batch {number}") }
}

fn alpn() -> String {
    String::from_utf8_lossy(zonelake_schemas::wire::ALPN).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = |code: RefusedCode, retry_after_ms| {
            StreamError::from(Refused {
                code: code as i32,
                message: "words".into(),
                number: 3,
                last_number: 2,
                retry_after_ms,
            })
        };
        assert_eq!(refused(RefusedCode::Token, 0).kind(), ErrorKind::Permission);
        assert_eq!(refused(RefusedCode::Fenced, 0).kind(), ErrorKind::Input);
        assert_eq!(refused(RefusedCode::Unavailable, 0).kind(), ErrorKind::Retry);
        assert_eq!(refused(RefusedCode::Internal, 500).kind(), ErrorKind::Retry);
        assert_eq!(refused(RefusedCode::Internal, 500).pause(), Duration::from_millis(500));
        assert_eq!(refused(RefusedCode::BadPayload, 0).to_string(), "the server refuses batch 3: words (BadPayload)");
    }
}
