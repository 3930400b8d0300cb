//! Roles by name, as one snapshot, each with what its password is verified by.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use rusqlite::{Connection, Row};
use zonelake_schemas::RoleId;

use crate::access::grant::{Grant, GrantKey, OnlyRows, RoleKind};
use crate::credentials::scram::ScramVerifier;
use crate::credentials::secret::{Sha256Digest, digests_are_equal, random};
use crate::error::RegistryError;

/// Name of the administrator, the role that every registry has.
pub const ADMIN_USER: &str = "admin";
/// Memory below which hardly any statement can run.
const MEMORY_BYTES_MIN: u64 = 1 << 20;
/// Bytes of the salt of a stored hash.
const SALT_BYTES: usize = 16;

/// A role that may read over SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Id of the role.
    pub id: u32,
    /// Name of the role.
    pub name: Arc<str>,
    /// Kind of the role.
    pub kind: RoleKind,
    /// Limits of the role's statements.
    pub limits: RoleLimits,
    /// What is granted to the role, in the order of the keys.
    pub grants: Arc<[Grant]>,
    /// True where a grant of everything is from a version without rights, and nobody has changed it since.
    pub reads_as_before: bool,
}

impl Role {
    /// True for an administrator, who sees all rows, the statements of all roles and the server's metrics.
    pub fn is_admin(&self) -> bool {
        self.kind == RoleKind::Administrator
    }

    /// True where the role has the same rights as `other`, an earlier state of it.
    pub fn has_rights_of(&self, other: &Self) -> bool {
        (self.id, self.kind, &self.grants) == (other.id, other.kind, &other.grants)
    }
}

/// Limits of the statements of a role. They narrow the server's limits and never widen them; `None` leaves the server's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoleLimits {
    /// Seconds from the arrival of a statement to its last row, at least 1.
    pub statement_seconds_max: Option<u32>,
    /// Memory of one statement, bytes, at least 1 MiB.
    pub memory_bytes_max: Option<u64>,
    /// Statements in flight simultaneously, at least 1.
    pub running_max: Option<u32>,
}

impl RoleLimits {
    /// Refuses limits that no statement could keep, or that SQLite cannot hold.
    pub(crate) fn check(self, name: &str) -> Result<(), RegistryError> {
        let wrong = |why| RegistryError::Invalid { what: "role", name: name.into(), why };
        if self.statement_seconds_max == Some(0) {
            return Err(wrong("a statement has 1 second at least"));
        }
        if self.memory_bytes_max.is_some_and(|bytes| bytes < MEMORY_BYTES_MIN || i64::try_from(bytes).is_err()) {
            return Err(wrong("a statement has 1048576 bytes of memory at least"));
        }
        if self.running_max == Some(0) {
            return Err(wrong("a role runs 1 statement at a time at least"));
        }
        Ok(())
    }

    /// The limit of memory as its column has it.
    pub(crate) fn memory_column(self) -> Option<i64> {
        self.memory_bytes_max.and_then(|bytes| i64::try_from(bytes).ok())
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let bytes: Option<i64> = row.get("memory_bytes_max")?;
        Ok(Self {
            statement_seconds_max: row.get("statement_seconds_max")?,
            memory_bytes_max: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            running_max: row.get("running_max")?,
        })
    }
}

/// All roles, as one snapshot.
#[derive(Debug, Default)]
pub(crate) struct RoleIndex {
    by_name: BTreeMap<Arc<str>, Arc<RoleCredential>>,
    /// Roles by name. Each statement of PostgreSQL's clients shows them, so they are gathered once.
    list: Arc<[Arc<Role>]>,
    /// Maximum id that was ever given out; a role that was removed leaves its id unused.
    last: RoleId,
    /// Number of changes of rights.
    rights_epoch: u64,
}

impl RoleIndex {
    /// All roles, by name.
    pub(crate) fn list(&self) -> &Arc<[Arc<Role>]> {
        &self.list
    }

    /// The role of a name, with what its password is verified by.
    pub(crate) fn credential(&self, name: &str) -> Option<&Arc<RoleCredential>> {
        self.by_name.get(name)
    }

    /// Maximum id that was ever given out.
    pub(crate) fn last(&self) -> RoleId {
        self.last
    }

    /// Number of changes of rights, over all roles.
    pub(crate) fn rights_epoch(&self) -> u64 {
        self.rights_epoch
    }

    /// Reads all roles. A password that was verified before is still known, as long as the role has the same one.
    pub(crate) fn read(connection: &Connection, before: &Self) -> rusqlite::Result<Self> {
        let mut grants = read_grants(connection)?;
        let mut statement = connection.prepare_cached(
            "SELECT id, name, kind, password, scram, statement_seconds_max, memory_bytes_max, running_max FROM roles",
        )?;
        let all = statement.query_map([], |row| {
            let name: Arc<str> = row.get::<_, String>("name")?.into();
            let hash: String = row.get("password")?;
            let scram: Option<Vec<u8>> = row.get("scram")?;
            // The same hash means the same password, so that a reload costs nobody another argon2.
            let known = before.by_name.get(&name).filter(|known| known.hash == hash);
            let verified = known.and_then(|known| known.verified.load_full());
            let id = row.get("id")?;
            // A kind that a newer version has made reads what is granted to it, and no more.
            let kind = row.get::<_, String>("kind")?.parse().unwrap_or_default();
            let (reads_as_before, granted) = grants.remove(&id).unwrap_or_default();
            let limits = RoleLimits::read(row)?;
            let role = Role { id, name: Arc::clone(&name), kind, limits, grants: granted.into(), reads_as_before };
            let scram = scram.as_deref().and_then(ScramVerifier::from_bytes);
            let verified = ArcSwapOption::new(verified);
            Ok((name, Arc::new(RoleCredential { role: Arc::new(role), hash, scram, verified })))
        })?;
        let by_name = all.collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
        let list = by_name.values().map(|credential: &Arc<RoleCredential>| Arc::clone(&credential.role)).collect();
        Ok(Self { by_name, list, last: last_role(connection)?, rights_epoch: read_epoch(connection)? })
    }
}

/// Grants by the id of their role, in the order of their keys; true where one is from a version without rights.
fn read_grants(connection: &Connection) -> rusqlite::Result<BTreeMap<u32, (bool, Vec<Grant>)>> {
    let mut statement = connection.prepare_cached(
        "SELECT role, table_name, place, only_column, only_value, plate, person, position, changed_us FROM grants",
    )?;
    let mut rows = statement.query([])?;
    let mut all: BTreeMap<u32, (bool, Vec<Grant>)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let text = |column: &str| row.get::<_, String>(column);
        let table = text("table_name")?;
        let (column, value) = (text("only_column")?, text("only_value")?);
        // A place that a newer version knows is none that can be granted here.
        let Ok(place) = text("place")?.parse() else { continue };
        let key = GrantKey {
            table: (table != ALL_TABLES).then(|| table.into()),
            place,
            only: (!column.is_empty()).then(|| OnlyRows { column: column.into(), value: value.into() }),
        };
        let visibility = |column: &str| Ok::<_, rusqlite::Error>(text(column)?.parse().unwrap_or_default());
        let grant = Grant {
            key,
            plate: visibility("plate")?,
            person: visibility("person")?,
            position: visibility("position")?,
        };
        let (reads_as_before, of_role) = all.entry(row.get("role")?).or_default();
        *reads_as_before |= row.get::<_, i64>("changed_us")? == 0;
        of_role.push(grant);
    }
    for (_, grants) in all.values_mut() {
        grants.sort_unstable();
    }
    Ok(all)
}

fn read_epoch(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM facts WHERE name = 'rights_epoch'";
    let epoch: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(epoch.unsigned_abs())
}

/// Name of all tables in the file; no table has it.
pub(crate) const ALL_TABLES: &str = "*";

/// The maximum id that SQLite has given to a role.
pub(crate) fn last_role(connection: &Connection) -> rusqlite::Result<RoleId> {
    // A file that had no roles yet has no such table; it is read as it is, where nothing may be changed.
    if !connection.table_exists(None, "sqlite_sequence")? {
        return Ok(RoleId(0));
    }
    let mut statement =
        connection.prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'roles'")?;
    statement.query_row([], |row| row.get(0)).map(RoleId)
}

/// A role, and what its password is verified by.
pub(crate) struct RoleCredential {
    pub(crate) role: Arc<Role>,
    /// PHC string of argon2id.
    pub(crate) hash: String,
    /// Keys of SCRAM.
    pub(crate) scram: Option<ScramVerifier>,
    /// Salted digest of the password that this hash was verified with.
    verified: ArcSwapOption<Sha256Digest>,
}

impl fmt::Debug for RoleCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without hash, keys and digest, which must not get into the server log.
        f.debug_struct("RoleCredential").field("role", &self.role).finish_non_exhaustive()
    }
}

impl RoleCredential {
    /// Verifies a password by the argon2id hash: tens of milliseconds and 19 MiB.
    pub(crate) fn is_password(&self, password: &str) -> bool {
        Argon2::default().verify_password(password.as_bytes(), self.hash.as_str()).is_ok()
    }

    /// Verifies a password by the digest of the one that was right before: microseconds.
    pub(crate) fn is_verified(&self, digest: &Sha256Digest) -> bool {
        self.verified.load().as_ref().is_some_and(|known| digests_are_equal(known, digest))
    }

    /// Remembers the digest of a password that was right.
    pub(crate) fn set_verified(&self, digest: Sha256Digest) {
        self.verified.store(Some(Arc::new(digest)));
    }
}

/// The stored form of a password: nothing from which the password could be made.
pub(crate) struct StoredPassword {
    /// PHC string of argon2id.
    pub(crate) hash: String,
    /// Keys of SCRAM, as [`ScramVerifier::to_bytes`] has them.
    pub(crate) scram: Vec<u8>,
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPassword").finish_non_exhaustive()
    }
}

impl StoredPassword {
    /// Hashes a password. Takes tens of milliseconds. Its keys of SCRAM have the salt of those before, where there are some: the
    /// role's tokens are verified in the same exchange. The salt keeps roles and folders apart, and a role keeps its own.
    pub(crate) fn from_password(password: &str, before: Option<&ScramVerifier>) -> Result<Self, RegistryError> {
        let hash = Argon2::default()
            .hash_password_with_salt(password.as_bytes(), &random::<SALT_BYTES>()?)
            .map_err(|error| RegistryError::PasswordHash(error.to_string()))?;
        let scram = match before {
            Some(before) => ScramVerifier::with_salt_of(password, before),
            None => ScramVerifier::from_password(password)?,
        };
        Ok(Self { hash: hash.to_string(), scram: scram.to_bytes() })
    }
}
