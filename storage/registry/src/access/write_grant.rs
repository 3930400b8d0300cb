//! What a gateway may write: tables, zones and devices, as they are granted and as they are looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zonelake_schemas::{DeviceKey, ZoneId};

use crate::error::RegistryError;
use crate::names::device_name_is_valid;

/// Devices of a grant: one by its name, those whose names begin alike, or all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Devices {
    /// All devices; new ones too.
    All,
    /// Devices whose names begin so.
    Beginning(Arc<str>),
    /// The device of this name.
    One(Arc<str>),
}

impl Devices {
    /// True for the name of one of them.
    pub fn have(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Beginning(beginning) => name.starts_with(&**beginning),
            Self::One(one) => name == &**one,
        }
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str(ALL),
            Self::Beginning(beginning) => write!(f, "{beginning}{ALL}"),
            Self::One(name) => f.write_str(name),
        }
    }
}

impl FromStr for Devices {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let devices = match text.strip_suffix(ALL) {
            Some("") => return Ok(Self::All),
            Some(beginning) => Self::Beginning(beginning.into()),
            None => Self::One(text.into()),
        };
        match &devices {
            Self::Beginning(name) | Self::One(name) if !device_name_is_valid(name) => {
                let why = "devices are a name of 1 to 128 bytes without control characters, its beginning with * behind it, or *";
                Err(RegistryError::Invalid { what: "devices", name: text.chars().take(128).collect(), why })
            }
            _ => Ok(devices),
        }
    }
}

/// What stands for all tables or devices in the file and in commands.
pub(crate) const ALL: &str = "*";

/// Grant of a gateway: it may write rows of these devices of a zone to one table, or to all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteGrant {
    /// The table; `None` for all of them.
    pub table: Option<Arc<str>>,
    /// Code of the zone.
    pub zone: Arc<str>,
    /// Devices of the zone.
    pub devices: Devices,
}

/// A zone that a gateway may write for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WritableZone {
    /// Id of the zone.
    pub id: ZoneId,
    /// Code of the zone.
    pub code: Arc<str>,
    /// Code of the zone's province.
    pub province: Arc<str>,
    /// Key of the zone as a whole.
    pub key: DeviceKey,
    /// The zone's policy: true where unknown devices are registered.
    pub auto_register: bool,
    /// Devices that are granted; one of them suffices.
    pub(crate) devices: Vec<Devices>,
}

impl WritableZone {
    /// True where a device of this name may be written.
    pub fn allows(&self, device: &str) -> bool {
        self.devices.iter().any(|devices| devices.have(device))
    }
}

/// All that a gateway may write, compiled: one look for a batch, and no lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteRights {
    /// Zones by the grants of all tables.
    everywhere: Arc<[WritableZone]>,
    /// Zones of the tables that are granted by name, with those of all tables.
    by_table: BTreeMap<Arc<str>, Arc<[WritableZone]>>,
}

impl WriteRights {
    /// Zones that rows of a table may be of, by their codes; none where the table is not granted.
    pub fn zones(&self, table: &str) -> &Arc<[WritableZone]> {
        self.by_table.get(table).unwrap_or(&self.everywhere)
    }

    /// Compiles grants. `writable` gives the zone of a code with the devices that are granted there.
    pub(crate) fn compile(
        grants: &[WriteGrant],
        writable: impl Fn(&str, Vec<Devices>) -> Option<WritableZone>,
    ) -> Self {
        let zones_of = |table: Option<&str>| -> Arc<[WritableZone]> {
            let mut zones: BTreeMap<&str, Vec<Devices>> = BTreeMap::new();
            let of_table = grants.iter().filter(|grant| grant.table.is_none() || grant.table.as_deref() == table);
            for grant in of_table {
                zones.entry(&*grant.zone).or_default().push(grant.devices.clone());
            }
            zones.into_iter().filter_map(|(code, devices)| writable(code, devices)).collect()
        };
        let named: BTreeSet<&Arc<str>> = grants.iter().filter_map(|grant| grant.table.as_ref()).collect();
        let by_table = named.into_iter().map(|table| (Arc::clone(table), zones_of(Some(&**table)))).collect();
        Self { everywhere: zones_of(None), by_table }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_all_a_beginning_or_one() {
        for (text, device, has) in [
            ("*", "anything", true),
            ("crane-*", "crane-1", true),
            ("crane-*", "crane", false),
            ("crane-1", "crane-1", true),
            ("crane-1", "crane-11", false),
            ("**", "*1", true),
        ] {
            let devices: Devices = text.parse().unwrap();
            assert_eq!(devices.have(device), has, "{text} {device}");
            assert_eq!(devices.to_string(), text);
        }
        for wrong in ["", "a\nb", &"x".repeat(129)] {
            assert!(wrong.parse::<Devices>().is_err(), "{wrong:?}");
        }
    }
}
