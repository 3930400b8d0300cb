//! Names of the catalog and of its schemas.

/// The only catalog.
pub const CATALOG: &str = "zonelake";
/// Schema of all tables of data.
pub(crate) const SCHEMA: &str = "public";
/// Schema of tables about the server itself.
pub(crate) const SYSTEM_SCHEMA: &str = "system";
/// Table of statements in [`SYSTEM_SCHEMA`].
pub(crate) const QUERIES: &str = "queries";
/// Table of devices: in [`SCHEMA`] with what is said of them, and in [`SYSTEM_SCHEMA`] with when they were heard of as well.
pub(crate) const DEVICES: &str = "devices";
/// Schema that lists tables and columns.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";
