//! Kinds of errors by what the receiver can do about them: the one scale that every crate's errors map to.

/// Kind of an error: what the receiver can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The same call may succeed later: something was busy, full or out of reach. Nothing was changed.
    Retry,
    /// The call itself is wrong: its input has to change first.
    Input,
    /// The caller has no right to do this.
    Permission,
    /// Stored data is damaged: an operator has to look, and repeating does not help.
    Corrupt,
    /// An assumption of this program does not hold: a defect, to be reported.
    Bug,
}

impl ErrorKind {
    /// Name in the server log and in responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Input => "input",
            Self::Permission => "permission",
            Self::Corrupt => "corrupt",
            Self::Bug => "bug",
        }
    }
}
