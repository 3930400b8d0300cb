//! The way of batches to the server:
//!
//! - [`pace`]: how batches are cut and compressed for a link
//! - [`pieces`]: encoded batches, on a thread of their own
//! - [`table_stream`]: the streams that batches are sent on
//! - [`run`]: one source; [`row_push`], [`line_push`]: of rows, and of lines; [`segment`]: the part of it that is new

pub(crate) mod line_push;
pub(crate) mod pace;
pub(crate) mod pieces;
pub(crate) mod row_push;
pub(crate) mod run;
pub(crate) mod segment;
pub(crate) mod table_stream;
