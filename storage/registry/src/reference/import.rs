//! Reference data of a registry: reading it from memory, and putting other rows in its place.

use std::sync::Arc;

use rusqlite::params;
use zonelake_schemas::reference_tables::{REFERENCE_TABLES, ReferenceTable, reference_table};

use crate::error::RegistryError;
use crate::reference::rows::{reference_rows, reference_text};
use crate::reference::stored::{
    ReferenceChange, ReferenceContent, ReferenceSummary, change, insert_change, read_changes,
};
use crate::registry::Registry;
use crate::sqlite::database::Load;

impl Registry {
    /// Rows of a reference table as they are now, from memory.
    pub fn reference(&self, name: &str) -> Option<Arc<ReferenceContent>> {
        self.reference.load().get(name).cloned()
    }

    /// All reference tables by name.
    pub fn reference_summaries(&self) -> Vec<ReferenceSummary> {
        let stored = self.reference.load();
        let summary = |table: &'static ReferenceTable| {
            let content = stored.get(table.name)?;
            // A text that is stored was checked before; a damaged one has no rows that could be counted.
            let rows = reference_rows(table, &content.csv).map_or(0, |rows| rows.len());
            Some(ReferenceSummary { table, rows, changed_us: content.changed_us })
        };
        REFERENCE_TABLES.iter().filter_map(summary).collect()
    }

    /// Puts rows in the place of those of a table, all or none, and notes the change. With `dry_run` nothing is stored, and the
    /// change is told that would be.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], [`RegistryError::Reference`] with the line of what is wrong, and errors of the file.
    pub fn import_reference(&self, name: &str, csv: &str, dry_run: bool) -> Result<ReferenceChange, RegistryError> {
        let unknown = || RegistryError::Unknown { what: "reference table", name: name.into() };
        let table = reference_table(name).ok_or_else(unknown)?;
        let rows = reference_rows(table, csv)?;
        let text = reference_text(table, &rows);
        let now_us = self.clock.wall_us();
        if dry_run {
            let before = self.reference(name).ok_or_else(unknown)?;
            return Ok(change(table, &before.csv, &rows, &text, now_us));
        }
        self.write(&[Load::Reference], |connection, _| {
            let before = self.reference(name).ok_or_else(unknown)?;
            let change = change(table, &before.csv, &rows, &text, now_us);
            let stored = connection
                .execute("UPDATE reference SET csv = ?2, changed_us = ?3 WHERE name = ?1", params![name, text, now_us])
                .and_then(|_| insert_change(connection, &change));
            stored.map_err(|source| self.sqlite(source))?;
            Ok(change)
        })
    }

    /// Changes of the tables since the file was made, the first ones first.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn reference_changes(&self) -> Result<Vec<ReferenceChange>, RegistryError> {
        self.read(|connection| read_changes(connection).map_err(|source| self.sqlite(source)))
    }
}
