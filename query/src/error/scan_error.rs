//! Errors of a statement that are met within the scan of a file. A filter that is evaluated while a file is decoded fails as the reader of
//! files has it, and of the error its words are left (datafusion-datasource-parquet 55, `row_filter.rs`): the debug form of what
//! failed. A predicate has no other errors than those of its statement.

use super::execution_error::computed;
use super::{QueryError, QueryErrorCode};
use crate::postgres::value_error::ValueError;

/// Words that the reader puts in front.
const IN_FILTER: &str = "Error evaluating filter predicate: ";

/// Error of the statement, where these are the words of a filter that failed.
pub(super) fn statement_fault(words: &str) -> Option<QueryError> {
    let (_, failed) = words.split_once(IN_FILTER)?;
    let error = |sqlstate: &'static str, message: String| {
        QueryError::new(QueryErrorCode::Execution, message).with_sqlstate(sqlstate)
    };
    if let Some((sqlstate, message)) = ValueError::of_debug_form(failed) {
        return Some(error(sqlstate, message));
    }
    if failed.contains("DivideByZero") {
        return Some(error("22012", "division by zero".to_owned()));
    }
    for (kind, sqlstate) in [("ArithmeticOverflow(", "22003"), ("CastError(", "22P02"), ("ParseError(", "22P02")] {
        if let Some(message) = quoted_after(failed, kind) {
            return Some(error(sqlstate, message));
        }
    }
    let message = quoted_after(failed, "Execution(").or_else(|| quoted_after(failed, "ComputeError("));
    Some(computed(message.as_deref().unwrap_or("a condition could not be evaluated")))
}

/// The text in quotes behind a word of a debug form.
fn quoted_after(debug: &str, word: &str) -> Option<String> {
    let (_, behind) = debug.split_once(word)?;
    let mut letters = behind.strip_prefix('"')?.chars();
    let mut text = String::new();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => match letters.next()? {
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}
