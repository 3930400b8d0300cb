//! What devices measure now: SQL over last rows, and pull and push over a real socket.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests stop at what they do not expect")]

mod cors;
mod events;
mod fixture;
mod pull;
mod rights;
mod sql;
mod windows;
