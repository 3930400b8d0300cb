//! Names of the catalog and of its schemas.

/// The only catalog.
pub const CATALOG: &str = "zonelake";
/// Schema of all tables of data.
pub(crate) const SCHEMA: &str = "public";
/// Schema of tables about the server itself.
pub(crate) const SYSTEM_SCHEMA: &str = "system";
/// Table of statements in [`SYSTEM_SCHEMA`].
pub(crate) const QUERIES: &str = "queries";
/// Schema that lists tables and columns.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";
