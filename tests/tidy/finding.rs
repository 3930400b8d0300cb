//! A fault with its place.

use std::fmt::{self, Display, Formatter};

/// A fault at a line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, from the root of the tree.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The fault.
    pub(crate) text: String,
}

impl Finding {
    /// A fault at a place.
    pub(crate) fn new(file: &str, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, text: text.into() }
    }
}

impl Display for Finding {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.text)
    }
}
