//! - [`tls`]: certificates of the settings, or one made at the first start
//! - [`listener`]: a bound socket that accepts within limits
//! - [`networks`]: addresses that are counted as one
//! - [`known_peers`]: those that have proven who they are
//! - [`connection_limits`]: connections in all and by network
//! - [`stalls`]: writes that a peer does not take
//! - [`credentials`]: the `Authorization` header
//! - [`authenticator`]: from a credential to a [`Principal`]
//! - [`credential`]: a credential while it holds
//! - `guess_limits`: guesses at passwords, by account and by network
//! - `peer_failures`: failed authentications by peer
//! - [`principal`]: owner of a credential
//! - [`error_codes`]: one table from the cause of an error to HTTP status, SQLSTATE, gRPC status and whether to send again

#![doc = include_str!("../README.md")]

mod authenticator;
mod connection_limits;
mod credential;
mod credentials;
mod error_codes;
mod guess_limits;
mod known_peers;
mod listener;
mod networks;
mod peer_failures;
mod principal;
mod stalls;
mod tls;

pub use authenticator::{AuthenticationError, Authenticator};
pub use connection_limits::{ConnectionCounts, ConnectionLimits, ConnectionPermit, LimitReached};
pub use credential::Credential;
pub use credentials::Credentials;
pub use error_codes::{Cause, ErrorCodes, GrpcCode};
pub use known_peers::KnownPeers;
pub use listener::{BindError, Incoming, Listener};
pub use networks::network;
pub use principal::{PeerAddress, Principal};
pub use stalls::{StallTimeout, StreamProgress};
pub use tls::{TlsError, TlsFiles, system_certificates};
