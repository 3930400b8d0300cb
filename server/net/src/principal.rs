//! Principal: the user or gateway that a credential belongs to, and the address that its client comes from.

use std::net::IpAddr;
use std::sync::Arc;

use zonelake_registry::Gateway;

/// Owner of a credential.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Role, a user of SQL, by name.
    Role(Arc<str>),
    /// Gateway, which writes to the tables of its zone.
    Gateway(Arc<Gateway>),
}

/// Address of a client, as an extension of its requests; none where a request did not come over TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerAddress(pub Option<IpAddr>);
