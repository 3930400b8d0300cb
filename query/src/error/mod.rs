//! Errors of statements, in words for the client. No message has a path of the machine in it.
//!
//! - `datafusion_error`: whom an error of DataFusion concerns
//! - `plan_error`: errors of a statement that cannot be planned
//! - `execution_error`: errors of values of which there are words alone
//! - `scan_error`: errors of a statement that are met within the scan of a file
//! - `place`: where in its text a statement is wrong

mod datafusion_error;
mod execution_error;
mod place;
mod plan_error;
mod scan_error;

use std::time::Duration;

pub use zonelake_schemas::error::QueryErrorCode;

/// Reason why a statement has no rows, or only part of them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Kind of reason.
    pub code: QueryErrorCode,
    /// The reason in words.
    pub message: String,
    /// The reason more narrowly, where PostgreSQL has a code for it.
    sqlstate: Option<&'static str>,
    /// More of it.
    details: Option<Box<Details>>,
}

/// What an error says besides its message.
#[derive(Debug, Clone, Default)]
struct Details {
    /// What to do about it.
    hint: Option<String>,
    /// Word of the text that it is about.
    about: Option<String>,
    /// Place of that word: characters from the start of the text, from 1.
    position: Option<usize>,
}

impl QueryError {
    /// Error with its message.
    pub fn new(code: QueryErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), sqlstate: None, details: None }
    }

    /// The same error under a SQLSTATE of its own.
    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: &'static str) -> Self {
        self.sqlstate = Some(sqlstate);
        self
    }

    /// SQLSTATE of the reason, where it is narrower than that of its kind.
    pub fn narrow_sqlstate(&self) -> Option<&'static str> {
        self.sqlstate
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.details.get_or_insert_default().hint = Some(hint.into());
        self
    }

    /// The same error about a word of the text.
    #[must_use]
    fn about(mut self, word: impl Into<String>) -> Self {
        self.details.get_or_insert_default().about = Some(word.into());
        self
    }

    /// The same error with the place of what it is about in the statement's text.
    #[must_use]
    pub(crate) fn placed_in(mut self, sql: &str) -> Self {
        if let Some(details) = &mut self.details
            && let Some(about) = &details.about
        {
            details.position = place::of_word(sql, about);
        }
        self
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.details.as_ref()?.hint.as_deref()
    }

    /// Place in the statement's text: characters from its start, from 1.
    pub fn position(&self) -> Option<usize> {
        self.details.as_ref()?.position
    }

    /// Error of a statement that its client cancelled.
    pub fn cancelled() -> Self {
        Self::new(QueryErrorCode::Stopping, "the statement was cancelled at the client's request")
            .with_sqlstate("57014")
    }

    /// Error of a statement beyond its time limit.
    pub fn time_limit(limit: Duration) -> Self {
        let seconds = limit.as_secs_f64();
        Self::new(
            QueryErrorCode::TimeLimit,
            format!("the statement took longer than the limit of {seconds} s; ask for less, as by a range of time"),
        )
    }

    /// Error of a server that is stopping.
    pub fn stopping() -> Self {
        Self::new(QueryErrorCode::Stopping, "the server is stopping")
    }

    /// Error by a defect, of which the server log says more.
    pub fn internal() -> Self {
        Self::new(QueryErrorCode::Internal, "the statement failed by a defect of the server; its log says more")
    }

    /// Error of a file that is damaged.
    fn storage() -> Self {
        Self::new(
            QueryErrorCode::Storage,
            "a stored file cannot be read. On the server, `zonelake check` names it, and `zonelake check --set-apart` takes it out of its table; rows of other files can be asked for by their dates meanwhile",
        )
    }
}

#[cfg(test)]
mod tests {
    use arrow::error::ArrowError;
    use datafusion::error::DataFusionError;

    use super::*;
    use crate::postgres::value_error::ValueError;

    #[test]
    fn no_path_of_the_machine_reaches_the_client() {
        let not_found = object_store::Error::NotFound {
            path: "/var/lib/zonelake/tables/energy/part-1.parquet".into(),
            source: "no such file".into(),
        };
        let nested = DataFusionError::External(Box::new(parquet::errors::ParquetError::External(Box::new(not_found))));
        let error = QueryError::from(nested.context("while scanning"));
        assert_eq!(error.code, QueryErrorCode::Storage);
        assert!(!error.message.contains("/var"), "{error}");

        let error = QueryError::from(DataFusionError::Internal("/src/file.rs:12".into()));
        assert_eq!((error.code, error.message.contains("/src")), (QueryErrorCode::Internal, false));
    }

    #[test]
    fn what_the_values_do_not_allow_is_said_in_words() {
        let error = QueryError::from(DataFusionError::from(ArrowError::DivideByZero));
        assert_eq!(error.code, QueryErrorCode::Execution);
        assert!(error.message.contains("division by zero"), "{error}");
    }

    #[test]
    fn a_fault_of_a_statement_within_a_scan_is_its_own_and_only_a_damaged_file_is_told_as_damaged() {
        // As the reader of files wraps the error of a filter: it keeps the words alone.
        let in_scan = |error: DataFusionError| {
            let words = format!("Error evaluating filter predicate: {error:?}");
            let wrapped = parquet::errors::ParquetError::External(Box::new(ArrowError::ComputeError(words)));
            QueryError::from(DataFusionError::ParquetError(Box::new(wrapped)))
        };
        for (error, sqlstate, message) in [
            (ValueError::error("22012", "division by zero"), "22012", "division by zero"),
            (ValueError::out_of_range("bigint out of range").context("a context"), "22003", "bigint out of range"),
            (DataFusionError::from(ArrowError::DivideByZero), "22012", "division by zero"),
            (DataFusionError::from(ArrowError::CastError("Cannot cast 'x'".into())), "22P02", "Cannot cast 'x'"),
            (DataFusionError::Execution("no \"word\"".into()), "22000", "no \"word\""),
        ] {
            let error = in_scan(error);
            assert_eq!((error.code, error.narrow_sqlstate()), (QueryErrorCode::Execution, Some(sqlstate)), "{error}");
            assert_eq!(error.message, message);
        }
        let damaged = parquet::errors::ParquetError::General("corrupt page".into());
        let error = QueryError::from(DataFusionError::ParquetError(Box::new(damaged)));
        assert_eq!(error.code, QueryErrorCode::Storage);
        let spilled = std::io::Error::other("/spill/file: no");
        let error = QueryError::from(DataFusionError::IoError(spilled));
        assert_eq!((error.code, error.narrow_sqlstate()), (QueryErrorCode::Internal, Some("58030")));
        assert!(!error.message.contains("/spill"), "{error}");
    }
}
