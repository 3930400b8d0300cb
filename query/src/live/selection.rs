//! The devices and fields that a client wants.

use std::time::Duration;

use zonelake_schemas::Location;

/// Choice of devices and fields. An empty list chooses all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveSelection {
    /// Codes of provinces.
    pub provinces: Vec<String>,
    /// Codes of zones.
    pub zones: Vec<String>,
    /// Names of devices.
    pub devices: Vec<String>,
    /// Fields.
    pub fields: Vec<String>,
    /// Age up to which the last row of a device is shown.
    pub window: Option<Duration>,
}

impl LiveSelection {
    /// True for a device at this location.
    pub(crate) fn has(&self, location: &Location) -> bool {
        self.has_place(location.province.as_deref(), location.zone.as_deref())
            && is_wanted(&self.devices, location.device.as_deref())
    }

    /// True for a place.
    pub(crate) fn has_place(&self, province: Option<&str>, zone: Option<&str>) -> bool {
        is_wanted(&self.zones, zone) && is_wanted(&self.provinces, province)
    }
}

fn is_wanted(wanted: &[String], has: Option<&str>) -> bool {
    wanted.is_empty() || has.is_some_and(|has| wanted.iter().any(|wanted| wanted == has))
}
