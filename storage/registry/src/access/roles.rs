//! Roles: who may read over SQL, and the limits of their statements. A role's password is stored as an argon2id hash, and
//! as the keys of SCRAM, with which PostgreSQL's clients prove that they know it.

use std::hint;
use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, params};

use crate::access::grant::{Grant, RoleKind};
use crate::access::grants::GRANTS_MAX;
use crate::credentials::scram::ScramVerifier;
use crate::credentials::secret::{new_password, sha256};
use crate::error::RegistryError;
use crate::index::roles::{ADMIN_USER, Role, RoleCredential, RoleLimits, StoredPassword};
use crate::registry::Registry;
use crate::sqlite::database::Load;

/// Roles of a registry; more are refused.
const ROLES_MAX: usize = 1_000;
/// Bytes of a role's name.
const NAME_BYTES_MAX: usize = 63;
/// Bytes that a password must have at least.
const PASSWORD_BYTES_MIN: usize = 8;
/// Bytes that a password may have at most, so that hashing one takes a bounded time.
const PASSWORD_BYTES_MAX: usize = 1_024;

impl Registry {
    /// Makes the administrator where there is none and returns its random password, which is stored nowhere; `None` where
    /// there is one already.
    ///
    /// # Errors
    /// [`RegistryError::Random`], [`RegistryError::PasswordHash`], and errors of the file.
    pub fn ensure_admin(&self) -> Result<Option<String>, RegistryError> {
        self.refresh()?;
        // Looked up before a password is hashed, which takes tens of milliseconds at each start.
        if self.role(ADMIN_USER).is_some() {
            return Ok(None);
        }
        let password = new_password()?;
        let stored = StoredPassword::from_password(&password, None)?;
        let made = self.write(&[Load::Roles], |connection, _| {
            self.insert_role(connection, ADMIN_USER, RoleKind::Administrator, &stored, RoleLimits::default())
        })?;
        // Another process may have made the administrator meanwhile; its password is the valid one.
        Ok((made == 1).then_some(password))
    }

    /// Adds a role that reads nothing yet, as [`Registry::add_role_with`] does.
    ///
    /// # Errors
    /// Those of [`Registry::add_role_with`].
    pub fn add_role(&self, name: &str, limits: RoleLimits) -> Result<String, RegistryError> {
        self.add_role_with(name, RoleKind::Own, limits, &[])
    }

    /// Adds a role with grants and returns its random password, which is stored nowhere. A name has 1 to 63 characters of a to z, 0 to 9,
    /// "_" and "-", a letter first.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a name or limits that cannot be, [`RegistryError::Exists`], [`RegistryError::Limit`],
    /// [`RegistryError::Random`], [`RegistryError::PasswordHash`], those of [`Registry::grant`], and errors of the file.
    pub fn add_role_with(
        &self,
        name: &str,
        kind: RoleKind,
        limits: RoleLimits,
        grants: &[Grant],
    ) -> Result<String, RegistryError> {
        check_role_name(name)?;
        limits.check(name)?;
        if grants.len() > GRANTS_MAX {
            return Err(RegistryError::Limit { what: "grants", name: name.into(), limit: GRANTS_MAX });
        }
        let password = new_password()?;
        let stored = StoredPassword::from_password(&password, None)?;
        self.write(&[Load::Roles], |connection, _| {
            if self.roles.load().list().len() >= ROLES_MAX {
                return Err(RegistryError::Limit { what: "roles", name: "this server".into(), limit: ROLES_MAX });
            }
            if self.insert_role(connection, name, kind, &stored, limits)? == 0 {
                return Err(RegistryError::Exists { what: "role", name: name.into() });
            }
            for grant in grants {
                self.upsert_grant(connection, name, kind, grant)?;
            }
            self.count_rights_epoch(connection)
        })?;
        Ok(password)
    }

    fn insert_role(
        &self,
        connection: &Connection,
        name: &str,
        kind: RoleKind,
        stored: &StoredPassword,
        limits: RoleLimits,
    ) -> Result<usize, RegistryError> {
        connection
            .execute(
                "INSERT INTO roles (name, password, scram, changed_us, statement_seconds_max, memory_bytes_max, running_max, kind)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
                params![
                    name,
                    stored.hash,
                    stored.scram,
                    self.clock.wall_us(),
                    limits.statement_seconds_max,
                    limits.memory_column(),
                    limits.running_max,
                    kind.name(),
                ],
            )
            .map_err(|source| self.sqlite(source))
    }

    /// Sets the limits of a role's statements: in this process from the next statement on, in others after their next
    /// [`Registry::refresh`].
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for limits that cannot be, [`RegistryError::Unknown`], and errors of the file.
    pub fn set_role_limits(&self, name: &str, limits: RoleLimits) -> Result<(), RegistryError> {
        self.change_role_limits(name, |_| limits)
    }

    /// Sets a role's limits to what `change` makes of them, in one transaction: of two changes at the same time, whoever makes them,
    /// none is lost.
    ///
    /// # Errors
    /// Those of [`Registry::set_role_limits`].
    pub fn change_role_limits(
        &self,
        name: &str,
        change: impl FnOnce(RoleLimits) -> RoleLimits,
    ) -> Result<(), RegistryError> {
        self.write(&[Load::Roles], |connection, _| {
            let before = self.role(name).ok_or_else(|| RegistryError::Unknown { what: "role", name: name.into() })?;
            let limits = change(before.limits);
            limits.check(name)?;
            let values = params![name, limits.statement_seconds_max, limits.memory_column(), limits.running_max];
            let sql =
                "UPDATE roles SET statement_seconds_max = ?2, memory_bytes_max = ?3, running_max = ?4 WHERE name = ?1";
            connection.execute(sql, values).map_err(|source| self.sqlite(source))?;
            Ok(())
        })
    }

    /// Sets a role's password: 8 to 1,024 bytes. The old one is refused immediately in this process; in others after their
    /// next [`Registry::refresh`].
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a password of another length, [`RegistryError::Unknown`], [`RegistryError::Random`],
    /// [`RegistryError::PasswordHash`], and errors of the file.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), RegistryError> {
        if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
            let why = "a password has 8 to 1024 bytes";
            return Err(RegistryError::Invalid { what: "password of", name: name.into(), why });
        }
        let stored = StoredPassword::from_password(password, self.role_scram(name).as_ref())?;
        self.change_role(
            name,
            "UPDATE roles SET password = ?2, scram = ?3, changed_us = ?4 WHERE name = ?1",
            params![name, stored.hash, stored.scram, self.clock.wall_us()],
        )
    }

    /// Gives a role a new random password, as [`Registry::set_password`] does, and returns it. The administrator is made where a
    /// first start has failed before there was one.
    ///
    /// # Errors
    /// Those of [`Registry::set_password`].
    pub fn reset_password(&self, name: &str) -> Result<String, RegistryError> {
        if name == ADMIN_USER
            && let Some(first) = self.ensure_admin()?
        {
            return Ok(first);
        }
        let password = new_password()?;
        self.set_password(name, &password)?;
        Ok(password)
    }

    /// Removes a role. Statements of the role are refused from the next one on: in this process immediately, in others
    /// after their next [`Registry::refresh`]. The administrator stays.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for the administrator, [`RegistryError::Unknown`], and errors of the file.
    pub fn remove_role(&self, name: &str) -> Result<(), RegistryError> {
        if name == ADMIN_USER {
            let why = "the administrator cannot be removed";
            return Err(RegistryError::Invalid { what: "role", name: name.into(), why });
        }
        self.write(&[Load::Roles, Load::Tokens], |connection, _| {
            // Its grants and tokens go with it.
            let removed = connection.execute("DELETE FROM roles WHERE name = ?1", [name]);
            match removed.map_err(|source| self.sqlite(source))? {
                0 => Err(RegistryError::Unknown { what: "role", name: name.into() }),
                _ => self.count_rights_epoch(connection),
            }
        })
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
        Arc::clone(self.roles.load().list())
    }

    /// The role of this name as it is now, from memory.
    pub fn role(&self, name: &str) -> Option<Arc<Role>> {
        self.roles.load().credential(name).map(|credential| Arc::clone(&credential.role))
    }

    /// True for a role and its password. The first time, and each time with a wrong password or name, this takes tens of
    /// milliseconds and 19 MiB, one caller at a time; a password that was right once is recognised by its digest.
    pub fn authenticate(&self, name: &str, password: &str) -> bool {
        // No stored password is that long, and hashing it would take time for nothing.
        if password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        let Some(credential) = self.credential(name) else {
            // An unknown name takes as long as a wrong password, so that nobody finds out which names there are.
            let _permit = self.verifying.lock().unwrap_or_else(PoisonError::into_inner);
            let other = self.roles.load().credential(ADMIN_USER).cloned();
            if let Some(other) = other {
                // Computed for its time alone; whether it would be right says nothing about this name.
                hint::black_box(other.is_password(password));
            }
            return false;
        };
        // Salted for this process alone, so that a dump of its memory is of no use with another.
        let digest = sha256(&[&self.process_salt, password.as_bytes()]);
        if credential.is_verified(&digest) {
            return true;
        }
        // One at a time, so that a flood of wrong passwords takes the memory and the core of one.
        let _permit = self.verifying.lock().unwrap_or_else(PoisonError::into_inner);
        // The call that was waited for may have verified the same password.
        if credential.is_verified(&digest) {
            return true;
        }
        let is_right = credential.is_password(password);
        if is_right {
            credential.set_verified(digest);
            // Set by a version without SCRAM; the password is only known in this moment.
            if credential.scram.is_none()
                && let Err(error) = self.add_scram(&credential, password)
            {
                tracing::warn!("what PostgreSQL's clients need of the password could not be stored: {error}");
            }
        }
        is_right
    }

    /// Adds the keys of SCRAM to a password that was set before there were any, now that it is known.
    fn add_scram(&self, credential: &RoleCredential, password: &str) -> Result<(), RegistryError> {
        let scram = ScramVerifier::from_password(password)?.to_bytes();
        self.write(&[Load::Roles], |connection, _| {
            connection
                // Only where the password is still the one that was verified: it may have been set again meanwhile.
                .execute(
                    "UPDATE roles SET scram = ?1 WHERE name = ?2 AND password = ?3",
                    params![scram, credential.role.name, credential.hash],
                )
                .map_err(|source| self.sqlite(source))?;
            Ok(())
        })
    }

    /// The keys that a role is verified by over SCRAM; `None` where there is no such role, and where its password was set
    /// by a version without SCRAM: setting it again makes them, and so does [`Registry::authenticate`] with it.
    pub fn role_scram(&self, name: &str) -> Option<ScramVerifier> {
        self.credential(name)?.scram.clone()
    }

    /// A role with what its password is verified by, also where another process has added it just now.
    fn credential(&self, name: &str) -> Option<Arc<RoleCredential>> {
        if let Some(known) = self.roles.load().credential(name) {
            return Some(Arc::clone(known));
        }
        if let Err(error) = self.refresh() {
            tracing::warn!("new roles cannot be read: {error}");
        }
        self.roles.load().credential(name).cloned()
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
