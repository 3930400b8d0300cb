//! Settings that a server cannot start with.

/// Settings that cannot be used. Each message names the key.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is missing, is not TOML, has an unknown key, or has a value of another type; or a variable has.
    #[error("{0}")]
    Unreadable(String),
    /// A value is out of its bounds.
    #[error("settings: {key} (or environment variable {variable}) {what}")]
    OutOfBounds {
        /// The key with its section, as `wal.segment_bytes`.
        key: &'static str,
        /// The variable of the key.
        variable: String,
        /// What is wrong, and what is possible.
        what: String,
    },
}
