//! Values of any type as JSON, as `to_json` and its kin write them.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use zonelake_timeseries::{Zone, instant_text, interval_text, local_text};

use crate::postgres::functions::number_text::float_text;
use crate::postgres::json::value::push_text;
use crate::postgres::value_error::ValueError;

/// How values are written: json without blanks within an array, jsonb with them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer {
    /// The zone of the session.
    pub(crate) zone: Zone,
    /// Between the items of an array.
    pub(crate) comma: &'static str,
}

impl Writer {
    /// The values of a column; none where they are null.
    ///
    /// # Errors
    /// A type that has no JSON here.
    pub(crate) fn texts(&self, values: &ArrayRef) -> Result<Vec<Option<String>>> {
        if let Some(lists) = values.as_list_opt::<i32>() {
            let items = self.texts(lists.values())?;
            let offsets = lists.offsets();
            let of_row = |row: usize| {
                let at = |place: usize| usize::try_from(offsets[place]).unwrap_or(0);
                lists.is_valid(row).then(|| array(&items[at(row)..at(row + 1)], self.comma))
            };
            return Ok((0..lists.len()).map(of_row).collect());
        }
        let leaves = self.leaves(values)?;
        let is_bare = values.data_type().is_numeric()
            || matches!(values.data_type(), DataType::Boolean | DataType::LargeUtf8 | DataType::Null);
        Ok(leaves.into_iter().map(|leaf| leaf.map(|leaf| if is_bare { bare(leaf) } else { quoted(&leaf) })).collect())
    }

    fn leaves(&self, values: &ArrayRef) -> Result<Vec<Option<String>>> {
        Ok(match values.data_type() {
            DataType::Float64 => {
                values.as_primitive::<Float64Type>().iter().map(|value| Some(float_text(value?, 15))).collect()
            }
            DataType::Float32 => {
                values.as_primitive::<Float32Type>().iter().map(|value| Some(float_text(value?, 6))).collect()
            }
            DataType::Timestamp(_, label) => {
                let us = cast(values, &DataType::Timestamp(TimeUnit::Microsecond, label.clone()))?;
                let is_instant = label.is_some();
                let text = |us: i64| match is_instant {
                    true => with_minutes(instant_text(us, self.zone).replacen(' ', "T", 1)),
                    false => local_text(us).replacen(' ', "T", 1),
                };
                us.as_primitive::<TimestampMicrosecondType>().iter().map(|us| us.map(&text)).collect()
            }
            DataType::Interval(_) | DataType::Duration(_) => {
                let month_day_nano = DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano);
                let spans = cast(values, &month_day_nano)?;
                let spans = spans.as_primitive::<arrow::datatypes::IntervalMonthDayNanoType>();
                spans.iter().map(|span| span.map(interval_text)).collect()
            }
            of if of.is_nested() => {
                return Err(ValueError::unsupported(format!("not supported: {of} as JSON; name its members")));
            }
            _ => {
                let texts = cast(values, &DataType::Utf8)?;
                texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
            }
        })
    }
}

/// Items as an array.
pub(crate) fn array(items: &[Option<String>], comma: &str) -> String {
    let items: Vec<&str> = items.iter().map(|item| item.as_deref().unwrap_or("null")).collect();
    format!("[{}]", items.join(comma))
}

/// JSON has no numbers for NaN and infinities, so they are strings.
fn bare(leaf: String) -> String {
    if ["NaN", "Infinity", "-Infinity"].contains(&leaf.as_str()) { quoted(&leaf) } else { leaf }
}

fn quoted(leaf: &str) -> String {
    let mut text = String::with_capacity(leaf.len() + 2);
    push_text(&mut text, leaf);
    text
}

/// An offset has its minutes there: `+07:00`.
fn with_minutes(instant: String) -> String {
    let (time, era) = instant.strip_suffix(" BC").map_or((instant.as_str(), ""), |time| (time, " BC"));
    let is_short =
        time.len() >= 3 && time.as_bytes().get(time.len() - 3).is_some_and(|sign| matches!(sign, b'+' | b'-'));
    if is_short { format!("{time}:00{era}") } else { instant }
}
