//! The PostgreSQL protocol, version 3, below sessions. In the order in which a connection uses it:
//!
//! - `messages`: messages as bytes
//! - `wire`: a connection as a stream of messages
//! - `scram`: the exchange by which a client authenticates
//! - `cancel`: requests to cancel the statement of another connection

pub(crate) mod cancel;
pub(crate) mod messages;
pub(crate) mod scram;
pub(crate) mod wire;
