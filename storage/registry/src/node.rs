//! The node that a data folder belongs to.

use rusqlite::{OptionalExtension, params};

use crate::error::RegistryError;
use crate::registry::Registry;

/// Name of the fact that holds the node's name.
const NODE: &str = "node";

impl Registry {
    /// Binds the folder to a node's name; the first one given is the one. The Delta logs tell by that name which rows of
    /// the WAL are in files already: under another name all of them would go into files again.
    ///
    /// # Errors
    /// [`RegistryError::OtherNode`] where the folder belongs to another node, and errors of the file.
    pub fn bind_node_name(&self, node: &str) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let sqlite = |source| self.sqlite(source);
            let select = "SELECT value FROM facts WHERE name = ?1";
            let stored: Option<String> =
                connection.query_row(select, [NODE], |row| row.get(0)).optional().map_err(sqlite)?;
            match stored {
                Some(stored) if stored == node => Ok(()),
                Some(stored) => Err(RegistryError::OtherNode { path: self.path.clone(), stored, given: node.into() }),
                None => {
                    let insert = "INSERT INTO facts (name, value) VALUES (?1, ?2)";
                    connection.execute(insert, params![NODE, node]).map(drop).map_err(sqlite)
                }
            }
        })
    }
}
