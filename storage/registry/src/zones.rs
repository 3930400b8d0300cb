//! Provinces, zones and the sites within zones.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::{DeviceKey, ZoneId};

use crate::devices::{insert_place, next_key};
use crate::names::{check_code, check_name};
use crate::registry::Load;
use crate::{Registry, RegistryError};

/// A province.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Province {
    /// Its code, as `ha-tinh`.
    pub code: Arc<str>,
    /// Its name in Vietnamese.
    pub name: Arc<str>,
}

/// An economic zone (KKT), industrial park (KCN) or industrial cluster (CCN).
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its number.
    pub id: ZoneId,
    /// Its code, unique among all provinces, as `vung-ang`.
    pub code: Arc<str>,
    /// Code of its province.
    pub province: Arc<str>,
    /// KKT, KCN or CCN.
    pub kind: String,
    /// Its name in Vietnamese.
    pub name: String,
    /// District or town.
    pub locality: Option<String>,
    /// Area in hectares.
    pub area_ha: Option<f64>,
    /// operating, planned and so on.
    pub status: String,
    /// Where these facts come from.
    pub source: Option<String>,
    /// Whether devices that are not known are registered when a gateway of the zone sends them.
    pub auto_register: bool,
    /// The place of the zone as a whole, without a device.
    pub key: DeviceKey,
}

/// A site within a zone: a plant, a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its zone.
    pub zone: ZoneId,
    /// Code of its zone.
    pub zone_code: Arc<str>,
    /// Code of its province.
    pub province: Arc<str>,
    /// Its code within the zone.
    pub code: Arc<str>,
    /// Its name.
    pub name: String,
}

/// A zone to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewZone<'a> {
    /// Code of its province, which must be known.
    pub province: &'a str,
    /// KKT, KCN or CCN.
    pub kind: &'a str,
    /// Its code: 1 to 63 characters of a to z, 0 to 9 and `-`, unique among all provinces.
    pub code: &'a str,
    /// Its name.
    pub name: &'a str,
    /// District or town.
    pub locality: Option<&'a str>,
    /// Area in hectares.
    pub area_ha: Option<f64>,
    /// operating, planned and so on.
    pub status: &'a str,
    /// Where these facts come from.
    pub source: Option<&'a str>,
    /// Whether devices that are not known are registered when a gateway of the zone sends them; true as a rule.
    pub auto_register: bool,
}

impl Registry {
    /// All provinces, by code.
    pub fn provinces(&self) -> Vec<Province> {
        self.zones.load().provinces.clone()
    }

    /// All zones, by number.
    pub fn zones(&self) -> Vec<Zone> {
        self.zones.load().zones.iter().map(|zone| Zone::clone(zone)).collect()
    }

    /// The zone of a number.
    pub fn zone(&self, id: ZoneId) -> Option<Arc<Zone>> {
        self.zones.load().by_id.get(&id).cloned()
    }

    /// The zone of a code.
    pub fn zone_by_code(&self, code: &str) -> Option<Arc<Zone>> {
        self.zones.load().zones.iter().find(|zone| &*zone.code == code).cloned()
    }

    /// All sites, by zone and code.
    pub fn sites(&self) -> Vec<Site> {
        self.zones.load().sites.iter().map(|(_, site)| site.clone()).collect()
    }

    /// Adds a province.
    pub fn add_province(&self, code: &str, name: &str) -> Result<(), RegistryError> {
        check_code("province", code)?;
        check_name("name of the province", name)?;
        self.write(&[Load::Zones], |connection, _| {
            if self.zones.load().provinces.iter().any(|province| &*province.code == code) {
                return Err(RegistryError::Exists { what: "province", name: code.into() });
            }
            insert_province(connection, code, name).map_err(|source| self.sqlite(source))
        })
    }

    /// Adds a zone, with a key for the zone as a whole.
    pub fn add_zone(&self, zone: &NewZone<'_>) -> Result<ZoneId, RegistryError> {
        check_code("zone", zone.code)?;
        check_name("name of the zone", zone.name)?;
        if zone.area_ha.is_some_and(|area| !area.is_finite() || area < 0.0) {
            return Err(RegistryError::Invalid { what: "zone", name: zone.code.into(), why: "its area cannot be" });
        }
        self.write(&[Load::Zones, Load::Locations], |connection, _| {
            let known = self.zones.load();
            if known.zones.iter().any(|other| &*other.code == zone.code) {
                return Err(RegistryError::Exists { what: "zone", name: zone.code.into() });
            }
            if !known.provinces.iter().any(|province| &*province.code == zone.province) {
                return Err(RegistryError::Unknown { what: "province", name: zone.province.into() });
            }
            let now_us = self.clock.wall_us();
            let insert = || {
                let id = insert_zone(connection, zone, now_us)?;
                insert_place(connection, next_key(&self.places.load()), id, None, None, now_us)?;
                Ok(ZoneId(id))
            };
            insert().map_err(|source| self.sqlite(source))
        })
    }

    /// Adds a site to a zone.
    pub fn add_site(&self, zone_code: &str, code: &str, name: &str) -> Result<(), RegistryError> {
        check_code("site", code)?;
        check_name("name of the site", name)?;
        self.write(&[Load::Zones], |connection, _| {
            let zone = self.known_zone(zone_code)?;
            if self.zones.load().site(zone.id, code).is_some() {
                return Err(RegistryError::Exists { what: "site", name: format!("{zone_code}/{code}") });
            }
            let now_us = self.clock.wall_us();
            insert_site(connection, zone.id.0, code, name, now_us).map_err(|source| self.sqlite(source))
        })
    }

    /// Sets the zone's policy: whether unknown devices are registered when one of its gateways sends them.
    pub fn set_auto_register(&self, zone_code: &str, auto_register: bool) -> Result<(), RegistryError> {
        self.write(&[Load::Zones, Load::Gateways], |connection, _| {
            let zone = self.known_zone(zone_code)?;
            connection
                .execute("UPDATE zones SET auto_register = ?2 WHERE id = ?1", params![zone.id.0, auto_register])
                .map_err(|source| self.sqlite(source))?;
            Ok(())
        })
    }

    pub(crate) fn known_zone(&self, code: &str) -> Result<Arc<Zone>, RegistryError> {
        self.zone_by_code(code).ok_or_else(|| RegistryError::Unknown { what: "zone", name: code.into() })
    }

    pub(crate) fn load_zones(&self, connection: &Connection) -> Result<(), RegistryError> {
        let index = ZoneIndex::read(connection).map_err(|source| self.sqlite(source))?;
        self.zones.store(Arc::new(index));
        Ok(())
    }
}

/// Number of a site in the registry's file.
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
    /// The zone of a number.
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

    fn read(connection: &Connection) -> rusqlite::Result<Self> {
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

pub(crate) fn insert_province(connection: &Connection, code: &str, name: &str) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO provinces (code, name) VALUES (?1, ?2)", [code, name])?;
    Ok(())
}

/// Inserts a zone without its place and returns its number.
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
