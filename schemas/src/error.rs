//! Kinds of errors by what the receiver can do about them, the one scale that every crate's errors map to; and the kinds of
//! reasons of failed statements, which are told by name in responses.

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

/// Kinds of reasons why a statement fails. Their names stand in responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueryErrorCode {
    /// The text is not SQL, or names a table or column that does not exist.
    Sql,
    /// The statement would change something, or reads what is not a table.
    NotAllowed,
    /// The values do not allow it: a division by zero, a cast that fails, an overflow.
    Execution,
    /// The statement needs more memory or disk space for intermediate results than one statement may have.
    TooLarge,
    /// The statement took longer than the time limit.
    TimeLimit,
    /// Too many statements are waiting already.
    Busy,
    /// The server is stopping.
    Stopping,
    /// A stored file cannot be read.
    Storage,
    /// A defect of this program.
    Internal,
}

impl QueryErrorCode {
    /// Name in responses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::NotAllowed => "not_allowed",
            Self::Execution => "execution",
            Self::TooLarge => "too_large",
            Self::TimeLimit => "time_limit",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
            Self::Storage => "storage",
            Self::Internal => "internal",
        }
    }

    /// Class of the error by its remedy.
    pub fn kind(self) -> ErrorKind {
        match self {
            Self::Sql | Self::NotAllowed | Self::Execution | Self::TooLarge | Self::TimeLimit => ErrorKind::Input,
            Self::Busy | Self::Stopping => ErrorKind::Retry,
            Self::Storage => ErrorKind::Corrupt,
            Self::Internal => ErrorKind::Bug,
        }
    }
}
