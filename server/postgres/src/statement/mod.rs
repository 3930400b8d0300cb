//! Statements: from their text to what the engine and the session execute. In the order in which data flows:
//!
//! - `tokens`: the tokens of a text, read one after the other
//! - `parse`, `parse_copy`: which command a statement is
//! - `commands`, `copy_format`: the commands of a session, and the forms of COPY
//! - `query`: a command that reads rows: parsed, rewritten, named
//! - `rewrite`, `build`: PostgreSQL's syntax rewritten as DataFusion SQL, and the syntax trees that rewriting needs
//! - `catalog_query`, `in_subquery`, `correlation`, `empty_relations`: rewriting of catalog queries
//! - `column_names`: names of result columns as PostgreSQL gives them
//! - `parameters`: values that clients bind

pub(crate) mod build;
pub(crate) mod catalog_query;
pub(crate) mod column_names;
pub(crate) mod commands;
pub(crate) mod copy_format;
pub(crate) mod correlation;
pub(crate) mod empty_relations;
pub(crate) mod in_subquery;
pub(crate) mod parameters;
pub(crate) mod parse;
pub(crate) mod parse_copy;
pub(crate) mod query;
pub(crate) mod rewrite;
pub(crate) mod tokens;
