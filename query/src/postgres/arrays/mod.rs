//! Arrays as sets and sequences.
//!
//! - [`sets`]: which items an array has, and parts of it
//! - [`sorted`]: items by their place, and those of a sorted array
//! - [`operators`]: operators of arrays while a statement is planned

pub(crate) mod operators;
pub(crate) mod sets;
pub(crate) mod sorted;
