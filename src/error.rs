//! End of a command for a script: the exit codes, which `--help` lists, and the message on standard error.

use std::fmt::Display;
use std::process::ExitCode;

use zonelake_reports::ReportError;
use zonelake_schemas::error::ErrorKind;
use zonelake_server::{FailureKind, ServerError};
use zonelake_settings::SettingsError;

/// Exit codes as `--help` tells them.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed: a file cannot be read or written, or a fault of this program
  2  the command line, the settings or the input must be fixed
  3  not sound: stored data is damaged, or a check has found a difference
  4  no permission: password, token or right
  5  the server cannot be reached or says to come again: the same command may succeed later
  6  done, and none of the rows was acceptable";

/// Command that has not done what it was told.
#[derive(Debug)]
pub(crate) struct CliError {
    kind: FailureKind,
    message: String,
}

impl CliError {
    /// Error with its whole message.
    pub(crate) fn new(kind: FailureKind, message: impl Display) -> Self {
        Self { kind, message: message.to_string() }
    }

    /// Error of kind [`FailureKind::Failed`].
    pub(crate) fn failed(message: impl Display) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// Error of kind [`FailureKind::Input`].
    pub(crate) fn input(message: impl Display) -> Self {
        Self::new(FailureKind::Input, message)
    }

    /// Error of a part whose kind is known.
    pub(crate) fn from_kind(kind: ErrorKind, message: impl Display) -> Self {
        Self::new(kind.into(), message)
    }

    /// The same error with words before its message.
    pub(crate) fn prefixed(self, words: &str) -> Self {
        Self { message: format!("{words}{}", self.message), ..self }
    }

    /// Kind of the error.
    #[cfg(test)]
    pub(crate) fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Prints the message and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("zonelake: {}", self.message);
        ExitCode::from(exit_code(self.kind))
    }
}

fn exit_code(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Failed => 1,
        FailureKind::Input => 2,
        FailureKind::Unsound => 3,
        FailureKind::NoPermission => 4,
        FailureKind::TryAgain => 5,
        FailureKind::NothingAcceptable => 6,
    }
}

impl Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::input(error)
    }
}

impl From<ServerError> for CliError {
    fn from(error: ServerError) -> Self {
        Self::new(error.kind, error.message)
    }
}

impl From<ReportError> for CliError {
    fn from(error: ReportError) -> Self {
        Self::from_kind(error.kind, error.message)
    }
}

impl From<CliError> for ReportError {
    fn from(error: CliError) -> Self {
        let kind = match error.kind {
            FailureKind::Failed | FailureKind::NothingAcceptable => ErrorKind::Bug,
            FailureKind::Input => ErrorKind::Input,
            FailureKind::Unsound => ErrorKind::Corrupt,
            FailureKind::NoPermission => ErrorKind::Permission,
            FailureKind::TryAgain => ErrorKind::Retry,
        };
        Self::new(kind, error.message)
    }
}

/// Long help of a command: its examples, and the exit codes.
pub(crate) fn long_help(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES}")
}
