//! Rows of the table `places`: the location behind each device key.

use std::sync::Arc;

use rusqlite::{Connection, params};
use zonelake_schemas::{DeviceKey, Location, Locations, ZoneId};

use crate::index::devices::{DeviceIndex, Entry};
use crate::index::zones::{SiteId, ZoneIndex};

/// Locations that were added to the file, and the devices at them.
#[derive(Debug)]
pub(crate) struct NewLocations {
    /// Locations in the order of their keys.
    pub(crate) locations: Vec<Arc<Location>>,
    /// Devices at these locations; a zone as a whole has none.
    pub(crate) devices: Vec<Entry>,
}

/// The locations from key `first` on. The inner error says in words what is damaged.
pub(crate) fn read_locations(
    connection: &Connection,
    first: u32,
    zones: &ZoneIndex,
    index: &DeviceIndex,
) -> rusqlite::Result<Result<NewLocations, String>> {
    let mut new = NewLocations { locations: Vec::new(), devices: Vec::new() };
    let mut statement = connection
        .prepare_cached("SELECT key, zone, site, device, registered_us FROM places WHERE key >= ?1 ORDER BY key")?;
    let mut rows = statement.query([first])?;
    let mut expected = first..;
    while let (Some(row), Some(expected)) = (rows.next()?, expected.next()) {
        let stored = StoredLocation {
            key: row.get(0)?,
            zone: ZoneId(row.get(1)?),
            site: row.get::<_, Option<u32>>(2)?.map(SiteId),
            device: row.get(3)?,
        };
        match stored.resolve(expected, zones) {
            Ok(location) => new.locations.push(location),
            Err(what) => return Ok(Err(what)),
        }
        if let Some(name) = stored.device {
            new.devices.push(index.entry(stored.zone, name, DeviceKey(stored.key), row.get(4)?));
        }
    }
    Ok(Ok(new))
}

/// The key of the next location. Keys are 1, 2, 3 and so on without a gap, since [`Locations`] finds by position.
pub(crate) fn next_key(locations: &Locations) -> u32 {
    u32::try_from(locations.len() + 1).expect("zones and the devices in them are limited far below 2^32")
}

/// Inserts one location, in the caller's transaction.
pub(crate) fn insert_location(
    connection: &Connection,
    key: u32,
    zone: u32,
    site: Option<SiteId>,
    device: Option<&str>,
    now_us: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO places (key, zone, site, device, registered_us) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![key, zone, site.map(|site| site.0), device, now_us])?;
    Ok(())
}

/// A row of `places`.
#[derive(Debug)]
struct StoredLocation {
    key: u32,
    zone: ZoneId,
    site: Option<SiteId>,
    device: Option<Arc<str>>,
}

impl StoredLocation {
    /// This row as a location; in words where it cannot be one.
    fn resolve(&self, expected: u32, zones: &ZoneIndex) -> Result<Arc<Location>, String> {
        // A gap would shift the position of every later key.
        if self.key != expected {
            return Err(format!("place {expected} is missing"));
        }
        let zone = zones
            .zone(self.zone)
            .ok_or_else(|| format!("place {} is in zone {}, which is missing", self.key, self.zone))?;
        let site = match self.site {
            Some(site) => Some(
                zones.site_code(site).cloned().ok_or_else(|| format!("the site of place {} is missing", self.key))?,
            ),
            None => None,
        };
        Ok(Arc::new(Location {
            province: Some(Arc::clone(&zone.province)),
            zone: Some(Arc::clone(&zone.code)),
            site,
            device: self.device.clone(),
        }))
    }
}
