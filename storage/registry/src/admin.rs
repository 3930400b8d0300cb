//! The one administrator: it may read everything over SQL. Its password is kept as an argon2id hash, and as the keys of
//! SCRAM, with which PostgreSQL's clients prove that they know it.

use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwapOption;
use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use rusqlite::{Connection, OptionalExtension, params};

use crate::scram::ScramVerifier;
use crate::secret::{Sha256Digest, digests_are_equal, new_password, random, sha256};
use crate::store::Load;
use crate::{Registry, RegistryError};

/// Name of the administrator.
pub const ADMIN_USER: &str = "admin";
/// Bytes that a password must have at least.
const PASSWORD_BYTES_MIN: usize = 8;
/// Bytes that a password may have at most.
const PASSWORD_BYTES_MAX: usize = 1_024;
/// Bytes of the salt of a stored hash.
const SALT_BYTES: usize = 16;

impl Registry {
    /// Makes the administrator where there is none and returns its random password, which is nowhere else; `None` where
    /// there is one already.
    pub fn ensure_admin(&self) -> Result<Option<String>, RegistryError> {
        self.refresh()?;
        if self.admin.load().is_some() {
            return Ok(None);
        }
        let password = new_password()?;
        let hash = hash_password(&password)?;
        let scram = ScramVerifier::of_password(&password)?.to_bytes();
        let made = self.write(&[Load::Admin], |connection, _| {
            connection
                .execute(
                    "INSERT INTO admins (name, password, changed_us, scram) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO NOTHING",
                    params![ADMIN_USER, hash, self.clock.wall_us(), scram],
                )
                .map_err(|source| self.sqlite(source))
        })?;
        Ok((made == 1).then_some(password))
    }

    /// Sets the administrator's password: 8 to 1,024 bytes. The old one is refused at once in this process; in others
    /// after their next [`Registry::refresh`].
    pub fn set_admin_password(&self, password: &str) -> Result<(), RegistryError> {
        if !(PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len()) {
            let why = "a password has 8 to 1024 bytes";
            return Err(RegistryError::Invalid { what: "password of", name: ADMIN_USER.into(), why });
        }
        let hash = hash_password(password)?;
        let scram = ScramVerifier::of_password(password)?.to_bytes();
        self.write(&[Load::Admin], |connection, _| {
            connection
                .execute(
                    "INSERT INTO admins (name, password, changed_us, scram) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (name) DO UPDATE SET password = excluded.password, changed_us = excluded.changed_us,
                     scram = excluded.scram",
                    params![ADMIN_USER, hash, self.clock.wall_us(), scram],
                )
                .map_err(|source| self.sqlite(source))?;
            Ok(())
        })
    }

    /// Whether this is the administrator. The first time, and each time with a wrong password, this takes tens of
    /// milliseconds and 19 MiB, one caller at a time; a password that was right once is recognised by its digest.
    pub fn authenticate_admin(&self, user: &str, password: &str) -> bool {
        let Some(admin) = self.admin.load_full() else { return false };
        if user != ADMIN_USER || password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        let digest = sha256(&[&self.process_salt, password.as_bytes()]);
        let is_verified = || admin.verified.load().as_ref().is_some_and(|known| digests_are_equal(known, &digest));
        if is_verified() {
            return true;
        }
        // One at a time, so that a flood of wrong passwords takes the memory and the core of one.
        let _turn = self.admin_verifying.lock().unwrap_or_else(PoisonError::into_inner);
        if is_verified() {
            return true;
        }
        let is_right = Argon2::default().verify_password(password.as_bytes(), admin.hash.as_str()).is_ok();
        if is_right {
            admin.verified.store(Some(Arc::new(digest)));
            if admin.scram.is_none()
                && let Err(error) = self.add_scram(&admin.hash, password)
            {
                tracing::warn!("what PostgreSQL's clients need of the password could not be stored: {error}");
            }
        }
        is_right
    }

    /// Adds the keys of SCRAM to a password that was set before there were any, now that it is known.
    fn add_scram(&self, hash: &str, password: &str) -> Result<(), RegistryError> {
        let scram = ScramVerifier::of_password(password)?.to_bytes();
        self.write(&[Load::Admin], |connection, _| {
            connection
                .execute(
                    "UPDATE admins SET scram = ?1 WHERE name = ?2 AND password = ?3",
                    params![scram, ADMIN_USER, hash],
                )
                .map_err(|source| self.sqlite(source))?;
            Ok(())
        })
    }

    /// What the administrator is recognised by over SCRAM; `None` for any other name, and where the password was set before
    /// there was such a thing: setting it again makes one, and so does [`Registry::authenticate_admin`] with it.
    pub fn admin_scram(&self, user: &str) -> Option<ScramVerifier> {
        self.admin.load_full().filter(|_| user == ADMIN_USER)?.scram.clone()
    }

    pub(crate) fn load_admin(&self, connection: &Connection) -> Result<(), RegistryError> {
        let row: Option<(String, Option<Vec<u8>>)> = connection
            .query_row("SELECT password, scram FROM admins WHERE name = ?1", [ADMIN_USER], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
            .map_err(|source| self.sqlite(source))?;
        let known = self.admin.load_full();
        let known = known.as_ref().map(|admin| (&admin.hash, admin.scram.is_some()));
        if known != row.as_ref().map(|(hash, scram)| (hash, scram.is_some())) {
            self.admin.store(row.map(|(hash, scram)| {
                let scram = scram.as_deref().and_then(ScramVerifier::from_bytes);
                Arc::new(AdminCredential { hash, scram, verified: ArcSwapOption::empty() })
            }));
        }
        Ok(())
    }
}

/// What the administrator is recognised by.
pub(crate) struct AdminCredential {
    /// PHC string of argon2id.
    hash: String,
    /// Keys of SCRAM.
    scram: Option<ScramVerifier>,
    /// Salted digest of the password that this hash was verified with.
    verified: ArcSwapOption<Sha256Digest>,
}

fn hash_password(password: &str) -> Result<String, RegistryError> {
    let hash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &random::<SALT_BYTES>()?)
        .map_err(|error| RegistryError::PasswordHash(error.to_string()))?;
    Ok(hash.to_string())
}
