//! Check of a registry's file: SQLite's own checks, and what the rest of the system relies on.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};
use zonelake_schemas::{NodeNumber, RegistryMarks, SchemaVersion, TableId};

use crate::error::RegistryError;
use crate::marks::read_marks;
use crate::node::read_node_number;
use crate::registry::Registry;
use crate::tables::{RegisteredTable, read_tables, registered};

/// Problems that are reported one by one; SQLite stops looking there.
const PROBLEMS_MAX: u32 = 100;

/// Findings of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryReport {
    /// Problems, each in a sentence; empty where the file is sound.
    pub problems: Vec<String>,
    /// Number of provinces.
    pub provinces: u64,
    /// Number of zones.
    pub zones: u64,
    /// Number of sites.
    pub sites: u64,
    /// Number of devices.
    pub devices: u64,
    /// Number of locations, zones as a whole and former locations of devices included: the maximum device key.
    pub locations: u64,
    /// Number of gateways that are not revoked.
    pub gateways: u64,
    /// Number of producers.
    pub producers: u64,
    /// Maximum id of each kind.
    pub marks: RegistryMarks,
    /// Number of the node that the file belongs to; `None` where it has none yet.
    pub node_number: Option<NodeNumber>,
    /// Tables by id.
    pub tables: Vec<CheckedTable>,
}

/// A table that the registry knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTable {
    /// Id of the table.
    pub id: TableId,
    /// Name of the table.
    pub name: String,
    /// Version of the field list.
    pub version: SchemaVersion,
    /// Number of fields.
    pub fields: usize,
}

impl RegistryReport {
    /// True where nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Registry {
    /// Checks the whole file. All of it is read; writers wait meanwhile.
    ///
    /// # Errors
    /// [`RegistryError::Sqlite`] where the file cannot be read to its end.
    pub fn check(&self) -> Result<RegistryReport, RegistryError> {
        self.read(|connection| check(connection).map_err(|source| self.sqlite(source)))
    }
}

/// Checks a registry's file without changing it, whether or not a server has it open.
///
/// # Errors
/// [`RegistryError::Sqlite`] where the file cannot be read; one too damaged for SQLite to open is of kind corrupt.
pub fn check_file(path: &Path) -> Result<RegistryReport, RegistryError> {
    let connection = open_to_read(path)?;
    check(&connection).map_err(|source| RegistryError::Sqlite { path: path.into(), source })
}

/// The registered tables of a registry's file by id, read without changing it.
///
/// # Errors
/// [`RegistryError::Damaged`], and errors of SQLite.
pub fn tables_of_file(path: &Path) -> Result<Vec<Arc<RegisteredTable>>, RegistryError> {
    let connection = open_to_read(path)?;
    read_tables(&connection)
        .map_err(|source| RegistryError::Sqlite { path: path.into(), source })?
        .map(registered)
        .map_err(|what| RegistryError::Damaged { path: path.into(), what })
}

/// The maximum ids of a registry's file, read without changing it.
///
/// # Errors
/// Errors of SQLite.
pub fn marks_of_file(path: &Path) -> Result<RegistryMarks, RegistryError> {
    let connection = open_to_read(path)?;
    read_marks(&connection).map_err(|source| RegistryError::Sqlite { path: path.into(), source })
}

/// Opens a file for reading only. SQLite would still make its journal and index next to a file that has none. Where neither
/// is there, nobody has the file open and nothing waits in a journal, so the file alone is read, as an immutable one.
fn open_to_read(path: &Path) -> Result<Connection, RegistryError> {
    let sqlite = |source| RegistryError::Sqlite { path: path.into(), source };
    let has_companion = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        Path::new(&name).exists()
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if has_companion("-wal") || has_companion("-shm") {
        return Connection::open_with_flags(path, flags).map_err(sqlite);
    }
    // Immutable: SQLite takes no lock and makes no file.
    let uri = format!("file:{}?immutable=1", percent_encoded(path));
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI).map_err(sqlite)
}

fn percent_encoded(path: &Path) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes.map(|&byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn check(connection: &Connection) -> rusqlite::Result<RegistryReport> {
    let count = |what: &str| {
        connection.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get::<_, u32>(0)).map(u64::from)
    };
    let mut report = RegistryReport {
        problems: problems(connection)?,
        provinces: count("provinces")?,
        zones: count("zones")?,
        sites: count("sites")?,
        devices: count("places WHERE device IS NOT NULL AND current = 1")?,
        locations: count("places")?,
        gateways: count("gateways WHERE revoked_us IS NULL")?,
        producers: count("producers")?,
        marks: read_marks(connection)?,
        node_number: read_node_number(connection)?,
        tables: Vec::new(),
    };
    match read_tables(connection)? {
        Ok(tables) => {
            report.tables = tables
                .into_iter()
                .map(|table| CheckedTable {
                    id: table.id,
                    version: table.version(),
                    fields: table.def.fields.len(),
                    name: table.def.name,
                })
                .collect();
        }
        Err(problem) => report.problems.push(problem),
    }
    Ok(report)
}

fn problems(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems: Vec<String> = connection
        .prepare(&format!("PRAGMA integrity_check({PROBLEMS_MAX})"))?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    // SQLite reports a sound file as one line of this text.
    problems.retain(|problem| problem != "ok");
    // Foreign keys are checked as rows are written; this finds what damage or another program has broken.
    let mut foreign = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = foreign.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        problems.push(format!("a row of {table} refers to a row of {parent} that is missing"));
    }
    for (sql, problem) in RULES {
        let broken: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        if broken != 0 {
            problems.push(format!("{problem} ({broken})"));
        }
    }
    Ok(problems)
}

/// Rules that the rest of the system relies on: a query that counts the breaches, and the problem to report.
const RULES: [(&str, &str); 5] = [
    ("SELECT coalesce(max(key), 0) - count(*) FROM places", "keys of places are missing"),
    (
        "SELECT count(*) FROM zones WHERE NOT EXISTS (SELECT 1 FROM places WHERE zone = zones.id AND device IS NULL)",
        "zones have no place for the zone as a whole",
    ),
    (
        "SELECT count(*) FROM places JOIN sites ON sites.id = site WHERE sites.zone <> places.zone",
        "places are at a site of another zone",
    ),
    (
        "SELECT count(*) FROM (SELECT 1 FROM places WHERE device IS NOT NULL GROUP BY zone, device HAVING sum(current) <> 1)",
        "devices have no current place",
    ),
    (
        "SELECT count(*) FROM devices WHERE state IN ('approved', 'maintenance') AND NOT EXISTS
         (SELECT 1 FROM places WHERE zone = devices.zone AND device = devices.name AND current = 1)",
        "devices are in operation and have no place",
    ),
];
