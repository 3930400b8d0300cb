//! PostgreSQL's answers where DataFusion gives others: each correction stands in one place, with the reason beside it, and goes when
//! DataFusion does the same. The last column has the numbers of issues in the repository of that project.
//!
//! | what is wrong | corrected by | upstream |
//! |---|---|---|
//! | whole numbers go round where they overflow | [`rules::overflow`], [`rules::exact_sums`], [`rules::whole_numbers`] | datafusion 17539, 3520 |
//! | casts cut off, keep every character, vanish from comparisons | [`rules::casts`], [`types`] | datafusion 11886, 14303, 23095 |
//! | halves of doubles are rounded away from zero | [`rules::rounding`] | |
//! | a division of doubles by zero, a logarithm of zero, and their kin give infinity or NaN | [`rules::overflow`], [`functions::checked_domain`] | datafusion 17539 |
//! | a decimal by a decimal has four digits | [`rules::whole_numbers`] | |
//! | conditions are evaluated in any order | [`rules::guards`] | |
//! | `x < ALL (SELECT x …)` compares a column with itself | [`rules::quantified`] | datafusion 8241, 25347 |
//! | sums over moving frames subtract doubles; percentiles between two values have six digits | [`aggregates`] | |
//! | `EXCEPT ALL` and `INTERSECT ALL` count no rows | [`multisets`] | datafusion 12956, 12955 |
//! | arrays: texts, lengths, items, comparisons with nulls | [`functions::array_functions`], [`functions::compare_items`], [`arrays`] | |
//! | `SIMILAR TO` is a regular expression | [`functions::similar_to`] | datafusion 22263 |
//! | a `.` of a regular expression ends at lines, a `$` that replaces is a group | [`patterns`] | |
//! | truth values, times and doubles are written otherwise by `concat` and its kin | [`rules::texts`] | |
//! | a NaN with a sign is less than all numbers | [`rules::overflow`] | |
//!
//! What is wrong already in the syntax tree is corrected there: `dialect::corrections`.
//!
//! # Modules
//!
//! - [`register`]: adds all of it to a session
//! - [`types`]: names of types
//! - [`rules`]: rules over the expressions of a plan
//! - [`multisets`]: relations of equal rows
//! - [`arrays`]: items of arrays, and their operators
//! - [`patterns`]: regular expressions
//! - [`json`]: json and jsonb
//! - [`aggregates`]: aggregates with accumulators of ours
//! - [`function`], [`functions`]: functions of SQL
//! - [`conversions`]: functions that make one type of another
//! - [`value_error`]: errors with their SQLSTATE

pub(crate) mod aggregates;
pub(crate) mod arrays;
pub(crate) mod conversions;
pub(crate) mod function;
pub(crate) mod functions;
pub(crate) mod json;
pub(crate) mod multisets;
pub(crate) mod patterns;
pub(crate) mod register;
pub(crate) mod rules;
pub(crate) mod types;
pub(crate) mod value_error;
