//! A copy of a registry's file, whether or not a server has it open.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::error::RegistryError;
use crate::sqlite::database::{BUSY_TIMEOUT, make_private};

/// Copies the registry as of its last transaction to a new file, which its owner alone can read. The copy is not synced.
///
/// # Errors
/// [`RegistryError::Open`] where the new file cannot be made, and errors of SQLite.
pub fn copy_file(from: &Path, to: &Path) -> Result<(), RegistryError> {
    // SQLite writes to a file that is there if it is empty, and leaves its rights as they are.
    make_private(to).map_err(|source| RegistryError::Open { path: to.into(), source })?;
    let sqlite = |source| RegistryError::Sqlite { path: from.into(), source };
    let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(sqlite)?;
    Ok(())
}
