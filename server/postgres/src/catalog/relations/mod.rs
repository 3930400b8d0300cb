//! Rows of the tables of `pg_catalog`:
//!
//! - [`tables`], `columns`, [`keywords`]: tables that list tables, columns, and keywords of the language
//! - [`vacant`]: relations about what there is none of here
//! - [`activity`]: connections, and functions that end them
//! - [`builtin`], [`builtin_rows`]: tables that are the same in every PostgreSQL, some with columns of other types
//! - [`catalog_columns`]: columns of the relations of the catalog itself
//! - [`without_rows`]: relations that have no rows here, and columns without values

pub(crate) mod activity;
pub(crate) mod builtin;
pub(crate) mod builtin_rows;
pub(crate) mod catalog_columns;
pub(crate) mod columns;
pub(crate) mod keywords;
pub(crate) mod tables;
pub(crate) mod vacant;
pub(crate) mod without_rows;
