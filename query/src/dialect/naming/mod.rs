//! Names of columns.
//!
//! - [`column_names`]: names of the columns of a result
//! - [`relation_names`]: names of the columns of the queries within a statement
//! - [`equal_columns`]: columns that would have one name once they are rewritten

pub(crate) mod column_names;
mod equal_columns;
mod relation_names;

pub(crate) use equal_columns::distinguish;
pub(crate) use relation_names::name_relations;
