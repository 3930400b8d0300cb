//! Provinces, zones and the sites within zones.

use std::sync::Arc;

use rusqlite::params;
use zonelake_schemas::ZoneId;

use crate::error::RegistryError;
use crate::index::locations::{insert_location, next_key};
use crate::index::zones::{NewZone, Province, Site, Zone, insert_province, insert_site, insert_zone};
use crate::names::{check_code, check_name};
use crate::registry::Registry;
use crate::sqlite::database::Load;

impl Registry {
    /// All provinces, by code.
    pub fn provinces(&self) -> Vec<Province> {
        self.zones.load().provinces().to_vec()
    }

    /// All zones, by id.
    pub fn zones(&self) -> Vec<Zone> {
        self.zones.load().zones().iter().map(|zone| Zone::clone(zone)).collect()
    }

    /// The zone of an id.
    pub fn zone(&self, id: ZoneId) -> Option<Arc<Zone>> {
        self.zones.load().zone(id).cloned()
    }

    /// The zone of a code.
    pub fn zone_by_code(&self, code: &str) -> Option<Arc<Zone>> {
        self.zones.load().zones().iter().find(|zone| &*zone.code == code).cloned()
    }

    /// All sites, by zone and code.
    pub fn sites(&self) -> Vec<Site> {
        self.zones.load().sites().cloned().collect()
    }

    /// True where a zone has the site of a code, or no site at all: then nobody has registered where its devices are.
    pub fn may_be_at(&self, zone_code: &str, code: &str) -> bool {
        let zones = self.zones.load();
        let mut sites = zones.sites().filter(|site| &*site.zone_code == zone_code).peekable();
        sites.peek().is_none() || sites.any(|site| &*site.code == code)
    }

    /// Adds a province.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a code or name that cannot be, [`RegistryError::Exists`], and errors of the file.
    pub fn add_province(&self, code: &str, name: &str) -> Result<(), RegistryError> {
        check_code("province", code)?;
        check_name("name of the province", name)?;
        self.write(&[Load::Zones], |connection, _| {
            if self.zones.load().provinces().iter().any(|province| &*province.code == code) {
                return Err(RegistryError::Exists { what: "province", name: code.into() });
            }
            insert_province(connection, code, name).map_err(|source| self.sqlite(source))
        })
    }

    /// Adds a zone, with a key for the zone as a whole.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a code, name or area that cannot be, [`RegistryError::Unknown`] for an unknown
    /// province, [`RegistryError::Exists`], and errors of the file.
    pub fn add_zone(&self, zone: &NewZone<'_>) -> Result<ZoneId, RegistryError> {
        check_code("zone", zone.code)?;
        check_name("name of the zone", zone.name)?;
        if zone.area_ha.is_some_and(|area| !area.is_finite() || area < 0.0) {
            return Err(RegistryError::Invalid { what: "zone", name: zone.code.into(), why: "its area cannot be" });
        }
        self.write(&[Load::Zones, Load::Locations], |connection, _| {
            let known = self.zones.load();
            if known.zones().iter().any(|other| &*other.code == zone.code) {
                return Err(RegistryError::Exists { what: "zone", name: zone.code.into() });
            }
            if !known.provinces().iter().any(|province| &*province.code == zone.province) {
                return Err(RegistryError::Unknown { what: "province", name: zone.province.into() });
            }
            let now_us = self.clock.wall_us();
            let insert = || {
                // One transaction for both: no zone may be without the location of the zone as a whole.
                let id = insert_zone(connection, zone, now_us)?;
                insert_location(connection, next_key(&self.locations.load()), id, None, None, now_us)?;
                Ok(ZoneId(id))
            };
            insert().map_err(|source| self.sqlite(source))
        })
    }

    /// Adds a site to a zone.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a code or name that cannot be, [`RegistryError::Unknown`] for an unknown zone,
    /// [`RegistryError::Exists`], and errors of the file.
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
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an unknown zone, and errors of the file.
    pub fn set_auto_register(&self, zone_code: &str, auto_register: bool) -> Result<(), RegistryError> {
        // Gateways hold a copy of their zone's policy.
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
}
