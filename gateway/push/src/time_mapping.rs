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

impl Epoch {
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
