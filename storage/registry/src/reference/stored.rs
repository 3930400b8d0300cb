//! The tables of reference data in the file and in memory, and the list of their changes. Nothing here knows the registry itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::reference_tables::{REFERENCE_TABLES, ReferenceTable};

use crate::credentials::secret::sha256;
use crate::reference::row::ReferenceRow;
use crate::reference::rows::{reference_rows, reference_text};

/// Rows of a table as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceContent {
    /// CSV text with the declared columns.
    pub csv: Arc<str>,
    /// When it was stored, microseconds.
    pub changed_us: i64,
}

/// A table with the number of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceSummary {
    /// Its declaration.
    pub table: &'static ReferenceTable,
    /// Number of rows.
    pub rows: usize,
    /// When they were stored, microseconds.
    pub changed_us: i64,
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceChange {
    /// Name of the table.
    pub table: String,
    /// When it was made, microseconds.
    pub changed_us: i64,
    /// Rows after it.
    pub rows: u64,
    /// Rows that were not there before.
    pub added: u64,
    /// Rows that are no longer there.
    pub removed: u64,
    /// SHA-256 of the text after it, in hexadecimal.
    pub digest: String,
}

/// What of the tables is in memory, by name.
pub(crate) type ReferenceIndex = BTreeMap<String, Arc<ReferenceContent>>;

/// The change from one text of a table to other rows.
pub(crate) fn change(
    table: &'static ReferenceTable,
    before: &str,
    rows: &[ReferenceRow],
    text: &str,
    changed_us: i64,
) -> ReferenceChange {
    let mut known: BTreeMap<Vec<Option<String>>, i64> = BTreeMap::new();
    for row in reference_rows(table, before).unwrap_or_default() {
        *known.entry(row.cells).or_default() -= 1;
    }
    for row in rows {
        *known.entry(row.cells.clone()).or_default() += 1;
    }
    let sum = |sign: i64| known.values().map(|count| (count * sign).max(0).unsigned_abs()).sum();
    ReferenceChange {
        table: table.name.to_owned(),
        changed_us,
        rows: rows.len() as u64,
        added: sum(1),
        removed: sum(-1),
        digest: data_encoding::HEXLOWER.encode(&sha256(&[text.as_bytes()])),
    }
}

/// Notes a change.
pub(crate) fn insert_change(connection: &Connection, change: &ReferenceChange) -> rusqlite::Result<usize> {
    let numbers = [change.rows, change.added, change.removed].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    connection.execute(
        "INSERT INTO reference_changes (name, changed_us, rows, added, removed, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![change.table, change.changed_us, numbers[0], numbers[1], numbers[2], change.digest],
    )
}

/// Reads all changes, the first ones first.
pub(crate) fn read_changes(connection: &Connection) -> rusqlite::Result<Vec<ReferenceChange>> {
    let select = "SELECT name, changed_us, rows, added, removed, digest FROM reference_changes ORDER BY id";
    let mut statement = connection.prepare_cached(select)?;
    let changes = statement.query_map([], |row| {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
        Ok(ReferenceChange {
            table: row.get(0)?,
            changed_us: row.get(1)?,
            rows: number(2)?,
            added: number(3)?,
            removed: number(4)?,
            digest: row.get(5)?,
        })
    })?;
    changes.collect()
}

/// Inserts the built-in rows of each table that the file does not have yet: all of them at the first start, new ones after an update.
pub(crate) fn insert_missing(connection: &Connection, now_us: i64) -> rusqlite::Result<()> {
    for table in REFERENCE_TABLES {
        let rows = reference_rows(table, table.csv).expect("a test reads every built-in text");
        let text = reference_text(table, &rows);
        let insert = "INSERT INTO reference (name, csv, changed_us) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        if connection.execute(insert, params![table.name, text, now_us])? == 1 {
            insert_change(connection, &change(table, "", &rows, &text, now_us))?;
        }
    }
    Ok(())
}

/// True where the file has every built-in table.
pub(crate) fn has_all(connection: &Connection) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare("SELECT count(*) FROM reference WHERE name = ?1")?;
    for table in REFERENCE_TABLES {
        if statement.query_row([table.name], |row| row.get::<_, i64>(0))? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads all tables.
pub(crate) fn read_reference(connection: &Connection) -> rusqlite::Result<ReferenceIndex> {
    let mut statement = connection.prepare_cached("SELECT name, csv, changed_us FROM reference")?;
    let rows = statement.query_map([], |row| {
        let csv: String = row.get(1)?;
        Ok((row.get(0)?, Arc::new(ReferenceContent { csv: csv.into(), changed_us: row.get(2)? })))
    })?;
    rows.collect()
}
