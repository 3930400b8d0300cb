//! Opening a registry: the file, its schema, its reference data, and then what of it is held in memory.

use std::path::Path;
use std::sync::Arc;

use zonelake_schemas::clock::Clock;

use crate::credentials::personal_key::personal_key;
use crate::credentials::secret::random;
use crate::error::RegistryError;
use crate::registry::{Registry, Secrets};
use crate::sqlite::database::{Database, open_connection};
use crate::sqlite::migrations::migrate;
use crate::sqlite::seed::seed;

impl Registry {
    /// Opens the file; makes it, with the reference zones in it, where there is none. Its folder must exist.
    ///
    /// # Errors
    /// [`RegistryError::Open`], [`RegistryError::Migrate`] for a file of a newer version, [`RegistryError::Damaged`],
    /// [`RegistryError::Random`], and errors of SQLite.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        let mut connection = open_connection(path)?;
        migrate(&mut connection)
            .map_err(|source| RegistryError::Migrate { path: path.into(), source: Box::new(source) })?;
        seed(&mut connection, path, clock.wall_us())?;
        let personal_key =
            personal_key(&connection).map_err(|source| RegistryError::Sqlite { path: path.into(), source })??;
        let secrets = Secrets { process_salt: random()?, personal_key };
        let registry = Self::new(path, clock, secrets, Database::new(path, connection));
        registry.refresh()?;
        registry.log_roles_as_before();
        Ok(registry)
    }

    /// Says which roles read everything because they did so before there were rights.
    fn log_roles_as_before(&self) {
        let roles = self.roles();
        let names: Vec<&str> = roles.iter().filter(|role| role.reads_as_before).map(|role| &*role.name).collect();
        if !names.is_empty() {
            tracing::warn!(
                roles = names.join(", "),
                "these roles read all rows and personal data, as before there were rights; narrow them with `zonelake role grant` and `zonelake role revoke`"
            );
        }
    }
}
