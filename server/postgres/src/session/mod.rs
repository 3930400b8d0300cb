//! Sessions: what holds for a connection, from its first message to its last. In the order in which data flows:
//!
//! - `startup`: encryption, authentication, and the variables that a client begins with
//! - `connection`: the state of a connection
//! - `prepared`: prepared statements, and their memory
//! - `serve`: the loop over its messages
//! - `simple`, `extended`: the two query protocols
//! - `execute`, `cursors`, `copy`: execution of commands, for both of them
//! - `transaction`, `variables`: state that commands change
//! - `outcome`: results of commands, and errors of messages

pub(crate) mod connection;
mod copy;
mod cursors;
mod execute;
mod extended;
mod outcome;
pub(crate) mod prepared;
mod serve;
mod simple;
pub(crate) mod startup;
mod transaction;
pub(crate) mod variables;
