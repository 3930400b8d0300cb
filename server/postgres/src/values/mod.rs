//! Values: results of the engine in the text and binary forms of PostgreSQL. In the order in which data flows:
//!
//! - `type_mapping`: the type of PostgreSQL for an Arrow type, and back
//! - `column_writer`: the values of a column, row by row
//! - `numeric`, `datetime`, `array`: single values of these types
//! - `error`: values that PostgreSQL cannot represent

pub(crate) mod array;
pub(crate) mod column_writer;
pub(crate) mod datetime;
pub(crate) mod error;
pub(crate) mod numeric;
pub(crate) mod type_mapping;
