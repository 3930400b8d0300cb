//! Roles: who may read over SQL, and what their statements may take. A role's password is kept as an argon2id hash, and as
//! the keys of SCRAM, with which PostgreSQL's clients prove that they know it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwapOption;
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use rusqlite::{Connection, Row, params};

use crate::credentials::scram::ScramVerifier;
use crate::credentials::secret::{Sha256Digest, digests_are_equal, new_password, random, sha256};
use crate::registry::Load;
use crate::{Registry, RegistryError};

/// Name of the administrator, the role that every registry has.
pub const ADMIN_USER: &str = "admin";
/// Roles of a registry.
pub const ROLES_MAX: usize = 1_000;
/// Bytes of a role's name.
const NAME_BYTES_MAX: usize = 63;
/// Bytes that a password must have at least.
const PASSWORD_BYTES_MIN: usize = 8;
/// Bytes that a password may have at most.
const PASSWORD_BYTES_MAX: usize = 1_024;
/// Bytes of the salt of a stored hash.
const SALT_BYTES: usize = 16;

/// Who may read over SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: Arc<str>,
    /// What its statements may take.
    pub limits: RoleLimits,
}

impl Role {
    /// Whether this is the administrator, who sees the statements of all roles and the server's metrics.
    pub fn is_admin(&self) -> bool {
        *self.name == *ADMIN_USER
    }
}

/// What the statements of a role may take. They narrow what the server allows and never widen it; `None` leaves that as it
/// is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoleLimits {
    /// Seconds from the arrival of a statement to its last row, at least 1.
    pub statement_seconds_max: Option<u32>,
    /// Memory of one statement, bytes, at least [`MEMORY_BYTES_MIN`].
    pub memory_bytes_max: Option<u64>,
    /// Statements that run at the same time, at least 1.
    pub running_max: Option<u32>,
}

/// Memory below which hardly any statement can run.
pub const MEMORY_BYTES_MIN: u64 = 1 << 20;

impl RoleLimits {
    fn check(self, name: &str) -> Result<(), RegistryError> {
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

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let bytes: Option<i64> = row.get("memory_bytes_max")?;
        Ok(Self {
            statement_seconds_max: row.get("statement_seconds_max")?,
            memory_bytes_max: bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            running_max: row.get("running_max")?,
        })
    }

    fn memory_column(self) -> Option<i64> {
        self.memory_bytes_max.and_then(|bytes| i64::try_from(bytes).ok())
    }
}

impl Registry {
    /// Makes the administrator where there is none and returns its random password, which is nowhere else; `None` where
    /// there is one already.
    pub fn ensure_admin(&self) -> Result<Option<String>, RegistryError> {
        self.refresh()?;
        if self.role(ADMIN_USER).is_some() {
            return Ok(None);
        }
        let password = new_password()?;
        let stored = StoredPassword::of(&password)?;
        let made = self.write(&[Load::Roles], |connection, _| {
            self.insert_role(connection, ADMIN_USER, &stored, RoleLimits::default())
        })?;
        Ok((made == 1).then_some(password))
    }

    /// Adds a role and returns its random password, which is nowhere else. A name has 1 to 63 characters of a to z, 0 to 9,
    /// "_" and "-", a letter first.
    pub fn add_role(&self, name: &str, limits: RoleLimits) -> Result<String, RegistryError> {
        check_role_name(name)?;
        limits.check(name)?;
        let password = new_password()?;
        let stored = StoredPassword::of(&password)?;
        self.write(&[Load::Roles], |connection, _| {
            if self.roles.load().list.len() >= ROLES_MAX {
                return Err(RegistryError::Limit { what: "roles", name: "this server".into(), limit: ROLES_MAX });
            }
            match self.insert_role(connection, name, &stored, limits)? {
                0 => Err(RegistryError::Exists { what: "role", name: name.into() }),
                _ => Ok(()),
            }
        })?;
        Ok(password)
    }

    fn insert_role(
        &self,
        connection: &Connection,
        name: &str,
        stored: &StoredPassword,
        limits: RoleLimits,
    ) -> Result<usize, RegistryError> {
        connection
            .execute(
                "INSERT INTO roles (name, password, scram, changed_us, statement_seconds_max, memory_bytes_max, running_max)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
                params![
                    name,
                    stored.hash,
                    stored.scram,
                    self.clock.wall_us(),
                    limits.statement_seconds_max,
                    limits.memory_column(),
                    limits.running_max,
                ],
            )
            .map_err(|source| self.sqlite(source))
    }

    /// Sets what the statements of a role may take: in this process from the next statement on, in others after their next
    /// [`Registry::refresh`].
    pub fn set_role_limits(&self, name: &str, limits: RoleLimits) -> Result<(), RegistryError> {
        limits.check(name)?;
        self.change_role(
            name,
            "UPDATE roles SET statement_seconds_max = ?2, memory_bytes_max = ?3, running_max = ?4 WHERE name = ?1",
            params![name, limits.statement_seconds_max, limits.memory_column(), limits.running_max],
        )
    }

    /// Sets a role's password: 8 to 1,024 bytes. The old one is refused at once in this process; in others after their
    /// next [`Registry::refresh`].
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), RegistryError> {
        if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
            let why = "a password has 8 to 1024 bytes";
            return Err(RegistryError::Invalid { what: "password of", name: name.into(), why });
        }
        let stored = StoredPassword::of(password)?;
        self.change_role(
            name,
            "UPDATE roles SET password = ?2, scram = ?3, changed_us = ?4 WHERE name = ?1",
            params![name, stored.hash, stored.scram, self.clock.wall_us()],
        )
    }

    /// Gives a role a new random password, as [`Registry::set_password`] does, and returns it.
    pub fn reset_password(&self, name: &str) -> Result<String, RegistryError> {
        let password = new_password()?;
        self.set_password(name, &password)?;
        Ok(password)
    }

    /// Removes a role. Its statements are refused from the next one on: in this process at once, in others after their
    /// next [`Registry::refresh`]. The administrator stays.
    pub fn remove_role(&self, name: &str) -> Result<(), RegistryError> {
        if name == ADMIN_USER {
            let why = "the administrator cannot be removed";
            return Err(RegistryError::Invalid { what: "role", name: name.into(), why });
        }
        self.change_role(name, "DELETE FROM roles WHERE name = ?1", params![name])
    }

    fn change_role(&self, name: &str, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<(), RegistryError> {
        self.write(&[Load::Roles], |connection, _| {
            match connection.execute(sql, values).map_err(|source| self.sqlite(source))? {
                0 => Err(RegistryError::Unknown { what: "role", name: name.into() }),
                _ => Ok(()),
            }
        })
    }

    /// All roles by name, from memory.
    pub fn roles(&self) -> Arc<[Arc<Role>]> {
        Arc::clone(&self.roles.load().list)
    }

    /// The role of this name as it is now, from memory.
    pub fn role(&self, name: &str) -> Option<Arc<Role>> {
        self.roles.load().by_name.get(name).map(|credential| Arc::clone(&credential.role))
    }

    /// Whether this is a role and its password. The first time, and each time with a wrong password or name, this takes
    /// tens of milliseconds and 19 MiB, one caller at a time; a password that was right once is recognised by its digest.
    pub fn authenticate(&self, name: &str, password: &str) -> bool {
        if password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        let Some(credential) = self.credential(name) else {
            // It takes as long as a wrong password, so that nobody finds out which names there are.
            let _turn = self.verifying.lock().unwrap_or_else(PoisonError::into_inner);
            let other = self.roles.load().by_name.get(ADMIN_USER).cloned();
            let _as_long_as_another = other.is_some_and(|other| other.is_password(password));
            return false;
        };
        let digest = sha256(&[&self.process_salt, password.as_bytes()]);
        let is_verified = || credential.verified.load().as_ref().is_some_and(|known| digests_are_equal(known, &digest));
        if is_verified() {
            return true;
        }
        // One at a time, so that a flood of wrong passwords takes the memory and the core of one.
        let _turn = self.verifying.lock().unwrap_or_else(PoisonError::into_inner);
        if is_verified() {
            return true;
        }
        let is_right = credential.is_password(password);
        if is_right {
            credential.verified.store(Some(Arc::new(digest)));
            if credential.scram.is_none()
                && let Err(error) = self.add_scram(&credential, password)
            {
                tracing::warn!("what PostgreSQL's clients need of the password could not be stored: {error}");
            }
        }
        is_right
    }

    /// Adds the keys of SCRAM to a password that was set before there were any, now that it is known.
    fn add_scram(&self, of: &RoleCredential, password: &str) -> Result<(), RegistryError> {
        let scram = ScramVerifier::of_password(password)?.to_bytes();
        self.write(&[Load::Roles], |connection, _| {
            connection
                .execute(
                    "UPDATE roles SET scram = ?1 WHERE name = ?2 AND password = ?3",
                    params![scram, of.role.name, of.hash],
                )
                .map_err(|source| self.sqlite(source))?;
            Ok(())
        })
    }

    /// What a role is recognised by over SCRAM; `None` where there is no such role, and where its password was set before
    /// there was such a thing: setting it again makes one, and so does [`Registry::authenticate`] with it.
    pub fn role_scram(&self, name: &str) -> Option<ScramVerifier> {
        self.credential(name)?.scram.clone()
    }

    /// What a role is recognised by, also where another process has added it just now.
    fn credential(&self, name: &str) -> Option<Arc<RoleCredential>> {
        if let Some(known) = self.roles.load().by_name.get(name) {
            return Some(Arc::clone(known));
        }
        if let Err(error) = self.refresh() {
            tracing::warn!("new roles cannot be read: {error}");
        }
        self.roles.load().by_name.get(name).cloned()
    }

    pub(crate) fn load_roles(&self, connection: &Connection) -> Result<(), RegistryError> {
        let before = self.roles.load_full();
        let read = || -> rusqlite::Result<BTreeMap<_, _>> {
            let mut statement = connection.prepare_cached(
                "SELECT id, name, password, scram, statement_seconds_max, memory_bytes_max, running_max FROM roles",
            )?;
            let all = statement.query_map([], |row| {
                let name: Arc<str> = row.get::<_, String>("name")?.into();
                let hash: String = row.get("password")?;
                let scram: Option<Vec<u8>> = row.get("scram")?;
                // Which password is right is still known as long as it is the same one.
                let known = before.by_name.get(&name).filter(|known| known.hash == hash);
                let verified = known.and_then(|known| known.verified.load_full());
                let role = Role { id: row.get("id")?, name: Arc::clone(&name), limits: RoleLimits::read(row)? };
                let scram = scram.as_deref().and_then(ScramVerifier::from_bytes);
                let verified = ArcSwapOption::new(verified);
                Ok((name, Arc::new(RoleCredential { role: Arc::new(role), hash, scram, verified })))
            })?;
            all.collect()
        };
        let by_name: BTreeMap<Arc<str>, Arc<RoleCredential>> = read().map_err(|source| self.sqlite(source))?;
        let list = by_name.values().map(|credential| Arc::clone(&credential.role)).collect();
        self.roles.store(Arc::new(RoleIndex { by_name, list }));
        Ok(())
    }
}

/// All roles, as one snapshot.
#[derive(Default)]
pub(crate) struct RoleIndex {
    by_name: BTreeMap<Arc<str>, Arc<RoleCredential>>,
    /// By name. Each statement of PostgreSQL's clients shows them, so they are gathered once.
    list: Arc<[Arc<Role>]>,
}

/// A role, and what it is recognised by.
pub(crate) struct RoleCredential {
    role: Arc<Role>,
    /// PHC string of argon2id.
    hash: String,
    /// Keys of SCRAM.
    scram: Option<ScramVerifier>,
    /// Salted digest of the password that this hash was verified with.
    verified: ArcSwapOption<Sha256Digest>,
}

impl RoleCredential {
    fn is_password(&self, password: &str) -> bool {
        Argon2::default().verify_password(password.as_bytes(), self.hash.as_str()).is_ok()
    }
}

/// What is kept of a password.
struct StoredPassword {
    hash: String,
    scram: Vec<u8>,
}

impl StoredPassword {
    fn of(password: &str) -> Result<Self, RegistryError> {
        let hash = Argon2::default()
            .hash_password_with_salt(password.as_bytes(), &random::<SALT_BYTES>()?)
            .map_err(|error| RegistryError::PasswordHash(error.to_string()))?;
        Ok(Self { hash: hash.to_string(), scram: ScramVerifier::of_password(password)?.to_bytes() })
    }
}

/// Refuses a name that no role may have.
fn check_role_name(name: &str) -> Result<(), RegistryError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let is_valid = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(allowed);
    if is_valid {
        return Ok(());
    }
    Err(RegistryError::Invalid {
        what: "role",
        name: name.chars().take(NAME_BYTES_MAX).collect(),
        why: "a role's name has 1 to 63 characters of a to z, 0 to 9, _ and -, a letter first",
    })
}
