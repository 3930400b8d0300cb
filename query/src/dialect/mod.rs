//! Text of a statement on its way to a plan: one language, PostgreSQL's, on every interface (decision 0043). In this order:
//!
//! - [`grammar`]: the grammar, and limits of a text
//! - [`nesting`], [`deep_stack`]: how deep a text can be nested, and a stack for that
//! - [`parse_budget`]: a bound for the work of the parser
//! - [`additions`]: syntax of PostgreSQL that the parser lacks
//! - [`parse`]: text or tokens to statements
//! - [`chains`], [`tree_bounds`]: long chains made shallow, and the bounds of a parsed statement
//! - [`check`]: which statements are allowed
//! - [`parameters`]: `$1`, `$2` and so on
//! - [`naming`]: names of columns as PostgreSQL gives them
//! - [`statement`]: a statement that is parsed, checked and named
//! - [`rewrites`]: syntax that DataFusion's planner does not know
//! - [`corrections`]: what the parser or the planner understands otherwise than PostgreSQL

mod additions;
pub(crate) mod chains;
pub(crate) mod check;
pub(crate) mod corrections;
pub(crate) mod deep_stack;
pub(crate) mod grammar;
pub(crate) mod naming;
pub(crate) mod nesting;
pub(crate) mod parameters;
pub(crate) mod parse;
pub(crate) mod parse_budget;
pub(crate) mod rewrites;
pub(crate) mod statement;
pub(crate) mod tree_bounds;

pub(crate) use nesting::too_complex;

pub use check::{ensure_reading, verify_reading};
pub use corrections::build::{call, template};
pub use grammar::TextLimits;
pub use naming::column_names::ColumnNames;
pub use parameters::{PARAMETERS_MAX, parameter_count};
pub use parse::{parse_reading, parse_text, parse_tokens};
pub use rewrites::{Correlation, calls_aggregate, correlation, is_grouped};
pub use statement::ReadStatement;
