//! The SQL schema of the registry. A migration that has been released is never changed; a new one is added behind it.

use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};

/// Brings a file up to date. Another process may be doing the same simultaneously.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), rusqlite_migration::Error> {
    let migrations = Migrations::from_slice(STEPS);
    // A table that others refer to can only be made anew without the check of each row; a migration that does so is checked as a
    // whole.
    connection.pragma_update(None, "foreign_keys", false)?;
    // An error may only mean that another process was faster; then nothing is pending any more.
    let migrated = migrations.to_latest(connection).or_else(|error| match migrations.pending_migrations(connection) {
        Ok(0) => Ok(()),
        _ => Err(error),
    });
    connection.pragma_update(None, "foreign_keys", true)?;
    migrated
}

const STEPS: &[M<'_>] = &[
    M::up(FIRST),
    M::up(SCRAM),
    M::up(ROLES),
    M::up(REFERENCE),
    M::up(RIGHTS),
    M::up(PUSHES),
    M::up(TOKENS).foreign_key_check(),
    M::up(WRITE_GRANTS),
    M::up(PUSH_PRODUCERS),
    M::up(ALERT_RULES),
    M::up(ALERT_HOOKS),
    M::up(REPORT_SCHEDULES),
    M::up(ALERT_HOOK_SEQUENCES),
    M::up(DEVICES),
];

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

/// Tables of reference data, each as one CSV text, and what has changed in them.
const REFERENCE: &str = "
CREATE TABLE reference (
    name TEXT PRIMARY KEY,
    csv TEXT NOT NULL,
    changed_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE reference_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL REFERENCES reference (name),
    changed_us INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    added INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    digest TEXT NOT NULL
) STRICT;
";

/// Kinds of roles, and what is granted to them. Until here every role read everything: the roles that are there go on doing
/// so by a grant that was changed at no time, and new ones read nothing. `*` is every table; a place has its code, and a grant
/// of all rows no column.
const RIGHTS: &str = "
ALTER TABLE roles ADD COLUMN kind TEXT NOT NULL DEFAULT 'own';
UPDATE roles SET kind = 'administrator' WHERE name = 'admin';
CREATE TABLE grants (
    role INTEGER NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    table_name TEXT NOT NULL,
    place TEXT NOT NULL,
    only_column TEXT NOT NULL DEFAULT '',
    only_value TEXT NOT NULL DEFAULT '',
    plate TEXT NOT NULL CHECK (plate IN ('hidden', 'hashed', 'shown')),
    person TEXT NOT NULL CHECK (person IN ('hidden', 'hashed', 'shown')),
    position TEXT NOT NULL CHECK (position IN ('hidden', 'hashed', 'shown')),
    changed_us INTEGER NOT NULL,
    PRIMARY KEY (role, table_name, place, only_column, only_value)
) STRICT, WITHOUT ROWID;
INSERT INTO grants (role, table_name, place, plate, person, position, changed_us)
    SELECT id, '*', 'everywhere', 'shown', 'shown', 'shown', 0 FROM roles WHERE kind <> 'administrator';
INSERT INTO facts (name, value) VALUES ('rights_epoch', '0');
";

/// What gateways have pushed, as they note it. Digests are of the gateway's making; the record is `Push` of the protocol. The latest entries are
/// kept, up to `PUSHES_KEPT_MAX`.
const PUSHES: &str = "
CREATE TABLE pushes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway INTEGER NOT NULL REFERENCES gateways (id),
    table_name TEXT NOT NULL,
    lane INTEGER NOT NULL,
    producer TEXT NOT NULL,
    head BLOB NOT NULL,
    rows_set BLOB NOT NULL,
    content BLOB NOT NULL,
    record BLOB NOT NULL,
    begun_us INTEGER NOT NULL,
    UNIQUE (gateway, table_name, lane, producer)
) STRICT;
CREATE INDEX pushes_by_head ON pushes (gateway, head);
CREATE INDEX pushes_by_set ON pushes (gateway, rows_set);
CREATE INDEX pushes_by_content ON pushes (gateway, content);
";

/// Tokens of gateways and roles, several of each. The one token that a gateway had is its first one.
const TOKENS: &str = "
CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    gateway INTEGER REFERENCES gateways (id),
    role INTEGER REFERENCES roles (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    scram BLOB,
    created_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_us INTEGER,
    last_used_us INTEGER,
    revoked_us INTEGER,
    UNIQUE (gateway, name),
    UNIQUE (role, name),
    CHECK ((gateway IS NULL) <> (role IS NULL))
) STRICT;
INSERT INTO tokens (gateway, name, sha256, created_us, created_by, revoked_us)
    SELECT id, 'first', token_sha256, created_us, '', revoked_us FROM gateways ORDER BY id;
CREATE TABLE gateways_without_token (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    zone INTEGER NOT NULL REFERENCES zones (id),
    created_us INTEGER NOT NULL,
    revoked_us INTEGER
) STRICT;
INSERT INTO gateways_without_token SELECT id, name, zone, created_us, revoked_us FROM gateways;
DROP TABLE gateways;
ALTER TABLE gateways_without_token RENAME TO gateways;
";

/// What gateways may write. Until here each wrote all tables of its zone, and goes on doing so. `*` is every table, and every device.
const WRITE_GRANTS: &str = "
CREATE TABLE gateway_grants (
    gateway INTEGER NOT NULL REFERENCES gateways (id),
    table_name TEXT NOT NULL,
    zone INTEGER NOT NULL REFERENCES zones (id),
    devices TEXT NOT NULL,
    changed_us INTEGER NOT NULL,
    PRIMARY KEY (gateway, table_name, zone, devices)
) STRICT, WITHOUT ROWID;
INSERT INTO gateway_grants (gateway, table_name, zone, devices, changed_us)
    SELECT id, '*', zone, '*', created_us FROM gateways;
";

/// Producers that are lent to pushes, one after the other; `holder` is the entry of `pushes` that has one now.
const PUSH_PRODUCERS: &str = "
CREATE TABLE push_producers (
    gateway INTEGER NOT NULL REFERENCES gateways (id),
    number INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    holder TEXT,
    PRIMARY KEY (gateway, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX push_producers_free ON push_producers (gateway, number) WHERE holder IS NULL;
CREATE INDEX push_producers_by_holder ON push_producers (gateway, holder) WHERE holder IS NOT NULL;
";

/// Alert rules, each version of each. The latest of a name holds; one without a declaration says that the rule was removed. An author is the name of a
/// role, or `@local`.
const ALERT_RULES: &str = "
CREATE TABLE alert_rules (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    author TEXT NOT NULL,
    declaration TEXT,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    changed_us INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
";

/// Whom alerts are sent to, and what could not be delivered.
const ALERT_HOOKS: &str = "
CREATE TABLE alert_hooks (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    cursor_us INTEGER NOT NULL,
    created_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hook TEXT NOT NULL REFERENCES alert_hooks (name),
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    UNIQUE (hook, key)
) STRICT;
";

/// Reports that are due at times, and what was made of them. Runs stay when their schedule goes: what was handed in is compared with them.
const REPORT_SCHEDULES: &str = "
CREATE TABLE report_schedules (
    name TEXT PRIMARY KEY,
    author TEXT NOT NULL,
    declaration TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    due_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    failing_since_us INTEGER,
    error TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE report_runs (
    schedule TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    -- 0; more where the ones before were made while the clock was ahead of this time.
    number INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('made', 'empty', 'failed')),
    author TEXT NOT NULL,
    declaration TEXT NOT NULL,
    done_us INTEGER NOT NULL,
    note TEXT,
    is_ahead INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (schedule, due_us, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_runs_by_due ON report_runs (due_us);

CREATE TABLE report_files (
    path TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    number INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    removed_us INTEGER,
    FOREIGN KEY (schedule, due_us, number) REFERENCES report_runs (schedule, due_us, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_files_by_digest ON report_files (sha256);
CREATE INDEX report_files_by_run ON report_files (schedule, due_us, number);
";

/// How far a hook has got is a sequence, which no clock has a part in; null until it is looked for alerts. `cursor_us` is the receipt of
/// that alert, or when the hook was added.
const ALERT_HOOK_SEQUENCES: &str = "
ALTER TABLE alert_hooks ADD COLUMN sequence INTEGER;
";

/// What is said of devices, and what has changed in it. A device without a row has registered itself, and nobody has said anything of it; one
/// without a current place has no key, since it waits for approval or was never approved. Rows are never removed, and `version` grows
/// with each transaction, so that memory reads what is new alone. Tags are one text with `;` between them.
const DEVICES: &str = "
CREATE TABLE devices (
    zone INTEGER NOT NULL REFERENCES zones (id),
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('announced', 'approved', 'maintenance', 'retired')),
    kind TEXT,
    model TEXT,
    serial TEXT,
    owner TEXT,
    latitude REAL,
    longitude REAL,
    tags TEXT NOT NULL DEFAULT '',
    interval_seconds INTEGER CHECK (interval_seconds > 0),
    changed_us INTEGER NOT NULL,
    PRIMARY KEY (zone, name),
    CHECK ((latitude IS NULL) = (longitude IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_version ON devices (version);

CREATE TABLE device_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    zone INTEGER NOT NULL,
    name TEXT NOT NULL,
    changed_us INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    attribute TEXT NOT NULL,
    before TEXT,
    after TEXT
) STRICT;
CREATE INDEX device_changes_of ON device_changes (zone, name);
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

    #[test]
    fn the_one_token_of_a_gateway_of_an_older_file_is_its_first_and_what_refers_to_the_gateway_stays() {
        let mut connection = Connection::open_in_memory().unwrap();
        Migrations::from_slice(&STEPS[..6]).to_latest(&mut connection).unwrap();
        connection
            .execute_batch(
                "INSERT INTO provinces VALUES ('p', 'P');
                 INSERT INTO zones (id, code, province, kind, name, status, created_us) VALUES (1, 'z', 'p', 'k', 'Z', 's', 0);
                 INSERT INTO gateways VALUES (3, 'g', 1, zeroblob(32), 7, NULL), (5, 'gone', 1, x'0000000000000000000000000000000000000000000000000000000000000001', 8, 9);
                 INSERT INTO producers (gateway, name, created_us) VALUES (3, 'plc', 7);",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let read = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let tokens = "SELECT gateway || ' ' || name || ' ' || created_us || ' ' || coalesce(revoked_us, '-') FROM tokens ORDER BY id";
        assert_eq!(read(tokens), ["3 first 7 -", "5 first 8 9"]);
        let grants =
            "SELECT gateway || ' ' || table_name || ' ' || zone || ' ' || devices FROM gateway_grants ORDER BY 1";
        assert_eq!(read(grants), ["3 * 1 *", "5 * 1 *"], "each writes what it wrote before");
        assert_eq!(read("SELECT gateways.name FROM producers JOIN gateways ON gateways.id = gateway"), ["g"]);
        connection.execute("INSERT INTO producers (gateway, name, created_us) VALUES (9, 'x', 7)", []).unwrap_err();
    }

    #[test]
    fn roles_of_an_older_file_read_what_they_read_before() {
        let mut connection = Connection::open_in_memory().unwrap();
        Migrations::from_slice(&STEPS[..3]).to_latest(&mut connection).unwrap();
        let roles = "INSERT INTO roles (name, password, changed_us) VALUES ('admin', 'h', 1), ('grafana', 'h', 2)";
        connection.execute(roles, []).unwrap();
        migrate(&mut connection).unwrap();
        let read = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(read("SELECT name || ' ' || kind FROM roles ORDER BY 1"), ["admin administrator", "grafana own"]);
        let grants = "SELECT name || ' ' || table_name || ' ' || place || ' ' || plate || person || position \
                      FROM grants JOIN roles ON roles.id = role";
        assert_eq!(read(grants), ["grafana * everywhere shownshownshown"]);
    }
}
