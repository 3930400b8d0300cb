//! An error of a value, with the SQLSTATE that PostgreSQL gives it.

use std::fmt;

use datafusion::common::DataFusionError;

/// What a value does not allow, in words for the client.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ValueError {
    /// PostgreSQL's code.
    pub(crate) sqlstate: &'static str,
    /// What was wrong, and what to write instead.
    pub(crate) message: String,
}

impl ValueError {
    /// The error as DataFusion carries it.
    pub(crate) fn error(sqlstate: &'static str, message: impl Into<String>) -> DataFusionError {
        DataFusionError::External(Box::new(Self { sqlstate, message: message.into() }))
    }

    /// A value beyond its type.
    pub(crate) fn out_of_range(message: impl Into<String>) -> DataFusionError {
        Self::error("22003", message)
    }

    /// Something that is not done yet, with what to write instead.
    pub(crate) fn unsupported(message: impl Into<String>) -> DataFusionError {
        Self::error("0A000", message)
    }
}

/// In front of, between and behind SQLSTATE and message in the debug form.
const MARKS: [&str; 3] = ["ValueError⟨", "⟩", "⟨end⟩"];

impl fmt::Debug for ValueError {
    /// A form that can be read back: of an error within the scan of a file no more is left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [start, between, end] = MARKS;
        write!(f, "{start}{}{between}{}{end}", self.sqlstate, self.message)
    }
}

impl ValueError {
    /// SQLSTATE and message of the error whose debug form stands in a text.
    pub(crate) fn of_debug_form(text: &str) -> Option<(&'static str, String)> {
        let [start, between, end] = MARKS;
        let (_, rest) = text.split_once(start)?;
        let (sqlstate, rest) = rest.split_once(between)?;
        let (message, _) = rest.split_once(end)?;
        let known = SQLSTATES.iter().copied().find(|known| *known == sqlstate).unwrap_or("22000");
        Some((known, message.to_owned()))
    }
}

/// Codes of the errors of values.
const SQLSTATES: [&str; 19] = [
    "0A000", "22000", "22001", "22003", "22004", "22007", "22008", "2200D", "22012", "22013", "22019", "2201B",
    "2201E", "2201F", "2201G", "22023", "22025", "22P02", "54000",
];
