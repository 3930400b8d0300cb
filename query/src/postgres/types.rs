//! Names of types: lengths of texts and digits of times, which DataFusion drops.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{CharacterLength, DataType as SqlType, TimezoneInfo};
use zonelake_timeseries::TimeTypes;

use crate::postgres::value_error::ValueError;

/// Planner of types that all interfaces have. What Arrow's type does not say stands in the metadata of the field, where
/// `casts` finds it.
#[derive(Debug)]
pub struct SqlTypes;

impl TypePlanner for SqlTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let text = |key: &str, length: u64| Some(limited(DataType::Utf8View, key, length));
        Ok(match sql_type {
            SqlType::Timestamp(Some(digits @ 0..=5), zone) => {
                let aware = matches!(zone, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone);
                let time = DataType::Timestamp(TimeUnit::Microsecond, aware.then(|| "UTC".into()));
                Some(limited(time, TIME_DIGITS, *digits))
            }
            SqlType::Varchar(length) | SqlType::CharVarying(length) | SqlType::CharacterVarying(length) => {
                match length_of(*length) {
                    Some(0) => return Err(ValueError::error("22023", "length for type varchar must be at least 1")),
                    Some(length) => text(VARCHAR_LENGTH, length),
                    None => Some(Arc::new(Field::new("", DataType::Utf8View, true))),
                }
            }
            SqlType::Char(length) | SqlType::Character(length) => match length_of(*length) {
                Some(0) => return Err(ValueError::error("22023", "length for type char must be at least 1")),
                length => text(CHAR_LENGTH, length.unwrap_or(1)),
            },
            other => TimeTypes.plan_type_field(other)?,
        })
    }
}

/// Characters of a `varchar(n)`.
pub(crate) const VARCHAR_LENGTH: &str = "zonelake.varchar_length";
/// Characters of a `char(n)`.
pub(crate) const CHAR_LENGTH: &str = "zonelake.char_length";
/// Digits of the seconds of a `timestamp(n)`.
pub(crate) const TIME_DIGITS: &str = "zonelake.time_digits";

fn length_of(length: Option<CharacterLength>) -> Option<u64> {
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(length),
        Some(CharacterLength::Max) | None => None,
    }
}

fn limited(data_type: DataType, key: &str, limit: u64) -> FieldRef {
    let metadata = HashMap::from([(key.to_owned(), limit.to_string())]);
    Arc::new(Field::new("", data_type, true).with_metadata(metadata))
}

/// The limit that a field states under a key.
pub(crate) fn limit_of(field: &Field, key: &str) -> Option<u64> {
    field.metadata().get(key)?.parse().ok()
}
