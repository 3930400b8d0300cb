//! What crosses the network between gateway and server: [`frame`] cuts a QUIC stream into frames, [`control`] has the
//! protobuf messages inside the control frames. `docs/protocol.md` tells the whole protocol.

pub mod control;
pub mod frame;

/// ALPN protocol id; a change that older peers cannot read gets a new one.
pub const ALPN: &[u8] = b"zonelake/1";

/// Minor version within [`ALPN`], in `Open` and `Opened`; each side ignores what it does not know of a later one.
pub const MINOR_VERSION: u32 = 0;
