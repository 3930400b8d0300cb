//! Rules over the expressions of a plan.
//!
//! - [`corrections`]: the ordered lists of the rules below, as DataFusion's analyzer applies them
//! - [`casts`]: casts that round, fail or shorten
//! - [`texts`]: values as texts, where a function takes values of any type
//! - [`whole_numbers`]: types of whole numbers
//! - [`rounding`]: halves of doubles
//! - [`exact_sums`]: sums that cannot go round
//! - [`quantified`]: comparisons with the rows of a subquery
//! - [`overflow`]: operators that fail beyond their type
//! - [`guards`]: conditions in front of what may fail
//! - [`kinds`]: what PostgreSQL takes an expression for
//! - [`plan_walk`]: the walk over the expressions of a plan

pub(crate) mod casts;
pub(crate) mod corrections;
pub(crate) mod exact_sums;
pub(crate) mod guards;
pub(crate) mod kinds;
pub(crate) mod overflow;
pub(crate) mod plan_walk;
pub(crate) mod quantified;
pub(crate) mod rounding;
pub(crate) mod texts;
pub(crate) mod whole_numbers;
