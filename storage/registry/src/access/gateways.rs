//! Gateways: who writes, and for which zone.

use std::fmt;
use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::{GatewayId, ZoneId};

use crate::access::tokens::{Token, TokenOwner, TokenRequest};
use crate::access::write_grant::{Devices, WriteGrant};
use crate::credentials::secret::{GATEWAY_TOKEN_PREFIX, new_token};
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
    /// Adds a gateway to a zone and gives it its first token. A revoked gateway of that name and zone comes back with a new
    /// token and its old id, so that its producers go on with their batch sequence numbers.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a name that no gateway may have, [`RegistryError::Unknown`] for an unknown zone,
    /// [`RegistryError::Exists`], [`RegistryError::Random`], and errors of the file.
    pub fn add_gateway(&self, name: &str, zone_code: &str) -> Result<NewGateway, RegistryError> {
        self.add_gateway_with(name, zone_code, &TokenRequest::default())
    }

    /// [`Registry::add_gateway`] with what its first token is to be.
    ///
    /// # Errors
    /// Those of [`Registry::add_gateway`], and of [`Registry::add_token`].
    pub fn add_gateway_with(
        &self,
        name: &str,
        zone_code: &str,
        request: &TokenRequest,
    ) -> Result<NewGateway, RegistryError> {
        check_name("gateway", name)?;
        let token = new_token(GATEWAY_TOKEN_PREFIX)?;
        let owner = TokenOwner::Gateway(name.into());
        let id = self.write(&[Load::Gateways, Load::Tokens], |connection, _| {
            let zone = self.known_zone(zone_code)?;
            let known = self.gateways.load();
            let existing = known.list().iter().find(|gateway| gateway.name == name);
            // A revoked name may come back in its own zone only: its producers and their streams belong to that zone.
            if existing.is_some_and(|gateway| gateway.revoked_us.is_none() || *gateway.zone_code != *zone_code) {
                return Err(RegistryError::Exists { what: "gateway", name: name.into() });
            }
            let id = upsert_gateway(connection, name, zone.id, self.clock.wall_us())
                .map_err(|source| self.sqlite(source))?;
            if !known_grants(connection, id).map_err(|source| self.sqlite(source))? {
                // Its own zone, until somebody says otherwise. One that comes back has what it had.
                let all = WriteGrant { table: None, zone: zone_code.into(), devices: Devices::All };
                self.insert_write_grant(connection, id, &all)?;
            }
            self.insert_token(connection, &owner, &Token { text: &token, scram: None, request })?;
            Ok(id)
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

    /// Revokes a gateway with all its tokens. It is refused immediately in this process, and what runs under its tokens ends; in
    /// others after their next [`Registry::refresh`].
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an unknown or revoked gateway, and errors of the file.
    pub fn revoke_gateway(&self, name: &str) -> Result<(), RegistryError> {
        // Memory forgets its tokens.
        self.store_token_uses()?;
        self.write(&[Load::Gateways, Load::Tokens], |connection, _| {
            let now_us = self.clock.wall_us();
            let tokens = "UPDATE tokens SET revoked_us = ?2 WHERE revoked_us IS NULL
                          AND gateway = (SELECT id FROM gateways WHERE name = ?1 AND revoked_us IS NULL)";
            connection.execute(tokens, params![name, now_us]).map_err(|source| self.sqlite(source))?;
            let revoked = connection
                .execute(
                    "UPDATE gateways SET revoked_us = ?2 WHERE name = ?1 AND revoked_us IS NULL",
                    params![name, now_us],
                )
                .map_err(|source| self.sqlite(source))?;
            // Unknown and already revoked are the same to the caller: nothing is left to revoke.
            if revoked == 0 {
                return Err(RegistryError::Unknown { what: "gateway", name: name.into() });
            }
            Ok(())
        })
    }

    /// The gateway of a token, from memory; `None` where the token is unknown, has expired or is revoked.
    pub fn authenticate_gateway(&self, token: &str) -> Option<Arc<Gateway>> {
        self.gateway_token(token).map(|(gateway, _)| gateway)
    }

    /// The gateway of an id as it is now, from memory; `None` where there is none or it is revoked.
    pub fn gateway(&self, id: GatewayId) -> Option<Arc<Gateway>> {
        self.gateways.load().gateway(id).cloned()
    }
}

/// True where a gateway has grants.
fn known_grants(connection: &Connection, gateway: u32) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM gateway_grants WHERE gateway = ?1)";
    connection.query_row(sql, [gateway], |row| row.get(0))
}

fn upsert_gateway(connection: &Connection, name: &str, zone: ZoneId, now_us: i64) -> rusqlite::Result<u32> {
    connection.query_row(
        "INSERT INTO gateways (name, zone, created_us) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET revoked_us = NULL RETURNING id",
        params![name, zone.0, now_us],
        |row| row.get(0),
    )
}
