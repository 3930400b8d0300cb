//! Names of columns.
//!
//! - [`column_names`]: names of the columns of a result
//! - [`relation_names`]: names of the columns of the queries within a statement

pub(crate) mod column_names;
mod relation_names;

pub(crate) use relation_names::name_relations;
