//! Errors as PostgreSQL's clients get them: a SQLSTATE and a message.

use std::borrow::Cow;

use bytes::BytesMut;
use zonelake_net::Cause;
use zonelake_query::QueryError;

use crate::protocol::messages::{ERROR, put_report};
use crate::values::error::ValueError;

/// Error of a statement; the connection goes on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct PgError {
    /// SQLSTATE (PostgreSQL's manual, appendix A).
    pub sqlstate: &'static str,
    /// Text for people.
    pub message: Cow<'static, str>,
}

impl PgError {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { sqlstate, message: message.into() }
    }

    /// Error of a text that is not SQL.
    pub(crate) fn syntax(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("42601", message)
    }

    /// Error of a feature that PostgreSQL has and this server lacks.
    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("0A000", message)
    }

    /// Error of a statement that would write.
    pub(crate) fn writes(what: &str) -> Self {
        Self::new("25006", format!("{what} is not possible: SQL reads only; rows are written over QUIC or HTTP"))
    }

    /// Error of a statement behind a failed one: nothing runs until the transaction ends.
    pub(crate) fn failed_transaction() -> Self {
        Self::new("25P02", "current transaction is aborted, commands ignored until end of transaction block")
    }

    /// Writes the error as a message, after which the connection goes on.
    pub(crate) fn put(&self, out: &mut BytesMut) {
        put_report(out, ERROR, "ERROR", self.sqlstate, &self.message);
    }

    /// Writes the error as a message with which the connection ends.
    pub(crate) fn put_fatal(&self, out: &mut BytesMut) {
        put_report(out, ERROR, "FATAL", self.sqlstate, &self.message);
    }
}

impl From<QueryError> for PgError {
    fn from(error: QueryError) -> Self {
        let sqlstate = error.narrow_sqlstate().unwrap_or_else(|| Cause::from(error.code).codes().sqlstate);
        Self::new(sqlstate, error.message)
    }
}

impl From<ValueError> for PgError {
    fn from(error: ValueError) -> Self {
        Self::new(error.sqlstate(), error.to_string())
    }
}
