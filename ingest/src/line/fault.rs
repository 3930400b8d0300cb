//! Fault of one line, whose words are made where a response names it.

use std::borrow::Cow;

use zonelake_schemas::TableDef;

use crate::decode::wire_schema::unknown_column;
use crate::refusal::Refusal;

/// Fault of one line. A sender may repeat one mistake in each of a million lines, and a response names a few of them: the
/// words, for which the names of the table are compared, are made for those alone.
#[derive(Debug)]
pub(crate) enum LineFault<'a> {
    /// Name of a tag or field that the table does not have.
    UnknownColumn(Cow<'a, str>),
    /// Any other fault.
    Other(Refusal),
}

impl LineFault<'_> {
    /// The fault in words.
    pub(crate) fn refusal(self, table: &TableDef) -> Refusal {
        match self {
            Self::UnknownColumn(name) => unknown_column(&name, table),
            Self::Other(refusal) => refusal,
        }
    }
}

impl From<Refusal> for LineFault<'_> {
    fn from(refusal: Refusal) -> Self {
        Self::Other(refusal)
    }
}
