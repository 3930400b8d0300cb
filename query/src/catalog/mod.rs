//! Tables that a statement sees:
//!
//! - [`names`]: names of the catalog and of its schemas
//! - [`source`]: what the engine reads, pinned at one moment
//! - [`reference_tables`]: tables without files
//! - [`online`]: devices with when they were heard of
//! - [`system_tables`]: tables about the server itself
//! - [`information_schema`]: which tables and columns exist
//! - [`views`]: views over the tables of a statement
//! - [`statement_catalog`]: all of them for one statement

pub(crate) mod information_schema;
pub(crate) mod names;
mod online;
pub(crate) mod reference_tables;
pub(crate) mod source;
pub(crate) mod statement_catalog;
pub(crate) mod system_tables;
pub(crate) mod views;
