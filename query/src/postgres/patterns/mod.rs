//! Regular expressions of PostgreSQL in the words of the engine's.
//!
//! - [`translate`]: a pattern, flags, and what replaces a match
//! - [`functions`]: the same for what is no constant
//! - [`mod@matches`]: functions over all matches, and their groups

pub(crate) mod functions;
pub(crate) mod matches;
pub(crate) mod translate;
