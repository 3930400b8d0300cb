//! Names of the catalog and of its schemas.

/// The one catalog.
pub const CATALOG: &str = "zonelake";
/// The schema in which all tables of data are.
pub const SCHEMA: &str = "public";
/// The schema of what the server tells of itself.
pub const SYSTEM_SCHEMA: &str = "system";
/// The table of statements.
pub(crate) const QUERIES: &str = "queries";
/// The schema of what tables and columns there are.
pub const INFORMATION_SCHEMA: &str = "information_schema";
