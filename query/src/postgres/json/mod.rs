//! JSON. A value of json or jsonb is its text, of Arrow's type for large texts, which nothing else has here: so a text within a value is
//! told from a value within a value.
//!
//! - [`value`]: reading a text
//! - [`written`]: values of any type as JSON
//! - [`functions`]: functions of SQL
//! - [`objects`]: functions of objects

pub(crate) mod functions;
pub(crate) mod objects;
pub(crate) mod value;
pub(crate) mod written;
