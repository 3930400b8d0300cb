//! What is said of devices, by zone and name, as one snapshot. Most devices have no entry: nobody has said anything of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Row};
use zonelake_schemas::ZoneId;

use crate::lifecycle::details::{DeviceDetails, Position, TAG_SEPARATOR};
use crate::lifecycle::state::DeviceState;

/// Devices that may wait for approval in one zone, so that a faulty gateway cannot fill the file; more are not noted.
pub const ANNOUNCED_PER_ZONE_MAX: usize = 10_000;

/// What is said of all devices.
#[derive(Debug, Default)]
pub(crate) struct DetailIndex {
    zones: BTreeMap<ZoneId, Arc<ZoneDetails>>,
    /// Version of the last entry.
    version: i64,
}

/// What is said of the devices of one zone.
#[derive(Debug, Default, Clone)]
struct ZoneDetails {
    by_name: BTreeMap<Arc<str>, Arc<DeviceDetails>>,
    announced: usize,
}

/// An entry as it was read.
#[derive(Debug)]
pub(crate) struct ReadDetails {
    zone: ZoneId,
    name: Arc<str>,
    details: DeviceDetails,
    version: i64,
}

impl DetailIndex {
    /// What is said of a device.
    pub(crate) fn get(&self, zone: ZoneId, name: &str) -> Option<&Arc<DeviceDetails>> {
        self.zones.get(&zone)?.by_name.get(name)
    }

    /// Devices of a zone that are announced by an entry.
    pub(crate) fn announced(&self, zone: ZoneId) -> usize {
        self.zones.get(&zone).map_or(0, |zone| zone.announced)
    }

    /// All entries, by zone and name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ZoneId, &Arc<str>, &Arc<DeviceDetails>)> {
        self.zones.iter().flat_map(|(zone, of)| of.by_name.iter().map(move |(name, details)| (*zone, name, details)))
    }

    /// Version of the last entry.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// This index with further entries. True where what a gateway may write has changed with them.
    pub(crate) fn extended_by(&self, new: Vec<ReadDetails>) -> (Self, bool) {
        let mut index = Self { zones: self.zones.clone(), version: self.version };
        let mut has_retired = false;
        for ReadDetails { zone, name, details, version } in new {
            let of_zone = Arc::make_mut(index.zones.entry(zone).or_default());
            let is_announced = |details: &DeviceDetails| usize::from(details.state == DeviceState::Announced);
            of_zone.announced += is_announced(&details);
            has_retired |= details.state == DeviceState::Retired;
            index.version = index.version.max(version);
            if let Some(before) = of_zone.by_name.insert(name, Arc::new(details)) {
                of_zone.announced -= is_announced(&before);
            }
        }
        (index, has_retired)
    }
}

/// The entries behind a version. The inner error says in words what is damaged.
pub(crate) fn read_details(connection: &Connection, after: i64) -> rusqlite::Result<Result<Vec<ReadDetails>, String>> {
    let mut statement = connection.prepare_cached(
        "SELECT zone, name, version, state, kind, model, serial, owner, latitude, longitude, tags, interval_seconds, changed_us
         FROM devices WHERE version > ?1 ORDER BY version, zone, name",
    )?;
    let mut rows = statement.query([after])?;
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let name: Arc<str> = row.get(1)?;
        let state: String = row.get(3)?;
        let Some(state) = DeviceState::from_name(&state) else {
            return Ok(Err(format!("device {name} is in state {state:?}, which there is not")));
        };
        let details = details_of(row, state)?;
        read.push(ReadDetails { zone: ZoneId(row.get(0)?), name, details, version: row.get(2)? });
    }
    Ok(Ok(read))
}

fn details_of(row: &Row<'_>, state: DeviceState) -> rusqlite::Result<DeviceDetails> {
    let position: (Option<f64>, Option<f64>) = (row.get(8)?, row.get(9)?);
    let tags: String = row.get(10)?;
    Ok(DeviceDetails {
        state,
        kind: row.get(4)?,
        model: row.get(5)?,
        serial: row.get(6)?,
        owner: row.get(7)?,
        position: position.0.zip(position.1).map(|(latitude, longitude)| Position { latitude, longitude }),
        tags: tags.split(TAG_SEPARATOR).filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        interval_seconds: row.get(11)?,
        changed_us: row.get(12)?,
    })
}
