//! `pg_catalog`: the tables and functions that clients ask for before they ask for rows. In the order in which a
//! catalog query meets them:
//!
//! - `extension`: the types, functions and schema that this interface adds to a statement
//! - `schema`: the schema `pg_catalog`
//! - `objects`: schemas and tables with their OIDs, which are the same for all connections
//! - `tables`, `columns`, `types`, `keywords`: tables that list them, types, and keywords of the language
//! - `builtin`: tables that are the same in every PostgreSQL
//! - `oids`, `oid_names`: OIDs by name, and names by OID
//! - `functions`, `constants`, `comments`: functions that clients call in catalog queries
//! - `type_names`: names of types in casts
//!
//! Types, operators, access methods and whatever else is the same everywhere come from datafusion-pg-catalog, as do
//! some of the functions and of the rules by which catalog queries are rewritten.

mod builtin;
mod columns;
mod comments;
mod constants;
pub(crate) mod extension;
mod functions;
mod keywords;
mod objects;
pub(crate) mod oid_names;
pub(crate) mod oids;
mod schema;
mod tables;
mod type_names;
pub(crate) mod types;
