//! Rows of the tables of `pg_catalog`:
//!
//! - [`tables`], `columns`, [`types`], [`keywords`]: tables that list tables, columns, types, and keywords of the language
//! - [`vacant`]: relations about what there is none of here
//! - [`activity`]: connections, and functions that end them
//! - [`builtin`]: tables that are the same in every PostgreSQL
//! - [`without_rows`]: relations that have no rows here, and columns without values

pub(crate) mod activity;
pub(crate) mod builtin;
pub(crate) mod columns;
pub(crate) mod keywords;
pub(crate) mod tables;
pub(crate) mod types;
pub(crate) mod vacant;
pub(crate) mod without_rows;
