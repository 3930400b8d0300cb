//! Errors of values of which there are words alone.

use super::{QueryError, QueryErrorCode};

/// Error of a value that DataFusion has words for.
pub(super) fn execution_error(words: &str) -> QueryError {
    let error = QueryError::new(QueryErrorCode::Execution, words);
    match execution_sqlstate(words) {
        Some(sqlstate) => error.with_sqlstate(sqlstate),
        None => error,
    }
}

/// Error of a value that a kernel of Arrow has words for, which may be those of DataFusion.
pub(super) fn computed(words: &str) -> QueryError {
    let error = execution_error(words.strip_prefix("Execution error: ").unwrap_or(words));
    if error.narrow_sqlstate().is_some() { error } else { error.with_sqlstate("22000") }
}

/// SQLSTATE of a text that is no time, and of the root of a negative number, by PostgreSQL's messages, which are ours too.
fn execution_sqlstate(words: &str) -> Option<&'static str> {
    let is_no_time = |name: &str| words.starts_with(&format!("invalid input syntax for type {name}"));
    if is_no_time("timestamp") || is_no_time("date:") {
        Some("22007")
    } else if words.starts_with("date/time field value out of range") {
        Some("22008")
    } else if words.starts_with("time zone ") && words.ends_with("not recognized") {
        Some("22023")
    } else if words == "cannot take square root of a negative number" {
        Some("2201F")
    } else {
        None
    }
}
