//! Gateways by id and by token, as one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use zonelake_schemas::{DeviceKey, GatewayId, ZoneId};

use crate::credentials::secret::{Sha256Digest, digests_are_equal};
use crate::index::zones::{Zone, ZoneIndex};

/// A gateway that may write, with what a session needs of its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Id of the gateway.
    pub id: GatewayId,
    /// Name of the gateway.
    pub name: String,
    /// Zone that the gateway writes for.
    pub zone: ZoneId,
    /// Code of that zone.
    pub zone_code: Arc<str>,
    /// Code of the zone's province.
    pub province: Arc<str>,
    /// Key of the zone as a whole, without a device.
    pub zone_key: DeviceKey,
    /// The zone's policy: true where unknown devices are registered.
    pub auto_register: bool,
}

/// A gateway as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayInfo {
    /// Id of the gateway.
    pub id: GatewayId,
    /// Name of the gateway.
    pub name: String,
    /// Code of the zone.
    pub zone_code: Arc<str>,
    /// Code of the zone's province.
    pub province: Arc<str>,
    /// Time of addition: microseconds since 1970, UTC.
    pub created_us: i64,
    /// Time of revocation, if the gateway is revoked.
    pub revoked_us: Option<i64>,
}

/// All gateways, as one snapshot.
#[derive(Debug, Default)]
pub(crate) struct GatewayIndex {
    /// Gateways that are not revoked, by a part of the digest; the whole digest is compared in constant time.
    by_token: HashMap<LookupPart, Credential>,
    /// Gateways that are not revoked.
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
    /// The gateway of a token's digest.
    pub(crate) fn by_token(&self, digest: &Sha256Digest) -> Option<&Arc<Gateway>> {
        let credential = self.by_token.get(&lookup_part(digest))?;
        // The time of a lookup tells at most the first half; the second half is compared without telling anything.
        digests_are_equal(&credential.digest, digest).then_some(&credential.gateway)
    }

    /// The gateway of an id.
    pub(crate) fn gateway(&self, id: GatewayId) -> Option<&Arc<Gateway>> {
        self.by_id.get(&id)
    }

    /// All gateways by name, revoked ones too.
    pub(crate) fn list(&self) -> &[GatewayInfo] {
        &self.list
    }

    /// Reads all gateways.
    pub(crate) fn read(connection: &Connection, zones: &ZoneIndex) -> rusqlite::Result<Self> {
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
            // A revoked gateway stays in the list for the operator, and has no token and no id to be found by.
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
