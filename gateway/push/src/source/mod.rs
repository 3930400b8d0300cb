//! Rows as their source has them, in chunks of a fixed number; in the order in which rows travel:
//!
//! - [`open`]: a file or standard input, opened
//! - [`compressed`], [`encoding`]: its content without compression, in UTF-8
//! - [`record`]: a record and its cells; [`text`], [`sheet`]: records of a text, of an Excel sheet
//! - [`zip`], [`workbook`]: the archive that an Excel file is, and its cells
//! - [`rows`]: the trait of a source of rows
//! - [`table`]: records behind their head as rows; [`long`]: a row a parameter, as a row an instant
//! - [`arrow`], [`lines`]: Parquet and Arrow as rows, line protocol as lines

pub(crate) mod arrow;
pub(crate) mod compressed;
pub(crate) mod encoding;
pub(crate) mod lines;
pub(crate) mod long;
pub(crate) mod open;
pub(crate) mod record;
pub(crate) mod rows;
pub(crate) mod sheet;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod workbook;
pub(crate) mod zip;
