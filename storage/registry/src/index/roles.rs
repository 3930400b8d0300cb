//! Roles by name, as one snapshot, each with what its password is verified by.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use rusqlite::{Connection, Row};

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
    /// Limits of the role's statements.
    pub limits: RoleLimits,
}

impl Role {
    /// True for the administrator, who sees the statements of all roles and the server's metrics.
    pub fn is_admin(&self) -> bool {
        *self.name == *ADMIN_USER
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

    /// Reads all roles. A password that was verified before is still known, as long as the role has the same one.
    pub(crate) fn read(connection: &Connection, before: &Self) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT id, name, password, scram, statement_seconds_max, memory_bytes_max, running_max FROM roles",
        )?;
        let all = statement.query_map([], |row| {
            let name: Arc<str> = row.get::<_, String>("name")?.into();
            let hash: String = row.get("password")?;
            let scram: Option<Vec<u8>> = row.get("scram")?;
            // The same hash means the same password, so that a reload costs nobody another argon2.
            let known = before.by_name.get(&name).filter(|known| known.hash == hash);
            let verified = known.and_then(|known| known.verified.load_full());
            let role = Role { id: row.get("id")?, name: Arc::clone(&name), limits: RoleLimits::read(row)? };
            let scram = scram.as_deref().and_then(ScramVerifier::from_bytes);
            let verified = ArcSwapOption::new(verified);
            Ok((name, Arc::new(RoleCredential { role: Arc::new(role), hash, scram, verified })))
        })?;
        let by_name = all.collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
        let list = by_name.values().map(|credential: &Arc<RoleCredential>| Arc::clone(&credential.role)).collect();
        Ok(Self { by_name, list })
    }
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
    /// Hashes a password under new salts. Takes tens of milliseconds.
    pub(crate) fn from_password(password: &str) -> Result<Self, RegistryError> {
        let hash = Argon2::default()
            .hash_password_with_salt(password.as_bytes(), &random::<SALT_BYTES>()?)
            .map_err(|error| RegistryError::PasswordHash(error.to_string()))?;
        Ok(Self { hash: hash.to_string(), scram: ScramVerifier::from_password(password)?.to_bytes() })
    }
}
