#![doc = include_str!("../README.md")]
//!
//! # Modules, in the order in which data flows
//!
//! - `type_mapping`: the type of PostgreSQL for an Arrow type, and back
//! - `column_writer`: the values of a column, row by row
//! - `numeric`, `datetime`, `array`: single values of these types
//! - `rows`: rows of a batch as messages; `copy_format`: the forms of a COPY
//! - `sized`: bytes behind their length
//! - `error`: values that PostgreSQL cannot represent

mod array;
mod column_writer;
mod copy_format;
mod datetime;
mod error;
mod numeric;
mod rows;
mod sized;
mod type_mapping;

pub use array::read_array_text;
pub use column_writer::Column;
pub use copy_format::CopyFormat;
pub use datetime::{days_since_1970, us_since_1970};
pub use error::ValueError;
pub use numeric::read_numeric;
pub use rows::put_data_rows;
pub use sized::{put_count, put_sized};
pub use type_mapping::{oid_of_name, parameter_type, type_bytes, type_of};
