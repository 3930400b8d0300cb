//! Versions of the protocol.

/// ALPN protocol id; a change that older peers cannot read gets a new one.
pub const ALPN: &[u8] = b"zonelake/1";

/// Minor version within [`ALPN`], in `Open` and `Opened`; each side ignores what it does not know of a later one.
pub const MINOR_VERSION: u32 = 3;
