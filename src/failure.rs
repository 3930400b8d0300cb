//! What a command's end means to a script: the exit codes, which `--help` lists, and the message on standard error.

use std::fmt::Display;
use std::process::ExitCode;

use zonelake_schemas::error::ErrorKind;

/// The exit codes as `--help` tells them.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed: a file cannot be read or written, or a fault of this program
  2  the command line, the settings or the input must be mended
  3  not sound: stored data is damaged, or a check has found a difference
  4  no permission: password, token or right
  5  the server cannot be reached or says to come again: the same command may succeed later";

/// What to do about a failure; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FailureKind {
    /// Read the message; trying again does not help by itself.
    Failed = 1,
    /// Mend the command line, the settings or the input.
    Input = 2,
    /// Stored data is damaged, or a check has found a difference.
    Unsound = 3,
    /// Use other credentials.
    NoPermission = 4,
    /// Try again later.
    TryAgain = 5,
}

/// Why a command has not done what it was told.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    message: String,
}

impl Failure {
    /// A failure with its whole message.
    pub(crate) fn new(kind: FailureKind, message: impl Display) -> Self {
        Self { kind, message: message.to_string() }
    }

    /// A failure of kind [`FailureKind::Failed`].
    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// A failure of kind [`FailureKind::Input`].
    pub(crate) fn input(message: impl Display) -> Self {
        Self::new(FailureKind::Input, message)
    }

    /// A failure for an error whose kind is known.
    pub(crate) fn of_kind(kind: ErrorKind, message: impl Display) -> Self {
        let kind = match kind {
            ErrorKind::Retry => FailureKind::TryAgain,
            ErrorKind::Input => FailureKind::Input,
            ErrorKind::Permission => FailureKind::NoPermission,
            ErrorKind::Corrupt => FailureKind::Unsound,
            ErrorKind::Bug => FailureKind::Failed,
        };
        Self::new(kind, message)
    }

    /// What to do about it.
    #[cfg(test)]
    pub(crate) fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Prints the message and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("zonelake: {}", self.message);
        ExitCode::from(self.kind as u8)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<crate::settings::SettingsError> for Failure {
    fn from(error: crate::settings::SettingsError) -> Self {
        Self::input(error)
    }
}
