//! The node that a data folder belongs to.

use rusqlite::{Connection, OptionalExtension, params};
use zonelake_schemas::NodeNumber;

use crate::error::RegistryError;
use crate::registry::Registry;

/// Name of the fact that holds the node's name.
const NODE: &str = "node";
/// Name of the fact that holds the node's number.
const NODE_NUMBER: &str = "node_number";

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

    /// The number of the node, which the folder was bound to; `None` where it has none yet.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn node_number(&self) -> Result<Option<NodeNumber>, RegistryError> {
        self.read(|connection| read_node_number(connection).map_err(|source| self.sqlite(source)))
    }

    /// Binds the folder to a node's number; the first one given is the one. The WAL names it too, so that a registry
    /// beside the WAL of another node is known for one.
    ///
    /// # Errors
    /// [`RegistryError::OtherNodeNumber`] where the folder belongs to another node, and errors of the file.
    pub fn bind_node_number(&self, number: NodeNumber) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let sqlite = |source| self.sqlite(source);
            match read_node_number(connection).map_err(sqlite)? {
                Some(stored) if stored == number => Ok(()),
                Some(stored) => Err(RegistryError::OtherNodeNumber { path: self.path.clone(), stored, given: number }),
                None => {
                    let insert = "INSERT INTO facts (name, value) VALUES (?1, ?2)";
                    connection.execute(insert, params![NODE_NUMBER, number.to_string()]).map(drop).map_err(sqlite)
                }
            }
        })
    }
}

/// The node's number in a file.
pub(crate) fn read_node_number(connection: &Connection) -> rusqlite::Result<Option<NodeNumber>> {
    let select = "SELECT CAST(value AS INTEGER) FROM facts WHERE name = ?1";
    let stored: Option<i64> = connection.query_row(select, [NODE_NUMBER], |row| row.get(0)).optional()?;
    Ok(stored.map(|number| NodeNumber(number.cast_unsigned())))
}
