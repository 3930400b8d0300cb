//! The PostgreSQL protocol, version 3, below sessions. In the order in which a connection uses it:
//!
//! - `messages`: messages as bytes
//! - `wire`: a connection as a stream of messages
//! - `scram`: the exchange by which a client authenticates
//! - `backends`: open connections, and requests to cancel their statements or to end them

pub(crate) mod backends;
pub(crate) mod messages;
pub(crate) mod scram;
pub(crate) mod wire;
