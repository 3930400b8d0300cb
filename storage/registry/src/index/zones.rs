//! Provinces, zones and sites, as one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::{DeviceKey, ZoneId};

/// A province.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Province {
    /// Code, as `ha-tinh`.
    pub code: Arc<str>,
    /// Name in Vietnamese.
    pub name: Arc<str>,
}

/// An economic zone (KKT), industrial park (KCN) or industrial cluster (CCN).
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Id of the zone.
    pub id: ZoneId,
    /// Code, unique among all provinces, as `vung-ang`.
    pub code: Arc<str>,
    /// Code of the province.
    pub province: Arc<str>,
    /// KKT, KCN or CCN.
    pub kind: String,
    /// Name in Vietnamese.
    pub name: String,
    /// District or town.
    pub locality: Option<String>,
    /// Area in hectares.
    pub area_ha: Option<f64>,
    /// operating, planned and so on.
    pub status: String,
    /// Source of these facts.
    pub source: Option<String>,
    /// The zone's policy: true where unknown devices are registered when a gateway of the zone sends them.
    pub auto_register: bool,
    /// Key of the zone as a whole, without a device.
    pub key: DeviceKey,
}

/// A site within a zone: a plant, a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Zone of the site.
    pub zone: ZoneId,
    /// Code of the zone.
    pub zone_code: Arc<str>,
    /// Code of the province.
    pub province: Arc<str>,
    /// Code within the zone.
    pub code: Arc<str>,
    /// Name of the site.
    pub name: String,
}

/// A zone to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewZone<'a> {
    /// Code of the province, which must be known.
    pub province: &'a str,
    /// KKT, KCN or CCN.
    pub kind: &'a str,
    /// Code: 1 to 63 characters of a to z, 0 to 9 and `-`, unique among all provinces.
    pub code: &'a str,
    /// Name of the zone.
    pub name: &'a str,
    /// District or town.
    pub locality: Option<&'a str>,
    /// Area in hectares.
    pub area_ha: Option<f64>,
    /// operating, planned and so on.
    pub status: &'a str,
    /// Source of these facts.
    pub source: Option<&'a str>,
    /// The zone's policy: true, the rule, where unknown devices are registered when a gateway of the zone sends them.
    pub auto_register: bool,
}

/// Id of a site in the registry's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SiteId(pub(crate) u32);

/// Everything about provinces, zones and sites, as one snapshot.
#[derive(Debug, Default)]
pub(crate) struct ZoneIndex {
    provinces: Vec<Province>,
    zones: Vec<Arc<Zone>>,
    by_id: HashMap<ZoneId, Arc<Zone>>,
    sites: Vec<(SiteId, Site)>,
    site_codes: HashMap<SiteId, Arc<str>>,
}

impl ZoneIndex {
    /// All provinces, by code.
    pub(crate) fn provinces(&self) -> &[Province] {
        &self.provinces
    }

    /// All zones, by id.
    pub(crate) fn zones(&self) -> &[Arc<Zone>] {
        &self.zones
    }

    /// All sites, by zone and code.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().map(|(_, site)| site)
    }

    /// The zone of an id.
    pub(crate) fn zone(&self, id: ZoneId) -> Option<&Arc<Zone>> {
        self.by_id.get(&id)
    }

    /// The site of a zone by its code.
    pub(crate) fn site(&self, zone: ZoneId, code: &str) -> Option<SiteId> {
        self.sites.iter().find(|(_, site)| site.zone == zone && &*site.code == code).map(|(id, _)| *id)
    }

    /// The code of a site.
    pub(crate) fn site_code(&self, id: SiteId) -> Option<&Arc<str>> {
        self.site_codes.get(&id)
    }

    /// Reads all provinces, zones and sites.
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        // Sites take names from zones, so zones come first.
        let mut index = Self { provinces: read_provinces(connection)?, ..Self::default() };
        index.zones = read_zones(connection)?;
        index.by_id = index.zones.iter().map(|zone| (zone.id, Arc::clone(zone))).collect();
        index.sites = read_sites(connection, &index.by_id)?;
        index.site_codes = index.sites.iter().map(|(id, site)| (*id, Arc::clone(&site.code))).collect();
        Ok(index)
    }
}

fn read_provinces(connection: &Connection) -> rusqlite::Result<Vec<Province>> {
    connection
        .prepare_cached("SELECT code, name FROM provinces ORDER BY code")?
        .query_map([], |row| Ok(Province { code: row.get(0)?, name: row.get(1)? }))?
        .collect()
}

fn read_zones(connection: &Connection) -> rusqlite::Result<Vec<Arc<Zone>>> {
    let sql = "SELECT zones.id, code, province, kind, name, locality, area_ha, status, source, auto_register, key
        FROM zones JOIN places ON places.zone = zones.id AND device IS NULL ORDER BY zones.id";
    connection
        .prepare_cached(sql)?
        .query_map([], |row| {
            Ok(Arc::new(Zone {
                id: ZoneId(row.get(0)?),
                code: row.get(1)?,
                province: row.get(2)?,
                kind: row.get(3)?,
                name: row.get(4)?,
                locality: row.get(5)?,
                area_ha: row.get(6)?,
                status: row.get(7)?,
                source: row.get(8)?,
                auto_register: row.get(9)?,
                key: DeviceKey(row.get(10)?),
            }))
        })?
        .collect()
}

fn read_sites(connection: &Connection, zones: &HashMap<ZoneId, Arc<Zone>>) -> rusqlite::Result<Vec<(SiteId, Site)>> {
    let mut statement = connection.prepare_cached("SELECT id, zone, code, name FROM sites ORDER BY zone, code")?;
    let mut rows = statement.query([])?;
    let mut sites = Vec::new();
    while let Some(row) = rows.next()? {
        // A site refers to a zone by a foreign key, and every zone has been read.
        let Some(zone) = zones.get(&ZoneId(row.get(1)?)) else { continue };
        let site = Site {
            zone: zone.id,
            zone_code: Arc::clone(&zone.code),
            province: Arc::clone(&zone.province),
            code: row.get(2)?,
            name: row.get(3)?,
        };
        sites.push((SiteId(row.get(0)?), site));
    }
    Ok(sites)
}

/// Inserts a province, in the caller's transaction.
pub(crate) fn insert_province(connection: &Connection, code: &str, name: &str) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO provinces (code, name) VALUES (?1, ?2)", [code, name])?;
    Ok(())
}

/// Inserts a zone, without the location of the zone as a whole, and returns its id.
pub(crate) fn insert_zone(connection: &Connection, zone: &NewZone<'_>, now_us: i64) -> rusqlite::Result<u32> {
    connection.query_row(
        "INSERT INTO zones (code, province, kind, name, locality, area_ha, status, source, auto_register, created_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id",
        params![
            zone.code,
            zone.province,
            zone.kind,
            zone.name,
            zone.locality,
            zone.area_ha,
            zone.status,
            zone.source,
            zone.auto_register,
            now_us
        ],
        |row| row.get(0),
    )
}

/// Inserts a site, in the caller's transaction.
pub(crate) fn insert_site(
    connection: &Connection,
    zone: u32,
    code: &str,
    name: &str,
    now_us: i64,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO sites (zone, code, name, created_us) VALUES (?1, ?2, ?3, ?4)",
        params![zone, code, name, now_us],
    )?;
    Ok(())
}
