//! From an untrusted Arrow IPC message to checked columns, in the order in which a message passes:
//!
//! - [`ipc_limits`]: lengths and counts that the message claims, checked before anything is reserved or read
//! - [`wire_schema`]: the sent schema, bound to the declared fields by name
//! - [`arrow`]: the decoder of a stream
//! - [`columns`]: columns brought to the types in which they are stored
//! - [`numbers`]: what a field accepts as a number, in loops over whole columns
//! - [`sharing`]: the part of a message that its rows keep in memory
//! - [`rejected_content`]: what was sent, for the table `rejected`

pub(crate) mod arrow;
pub(crate) mod columns;
pub(crate) mod ipc_limits;
pub(crate) mod numbers;
pub(crate) mod rejected_content;
pub(crate) mod sharing;
pub(crate) mod wire_schema;
