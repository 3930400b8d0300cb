//! The SQL schema of the registry. A migration that has been released is never changed; a new one is added behind it.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

/// Brings a file up to date. Another process may be doing the same simultaneously.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), rusqlite_migration::Error> {
    let migrations = Migrations::from_slice(STEPS);
    // An error may only mean that another process was faster; then nothing is pending any more.
    migrations.to_latest(connection).or_else(|error| match migrations.pending_migrations(connection) {
        Ok(0) => Ok(()),
        _ => Err(error),
    })
}

const STEPS: &[M<'_>] = &[M::up(FIRST), M::up(SCRAM), M::up(ROLES)];

/// `places` is append-only: its keys are 1, 2, 3 and so on without a gap, and stored rows refer to them. A row without a
/// device stands for its zone as a whole. A device that moves gets a new row; `current` marks the one that holds.
const FIRST: &str = "
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE provinces (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE zones (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    province TEXT NOT NULL REFERENCES provinces (code),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    locality TEXT,
    area_ha REAL,
    status TEXT NOT NULL,
    source TEXT,
    auto_register INTEGER NOT NULL DEFAULT 1 CHECK (auto_register IN (0, 1)),
    created_us INTEGER NOT NULL
) STRICT;

CREATE TABLE sites (
    id INTEGER PRIMARY KEY,
    zone INTEGER NOT NULL REFERENCES zones (id),
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    UNIQUE (zone, code)
) STRICT;

CREATE TABLE places (
    key INTEGER PRIMARY KEY,
    zone INTEGER NOT NULL REFERENCES zones (id),
    site INTEGER REFERENCES sites (id),
    device TEXT,
    current INTEGER NOT NULL DEFAULT 1 CHECK (current IN (0, 1)),
    registered_us INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX places_current_device ON places (zone, device) WHERE current = 1 AND device IS NOT NULL;
CREATE UNIQUE INDEX places_whole_zone ON places (zone) WHERE device IS NULL;

CREATE TABLE gateways (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    zone INTEGER NOT NULL REFERENCES zones (id),
    token_sha256 BLOB NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    created_us INTEGER NOT NULL,
    revoked_us INTEGER
) STRICT;

CREATE TABLE producers (
    id INTEGER PRIMARY KEY,
    gateway INTEGER NOT NULL REFERENCES gateways (id),
    name TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    UNIQUE (gateway, name)
) STRICT;

CREATE TABLE admins (
    name TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    changed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tables (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE table_versions (
    table_id INTEGER NOT NULL REFERENCES tables (id),
    version INTEGER NOT NULL,
    fields INTEGER NOT NULL,
    declaration TEXT NOT NULL,
    adopted_us INTEGER NOT NULL,
    PRIMARY KEY (table_id, version)
) STRICT, WITHOUT ROWID;
";

/// The keys that a password is verified by over SCRAM; null where a version without PostgreSQL's protocol set it.
const SCRAM: &str = "ALTER TABLE admins ADD COLUMN scram BLOB";

/// Roles instead of the one administrator, who is the first of them. What is null is limited by the server alone.
const ROLES: &str = "
CREATE TABLE roles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    scram BLOB,
    changed_us INTEGER NOT NULL,
    statement_seconds_max INTEGER CHECK (statement_seconds_max > 0),
    memory_bytes_max INTEGER CHECK (memory_bytes_max > 0),
    running_max INTEGER CHECK (running_max > 0)
) STRICT;
INSERT INTO roles (name, password, scram, changed_us) SELECT name, password, scram, changed_us FROM admins;
DROP TABLE admins;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_is_valid_sql_and_runs_once() {
        Migrations::from_slice(STEPS).validate().unwrap();
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
    }

    #[test]
    fn the_administrator_of_an_older_file_becomes_a_role() {
        let mut connection = Connection::open_in_memory().unwrap();
        Migrations::from_slice(&STEPS[..2]).to_latest(&mut connection).unwrap();
        connection
            .execute("INSERT INTO admins (name, password, changed_us, scram) VALUES ('admin', 'hash', 7, x'01')", [])
            .unwrap();
        migrate(&mut connection).unwrap();
        let role: (i64, String, String, Vec<u8>, i64, Option<i64>) = connection
            .query_row("SELECT id, name, password, scram, changed_us, running_max FROM roles", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })
            .unwrap();
        assert_eq!(role, (1, "admin".into(), "hash".into(), vec![1], 7, None));
    }
}
