//! Statements: from their text to what the engine and the session execute. In the order in which data flows:
//!
//! - `tokens`: the tokens of a text, read one after the other
//! - `parse`, `parse_copy`: which command a statement is
//! - `commands`: the commands of a session
//! - `query`: a command that reads rows: parsed and rewritten
//! - `explain`: EXPLAIN and its answer
//! - `rewrite`, `build`: PostgreSQL's syntax rewritten as DataFusion SQL, and the syntax trees that rewriting needs
//! - `catalog_query`, `empty_relations`, `with_names`, `table_oids`: rewriting of catalog queries
//! - `parameters`: values that clients bind

pub(crate) mod build;
pub(crate) mod catalog_query;
pub(crate) mod commands;
pub(crate) mod empty_relations;
pub(crate) mod explain;
pub(crate) mod parameters;
pub(crate) mod parse;
pub(crate) mod parse_copy;
pub(crate) mod query;
pub(crate) mod rewrite;
pub(crate) mod table_oids;
pub(crate) mod tokens;
pub(crate) mod with_names;
