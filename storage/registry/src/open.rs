//! Opening a registry: the file, its schema, its reference data, and then what of it is held in memory.

use std::path::Path;
use std::sync::Arc;

use zonelake_schemas::clock::Clock;

use crate::credentials::secret::random;
use crate::error::RegistryError;
use crate::registry::Registry;
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
        let registry = Self::new(path, clock, random()?, Database::new(path, connection));
        registry.refresh()?;
        Ok(registry)
    }
}
