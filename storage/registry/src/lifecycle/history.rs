//! What has changed of a device: who, when, from what to what. A device that registers itself has none of it until somebody says
//! something of it; when it came stands beside its key.

use rusqlite::{Connection, params};
use zonelake_schemas::ZoneId;

use crate::error::RegistryError;
use crate::registry::Registry;

/// A change of one attribute of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceChange {
    /// Time of the change: microseconds since 1970, UTC.
    pub changed_us: i64,
    /// Who made it: a role, `@local`, or the gateway that announced the device.
    pub changed_by: String,
    /// Attribute. Another `serial` is a replacement of the device, another `site` a move.
    pub attribute: String,
    /// What it was; `None` where it was nothing.
    pub before: Option<String>,
    /// What it became.
    pub after: Option<String>,
}

/// Changes of one device that are told.
const CHANGES_MAX: u32 = 1_000;

impl Registry {
    /// Changes of a device, the latest first; a thousand at most.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an unknown zone, and errors of the file.
    pub fn device_history(&self, zone_code: &str, device: &str) -> Result<Vec<DeviceChange>, RegistryError> {
        let zone = self.known_zone(zone_code)?;
        self.read(|connection| read_changes(connection, zone.id, device).map_err(|source| self.sqlite(source)))
    }
}

fn read_changes(connection: &Connection, zone: ZoneId, device: &str) -> rusqlite::Result<Vec<DeviceChange>> {
    connection
        .prepare_cached(
            "SELECT changed_us, changed_by, attribute, before, after FROM device_changes
             WHERE zone = ?1 AND name = ?2 ORDER BY id DESC LIMIT ?3",
        )?
        .query_map(params![zone.0, device, CHANGES_MAX], |row| {
            Ok(DeviceChange {
                changed_us: row.get(0)?,
                changed_by: row.get(1)?,
                attribute: row.get(2)?,
                before: row.get(3)?,
                after: row.get(4)?,
            })
        })?
        .collect()
}

/// Writes one change, in the caller's transaction.
pub(crate) fn insert_change(
    connection: &Connection,
    zone: ZoneId,
    device: &str,
    change: &DeviceChange,
) -> rusqlite::Result<()> {
    let DeviceChange { changed_us, changed_by, attribute, before, after } = change;
    connection
        .prepare_cached(
            "INSERT INTO device_changes (zone, name, changed_us, changed_by, attribute, before, after)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![zone.0, device, changed_us, changed_by, attribute, before, after])
        .map(drop)
}
