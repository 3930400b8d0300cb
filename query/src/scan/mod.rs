//! Reading of one table, files and live rows together:
//!
//! - [`telemetry_table`]: the table as DataFusion sees it
//! - [`filter_pushdown`]: filters on their way to files, live chunks and locations
//! - [`pruning_statistics`]: statistics that leave out whole files and live chunks
//! - [`file_statistics`]: statistics of the files of one scan
//! - [`file_rows`]: rows of files of which no column is wanted
//! - [`hidden_rows`]: rows that are due or deleted, filtered out
//! - [`repeats`]: tables in which rows of one device and time are one row
//! - [`file_reader`]: metadata of files, read once
//! - [`decimal_pushdown`], [`decimal_predicate`], [`decimal_as_double`]: doubles of SQL in the decimals of a file
//! - [`member_set`]: long IN lists that are not walked for each file
//! - [`live_exec`], [`live_columns`], [`location_columns`]: live rows in the columns of SQL

pub(crate) mod decimal_as_double;
pub(crate) mod decimal_predicate;
pub(crate) mod decimal_pushdown;
pub(crate) mod file_reader;
pub(crate) mod file_rows;
pub(crate) mod file_statistics;
pub(crate) mod filter_pushdown;
pub(crate) mod hidden_rows;
pub(crate) mod live_columns;
pub(crate) mod live_exec;
pub(crate) mod location_columns;
pub(crate) mod member_set;
pub(crate) mod pruning_statistics;
pub(crate) mod repeats;
pub(crate) mod telemetry_table;
