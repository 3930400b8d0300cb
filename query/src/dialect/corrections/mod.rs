//! Corrections of the syntax tree, where the parser or DataFusion's planner understands something else than PostgreSQL. Each goes when
//! they understand the same.
//!
//! - [`precedence`]: `IS DISTINCT FROM` beside AND, OR and NOT
//! - [`refusals`]: what cannot be answered rightly yet
//! - [`multisets`]: `EXCEPT ALL`, `INTERSECT ALL`
//! - [`using_joins`]: keys of FULL and RIGHT joins
//! - [`windows`]: windows by name
//! - [`quantified`]: `IN`, `ANY`, `ALL` and `EXISTS` where their value counts
//! - [`rows`]: comparisons of rows
//! - [`similar`]: `SIMILAR TO`
//! - [`cast_names`]: casts that would have one name
//! - [`literals`]: constants as decimals
//! - [`series`]: the column of `generate_series`
//! - [`clauses`]: clauses in other words
//! - [`names`]: names that stand for other expressions
//! - [`build`]: pieces of trees
//! - [`walk`]: the one walk that applies them in this order

pub(crate) mod build;
mod cast_names;
mod clauses;
mod literals;
mod multisets;
mod names;
mod precedence;
mod quantified;
mod refusals;
mod rows;
mod series;
mod similar;
mod using_joins;
mod walk;
mod windows;

pub(crate) use walk::correct;
