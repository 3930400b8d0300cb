//! The one scale of quality for all sources, and how other scales map to it.
//!
//! | quality | OPC UA (status code) | OPC DA (quality) | Circular 10/2021 |
//! |---|---|---|---|
//! | good | bits 31 and 30 are 00 | `code & 0xC0` is 0xC0 | 00 measuring |
//! | uncertain | 01 | 0x40 | 01 calibrating |
//! | bad: sensor failure | BadSensorFailure | 16 | 02 fault |
//! | bad: no communication | `UA_NO_COMMUNICATION` below | 8, 20, 24, 32 | |
//! | bad: device failure | any other of 10 and 11 | any other of 0x00 and 0x80 | |
//!
//! In a code of OPC UA the lower 16 bits are flags, and in one of OPC DA the lowest two bits are limits and the upper byte is
//! the vendor's: none of them changes the quality. Which scale a code is of is said by its column ([`QualityScale`]).

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
    /// The device has failed, or the source says no more than that the value is bad.
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

    /// Reads a name of this scale, in letters of any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quality| quality.name().eq_ignore_ascii_case(name))
    }

    /// Reads the number that memory and the WAL have.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    fn of_opc_ua(code: u32) -> Self {
        // The lower half are flags about the value, and no part of its quality.
        let status = code & 0xFFFF_0000;
        match status >> 30 {
            0b00 => Self::Good,
            0b01 => Self::Uncertain,
            _ if status == UA_BAD_SENSOR_FAILURE => Self::BadSensorFailure,
            _ if UA_NO_COMMUNICATION.contains(&status) => Self::BadNoCommunication,
            _ => Self::BadDeviceFailure,
        }
    }

    fn of_opc_da(code: u16) -> Self {
        match code & DA_QUALITY {
            0xC0 => Self::Good,
            0x40 => Self::Uncertain,
            0x00 if code & DA_STATUS == DA_SENSOR_FAILURE => Self::BadSensorFailure,
            0x00 if DA_NO_COMMUNICATION.contains(&(code & DA_STATUS)) => Self::BadNoCommunication,
            // 0x80 is a quality that OPC DA never gave a meaning to; good it is not.
            _ => Self::BadDeviceFailure,
        }
    }

    fn of_circular_10(status: i128) -> Option<Self> {
        match status {
            0 => Some(Self::Good),
            1 => Some(Self::Uncertain),
            2 => Some(Self::BadSensorFailure),
            _ => None,
        }
    }
}

/// Scale of the codes in a column of qualities, by the column's name. Names of qualities are understood on all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QualityScale {
    /// Column `quality`: statuses of Circular 10/2021 as text (`00`, `01`, `02`), and codes whose scale is plain from their
    /// size. 0 is good, as in OPC UA; 1, 2 and 3 are no quality, since they mean another one on each scale.
    Unstated,
    /// Column `quality_opc_ua`: status codes of OPC UA.
    OpcUa,
    /// Column `quality_opc_da`: qualities of OPC DA. 0 is bad there.
    OpcDa,
    /// Column `quality_circular_10`: statuses of Circular 10/2021, as text or number.
    Circular10,
}

impl QualityScale {
    /// All scales.
    pub const ALL: [Self; 4] = [Self::Unstated, Self::OpcUa, Self::OpcDa, Self::Circular10];

    /// Name of the column whose codes are of this scale.
    pub fn column(self) -> &'static str {
        match self {
            Self::Unstated => "quality",
            Self::OpcUa => "quality_opc_ua",
            Self::OpcDa => "quality_opc_da",
            Self::Circular10 => "quality_circular_10",
        }
    }

    /// The scale of a column; `None` where the column is none of qualities.
    pub fn of_column(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scale| scale.column() == name)
    }

    /// Reads a name or a code in decimal digits, or in hexadecimal ones behind `0x`.
    pub fn quality_of_text(self, text: &str) -> Option<Quality> {
        if let Some(quality) = Quality::from_name(text) {
            return Some(quality);
        }
        // As text, two digits are a status; the numbers 1 and 2 alone could be anything.
        if self == Self::Unstated
            && let Some(digit) = text.strip_prefix('0').filter(|digit| digit.len() == 1)
        {
            return Quality::of_circular_10(digit.parse().ok()?);
        }
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        self.quality_of_code(match hexadecimal {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?.into(),
            None => text.parse().ok()?,
        })
    }

    /// Reads a code, as any integer type carries it.
    pub fn quality_of_code(self, code: i128) -> Option<Quality> {
        // A signed 32-bit integer shows the bad codes of OPC UA as negative numbers.
        let unsigned = if (i128::from(i32::MIN)..0).contains(&code) { code + (1 << 32) } else { code };
        let opc_ua = |code: i128| u32::try_from(code).ok().map(Quality::of_opc_ua);
        let opc_da = |code: i128| u16::try_from(code).ok().map(Quality::of_opc_da);
        match self {
            Self::OpcUa => opc_ua(unsigned),
            Self::OpcDa => opc_da(code),
            Self::Circular10 => Quality::of_circular_10(code),
            // Codes of OPC DA have 16 bits. Those of OPC UA have their meaning above them, and 0 is by far the most frequent.
            Self::Unstated => match code {
                0 => Some(Quality::Good),
                1..=3 => None,
                4..=0xFFFF => opc_da(code),
                _ => opc_ua(unsigned),
            },
        }
    }
}

/// Bits of a code of OPC DA that say good, bad or uncertain.
const DA_QUALITY: u16 = 0xC0;
/// Bits of a code of OPC DA that say why.
const DA_STATUS: u16 = 0x3C;
const DA_SENSOR_FAILURE: u16 = 16;
/// Not connected, the last known value, no communication, no value yet.
const DA_NO_COMMUNICATION: [u16; 4] = [8, 20, 24, 32];
const UA_BAD_SENSOR_FAILURE: u32 = 0x808C_0000;
/// Codes of OPC UA for a source that cannot be reached: `BadCommunicationError`, `BadTimeout`, `BadServerNotConnected`,
/// `BadNoCommunication`, `BadWaitingForInitialData`, `BadNotConnected`, `BadConnectionClosed`.
const UA_NO_COMMUNICATION: [u32; 7] =
    [0x8005_0000, 0x800A_0000, 0x800D_0000, 0x8031_0000, 0x8032_0000, 0x808A_0000, 0x80AE_0000];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_number_reads_back_in_letters_of_any_case() {
        for quality in Quality::ALL {
            assert_eq!(Quality::from_number(quality as u8), Some(quality));
            for scale in QualityScale::ALL {
                assert_eq!(scale.quality_of_text(quality.name()), Some(quality));
                assert_eq!(scale.quality_of_text(&quality.name().to_uppercase()), Some(quality));
            }
        }
        assert_eq!(QualityScale::Unstated.quality_of_text("Good"), Some(Quality::Good));
        for scale in QualityScale::ALL {
            assert_eq!(QualityScale::of_column(scale.column()), Some(scale));
        }
        assert_eq!(QualityScale::of_column("quality_opc"), None);
    }

    #[test]
    fn the_top_two_bits_of_an_opc_ua_code_say_how_good_it_is_and_its_flags_say_nothing() {
        for (code, quality) in [
            (0x0000_0000, Quality::Good),
            (0x0096_0000, Quality::Good),
            (0x0000_0480, Quality::Good),
            (0x4000_0000, Quality::Uncertain),
            (0x4090_0000, Quality::Uncertain),
            (0x8000_0000, Quality::BadDeviceFailure),
            (0x808C_0000, Quality::BadSensorFailure),
            (0x808C_0400, Quality::BadSensorFailure),
            (0x808B_0000, Quality::BadDeviceFailure),
            (0x8005_0000, Quality::BadNoCommunication),
            (0x8031_0000, Quality::BadNoCommunication),
            (0xC000_0000_u32, Quality::BadDeviceFailure),
        ] {
            for shown in [i128::from(code), i128::from(code.cast_signed())] {
                assert_eq!(QualityScale::OpcUa.quality_of_code(shown), Some(quality), "{code:#x}");
                // Above 16 bits, and at 0, no other scale is meant.
                if code == 0 || code > 0xFFFF {
                    assert_eq!(QualityScale::Unstated.quality_of_code(shown), Some(quality), "{code:#x}");
                }
            }
            assert_eq!(QualityScale::OpcUa.quality_of_text(&format!("{code:#010x}")), Some(quality));
        }
        assert_eq!(QualityScale::OpcUa.quality_of_code(1 << 32), None);
        assert_eq!(QualityScale::OpcUa.quality_of_code(i128::from(i32::MIN) - 1), None);
    }

    #[test]
    fn two_bits_of_an_opc_da_code_say_how_good_it_is_and_0_is_bad() {
        for (code, quality) in [
            (0, Quality::BadDeviceFailure),
            (4, Quality::BadDeviceFailure),
            (8, Quality::BadNoCommunication),
            (12, Quality::BadDeviceFailure),
            (16, Quality::BadSensorFailure),
            (17, Quality::BadSensorFailure),
            (20, Quality::BadNoCommunication),
            (24, Quality::BadNoCommunication),
            (28, Quality::BadDeviceFailure),
            (64, Quality::Uncertain),
            (68, Quality::Uncertain),
            (80, Quality::Uncertain),
            (128, Quality::BadDeviceFailure),
            (192, Quality::Good),
            (216, Quality::Good),
            (0x01C0, Quality::Good),
        ] {
            assert_eq!(QualityScale::OpcDa.quality_of_code(code), Some(quality), "{code}");
            assert_eq!(QualityScale::OpcDa.quality_of_text(&code.to_string()), Some(quality), "{code}");
            if code > 3 {
                assert_eq!(QualityScale::Unstated.quality_of_code(code), Some(quality), "{code}");
            }
        }
        assert_eq!(QualityScale::OpcDa.quality_of_code(-1), None);
        assert_eq!(QualityScale::OpcDa.quality_of_code(0x1_0000), None);
    }

    #[test]
    fn a_status_of_circular_10_is_two_digits_or_a_number_in_a_column_of_its_own() {
        for (text, number, quality) in
            [("00", 0, Quality::Good), ("01", 1, Quality::Uncertain), ("02", 2, Quality::BadSensorFailure)]
        {
            assert_eq!(QualityScale::Unstated.quality_of_text(text), Some(quality));
            assert_eq!(QualityScale::Circular10.quality_of_text(text), Some(quality));
            assert_eq!(QualityScale::Circular10.quality_of_code(number), Some(quality));
        }
        assert_eq!(QualityScale::Circular10.quality_of_code(3), None);
        assert_eq!(QualityScale::Unstated.quality_of_text("03"), None);
    }

    #[test]
    fn a_code_that_means_another_quality_on_each_scale_is_none_where_the_scale_is_not_stated() {
        for code in 1..=3 {
            assert_eq!(QualityScale::Unstated.quality_of_code(code), None, "{code}");
            assert_eq!(QualityScale::Unstated.quality_of_text(&code.to_string()), None, "{code}");
        }
        for text in ["", "ok", "-", "0x", "1.0", "99999999999999999999", "0x1_0000"] {
            assert_eq!(QualityScale::Unstated.quality_of_text(text), None, "{text}");
        }
    }
}
