//! Errors of single values.

use arrow::error::ArrowError;

use crate::datetime::OutOfRange;

/// Value that PostgreSQL's form of its type cannot represent.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// Day or time out of PostgreSQL's range.
    #[error("a date or time is out of the range that PostgreSQL has: 4713 BC to 294276 AD")]
    Time,
    /// Whole number beyond `bigint`.
    #[error("{0} is out of the range of bigint")]
    Bigint(u64),
    /// Conversion that Arrow does not have.
    #[error("{0}")]
    Arrow(#[from] ArrowError),
}

impl From<OutOfRange> for ValueError {
    fn from(_: OutOfRange) -> Self {
        Self::Time
    }
}

impl ValueError {
    /// SQLSTATE of the error.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Self::Time => "22008",
            Self::Bigint(_) => "22003",
            Self::Arrow(_) => "22000",
        }
    }
}
