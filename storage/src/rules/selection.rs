//! Rows by zone, device and time.

use serde::{Deserialize, Serialize};
use zonelake_parquet::{DataFile, StatValue};

use crate::rules::file_times::times_us;

/// Rows of one table; what is not named is any.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Code of the zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Name of the device. Rows of a zone as a whole have none and are selected by no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Earliest time, microseconds since 1970, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_us: Option<i64>,
    /// Time that is the first not selected, microseconds since 1970, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_us: Option<i64>,
}

impl Selection {
    /// Whether a row is selected.
    pub fn selects(&self, zone: Option<&str>, device: Option<&str>, time_us: i64) -> bool {
        self.zone.as_deref().is_none_or(|wanted| zone == Some(wanted))
            && self.device.as_deref().is_none_or(|wanted| device == Some(wanted))
            && self.from_us.is_none_or(|from| time_us >= from)
            && self.until_us.is_none_or(|until| time_us < until)
    }

    /// Whether a file may have rows that are selected, by its statistics.
    pub fn may_select(&self, file: &DataFile) -> bool {
        let in_time = times_us(file).is_none_or(|(first, last)| {
            self.from_us.is_none_or(|from| last >= from) && self.until_us.is_none_or(|until| first < until)
        });
        let named = |column: &str, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| may_have(file, column, wanted))
        };
        in_time && named("zone", &self.zone) && named("device", &self.device)
    }

    /// Whether some row could be of both selections.
    pub fn meets(&self, other: &Self) -> bool {
        let same = |one: &Option<String>, two: &Option<String>| one.is_none() || two.is_none() || one == two;
        let before = |from: Option<i64>, until: Option<i64>| from.zip(until).is_none_or(|(from, until)| from < until);
        same(&self.zone, &other.zone)
            && same(&self.device, &other.device)
            && before(self.from_us, other.until_us)
            && before(other.from_us, self.until_us)
    }
}

/// Whether a column of a file may have a text, by its bounds, which are never inside of the true ones.
fn may_have(file: &DataFile, column: &str, wanted: &str) -> bool {
    let Some(stats) = file.stats.get(column) else { return true };
    if stats.nulls == file.rows {
        return false;
    }
    let is_below = matches!(&stats.max, Some(StatValue::Text(max)) if max.as_str() < wanted);
    let is_above = matches!(&stats.min, Some(StatValue::Text(min)) if min.as_str() > wanted);
    !is_below && !is_above
}

#[cfg(test)]
mod tests {
    use zonelake_parquet::ColumnStats;

    use super::*;

    fn named(zone: Option<&str>, device: Option<&str>, times: (Option<i64>, Option<i64>)) -> Selection {
        Selection { zone: zone.map(Into::into), device: device.map(Into::into), from_us: times.0, until_us: times.1 }
    }

    #[test]
    fn a_row_without_a_device_is_selected_by_no_name_and_by_every_selection_without_one() {
        let by_name = named(Some("z"), Some("d"), (Some(5), Some(9)));
        assert!(by_name.selects(Some("z"), Some("d"), 5));
        assert!(!by_name.selects(Some("z"), None, 5));
        assert!(!by_name.selects(None, Some("d"), 5));
        assert!(!by_name.selects(Some("z"), Some("d"), 9));
        assert!(!by_name.selects(Some("z"), Some("d"), 4));
        assert!(named(Some("z"), None, (None, None)).selects(Some("z"), None, i64::MIN));
    }

    #[test]
    fn a_file_is_left_out_only_where_its_bounds_say_so() {
        let text = |min: &str, max: &str| ColumnStats {
            min: Some(StatValue::Text(min.into())),
            max: Some(StatValue::Text(max.into())),
            nulls: 1,
        };
        let time = ColumnStats { min: Some(StatValue::Integer(10)), max: Some(StatValue::Integer(20)), nulls: 0 };
        let only_nulls = ColumnStats { min: None, max: None, nulls: 3 };
        let file = |device: ColumnStats| DataFile {
            path: "f".into(),
            bytes: 1,
            rows: 3,
            date: 0,
            stats: [
                ("time".to_owned(), time.clone()),
                ("device".to_owned(), device),
                ("zone".to_owned(), text("z", "z")),
            ]
            .into(),
            checksum: None,
        };
        let some = file(text("b", "d"));
        for (selection, may) in [
            (named(None, Some("c"), (None, None)), true),
            (named(None, Some("a"), (None, None)), false),
            (named(None, Some("e"), (None, None)), false),
            (named(Some("y"), None, (None, None)), false),
            (named(None, None, (Some(20), None)), true),
            (named(None, None, (Some(21), None)), false),
            (named(None, None, (None, Some(11))), true),
            (named(None, None, (None, Some(10))), false),
        ] {
            assert_eq!(selection.may_select(&some), may, "{selection:?}");
        }
        assert!(!named(None, Some("c"), (None, None)).may_select(&file(only_nulls)));
        let unknown = DataFile { stats: std::collections::BTreeMap::new(), ..some };
        assert!(named(Some("y"), Some("a"), (Some(99), None)).may_select(&unknown));
    }

    #[test]
    fn selections_meet_where_a_row_could_be_of_both() {
        let all = Selection::default();
        let one = named(Some("z"), Some("d"), (Some(5), Some(9)));
        assert!(all.meets(&one) && one.meets(&all));
        assert!(!one.meets(&named(Some("y"), None, (None, None))));
        assert!(!one.meets(&named(None, Some("e"), (None, None))));
        assert!(!one.meets(&named(None, None, (Some(9), None))));
        assert!(one.meets(&named(None, None, (Some(8), None))));
        assert!(!one.meets(&named(None, None, (None, Some(5)))));
    }
}
