//! Reading of one table, files and live rows together:
//!
//! - [`table`]: the table as DataFusion sees it
//! - [`pruning`]: statistics that leave out whole files and live chunks
//! - [`file_reader`]: metadata of files, read once
//! - [`decimal_pushdown`], [`decimal_predicate`], [`decimal_as_double`]: doubles of SQL in the decimals of a file
//! - [`live_exec`], [`live_rows`], [`location_columns`]: live rows in the columns of SQL

pub(crate) mod decimal_as_double;
pub(crate) mod decimal_predicate;
pub(crate) mod decimal_pushdown;
pub(crate) mod file_reader;
pub(crate) mod live_exec;
pub(crate) mod live_rows;
pub(crate) mod location_columns;
pub(crate) mod pruning;
pub(crate) mod table;
