//! - [`tls`]: certificates of the settings, or one made at the first start
//! - [`listener`]: a bound socket that accepts within limits
//! - [`connection_limits`]: connections in all and by address
//! - [`credentials`]: the `Authorization` header
//! - [`authenticator`]: from a credential to a [`Principal`]
//! - `peer_failures`: failed authentications by peer
//! - [`principal`]: owner of a credential
//! - [`error_codes`]: one table from the cause of an error to QUIC code, HTTP status, SQLSTATE and gRPC status

#![doc = include_str!("../README.md")]

mod authenticator;
mod connection_limits;
mod credentials;
mod error_codes;
mod listener;
mod peer_failures;
mod principal;
mod tls;

pub use authenticator::{AuthenticationError, Authenticator};
pub use connection_limits::{ConnectionCounts, ConnectionLimits, ConnectionPermit, LimitReached};
pub use credentials::Credentials;
pub use error_codes::{Cause, ErrorCodes, GrpcCode};
pub use listener::{BindError, Incoming, Listener, WhenFull};
pub use principal::{PeerAddress, Principal};
pub use tls::{TlsError, TlsFiles};
