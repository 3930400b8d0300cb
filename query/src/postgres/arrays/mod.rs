//! Arrays as sets and sequences.
//!
//! - [`sets`]: which items an array has, and parts of it
//! - [`operators`]: operators of arrays while a statement is planned

pub(crate) mod operators;
pub(crate) mod sets;
