//! Gateways and their tokens. A token is 256 random bits as the text `zl_…`; only its SHA-256 is stored, which is enough
//! against guessing since nobody can try 2^256 of them.

use std::fmt;
use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::{GatewayId, ZoneId};

use crate::credentials::secret::{Sha256Digest, TOKEN_PREFIX, new_token, sha256};
use crate::error::RegistryError;
use crate::index::gateways::{Gateway, GatewayInfo};
use crate::names::check_name;
use crate::registry::Registry;
use crate::sqlite::database::Load;

/// A gateway just added. The token is stored nowhere.
#[derive(Clone)]
pub struct NewGateway {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Token of the gateway, `zl_…`.
    pub token: String,
}

impl fmt::Debug for NewGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the token, which must not get into the server log.
        f.debug_struct("NewGateway").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

impl Registry {
    /// Adds a gateway to a zone and gives it a token. A revoked gateway of that name and zone comes back with a new
    /// token and its old id, so that its producers go on with their batch sequence numbers.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a name that no gateway may have, [`RegistryError::Unknown`] for an unknown zone,
    /// [`RegistryError::Exists`], [`RegistryError::Random`], and errors of the file.
    pub fn add_gateway(&self, name: &str, zone_code: &str) -> Result<NewGateway, RegistryError> {
        check_name("gateway", name)?;
        let token = new_token()?;
        let digest = sha256(&[token.as_bytes()]);
        let id = self.write(&[Load::Gateways], |connection, _| {
            let zone = self.known_zone(zone_code)?;
            let known = self.gateways.load();
            let existing = known.list().iter().find(|gateway| gateway.name == name);
            // A revoked name may come back in its own zone only: its producers and their streams belong to that zone.
            if existing.is_some_and(|gateway| gateway.revoked_us.is_none() || *gateway.zone_code != *zone_code) {
                return Err(RegistryError::Exists { what: "gateway", name: name.into() });
            }
            upsert_gateway(connection, name, zone.id, &digest, self.clock.wall_us())
                .map_err(|source| self.sqlite(source))
        })?;
        let gateway = self
            .gateway(GatewayId(id))
            .ok_or_else(|| self.damaged(format!("gateway {id} is gone after it was written")))?;
        Ok(NewGateway { gateway, token })
    }

    /// All gateways, revoked ones too, by name, as the file has them now.
    ///
    /// # Errors
    /// Those of [`Registry::refresh`].
    pub fn gateways(&self) -> Result<Vec<GatewayInfo>, RegistryError> {
        self.refresh()?;
        Ok(self.gateways.load().list().to_vec())
    }

    /// Revokes a gateway's token. It is refused immediately in this process; in others after their next
    /// [`Registry::refresh`]. Open sessions have to ask [`Registry::gateway`].
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an unknown or revoked gateway, and errors of the file.
    pub fn revoke_gateway(&self, name: &str) -> Result<(), RegistryError> {
        self.write(&[Load::Gateways], |connection, _| {
            let revoked = connection
                .execute(
                    "UPDATE gateways SET revoked_us = ?2 WHERE name = ?1 AND revoked_us IS NULL",
                    params![name, self.clock.wall_us()],
                )
                .map_err(|source| self.sqlite(source))?;
            // Unknown and already revoked are the same to the caller: nothing is left to revoke.
            if revoked == 0 {
                return Err(RegistryError::Unknown { what: "gateway", name: name.into() });
            }
            Ok(())
        })
    }

    /// The gateway of a token, from memory; `None` where there is none or it is revoked.
    pub fn authenticate_gateway(&self, token: &str) -> Option<Arc<Gateway>> {
        // Passwords and other text are refused without a digest.
        if !token.starts_with(TOKEN_PREFIX) {
            return None;
        }
        let digest = sha256(&[token.as_bytes()]);
        self.gateways.load().by_token(&digest).cloned()
    }

    /// The gateway of an id as it is now, from memory; `None` where there is none or it is revoked.
    pub fn gateway(&self, id: GatewayId) -> Option<Arc<Gateway>> {
        self.gateways.load().gateway(id).cloned()
    }
}

fn upsert_gateway(
    connection: &Connection,
    name: &str,
    zone: ZoneId,
    digest: &Sha256Digest,
    now_us: i64,
) -> rusqlite::Result<u32> {
    connection.query_row(
        "INSERT INTO gateways (name, zone, token_sha256, created_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET token_sha256 = excluded.token_sha256, revoked_us = NULL RETURNING id",
        params![name, zone.0, digest, now_us],
        |row| row.get(0),
    )
}
