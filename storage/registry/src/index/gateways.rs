//! Gateways by id, as one snapshot.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::Connection;
use zonelake_schemas::{DeviceKey, GatewayId, ZoneId};

use crate::access::write_grant::{ALL, WritableZone, WriteGrant, WriteRights};
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
    /// What the gateway may write.
    pub rights: Arc<WriteRights>,
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
    /// What the gateway may write, in the order of tables, zones and devices.
    pub grants: Vec<WriteGrant>,
}

/// All gateways, as one snapshot.
#[derive(Debug, Default)]
pub(crate) struct GatewayIndex {
    /// Gateways that are not revoked.
    by_id: HashMap<GatewayId, Arc<Gateway>>,
    list: Vec<GatewayInfo>,
}

impl GatewayIndex {
    /// The gateway of an id.
    pub(crate) fn gateway(&self, id: GatewayId) -> Option<&Arc<Gateway>> {
        self.by_id.get(&id)
    }

    /// All gateways by name, revoked ones too.
    pub(crate) fn list(&self) -> &[GatewayInfo] {
        &self.list
    }

    /// Maximum id; gateways are never removed.
    pub(crate) fn last(&self) -> GatewayId {
        self.list.iter().map(|gateway| gateway.id).max().unwrap_or_default()
    }

    /// Reads all gateways.
    pub(crate) fn read(connection: &Connection, zones: &ZoneIndex, before: &Self) -> rusqlite::Result<Self> {
        let mut index = Self::default();
        let mut grants = read_grants(connection, zones)?;
        let by_code: BTreeMap<&str, &Zone> = zones.zones().iter().map(|zone| (&*zone.code, &**zone)).collect();
        let mut statement =
            connection.prepare_cached("SELECT id, name, zone, created_us, revoked_us FROM gateways ORDER BY name")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            // A gateway refers to a zone by a foreign key, and every zone has been read.
            let Some(zone) = zones.zone(ZoneId(row.get(2)?)) else { continue };
            let id = GatewayId(row.get(0)?);
            let info = GatewayInfo {
                id,
                grants: grants.remove(&id).unwrap_or_default(),
                name: row.get(1)?,
                zone_code: Arc::clone(&zone.code),
                province: Arc::clone(&zone.province),
                created_us: row.get(3)?,
                revoked_us: row.get(4)?,
            };
            // A revoked gateway stays in the list for the operator, and has no id to be found by.
            if info.revoked_us.is_none() {
                index.admit(&info, zone, &by_code, before);
            }
            index.list.push(info);
        }
        Ok(index)
    }

    fn admit(&mut self, info: &GatewayInfo, zone: &Zone, by_code: &BTreeMap<&str, &Zone>, before: &Self) {
        let rights = WriteRights::compile(&info.grants, |code, devices| {
            let zone = by_code.get(code)?;
            Some(WritableZone {
                id: zone.id,
                code: Arc::clone(&zone.code),
                province: Arc::clone(&zone.province),
                key: zone.key,
                auto_register: zone.auto_register,
                devices,
            })
        });
        // The same object as long as the rights are the same: whatever was looked up under them holds.
        let known = before.by_id.get(&info.id).filter(|known| *known.rights == rights);
        let rights = known.map_or_else(|| Arc::new(rights), |known| Arc::clone(&known.rights));
        let gateway = Arc::new(Gateway {
            id: info.id,
            name: info.name.clone(),
            zone: zone.id,
            zone_code: Arc::clone(&zone.code),
            province: Arc::clone(&zone.province),
            zone_key: zone.key,
            auto_register: zone.auto_register,
            rights,
        });
        self.by_id.insert(gateway.id, gateway);
    }
}

/// Grants by gateway, each list in its order.
fn read_grants(connection: &Connection, zones: &ZoneIndex) -> rusqlite::Result<BTreeMap<GatewayId, Vec<WriteGrant>>> {
    let mut statement = connection.prepare_cached("SELECT gateway, table_name, zone, devices FROM gateway_grants")?;
    let mut rows = statement.query([])?;
    let mut all: BTreeMap<GatewayId, Vec<WriteGrant>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let Some(zone) = zones.zone(ZoneId(row.get(2)?)) else { continue };
        let table: String = row.get(1)?;
        // Devices that a newer version knows are none that can be granted here.
        let Ok(devices) = row.get::<_, String>(3)?.parse() else { continue };
        let table = (table != ALL).then(|| table.into());
        all.entry(GatewayId(row.get(0)?)).or_default().push(WriteGrant {
            table,
            zone: Arc::clone(&zone.code),
            devices,
        });
    }
    all.values_mut().for_each(|grants| grants.sort_unstable());
    Ok(all)
}
