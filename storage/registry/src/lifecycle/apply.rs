//! Changes of devices: of one, and of many from a file, all of them or none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use zonelake_schemas::{DeviceKey, ZoneId};

use crate::error::RegistryError;
use crate::index::devices::{DEVICES_PER_ZONE_MAX, DevicesPerZone};
use crate::index::locations::{insert_location, next_key};
use crate::index::zones::SiteId;
use crate::lifecycle::change::{Change, DeviceChanges};
use crate::lifecycle::details::{DeviceDetails, TAG_SEPARATOR};
use crate::lifecycle::history::{DeviceChange, insert_change};
use crate::lifecycle::list::DeviceRecord;
use crate::lifecycle::state::DeviceState;
use crate::names::check_name;
use crate::registry::Registry;
use crate::sqlite::database::Load;

/// A device of a file, and what the file says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceLine {
    /// Line of the file, for messages; without it the position in the list says where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Code of the zone.
    pub zone: String,
    /// Name of the device within the zone.
    pub device: String,
    /// What is said of it.
    #[serde(default)]
    pub set: DeviceChanges,
}

/// What an import has done, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportedDevices {
    /// Devices that were not known.
    pub added: u64,
    /// Devices of which something else is said now.
    pub changed: u64,
    /// Devices of which the same is said as before.
    pub unchanged: u64,
}

/// What a line comes to.
#[derive(Debug)]
struct Planned {
    zone: ZoneId,
    name: Arc<str>,
    /// What was said of it; `None` where nothing was.
    before: Option<Arc<DeviceDetails>>,
    after: DeviceDetails,
    is_new: bool,
    /// Its key, where it has one.
    key: Option<DeviceKey>,
    /// Its site of before and afterwards, by code; the same where it stays.
    sites: [Option<Arc<str>>; 2],
    site: Option<SiteId>,
}

impl Planned {
    fn gets_key(&self) -> bool {
        self.key.is_none() && self.after.state.is_in_operation()
    }

    fn moves(&self) -> bool {
        self.key.is_some() && self.sites[0] != self.sites[1]
    }

    /// True where what is said of it is to be written.
    fn is_said(&self) -> bool {
        self.before
            .as_deref()
            .map_or(self.is_new || self.after != DeviceDetails::default(), |before| *before != self.after)
    }
}

impl Registry {
    /// Says something of a device that is known.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for an unknown zone, device or site, [`RegistryError::Invalid`] for a value that cannot be or a state
    /// that does not follow, [`RegistryError::Limit`], and errors of the file.
    pub fn set_device(
        &self,
        zone_code: &str,
        device: &str,
        changes: &DeviceChanges,
        who: &str,
    ) -> Result<DeviceRecord, RegistryError> {
        let line = DeviceLine { line: None, zone: zone_code.into(), device: device.into(), set: changes.clone() };
        self.write(&[Load::Locations, Load::Details], |connection, per_zone| {
            let planned = self.plan(&line)?;
            if planned.is_new {
                return Err(RegistryError::Unknown { what: "device", name: format!("{zone_code}/{device}") });
            }
            self.store(connection, per_zone, &[planned], who)
        })?;
        self.device_record(zone_code, device)
    }

    /// Says something of many devices, and adds those that are not known: all of them or none. A new one is approved, where its line
    /// says no other state.
    ///
    /// # Errors
    /// [`RegistryError::DeviceLines`] with what is wrong in which line, and errors of the file. Then nothing is changed.
    pub fn import_devices(
        &self,
        lines: &[DeviceLine],
        dry_run: bool,
        who: &str,
    ) -> Result<ImportedDevices, RegistryError> {
        if dry_run {
            self.refresh()?;
            return self.plan_all(lines).map(|planned| summary(&planned));
        }
        self.write(&[Load::Locations, Load::Details], |connection, per_zone| {
            let planned = self.plan_all(lines)?;
            self.store(connection, per_zone, &planned, who)?;
            Ok(summary(&planned))
        })
    }

    fn plan_all(&self, lines: &[DeviceLine]) -> Result<Vec<Planned>, RegistryError> {
        let mut planned = Vec::with_capacity(lines.len());
        let mut names = BTreeSet::new();
        let mut wrong = Vec::new();
        for (number, line) in (1_u64..).zip(lines) {
            let place = line.line.map_or_else(|| format!("row {number}"), |line| format!("line {line}"));
            match self.plan(line) {
                Ok(of_line) if names.insert((of_line.zone, Arc::clone(&of_line.name))) => planned.push(of_line),
                Ok(_) => wrong.push(format!("{place}: {}/{} stands in it twice", line.zone, line.device)),
                Err(error) => wrong.push(format!("{place}: {error}")),
            }
        }
        if wrong.is_empty() {
            return Ok(planned);
        }
        let more = wrong.len().saturating_sub(WRONG_LINES_MAX);
        wrong.truncate(WRONG_LINES_MAX);
        if more > 0 {
            wrong.push(format!("and {more} more"));
        }
        Err(RegistryError::DeviceLines(wrong.join("\n")))
    }

    fn plan(&self, line: &DeviceLine) -> Result<Planned, RegistryError> {
        let DeviceLine { zone, device, set, .. } = line;
        check_name("device", device)?;
        let zone = self.known_zone(zone)?;
        let before = self.details.load().get(zone.id, device).cloned();
        let key = self.devices.get(zone.id, device);
        let is_new = before.is_none() && key.is_none();
        let mut after = set.applied_to(before.as_deref().unwrap_or(&DeviceDetails::default()))?;
        match set.state {
            Some(state) if is_new => after.state = state,
            None if is_new => after.state = DeviceState::Approved,
            Some(state) => {
                after.state.check_next(state, device)?;
                after.state = state;
            }
            None => {}
        }
        let now_at = key.and_then(|key| self.location(key)?.site.clone());
        let (code, site) = match &set.site {
            Change::Keep => (now_at.clone(), None),
            Change::Clear => (None, None),
            Change::Set(code) if code.is_empty() => (None, None),
            Change::Set(code) => {
                let unknown = || RegistryError::Unknown { what: "site", name: format!("{}/{code}", zone.code) };
                let site = self.zones.load().site(zone.id, code).ok_or_else(unknown)?;
                (Some(Arc::from(code.as_str())), Some(site))
            }
        };
        if code.is_some() && key.is_none() && !after.state.is_in_operation() {
            let why = "it has no rows yet: approve it, and then say where it is";
            return Err(RegistryError::Invalid { what: "device", name: device.clone(), why });
        }
        let name = Arc::from(device.as_str());
        Ok(Planned { zone: zone.id, name, before, after, is_new, key, sites: [now_at, code], site })
    }

    /// Writes what was planned, in the caller's transaction.
    fn store(
        &self,
        connection: &Connection,
        per_zone: &DevicesPerZone,
        planned: &[Planned],
        who: &str,
    ) -> Result<(), RegistryError> {
        self.check_limits(per_zone, planned)?;
        let sqlite = |source| self.sqlite(source);
        let mut next = next_key(&self.locations.load());
        let version = next_version(connection).map_err(sqlite)?;
        let now_us = self.clock.wall_us();
        for device in planned {
            if let Some(old) = device.key.filter(|_| device.moves()) {
                // The old row stays: stored rows refer to its key.
                connection.execute("UPDATE places SET current = 0 WHERE key = ?1", [old.0]).map_err(sqlite)?;
            }
            if device.gets_key() || device.moves() {
                insert_location(connection, next, device.zone.0, device.site, Some(&device.name), now_us)
                    .map_err(sqlite)?;
                next += 1;
            }
            if device.is_said() {
                let details = DeviceDetails { changed_us: now_us, ..device.after.clone() };
                upsert(connection, device, &details, version).map_err(sqlite)?;
            }
            record_changes(connection, device, now_us, who).map_err(sqlite)?;
        }
        Ok(())
    }

    fn check_limits(&self, per_zone: &DevicesPerZone, planned: &[Planned]) -> Result<(), RegistryError> {
        let mut more: BTreeMap<ZoneId, usize> = BTreeMap::new();
        for device in planned.iter().filter(|device| device.gets_key()) {
            *more.entry(device.zone).or_default() += 1;
        }
        for (zone, more) in more {
            if per_zone.get(&zone).copied().unwrap_or(0) + more > DEVICES_PER_ZONE_MAX {
                let name = self.zone(zone).map_or_else(|| zone.to_string(), |zone| zone.code.to_string());
                return Err(RegistryError::Limit { what: "devices", name, limit: DEVICES_PER_ZONE_MAX });
            }
        }
        Ok(())
    }
}

fn summary(planned: &[Planned]) -> ImportedDevices {
    let mut done = ImportedDevices::default();
    for device in planned {
        match device {
            new if new.is_new => done.added += 1,
            same if !same.is_said() && !same.moves() => done.unchanged += 1,
            _ => done.changed += 1,
        }
    }
    done
}

/// Version of the entries that a transaction writes.
pub(crate) fn next_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(version), 0) + 1 FROM devices", [], |row| row.get(0))
}

fn upsert(connection: &Connection, device: &Planned, of: &DeviceDetails, version: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO devices (zone, name, version, state, kind, model, serial, owner, latitude, longitude, tags,
                                  interval_seconds, changed_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (zone, name) DO UPDATE SET version = excluded.version, state = excluded.state,
                 kind = excluded.kind, model = excluded.model, serial = excluded.serial, owner = excluded.owner,
                 latitude = excluded.latitude, longitude = excluded.longitude, tags = excluded.tags,
                 interval_seconds = excluded.interval_seconds, changed_us = excluded.changed_us",
        )?
        .execute(params![
            device.zone.0,
            device.name,
            version,
            of.state.name(),
            of.kind,
            of.model,
            of.serial,
            of.owner,
            of.position.map(|position| position.latitude),
            of.position.map(|position| position.longitude),
            of.tags.join(TAG_SEPARATOR),
            of.interval_seconds,
            of.changed_us
        ])
        .map(drop)
}

/// Writes what has changed of a device, attribute by attribute.
fn record_changes(connection: &Connection, device: &Planned, now_us: i64, who: &str) -> rusqlite::Result<()> {
    let record = |attribute: &str, before: Option<String>, after: Option<String>| {
        let change =
            DeviceChange { changed_us: now_us, changed_by: who.into(), attribute: attribute.into(), before, after };
        insert_change(connection, device.zone, &device.name, &change)
    };
    let nothing = DeviceDetails::default();
    let before = device.before.as_deref().unwrap_or(&nothing).attributes();
    for ((attribute, before), (_, after)) in before.into_iter().zip(device.after.attributes()) {
        // A device that nobody knew was in no state.
        let before = before.filter(|_| !(device.is_new && attribute == "state"));
        if before != after {
            record(attribute, before, after)?;
        }
    }
    let [before, after] = &device.sites;
    if before != after {
        record("site", before.as_deref().map(str::to_owned), after.as_deref().map(str::to_owned))?;
    }
    Ok(())
}

/// Lines of a file that are told to be wrong.
const WRONG_LINES_MAX: usize = 20;
