//! One connection: whose turn it is, and the time that the client has for its turn.
//!
//! A client has limited time for whatever it owes: the first byte, the first request, the next request, more of a body that it
//! sends, and room for a response that it is sent. Every limit is judged by progress, so that a slow line is no reason to be
//! cut off. While the server owes something, as the rows of a long statement, nothing of this ends the connection.
//!
//! - [`times`]: the limits
//! - [`turns`]: whose turn it is
//! - [`request_body`]: a body that must come on
//! - [`response_body`]: a body that says whether it waits for the server or for the client
//! - [`serve`]: the requests of one connection
//! - [`reserve`]: connections beyond the limits, which are told so, or how the server is

mod request_body;
pub(crate) mod reserve;
mod response_body;
pub(crate) mod serve;
pub(crate) mod times;
mod turns;
