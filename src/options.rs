//! Options that several commands share.

use std::path::PathBuf;

use clap::Args;
use zonelake_settings::Settings;

use crate::error::CliError;

/// Settings, and so the data folder.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsOptions {
    /// Settings file (`zonelake config` prints one); without it the defaults and the environment hold
    #[arg(long, value_name = "FILE", env = "ZONELAKE_CONFIG")]
    pub config: Option<PathBuf>,

    /// Data folder, before that of the settings [default: ./zonelake-data]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

impl SettingsOptions {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// Where a setting is out of its bounds; the message names it.
    pub(crate) fn load(&self) -> Result<Settings, CliError> {
        let mut settings = Settings::load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            settings.data.clone_from(data);
        }
        Ok(settings)
    }
}

/// Credentials for a server, and the certificates to trust.
#[derive(Debug, Clone, Args)]
pub(crate) struct CredentialOptions {
    /// User
    #[arg(long, value_name = "NAME", env = "ZONELAKE_USER", default_value = "admin")]
    pub user: String,

    /// Password; better in the environment, where other users of this machine do not see it
    #[arg(long, env = "ZONELAKE_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,

    /// Certificates to trust, PEM, where the address is https; without it those of the system
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}
