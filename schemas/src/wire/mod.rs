//! What crosses the network between gateway and server. `docs/protocol.md` has the whole protocol.
//!
//! - `version`: the versions that both sides name
//! - [`frame`]: the frames that a QUIC stream is cut into
//! - [`control`]: the protobuf messages in control frames

pub mod control;
pub mod frame;
mod version;

pub use version::{ALPN, MINOR_VERSION};
