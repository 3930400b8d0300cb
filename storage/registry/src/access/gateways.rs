//! Gateways and their tokens. A token is 256 random bits as the text `zl_…`; only its SHA-256 is stored, which is enough
//! against guessing since nobody can try 2^256 of them.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::{DeviceKey, GatewayId, ZoneId};

use crate::names::check_name;
use crate::credentials::secret::{Sha256Digest, TOKEN_PREFIX, digests_are_equal, new_token, sha256};
use crate::registry::Load;
use crate::zones::{Zone, ZoneIndex};
use crate::{Registry, RegistryError};

/// A gateway that may write, with what a session needs of its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its number.
    pub id: GatewayId,
    /// Its name.
    pub name: String,
    /// The zone that it writes for.
    pub zone: ZoneId,
    /// Code of that zone.
    pub zone_code: Arc<str>,
    /// Code of the zone's province.
    pub province: Arc<str>,
    /// The place of the zone as a whole, without a device.
    pub zone_key: DeviceKey,
    /// The zone's policy: whether unknown devices are registered.
    pub auto_register: bool,
}

/// A gateway as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayInfo {
    /// Its number.
    pub id: GatewayId,
    /// Its name.
    pub name: String,
    /// Code of its zone.
    pub zone_code: Arc<str>,
    /// Code of its zone's province.
    pub province: Arc<str>,
    /// When it was added: microseconds since 1970, UTC.
    pub created_us: i64,
    /// When it was revoked, if it is.
    pub revoked_us: Option<i64>,
}

/// A gateway just added. The token is nowhere else.
#[derive(Clone)]
pub struct NewGateway {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Its token, `zl_…`.
    pub token: String,
}

impl std::fmt::Debug for NewGateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewGateway").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

impl Registry {
    /// Adds a gateway to a zone and gives it a token. A revoked gateway of that name and zone comes back with a new
    /// token and its old number, so that its producers go on with their numbers of batches.
    pub fn add_gateway(&self, name: &str, zone_code: &str) -> Result<NewGateway, RegistryError> {
        check_name("gateway", name)?;
        let token = new_token()?;
        let digest = sha256(&[token.as_bytes()]);
        let id = self.write(&[Load::Gateways], |connection, _| {
            let zone = self.known_zone(zone_code)?;
            let known = self.gateways.load();
            let existing = known.list.iter().find(|gateway| gateway.name == name);
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
    pub fn gateways(&self) -> Result<Vec<GatewayInfo>, RegistryError> {
        self.refresh()?;
        Ok(self.gateways.load().list.clone())
    }

    /// Takes a gateway's token away. It is refused at once in this process; in others after their next
    /// [`Registry::refresh`]. Sessions that are open have to ask [`Registry::gateway`].
    pub fn revoke_gateway(&self, name: &str) -> Result<(), RegistryError> {
        self.write(&[Load::Gateways], |connection, _| {
            let revoked = connection
                .execute(
                    "UPDATE gateways SET revoked_us = ?2 WHERE name = ?1 AND revoked_us IS NULL",
                    params![name, self.clock.wall_us()],
                )
                .map_err(|source| self.sqlite(source))?;
            if revoked == 0 {
                return Err(RegistryError::Unknown { what: "gateway", name: name.into() });
            }
            Ok(())
        })
    }

    /// The gateway of a token, from memory; `None` where there is none or it is revoked.
    pub fn authenticate_gateway(&self, token: &str) -> Option<Arc<Gateway>> {
        if !token.starts_with(TOKEN_PREFIX) {
            return None;
        }
        let digest = sha256(&[token.as_bytes()]);
        let gateways = self.gateways.load();
        let credential = gateways.by_token.get(&lookup_part(&digest))?;
        digests_are_equal(&credential.digest, &digest).then(|| Arc::clone(&credential.gateway))
    }

    /// The gateway of a number as it is now, from memory; `None` where there is none or it is revoked.
    pub fn gateway(&self, id: GatewayId) -> Option<Arc<Gateway>> {
        self.gateways.load().by_id.get(&id).cloned()
    }

    pub(crate) fn load_gateways(&self, connection: &Connection) -> Result<(), RegistryError> {
        let index = GatewayIndex::read(connection, &self.zones.load()).map_err(|source| self.sqlite(source))?;
        self.gateways.store(Arc::new(index));
        Ok(())
    }
}

/// All gateways, as one snapshot.
#[derive(Debug, Default)]
pub(crate) struct GatewayIndex {
    /// Those that are not revoked, by a part of the digest; the whole digest is compared in constant time.
    by_token: HashMap<LookupPart, Credential>,
    /// Those that are not revoked.
    by_id: HashMap<GatewayId, Arc<Gateway>>,
    list: Vec<GatewayInfo>,
}

#[derive(Debug)]
struct Credential {
    digest: Sha256Digest,
    gateway: Arc<Gateway>,
}

/// The first half of a digest: 128 bits, so that no two tokens share it.
type LookupPart = [u8; 16];

fn lookup_part(digest: &Sha256Digest) -> LookupPart {
    *digest.first_chunk().expect("a digest is longer than its half")
}

impl GatewayIndex {
    fn read(connection: &Connection, zones: &ZoneIndex) -> rusqlite::Result<Self> {
        let mut index = Self::default();
        let mut statement = connection.prepare_cached(
            "SELECT id, name, zone, token_sha256, created_us, revoked_us FROM gateways ORDER BY name",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            // A gateway refers to a zone by a foreign key, and every zone has been read.
            let Some(zone) = zones.zone(ZoneId(row.get(2)?)) else { continue };
            let info = GatewayInfo {
                id: GatewayId(row.get(0)?),
                name: row.get(1)?,
                zone_code: Arc::clone(&zone.code),
                province: Arc::clone(&zone.province),
                created_us: row.get(4)?,
                revoked_us: row.get(5)?,
            };
            if info.revoked_us.is_none() {
                index.admit(&info, zone, row.get(3)?);
            }
            index.list.push(info);
        }
        Ok(index)
    }

    fn admit(&mut self, info: &GatewayInfo, zone: &Zone, digest: Sha256Digest) {
        let gateway = Arc::new(Gateway {
            id: info.id,
            name: info.name.clone(),
            zone: zone.id,
            zone_code: Arc::clone(&zone.code),
            province: Arc::clone(&zone.province),
            zone_key: zone.key,
            auto_register: zone.auto_register,
        });
        self.by_id.insert(gateway.id, Arc::clone(&gateway));
        self.by_token.insert(lookup_part(&digest), Credential { digest, gateway });
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
