//! The one scale of quality for all sources, and how other scales map to it.

/// Quality of a row. Files have its name; memory and the WAL have its number.
///
/// Source of the mapping: OPC UA Part 8 status codes, OPC DA quality masks and the status column of Circular 10/2021
/// (00 measuring, 01 calibrating, 02 fault).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Quality {
    /// A measurement. A quality that a gateway does not state is taken as good, as OPC UA does.
    #[default]
    Good = 0,
    /// Calibrating, or otherwise not to be relied on.
    Uncertain = 1,
    /// The sensor has failed.
    BadSensorFailure = 2,
    /// The device has failed.
    BadDeviceFailure = 3,
    /// The device cannot be reached.
    BadNoCommunication = 4,
}

impl Quality {
    /// All qualities, at the index of their number.
    pub const ALL: [Self; 5] =
        [Self::Good, Self::Uncertain, Self::BadSensorFailure, Self::BadDeviceFailure, Self::BadNoCommunication];

    /// Name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Uncertain => "uncertain",
            Self::BadSensorFailure => "bad_sensor_failure",
            Self::BadDeviceFailure => "bad_device_failure",
            Self::BadNoCommunication => "bad_no_communication",
        }
    }

    /// Reads a name of this scale or a status of Circular 10/2021.
    pub fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "good" | "00" => Self::Good,
            "uncertain" | "01" => Self::Uncertain,
            "bad_sensor_failure" | "02" => Self::BadSensorFailure,
            "bad_device_failure" => Self::BadDeviceFailure,
            "bad_no_communication" => Self::BadNoCommunication,
            _ => return None,
        })
    }

    /// Reads an OPC UA status code or an OPC DA quality.
    pub fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0x0000_0000 | 192 => Self::Good,
            0x4000_0000 | 64 => Self::Uncertain,
            0x808C_0000 | 16 => Self::BadSensorFailure,
            0x808B_0000 | 12 => Self::BadDeviceFailure,
            0x8005_0000 | 24 => Self::BadNoCommunication,
            _ => return None,
        })
    }

    /// Reads the number that memory and the WAL have.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_number_reads_back() {
        for quality in Quality::ALL {
            assert_eq!(Quality::from_text(quality.name()), Some(quality));
            assert_eq!(Quality::from_number(quality as u8), Some(quality));
        }
        assert_eq!(Quality::from_text("GOOD"), None);
        assert_eq!(Quality::from_code(1), None);
    }
}
