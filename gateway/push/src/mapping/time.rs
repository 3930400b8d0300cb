//! Times in a mapping: form, unit and zone, what to do with times that a zone has twice or never; and faults of a mapping.

use serde::{Deserialize, Serialize};

/// Time at which a row was measured.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeMapping {
    /// The column, or several that are joined by a space before they are read; default `time`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Form of the text, as strftime has it; default RFC 3339. Hours and minutes that it lacks are 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The column counts these since 1970, UTC, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The column counts days instead, as spreadsheets do: local time of the zone, to the nearest millisecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// First day that a counted time may be of, as 1990-01-31; default 1990-01-01. A count that gives an earlier one, or one behind 2100,
    /// is of another unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest: Option<String>,
    /// Zone of local times: an offset such as `+07:00`, or an IANA name such as `Asia/Ho_Chi_Minh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Meaning of a time of 00:00:00.
    #[serde(skip_serializing_if = "is_default")]
    pub midnight: Midnight,
    /// Treatment of a local time that happened twice.
    #[serde(skip_serializing_if = "is_default")]
    pub ambiguous: Ambiguous,
    /// Treatment of a local time that did not happen.
    #[serde(skip_serializing_if = "is_default")]
    pub skipped: Skipped,
}

/// Unit of a count since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Epoch {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds; what is below a microsecond is cut off.
    Ns,
}

/// First day of a count of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Serial {
    /// Excel and most spreadsheets: 1 is 1900-01-01, and 25569 is 1970-01-01.
    Excel,
    /// Excel files of old Macintoshes: 0 is 1904-01-01.
    #[serde(rename = "excel_1904")]
    Excel1904,
    /// MATLAB: 719529 is 1970-01-01.
    Matlab,
    /// Julian days: 2440587.5 is 1970-01-01.
    Julian,
}

/// Meaning of a time of 00:00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Midnight {
    /// The first instant of its date.
    #[default]
    StartOfDay,
    /// 24:00 of its date: the row closes the day, yet carries that day's date.
    EndOfDay,
}

/// Treatment of a local time that happened twice, as clocks were put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ambiguous {
    /// The row is bad.
    #[default]
    Refuse,
    /// The first of both.
    Earlier,
    /// The second of both.
    Later,
    /// As the rows of a device stand: the first of both that is not before the row above.
    InOrder,
}

/// Treatment of a local time that did not happen, as clocks were put forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Skipped {
    /// The row is bad.
    #[default]
    Refuse,
    /// The time is taken by the offset before the change, as if the clock was not put forward.
    Shift,
}

/// Fault of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("cannot read the mapping {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Reason.
        reason: String,
    },
    /// The mapping is incomplete, or contradicts itself.
    #[error("mapping: {0}")]
    Invalid(String),
}

impl TimeMapping {
    /// True where times are counts and no calendar texts.
    pub(crate) fn is_count(&self) -> bool {
        self.epoch.is_some() || self.serial.is_some()
    }
}

impl Epoch {
    /// All units.
    pub(crate) const ALL: [Self; 4] = [Self::S, Self::Ms, Self::Us, Self::Ns];

    /// The unit as a mapping names it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S => "seconds",
            Self::Ms => "milliseconds",
            Self::Us => "microseconds",
            Self::Ns => "nanoseconds",
        }
    }

    pub(crate) fn nanoseconds(self) -> u32 {
        match self {
            Self::S => 1_000_000_000,
            Self::Ms => 1_000_000,
            Self::Us => 1_000,
            Self::Ns => 1,
        }
    }
}

/// Leaves out of a mapping's text what stands at its default.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
