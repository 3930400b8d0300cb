//! What is said of a device.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lifecycle::state::DeviceState;

/// What is said of a device.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeviceDetails {
    /// State.
    pub state: DeviceState,
    /// What it is, as `stack analyser`.
    pub kind: Option<String>,
    /// Maker and type.
    pub model: Option<String>,
    /// Serial number. Another one says that the device at the measuring point was replaced.
    pub serial: Option<String>,
    /// Who it belongs to.
    pub owner: Option<String>,
    /// Where it stands.
    pub position: Option<Position>,
    /// Words to find it by, in order.
    pub tags: Vec<String>,
    /// Seconds between two rows of it, as it is declared.
    pub interval_seconds: Option<u32>,
    /// Time of the last change: microseconds since 1970, UTC.
    pub changed_us: i64,
}

impl DeviceDetails {
    /// True where the device is in operation and has sent for less than it declares: no row came for two intervals, since the last one
    /// or since it is where it is. `None` where it declares none, or none are waited for: in maintenance, and once it is retired.
    pub fn is_silent(&self, registered_us: i64, last_received_us: Option<i64>, now_us: i64) -> Option<bool> {
        let interval_us = i64::from(self.interval_seconds?) * 1_000_000;
        let is_expected = matches!(self.state, DeviceState::Announced | DeviceState::Approved);
        let last = last_received_us.map_or(registered_us, |last| last.max(registered_us));
        is_expected.then(|| now_us.saturating_sub(last) > 2 * interval_us)
    }

    /// Each attribute as text, in the order of a device's page.
    pub(crate) fn attributes(&self) -> [(&'static str, Option<String>); 8] {
        [
            ("state", Some(self.state.name().to_owned())),
            ("kind", self.kind.clone()),
            ("model", self.model.clone()),
            ("serial", self.serial.clone()),
            ("owner", self.owner.clone()),
            ("position", self.position.map(|position| position.to_string())),
            ("tags", (!self.tags.is_empty()).then(|| self.tags.join(TAG_SEPARATOR))),
            ("interval_seconds", self.interval_seconds.map(|seconds| seconds.to_string())),
        ]
    }
}

/// Place on the earth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

impl Position {
    /// True for a place on the earth.
    pub(crate) fn is_valid(self) -> bool {
        (-90.0..=90.0).contains(&self.latitude) && (-180.0..=180.0).contains(&self.longitude)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.latitude, self.longitude)
    }
}

/// What stands between two tags in one text.
pub(crate) const TAG_SEPARATOR: &str = ";";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_silent_after_two_intervals_and_only_while_rows_are_waited_for() {
        let with = |state| DeviceDetails { state, interval_seconds: Some(60), ..DeviceDetails::default() };
        let second = 1_000_000;
        for state in [DeviceState::Announced, DeviceState::Approved] {
            let silent = |last: Option<i64>, now: i64| with(state).is_silent(1_000 * second, last, now * second);
            assert_eq!(silent(Some(2_000 * second), 2_120), Some(false));
            assert_eq!(silent(Some(2_000 * second), 2_121), Some(true));
            assert_eq!(silent(None, 1_120), Some(false), "it is new");
            assert_eq!(silent(None, 1_121), Some(true));
            assert_eq!(silent(Some(500 * second), 1_100), Some(false), "it has moved since");
        }
        for state in [DeviceState::Maintenance, DeviceState::Retired] {
            assert_eq!(with(state).is_silent(0, None, i64::MAX), None);
        }
        assert_eq!(DeviceDetails::default().is_silent(0, None, i64::MAX), None);
    }
}
