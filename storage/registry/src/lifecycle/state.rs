//! States of a device, and which follows which.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::RegistryError;

/// State of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// It has sent, and nobody has said anything of it yet. Where the zone's devices register themselves its rows are stored; where
    /// they wait for approval they are rejected and kept.
    #[default]
    Announced,
    /// In operation: its rows are stored.
    Approved,
    /// At work: its rows are stored, and nobody wonders that none come.
    Maintenance,
    /// Out of operation: its rows are rejected and kept, and those of before stay.
    Retired,
}

impl DeviceState {
    /// All states, in the order of a device's life.
    pub const ALL: [Self; 4] = [Self::Announced, Self::Approved, Self::Maintenance, Self::Retired];

    /// Name in SQL, in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Approved => "approved",
            Self::Maintenance => "maintenance",
            Self::Retired => "retired",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// True where somebody has said that rows of the device are wanted.
    pub(crate) fn is_in_operation(self) -> bool {
        matches!(self, Self::Approved | Self::Maintenance)
    }

    /// Refuses a state that does not follow this one.
    pub(crate) fn check_next(self, next: Self, device: &str) -> Result<(), RegistryError> {
        let follows = match self {
            Self::Announced => &[Self::Approved, Self::Retired][..],
            Self::Approved => &[Self::Maintenance, Self::Retired],
            Self::Maintenance => &[Self::Approved, Self::Retired],
            Self::Retired => &[Self::Approved],
        };
        if next == self || follows.contains(&next) {
            return Ok(());
        }
        let why = match self {
            Self::Announced => "it is announced, and may be approved or retired",
            Self::Approved => "it is approved, and may be in maintenance or retired",
            Self::Maintenance => "it is in maintenance, and may be approved or retired",
            Self::Retired => "it is retired, and may be approved",
        };
        Err(RegistryError::Invalid { what: "device", name: device.into(), why })
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_goes_through_its_life_and_comes_back_and_is_never_announced_again() {
        use DeviceState::{Announced, Approved, Maintenance, Retired};
        let goes = |from: DeviceState, to: DeviceState| from.check_next(to, "d").is_ok();
        for (from, to) in [(Announced, Approved), (Approved, Maintenance), (Maintenance, Approved)] {
            assert!(goes(from, to), "{from} {to}");
        }
        assert!([Announced, Approved, Maintenance].into_iter().all(|from| goes(from, Retired)));
        assert!(goes(Retired, Approved) && !goes(Retired, Maintenance) && !goes(Announced, Maintenance));
        assert!([Approved, Maintenance, Retired].into_iter().all(|from| !goes(from, Announced)));
        for state in DeviceState::ALL {
            assert!(goes(state, state));
            assert_eq!(DeviceState::from_name(state.name()), Some(state));
        }
        assert_eq!(DeviceState::from_name("gone"), None);
    }
}
