//! From live rows to committed files:
//!
//! - [`flush`]: sort, write, commit, hand over
//! - [`error`]: why a flush did not come through

pub(crate) mod error;
pub(crate) mod flush;
#[cfg(test)]
mod tests;
