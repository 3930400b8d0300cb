//! Rows that were rejected whole:
//!
//! - [`forms`]: what a client sends and is told
//! - [`statements`]: the statements that find them
//! - [`orders`]: they are listed, replayed and dropped

pub(crate) mod forms;
pub(crate) mod orders;
pub(crate) mod statements;
