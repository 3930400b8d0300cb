//! Who may connect, before any cryptography:
//!
//! - [`known_peers`]: addresses from which a valid token has come
//! - [`admission`](mod@admission): the decision on a first packet; pure state
//! - [`places`]: the places of connections, as their tasks share them

pub(crate) mod admission;
mod known_peers;
pub(crate) mod places;
