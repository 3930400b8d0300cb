//! What a client sends and is told about devices.

use serde::{Deserialize, Serialize};
use zonelake_registry::{DeviceChange, DeviceLine, DeviceRecord, DeviceState, Position};

/// Response to `GET /api/v1/devices`: one page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceList {
    /// Devices by zone and name.
    pub devices: Vec<DeviceItem>,
    /// Where the next page begins: the parameter `after` of the next request. Absent behind the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceItem {
    /// Code of the province.
    pub province: String,
    /// Code of the zone.
    pub zone: String,
    /// Name within the zone.
    pub device: String,
    /// State.
    pub state: DeviceState,
    /// Code of its site.
    pub site: Option<String>,
    /// What it is.
    pub kind: Option<String>,
    /// Maker and type.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Who it belongs to.
    pub owner: Option<String>,
    /// Where it stands.
    pub position: Option<Position>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Seconds between two rows of it.
    pub interval_seconds: Option<u32>,
    /// Since when rows of it are stored where it is now, microseconds; null for one that has none yet.
    pub registered_us: Option<i64>,
}

impl From<DeviceRecord> for DeviceItem {
    fn from(record: DeviceRecord) -> Self {
        let details = &*record.details;
        Self {
            province: record.province.to_string(),
            zone: record.zone_code.to_string(),
            device: record.name.to_string(),
            state: details.state,
            site: record.site.as_deref().map(str::to_owned),
            kind: details.kind.clone(),
            model: details.model.clone(),
            serial: details.serial.clone(),
            owner: details.owner.clone(),
            position: details.position,
            tags: details.tags.clone(),
            interval_seconds: details.interval_seconds,
            registered_us: record.registered_us,
        }
    }
}

/// Response to `GET /api/v1/devices/{zone}/{name}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DevicePage {
    /// The device.
    pub device: DeviceItem,
    /// What has changed of it, the latest first.
    pub history: Vec<DeviceChangeItem>,
}

/// A change of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceChangeItem {
    /// Time of the change, microseconds.
    pub changed_us: i64,
    /// A role, `@local`, or the gateway that announced it.
    pub changed_by: String,
    /// Attribute; another `serial` is a replacement, another `site` a move.
    pub attribute: String,
    /// What it was.
    pub before: Option<String>,
    /// What it became.
    pub after: Option<String>,
}

impl From<DeviceChange> for DeviceChangeItem {
    fn from(change: DeviceChange) -> Self {
        let DeviceChange { changed_us, changed_by, attribute, before, after } = change;
        Self { changed_us, changed_by, attribute, before, after }
    }
}

/// Response to `PATCH /api/v1/devices/{zone}/{name}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetDevice {
    /// The device as it is now.
    pub device: DeviceItem,
    /// What became of rows that were rejected before it was approved; absent where it was not, or no server runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptDeviceRows>,
}

/// Rows that were rejected before their devices were approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDeviceRows {
    /// Rows that are stored now.
    pub stored: u64,
    /// Rows that stay rejected, for other reasons.
    pub kept: u64,
    /// Why some could not be looked at; `zonelake rejected replay` does the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Body of `POST /api/v1/devices`: devices of a file, all of which are stored or none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportDevices {
    /// Devices, and what the file says of each.
    pub devices: Vec<DeviceLine>,
    /// True where they are checked and not stored.
    #[serde(default)]
    pub dry_run: bool,
}

/// Response to `POST /api/v1/devices`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedDeviceList {
    /// Devices that were not known.
    pub added: u64,
    /// Devices of which something else is said now.
    pub changed: u64,
    /// Devices of which the same is said as before.
    pub unchanged: u64,
    /// True where nothing was stored.
    pub dry_run: bool,
    /// What became of rows that were rejected before their devices were approved; absent where none was, or no server runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptDeviceRows>,
}

/// Body of `POST /api/v1/zones/{zone}/device-policy`, and its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevicePolicy {
    /// What becomes of devices that nobody knows.
    pub new_devices: NewDevices,
}

/// What becomes of devices that nobody knows, when a gateway of their zone sends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewDevices {
    /// They register themselves: their rows are stored at once.
    Register,
    /// They wait for approval: their rows are rejected and kept until then.
    Wait,
}
