//! Functions that make one type of another, or name a type.
//!
//! - [`bytes`]: bytes and their texts
//! - [`to_number`]: a number in a pattern
//! - [`type_names`]: the name of a value's type

pub(crate) mod bytes;
pub(crate) mod to_number;
pub(crate) mod type_names;
