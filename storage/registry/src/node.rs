//! The node that a data folder belongs to.

use rusqlite::{OptionalExtension, params};

use crate::{Registry, RegistryError};

/// Name of the fact that holds it.
const NODE: &str = "node";

impl Registry {
    /// Keeps the name of the node that the folder belongs to; the first one given is it. The table logs tell by it which
    /// rows of the write-ahead log are in files already: under another name all of them would go into files again.
    ///
    /// # Errors
    /// [`RegistryError::OtherNode`] where it belongs to another.
    pub fn keep_node(&self, node: &str) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let sqlite = |source| self.sqlite(source);
            let select = "SELECT value FROM facts WHERE name = ?1";
            let kept: Option<String> =
                connection.query_row(select, [NODE], |row| row.get(0)).optional().map_err(sqlite)?;
            match kept {
                Some(kept) if kept == node => Ok(()),
                Some(kept) => Err(RegistryError::OtherNode { path: self.path.clone(), kept, given: node.into() }),
                None => {
                    let insert = "INSERT INTO facts (name, value) VALUES (?1, ?2)";
                    connection.execute(insert, params![NODE, node]).map(drop).map_err(sqlite)
                }
            }
        })
    }
}
