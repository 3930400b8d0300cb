//! Statistics of a file as the Delta log holds them: one JSON text
//! `{"numRecords":n,"tightBounds":false,"minValues":{…},"maxValues":{…},"nullCount":{…}}`.
//!
//! Bounds of doubles, instants and long text are rounded outwards, so they are not tight: a program that took them for the
//! minimum itself would answer with a value that no row has.
//!
//! | stored as | written as | example |
//! |---|---|---|
//! | integer | number | `42` |
//! | decimal | number with exactly its decimals | `-12.50` |
//! | double | shortest number that reads back | `0.1` |
//! | instant | ISO 8601, UTC, milliseconds | `"2026-01-01T00:00:00.123Z"` |
//! | text | string | `"vung-ang"` |

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use deltalake_core::kernel::{DataType, PrimitiveType, StructType};
use serde_json::{Number, Value};
use zonelake_parquet::{ColumnStats, StatValue};
use zonelake_schemas::decimal;

/// Form in which a column's bounds are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoundForm {
    Integer,
    Decimal {
        decimals: u8,
        digits: u8,
    },
    Double,
    Instant,
    Text,
    /// No bounds, as booleans.
    None,
}

/// The form of each column's bounds, by name.
pub(super) type BoundForms = BTreeMap<String, BoundForm>;

/// The forms of a table's columns.
pub(super) fn bound_forms(schema: &StructType) -> BoundForms {
    schema.fields().map(|field| (field.name().clone(), BoundForm::of(field.data_type()))).collect()
}

impl BoundForm {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Primitive(PrimitiveType::Long) => Self::Integer,
            DataType::Primitive(PrimitiveType::Double) => Self::Double,
            DataType::Primitive(PrimitiveType::Timestamp) => Self::Instant,
            DataType::Primitive(PrimitiveType::String) => Self::Text,
            DataType::Primitive(PrimitiveType::Decimal(decimal)) => {
                Self::Decimal { decimals: decimal.scale(), digits: decimal.precision() }
            }
            _ => Self::None,
        }
    }

    /// The bound as JSON.
    fn write(self, value: &StatValue) -> Option<String> {
        Some(match (self, value) {
            (Self::Integer, StatValue::Integer(n)) => n.to_string(),
            (Self::Double, StatValue::Double(double)) => Number::from_f64(*double)?.to_string(),
            (Self::Text, StatValue::Text(text)) => Value::from(text.as_str()).to_string(),
            (Self::Instant, StatValue::Integer(us)) => {
                format!("\"{}\"", DateTime::from_timestamp_micros(*us)?.to_rfc3339_opts(SecondsFormat::Millis, true))
            }
            (Self::Decimal { decimals, .. }, StatValue::Integer(n)) => decimal_text(*n, decimals),
            _ => return None,
        })
    }

    fn read(self, value: &Value) -> Option<StatValue> {
        match self {
            Self::Integer => value.as_i64().map(StatValue::Integer),
            Self::Double => value.as_f64().map(StatValue::Double),
            Self::Text => value.as_str().map(|text| StatValue::Text(text.to_owned())),
            Self::Instant => {
                let instant = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
                Some(StatValue::Integer(instant.timestamp_micros()))
            }
            Self::Decimal { decimals, digits } => {
                decimal::from_f64(value.as_f64()?, decimals, digits).map(StatValue::Integer)
            }
            Self::None => None,
        }
    }
}

/// The decimal n / 10^decimals without an exponent.
fn decimal_text(n: i64, decimals: u8) -> String {
    let width = usize::from(decimals) + 1;
    let digits = format!("{:0width$}", n.unsigned_abs());
    let (whole, part) = digits.split_at(digits.len() - usize::from(decimals));
    let sign = if n < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// Writes the statistics of a file. Columns of no known form keep their count of nulls alone.
pub(super) fn stats_text(rows: u64, stats: &BTreeMap<String, ColumnStats>, forms: &BoundForms) -> String {
    let bounds = |of: fn(&ColumnStats) -> &Option<StatValue>| {
        object(
            stats.iter().filter_map(move |(name, column)| Some((name, forms.get(name)?.write(of(column).as_ref()?)?))),
        )
    };
    format!(
        "{{\"numRecords\":{rows},\"tightBounds\":false,\"minValues\":{},\"maxValues\":{},\"nullCount\":{}}}",
        bounds(|column| &column.min),
        bounds(|column| &column.max),
        object(stats.iter().map(|(name, column)| (name, column.nulls.to_string()))),
    )
}

fn object<'a>(entries: impl Iterator<Item = (&'a String, String)>) -> String {
    let entries: Vec<String> = entries.map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", entries.join(","))
}

/// Reads the statistics of a file: its rows, and what is known of its columns. Absent where the text has no count of
/// rows. Bounds that it cannot read are left out.
///
/// Other programs cut instants to milliseconds: with `is_cut`, a millisecond is added to the maximum.
pub(super) fn stats_from_text(
    text: &str,
    forms: &BoundForms,
    is_cut: bool,
) -> Option<(u64, BTreeMap<String, ColumnStats>)> {
    let stats: Value = serde_json::from_str(text).ok()?;
    let rows = stats.get("numRecords")?.as_u64()?;
    let entry = |group: &str, name: &str| stats.get(group).and_then(|group| group.get(name)).cloned();
    let nulls = stats.get("nullCount").and_then(Value::as_object).into_iter().flatten();
    let columns = nulls.filter_map(|(name, nulls)| {
        let form = *forms.get(name)?;
        let bound = |group| entry(group, name).and_then(|value| form.read(&value));
        let max = match bound("maxValues") {
            Some(StatValue::Integer(us)) if is_cut && form == BoundForm::Instant => Some(StatValue::Integer(us + 999)),
            other => other,
        };
        Some((name.clone(), ColumnStats { min: bound("minValues"), max, nulls: nulls.as_u64()? }))
    });
    Some((rows, columns.collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forms() -> BoundForms {
        [
            ("n", BoundForm::Integer),
            ("c", BoundForm::Decimal { decimals: 2, digits: 9 }),
            ("x", BoundForm::Decimal { decimals: 15, digits: 15 }),
            ("d", BoundForm::Double),
            ("t", BoundForm::Instant),
            ("s", BoundForm::Text),
            ("b", BoundForm::None),
        ]
        .map(|(name, form)| (name.to_owned(), form))
        .into()
    }

    fn column(min: StatValue, max: StatValue) -> ColumnStats {
        ColumnStats { min: Some(min), max: Some(max), nulls: 3 }
    }

    #[test]
    fn statistics_are_plain_delta_json() {
        let stats: BTreeMap<String, ColumnStats> = [
            ("c", column(StatValue::Integer(-1250), StatValue::Integer(7))),
            ("t", column(StatValue::Integer(-1_000), StatValue::Integer(1_767_225_600_123_000))),
            ("s", column(StatValue::Text("a\"\u{1}".into()), StatValue::Text("é".into()))),
            ("b", ColumnStats { min: None, max: None, nulls: 0 }),
        ]
        .map(|(name, column)| (name.to_owned(), column))
        .into();
        let text = stats_text(9, &stats, &forms());
        assert_eq!(
            text,
            "{\"numRecords\":9,\"tightBounds\":false,\
             \"minValues\":{\"c\":-12.50,\"s\":\"a\\\"\\u0001\",\"t\":\"1969-12-31T23:59:59.999Z\"},\
             \"maxValues\":{\"c\":0.07,\"s\":\"é\",\"t\":\"2026-01-01T00:00:00.123Z\"},\
             \"nullCount\":{\"b\":0,\"c\":3,\"s\":3,\"t\":3}}"
        );
        assert_eq!(stats_from_text(&text, &forms(), false), Some((9, stats)));
    }

    #[test]
    fn what_another_program_has_written_is_read_as_far_as_it_goes() {
        let text = r#"{"numRecords":2,"minValues":{"t":"2026-01-01T00:00:00.123Z","c":1},
            "maxValues":{"t":"2026-01-01T00:00:00.123+00:00","c":"odd","z":1},"nullCount":{"t":0,"c":1,"z":0}}"#;
        let (rows, stats) = stats_from_text(text, &forms(), true).unwrap();
        assert_eq!((rows, stats.len()), (2, 2));
        assert_eq!(stats["t"].max, Some(StatValue::Integer(1_767_225_600_123_999)));
        assert_eq!(stats["c"], ColumnStats { min: Some(StatValue::Integer(100)), max: None, nulls: 1 });
        assert_eq!(stats_from_text("{\"minValues\":{}}", &forms(), false), None);
        assert_eq!(stats_from_text("no json", &forms(), false), None);
    }

    proptest! {
        #[test]
        fn every_bound_reads_back(
            n in any::<i64>(), cents in -999_999_999i64..=999_999_999, tiny in -999_999_999_999_999i64..=999_999_999_999_999,
            ms in -62_135_596_800_000i64..253_402_300_800_000, text in ".{0,40}",
        ) {
            let stats: BTreeMap<String, ColumnStats> = [
                ("n", StatValue::Integer(n)),
                ("c", StatValue::Integer(cents)),
                ("x", StatValue::Integer(tiny)),
                ("t", StatValue::Integer(ms * 1_000)),
                ("s", StatValue::Text(text)),
            ]
            .map(|(name, value)| (name.to_owned(), column(value.clone(), value)))
            .into();
            let text = stats_text(u64::MAX, &stats, &forms());
            prop_assert_eq!(stats_from_text(&text, &forms(), false), Some((u64::MAX, stats)));
        }
    }
}
