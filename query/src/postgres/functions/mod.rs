//! Functions that corrections call, and functions of SQL.
//!
//! - [`arithmetic`]: operators that fail beyond their type
//! - [`cast_to`]: casts that round, fail and shorten
//! - [`number_text`]: numbers and their texts
//! - [`checked_domain`]: logarithms, roots and powers that fail
//! - [`array_text`]: arrays and their texts
//! - [`array_functions`]: lengths, items and texts of arrays
//! - [`compare_items`]: comparisons with all items of an array
//! - [`named_cast`]: names of casts
//! - [`number_functions`], [`text_functions`]: functions that DataFusion lacks
//! - [`similar_to`], [`like_escape`]: patterns of `SIMILAR TO`, and of `LIKE` with an escape of their own
//! - [`text_format`]: the function `format`
//! - [`session_values`]: who asks, and where: `current_user`, `version()`

pub(crate) mod arithmetic;
pub(crate) mod array_functions;
pub(crate) mod array_text;
pub(crate) mod cast_to;
pub(crate) mod checked_domain;
pub(crate) mod compare_items;
pub(crate) mod like_escape;
pub(crate) mod named_cast;
pub(crate) mod number_functions;
pub(crate) mod number_text;
pub(crate) mod session_values;
pub(crate) mod similar_to;
pub(crate) mod text_format;
pub(crate) mod text_functions;
