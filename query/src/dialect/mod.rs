//! Text of a statement on its way to a plan: the one place where text is parsed, for every interface, which passes its dialect.
//!
//! - [`grammar`]: the dialects, and limits of a text
//! - [`parse`]: text or tokens to statements
//! - [`check`]: which statements are allowed
//! - [`parameters`]: `$1`, `$2` and so on
//! - [`mod@rewrite`]: syntax that DataFusion's planner does not know
//!
//! Columns are named by DataFusion, and for PostgreSQL by `server/postgres`, until both share one language.

pub(crate) mod check;
pub(crate) mod grammar;
pub(crate) mod parameters;
pub(crate) mod parse;
pub(crate) mod rewrite;

pub use check::{ensure_reading, verify_reading};
pub use grammar::{Dialect, TextLimits};
pub use parameters::{PARAMETERS_MAX, parameter_count};
pub use parse::{parse_reading, parse_text, parse_tokens};
pub use rewrite::rewrite;
