//! Errors of a Delta log, under the name of its table.

use url::Url;

use crate::error::TableLogError;

/// Name of the table in errors: its URL.
#[derive(Debug, Clone)]
pub(super) struct LogName(String);

impl LogName {
    pub(super) fn new(root: &Url) -> Self {
        Self(root.to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn store_error(&self, source: impl std::error::Error + Send + Sync + 'static) -> TableLogError {
        TableLogError::Store { table: self.0.clone(), source: Box::new(source) }
    }

    pub(super) fn corrupt(&self, what: impl Into<String>) -> TableLogError {
        TableLogError::Corrupt { table: self.0.clone(), what: what.into() }
    }

    pub(super) fn conflict(&self, version: i64) -> TableLogError {
        TableLogError::Conflict { table: self.0.clone(), version }
    }
}
