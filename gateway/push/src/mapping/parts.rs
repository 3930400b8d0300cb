//! Parts of a mapping: the device, a column, the long form, and values beyond what can be measured.

use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::columns::units::Unit;
use crate::mapping::time::{MappingError, is_default};

/// What becomes of a source of which the table has rows of the same devices and times, with values of the same fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SameTimes {
    /// Nothing of it is sent, and the push says how many there are.
    #[default]
    Ask,
    /// It is stored.
    Store,
}

/// Device that measured a row; exactly one of the four.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceMapping {
    /// The device named in this column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Always this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
    /// The name of the file without its extension.
    #[serde(skip_serializing_if = "is_default")]
    pub file_name: bool,
    /// This part of that name, where underscores divide it: 1 is the first one, -1 the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_part: Option<i32>,
}

impl DeviceMapping {
    /// The device by the name of the file.
    pub(crate) fn of_file(&self, stem: &str) -> Result<String, MappingError> {
        let Some(part) = self.file_part else { return Ok(stem.to_owned()) };
        let parts: Vec<&str> = stem.split('_').collect();
        let from_start = part.unsigned_abs() as usize;
        let index = if part > 0 { Some(from_start - 1) } else { parts.len().checked_sub(from_start) };
        let found = index.and_then(|index| parts.get(index)).filter(|name| !name.is_empty());
        found.map(|name| (*name).to_owned()).ok_or_else(|| {
            MappingError::Invalid(format!("device.file_part = {part}: the name {stem:?} has {} parts", parts.len()))
        })
    }
}

/// Columns of a source with a row a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LongMapping {
    /// Column with the name of what was measured; `columns` names these then.
    pub parameter: String,
    /// Column with the value.
    pub value: String,
    /// Column with the unit, from which values are converted to that of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// Meaning of a value that is only known to be below or above a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Beyond {
    /// It is no number.
    #[default]
    Refuse,
    /// Not measured.
    Null,
    /// Zero; below only.
    Zero,
    /// Half of the limit; below only.
    Half,
    /// The limit.
    Limit,
}

/// The field that a column becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnMapping {
    /// The field, values as they are, or converted from the unit that the source states.
    Field(String),
    /// The field, with values converted.
    Converted(Conversion),
}

/// A field whose values are converted.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// The field.
    pub field: String,
    /// Factor of each value. For 0.1, 0.01 and so on the value is divided by 10, 100 and so on, which is exact
    /// where the result has that many decimals.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub scale: f64,
    /// Unit of the values in the source, before that which the source states; they are converted to that of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl ColumnMapping {
    /// The field.
    pub fn field(&self) -> &str {
        match self {
            Self::Field(field) => field,
            Self::Converted(conversion) => &conversion.field,
        }
    }

    /// The factor.
    pub fn scale(&self) -> f64 {
        match self {
            Self::Field(_) => 1.0,
            Self::Converted(conversion) => conversion.scale,
        }
    }

    /// The unit that the mapping states; `None`: that of the source, where it states one.
    pub(crate) fn unit(&self) -> Option<&str> {
        match self {
            Self::Field(_) => None,
            Self::Converted(conversion) => conversion.unit.as_deref(),
        }
    }

    /// True where a factor says how values are converted, so that units do not.
    pub(crate) fn is_scaled(&self) -> bool {
        !is_one(&self.scale())
    }

    pub(crate) fn check(&self, name: &str) -> Result<(), MappingError> {
        if !self.scale().is_normal() {
            return Err(MappingError::Invalid(format!("column {name:?}: a scale is a number other than 0")));
        }
        match self.unit() {
            Some(_) if self.is_scaled() => {
                Err(MappingError::Invalid(format!("column {name:?} has a scale or a unit, not both")))
            }
            Some(unit) if !unit.is_empty() && Unit::named(unit).is_none() => {
                Err(MappingError::Invalid(format!("column {name:?}: unit {unit:?} is not known; a scale would do")))
            }
            _ => Ok(()),
        }
    }
}

impl Serialize for ColumnMapping {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Field(field) => serializer.serialize_str(field),
            Self::Converted(conversion) => conversion.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ColumnMapping {
    /// By hand, so that a wrong key is told by its name.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherForm;
        impl<'de> Visitor<'de> for EitherForm {
            type Value = ColumnMapping;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a field, or a table with field, and scale or unit")
            }

            fn visit_str<E: Error>(self, field: &str) -> Result<ColumnMapping, E> {
                Ok(ColumnMapping::Field(field.to_owned()))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<ColumnMapping, M::Error> {
                Conversion::deserialize(MapAccessDeserializer::new(map)).map(ColumnMapping::Converted)
            }
        }
        deserializer.deserialize_any(EitherForm)
    }
}

fn one() -> f64 {
    1.0
}

fn is_one(scale: &f64) -> bool {
    scale.to_bits() == 1.0f64.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_a_part_of_the_files_name_counted_from_either_end() {
        let of = |part, stem: &str| DeviceMapping { file_part: Some(part), ..DeviceMapping::default() }.of_file(stem);
        assert_eq!(of(3, "HaTinh_Formosa_KT1_20260101000500").as_deref(), Ok("KT1"));
        assert_eq!(of(-2, "HaTinh_Formosa_KT1_20260101000500").as_deref(), Ok("KT1"));
        assert!(of(5, "HaTinh_Formosa_KT1_20260101000500").unwrap_err().to_string().contains("4 parts"));
        assert!(of(-9, "a").is_err() && of(1, "_a").is_err());
    }
}
