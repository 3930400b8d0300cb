//! What is to be said of a device, and the check of that.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::RegistryError;
use crate::lifecycle::details::{DeviceDetails, Position, TAG_SEPARATOR};
use crate::lifecycle::state::DeviceState;

/// Change of an attribute. In JSON an absent member leaves it, and null takes it away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// It is taken away.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// True where the attribute stays.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => serializer.serialize_some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

/// What is to be said of a device; what is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceChanges {
    /// State.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeviceState>,
    /// Code of its site. Rows of before stay where they were measured.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub site: Change<String>,
    /// What it is.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub kind: Change<String>,
    /// Maker and type.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub model: Change<String>,
    /// Serial number; another one says that the device was replaced.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub serial: Change<String>,
    /// Who it belongs to.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub owner: Change<String>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub position: Change<Position>,
    /// Words to find it by.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub tags: Change<Vec<String>>,
    /// Seconds between two rows of it.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub interval_seconds: Change<u32>,
}

impl DeviceChanges {
    /// What is said of a device afterwards, its state and site apart.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a value that cannot be.
    pub(crate) fn applied_to(&self, before: &DeviceDetails) -> Result<DeviceDetails, RegistryError> {
        let position = match &self.position {
            Change::Set(position) if !position.is_valid() => {
                return Err(invalid(
                    "position",
                    &position.to_string(),
                    "latitude is -90 to 90, and longitude -180 to 180",
                ));
            }
            change => changed(change, before.position.as_ref()),
        };
        let interval_seconds = match self.interval_seconds {
            Change::Set(seconds) if !(1..=INTERVAL_SECONDS_MAX).contains(&seconds) => {
                return Err(invalid("interval_seconds", &seconds.to_string(), "it is 1 to 31,536,000, a year"));
            }
            ref change => changed(change, before.interval_seconds.as_ref()),
        };
        Ok(DeviceDetails {
            kind: text("kind", &self.kind, before.kind.as_ref())?,
            model: text("model", &self.model, before.model.as_ref())?,
            serial: text("serial", &self.serial, before.serial.as_ref())?,
            owner: text("owner", &self.owner, before.owner.as_ref())?,
            position,
            tags: tags(&self.tags, &before.tags)?,
            interval_seconds,
            ..before.clone()
        })
    }
}

fn changed<T: Clone>(change: &Change<T>, before: Option<&T>) -> Option<T> {
    match change {
        Change::Keep => before.cloned(),
        Change::Clear => None,
        Change::Set(value) => Some(value.clone()),
    }
}

fn text(what: &'static str, change: &Change<String>, before: Option<&String>) -> Result<Option<String>, RegistryError> {
    let after = changed(change, before).filter(|text| !text.is_empty());
    match &after {
        Some(text) if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) => {
            Err(invalid(what, text, "it has 200 bytes at most and no control characters"))
        }
        _ => Ok(after),
    }
}

fn tags(change: &Change<Vec<String>>, before: &[String]) -> Result<Vec<String>, RegistryError> {
    let Change::Set(tags) = change else {
        return Ok(if change.is_keep() { before.to_vec() } else { Vec::new() });
    };
    let is_bad = |tag: &&String| {
        tag.is_empty() || tag.len() > TAG_BYTES_MAX || tag.contains(TAG_SEPARATOR) || tag.chars().any(char::is_control)
    };
    if let Some(bad) = tags.iter().find(is_bad) {
        return Err(invalid("tag", bad, "a tag has 1 to 64 bytes, no semicolon and no control characters"));
    }
    let tags: BTreeSet<&String> = tags.iter().collect();
    if tags.len() > TAGS_MAX {
        return Err(invalid("tags", &tags.len().to_string(), "a device has 32 tags at most"));
    }
    Ok(tags.into_iter().cloned().collect())
}

fn invalid(what: &'static str, value: &str, why: &'static str) -> RegistryError {
    RegistryError::Invalid { what, name: value.chars().take(TEXT_BYTES_MAX).collect(), why }
}

/// Bytes of an attribute.
const TEXT_BYTES_MAX: usize = 200;
/// Bytes of a tag.
const TAG_BYTES_MAX: usize = 64;
/// Tags of a device.
const TAGS_MAX: usize = 32;
/// A year.
const INTERVAL_SECONDS_MAX: u32 = 31_536_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_stays_what_is_cleared_goes_and_an_empty_text_is_none() {
        let before = DeviceDetails {
            kind: Some("meter".into()),
            owner: Some("EVN".into()),
            tags: vec!["a".into()],
            interval_seconds: Some(60),
            ..DeviceDetails::default()
        };
        assert_eq!(DeviceChanges::default().applied_to(&before).unwrap(), before);
        let changes = DeviceChanges {
            kind: Change::Clear,
            owner: Change::Set(String::new()),
            tags: Change::Set(vec!["b".into(), "a".into(), "b".into()]),
            interval_seconds: Change::Set(5),
            ..DeviceChanges::default()
        };
        let after = changes.applied_to(&before).unwrap();
        assert_eq!((after.kind, after.owner, after.interval_seconds), (None, None, Some(5)));
        assert_eq!(after.tags, ["a", "b"]);
    }

    #[test]
    fn values_that_cannot_be_are_refused_by_name() {
        let position = |latitude, longitude| DeviceChanges {
            position: Change::Set(Position { latitude, longitude }),
            ..DeviceChanges::default()
        };
        let of_tags = |tags: Vec<String>| DeviceChanges { tags: Change::Set(tags), ..DeviceChanges::default() };
        let kind = |kind: &str| DeviceChanges { kind: Change::Set(kind.into()), ..DeviceChanges::default() };
        let interval = |seconds| DeviceChanges { interval_seconds: Change::Set(seconds), ..DeviceChanges::default() };
        for (bad, word) in [
            (position(90.1, 0.0), "position"),
            (position(f64::NAN, 0.0), "position"),
            (position(0.0, -180.5), "position"),
            (of_tags(vec!["a;b".into()]), "tag"),
            (of_tags(vec![String::new()]), "tag"),
            (of_tags((0..40).map(|n| n.to_string()).collect()), "tags"),
            (kind("a\nb"), "kind"),
            (kind(&"x".repeat(201)), "kind"),
            (interval(0), "interval_seconds"),
            (interval(31_536_001), "interval_seconds"),
        ] {
            let error = bad.applied_to(&DeviceDetails::default()).unwrap_err().to_string();
            assert!(error.starts_with(word), "{word}: {error}");
        }
    }
}
