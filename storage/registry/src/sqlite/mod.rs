//! The registry's one SQLite file.
//!
//! - `database`: the connection that writes, and its transactions
//! - `migrations`: the SQL schema, version by version
//! - `seed`: the reference data of a new file

pub(crate) mod database;
pub(crate) mod migrations;
pub(crate) mod seed;
