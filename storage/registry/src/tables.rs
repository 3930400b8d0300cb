//! Registered tables: their ids and the versions of their field lists. A version only adds fields behind those of the one
//! before.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::{SchemaVersion, TableDef, TableError, TableId, TableSchemas};

use crate::earliest::EarliestTimes;
use crate::error::RegistryError;
use crate::registry::Registry;

/// A table as it is registered now.
#[derive(Debug, Clone)]
pub struct RegisteredTable {
    /// Id, which never changes.
    pub id: TableId,
    /// Version of the field list, from 1.
    pub version: SchemaVersion,
    /// Declaration: the stored fields in their stored order, then added ones.
    pub def: Arc<TableDef>,
    /// Arrow schemas at this version.
    pub schemas: TableSchemas,
    /// Number of fields at each version; version v is at index v - 1.
    pub field_counts: Vec<usize>,
    /// Earliest times of its rows, by the retention of the store.
    pub earliest: Arc<EarliestTimes>,
}

impl Registry {
    /// Registers what is declared, durably and in one transaction, and returns every registered table by id. A new table
    /// gets an id; added fields make a new version; changed ranges and descriptions replace the old ones. A registered
    /// table that is no longer declared stays as it is. What becomes of repeats changes in what is returned, and durably with
    /// [`Registry::adopt_on_repeat`] only, since it depends on the rows that are stored.
    ///
    /// # Errors
    /// [`RegistryError::Table`] names a change that would misread what is stored; then nothing is changed. Also
    /// [`RegistryError::Damaged`] and errors of the file.
    pub fn register_tables(&self, declared: &[TableDef]) -> Result<Vec<Arc<RegisteredTable>>, RegistryError> {
        self.write(&[], |connection, _| {
            let mut stored = self.read_tables(connection)?;
            for next in declared {
                self.register_table(connection, &mut stored, next)?;
            }
            Ok(registered(stored))
        })
    }

    /// Makes durable what becomes of repeats in a registered table, as its declaration says now.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`], and errors of the file.
    pub fn adopt_on_repeat(&self, table: &RegisteredTable) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let mut stored = self.read_tables(connection)?;
            let Some(own) = stored.iter_mut().find(|own| own.id == table.id) else {
                return Err(self.damaged(format!("table {} is not registered", table.def.name)));
            };
            own.def.on_repeat = table.def.on_repeat;
            write_version(connection, own, &text(&own.def)?, self.clock.wall_us()).map_err(|source| self.sqlite(source))
        })
    }

    /// Every registered table by id, without changing any.
    ///
    /// # Errors
    /// [`RegistryError::Damaged`], and errors of SQLite.
    pub fn stored_tables(&self) -> Result<Vec<Arc<RegisteredTable>>, RegistryError> {
        self.read(|connection| self.read_tables(connection)).map(registered)
    }

    fn register_table(
        &self,
        connection: &Connection,
        stored: &mut Vec<StoredTable>,
        next: &TableDef,
    ) -> Result<(), RegistryError> {
        let now_us = self.clock.wall_us();
        // Tables are declared by name and stored by id, so a name keeps its id for good.
        if let Some(table) = stored.iter_mut().find(|table| table.def.name == next.name) {
            let as_stored = TableDef { on_repeat: table.def.on_repeat, ..next.clone() };
            if table.evolve(&as_stored)? {
                write_version(connection, table, &text(&table.def)?, now_us).map_err(|source| self.sqlite(source))?;
            }
            table.def.on_repeat = next.on_repeat;
            return Ok(());
        }
        let declaration = text(next)?;
        let insert = || {
            let sql = "INSERT INTO tables (name) VALUES (?1) RETURNING id";
            let id = TableId(connection.query_row(sql, [&next.name], |row| row.get(0))?);
            let table = StoredTable { id, def: next.clone(), field_counts: vec![next.fields.len()] };
            write_version(connection, &table, &declaration, now_us)?;
            Ok(table)
        };
        stored.push(insert().map_err(|source| self.sqlite(source))?);
        Ok(())
    }

    fn read_tables(&self, connection: &Connection) -> Result<Vec<StoredTable>, RegistryError> {
        read_tables(connection).map_err(|source| self.sqlite(source))?.map_err(|what| self.damaged(what))
    }
}

/// A table as the file has it.
#[derive(Debug)]
pub(crate) struct StoredTable {
    pub(crate) id: TableId,
    pub(crate) def: TableDef,
    pub(crate) field_counts: Vec<usize>,
}

impl StoredTable {
    pub(crate) fn version(&self) -> SchemaVersion {
        SchemaVersion(u32::try_from(self.field_counts.len()).expect("a version adds a field, and fields are limited"))
    }

    /// Evolves the table to a declaration; false where that changes nothing.
    fn evolve(&mut self, next: &TableDef) -> Result<bool, TableError> {
        let def = self.def.evolved_to(next)?;
        if def == self.def {
            return Ok(false);
        }
        // Ranges and descriptions may change within a version: they do not decide how stored values are read.
        if def.fields.len() > self.def.fields.len() {
            self.field_counts.push(def.fields.len());
        }
        self.def = def;
        Ok(true)
    }
}

pub(crate) fn registered(stored: Vec<StoredTable>) -> Vec<Arc<RegisteredTable>> {
    let register = |table: StoredTable| {
        Arc::new(RegisteredTable {
            id: table.id,
            version: table.version(),
            schemas: TableSchemas::new(&table.def),
            def: Arc::new(table.def),
            field_counts: table.field_counts,
            earliest: Arc::default(),
        })
    };
    stored.into_iter().map(register).collect()
}

/// The declaration as TOML that reads back as the same. A declaration that was made in code and breaks a rule is refused
/// here.
fn text(def: &TableDef) -> Result<String, TableError> {
    let text = toml::to_string(def)
        .map_err(|error| TableError::Invalid(format!("table {}: cannot be written: {error}", def.name)))?;
    // A declaration that reads back otherwise would make the next start misread every stored row.
    let read = TableDef::from_toml(&text)?;
    assert_eq!(read, *def, "a declaration reads back as it was written");
    Ok(text)
}

fn write_version(connection: &Connection, table: &StoredTable, declaration: &str, now_us: i64) -> rusqlite::Result<()> {
    let fields = u32::try_from(table.def.fields.len()).expect("fields are limited");
    connection.execute(
        "INSERT INTO table_versions (table_id, version, fields, declaration, adopted_us) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (table_id, version) DO UPDATE SET declaration = excluded.declaration",
        params![table.id.0, table.version().0, fields, declaration, now_us],
    )?;
    Ok(())
}

/// Every table by id. The inner error says in words what is damaged.
pub(crate) fn read_tables(connection: &Connection) -> rusqlite::Result<Result<Vec<StoredTable>, String>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, name, version, fields, declaration FROM tables
         LEFT JOIN table_versions ON table_id = id ORDER BY id, version",
    )?;
    let mut rows = statement.query([])?;
    let mut tables: BTreeMap<TableId, StoredTable> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id = TableId(row.get(0)?);
        let name: String = row.get(1)?;
        let Some(version) = row.get::<_, Option<u32>>(2)? else {
            return Ok(Err(format!("table {name} has no version")));
        };
        let (version, fields) = (version as usize, row.get::<_, u32>(3)? as usize);
        let declaration: String = row.get(4)?;
        let def = match TableDef::from_toml(&declaration) {
            Ok(def) if def.name == name && def.fields.len() == fields => def,
            Ok(_) => return Ok(Err(format!("version {version} of table {name} has another name or number of fields"))),
            Err(error) => return Ok(Err(format!("version {version} of table {name} does not read: {error}"))),
        };
        // The last version of a table wins; each one adds its number of fields.
        let mut field_counts = tables.remove(&id).map_or_else(Vec::new, |table| table.field_counts);
        field_counts.push(fields);
        if field_counts.len() != version || !field_counts.is_sorted_by(|a, b| a < b) {
            return Ok(Err(format!("the versions of table {name} are not one behind the other")));
        }
        tables.insert(id, StoredTable { id, def, field_counts });
    }
    Ok(Ok(tables.into_values().collect()))
}
