//! Errors as PostgreSQL's clients get them: a SQLSTATE and a message.

use std::borrow::Cow;

use bytes::BytesMut;
use zonelake_net::Cause;
use zonelake_query::QueryError;

use crate::protocol::messages::{ERROR, put_report, put_report_with};
use zonelake_postgres_values::ValueError;

/// Error of a statement; the connection goes on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct PgError {
    /// SQLSTATE (PostgreSQL's manual, appendix A).
    pub sqlstate: &'static str,
    /// Text for people.
    pub message: Cow<'static, str>,
    /// What the report says besides.
    details: Option<Box<Details>>,
}

/// Hint and place of an error.
#[derive(Debug, Clone)]
struct Details {
    hint: Option<String>,
    /// Characters from the start of the text, from 1.
    position: Option<usize>,
}

impl PgError {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { sqlstate, message: message.into(), details: None }
    }

    /// Error of a cause that all interfaces know.
    pub(crate) fn of(cause: Cause, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(cause.codes().sqlstate, message)
    }

    /// Error of a text that is not SQL.
    pub(crate) fn syntax(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Cause::Sql, message)
    }

    /// Error of a feature that PostgreSQL has and this server lacks.
    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Cause::NotSupported, message)
    }

    /// Error of a statement that would write.
    pub(crate) fn writes(what: &str) -> Self {
        Self::of(
            Cause::NotAllowed,
            format!("{what} is not possible: SQL reads only; rows are written over QUIC or HTTP"),
        )
    }

    /// Error of a statement behind a failed one: nothing runs until the transaction ends.
    pub(crate) fn failed_transaction() -> Self {
        Self::new("25P02", "current transaction is aborted, commands ignored until end of transaction block")
    }

    /// The same error of a statement that begins behind so many characters of the client's text.
    pub(crate) fn behind(mut self, characters: usize) -> Self {
        if let Some(position) = self.details.as_mut().and_then(|details| details.position.as_mut()) {
            *position += characters;
        }
        self
    }

    /// Writes the error as a message, after which the connection goes on.
    pub(crate) fn put(&self, out: &mut BytesMut) {
        let details = self.details.as_deref();
        let hint = details.and_then(|details| details.hint.clone());
        let position = details.and_then(|details| details.position).map(|position| position.to_string());
        put_report_with(out, "ERROR", self.sqlstate, &self.message, &[(b'H', hint), (b'P', position)]);
    }

    /// Writes the error as a message with which the connection ends.
    pub(crate) fn put_fatal(&self, out: &mut BytesMut) {
        put_report(out, ERROR, "FATAL", self.sqlstate, &self.message);
    }
}

impl From<QueryError> for PgError {
    fn from(error: QueryError) -> Self {
        let sqlstate = error.narrow_sqlstate().unwrap_or_else(|| Cause::from(error.code).codes().sqlstate);
        let (hint, position) = (error.hint().map(str::to_owned), error.position());
        let details = (hint.is_some() || position.is_some()).then(|| Box::new(Details { hint, position }));
        Self { sqlstate, message: error.message.into(), details }
    }
}

impl From<ValueError> for PgError {
    fn from(error: ValueError) -> Self {
        Self::new(error.sqlstate(), error.to_string())
    }
}
