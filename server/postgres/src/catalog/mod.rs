//! `pg_catalog`: the tables and functions that clients ask for before they ask for rows. In the order in which a
//! catalog query meets them:
//!
//! - `extension`: the types, functions and schema that this interface adds to a statement
//! - `schema`: the schema `pg_catalog`
//! - `objects`: schemas and tables with their OIDs, which are the same for all connections
//! - `relation_oids`: OIDs of the relations of the catalog itself
//! - [`relations`]: the rows of its tables
//! - `oids`, `oid_names`: OIDs by name, and names by OID
//! - `computed`: a function that is computed from arrays
//! - `functions`, `constants`, `comments`, `sizes`, `rights`: functions that clients call in catalog queries
//! - `set_config`: variables that a statement sets
//! - `type_names`: names of types in casts
//! - `column_types`: types of columns, OIDs among them
//!
//! Types, operators, access methods and whatever else is the same everywhere come from datafusion-pg-catalog, as do
//! some of the functions and of the rules by which catalog queries are rewritten.

pub(crate) mod column_types;
mod comments;
mod computed;
mod constants;
pub(crate) mod extension;
mod functions;
mod objects;
pub(crate) mod oid_names;
pub(crate) mod oids;
pub(crate) mod relation_oids;
pub(crate) mod relations;
mod rights;
pub(crate) mod schema;
pub(crate) mod set_config;
mod sizes;
mod type_names;
