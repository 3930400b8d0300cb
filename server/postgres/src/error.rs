//! What goes wrong, as PostgreSQL's clients are told: a SQLSTATE and words.

use std::borrow::Cow;

use bytes::BytesMut;
use zonelake_query::QueryError;

use crate::values::column::ValueError;
use crate::protocol::messages::{ERROR, put_report};

/// An error that the client is told of; the connection goes on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct PgError {
    /// Code of PostgreSQL's manual, appendix A.
    pub sqlstate: &'static str,
    /// In words.
    pub message: Cow<'static, str>,
}

impl PgError {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { sqlstate, message: message.into() }
    }

    /// The text is not SQL.
    pub(crate) fn syntax(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("42601", message)
    }

    /// PostgreSQL has it and this does not.
    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("0A000", message)
    }

    /// It would write.
    pub(crate) fn writes(what: &str) -> Self {
        Self::new("25006", format!("{what} is not possible: SQL reads only; rows are written over QUIC or HTTP"))
    }

    /// Nothing is run until the transaction ends.
    pub(crate) fn failed_transaction() -> Self {
        Self::new("25P02", "current transaction is aborted, commands ignored until end of transaction block")
    }

    pub(crate) fn put(&self, out: &mut BytesMut) {
        put_report(out, ERROR, "ERROR", self.sqlstate, &self.message);
    }

    /// As an error with which the connection ends.
    pub(crate) fn put_fatal(&self, out: &mut BytesMut) {
        put_report(out, ERROR, "FATAL", self.sqlstate, &self.message);
    }
}

impl From<QueryError> for PgError {
    fn from(error: QueryError) -> Self {
        Self::new(error.sqlstate(), error.message)
    }
}

impl From<ValueError> for PgError {
    fn from(error: ValueError) -> Self {
        Self::new(error.sqlstate(), error.to_string())
    }
}
