//! Which of the rows of a push are stored, as a statement sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::DateTime;
use futures::StreamExt;
use futures::future::BoxFuture;
use zonelake_query::{Caller, QueryEngine};
use zonelake_quic::{AskedTimes, StoredTimes};

/// Asks the engine.
#[derive(Debug)]
pub(crate) struct EngineTimes {
    engine: Arc<QueryEngine>,
}

impl EngineTimes {
    /// Asks this one.
    pub(crate) fn new(engine: Arc<QueryEngine>) -> Self {
        Self { engine }
    }

    async fn count_rows(&self, mut asked: AskedTimes) -> Result<u64, String> {
        let Some(statement) = statement(&asked) else { return Ok(0) };
        let caller = Caller { name: Arc::from("admin") };
        let mut rows = self.engine.execute(&statement, &caller).await.map_err(|error| error.to_string())?.stream;
        let mut stored = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| error.to_string())?;
            stored += take(&mut asked.devices, &batch).map_err(|error| error.to_string())?;
        }
        Ok(stored)
    }
}

impl StoredTimes for EngineTimes {
    fn count(&self, asked: AskedTimes) -> BoxFuture<'_, Result<u64, String>> {
        Box::pin(self.count_rows(asked))
    }
}

/// Takes the times of rows out of those that are asked about; gives their number. So two rows of one time count once.
fn take(asked: &mut BTreeMap<String, BTreeSet<i64>>, batch: &RecordBatch) -> Result<u64, ArrowError> {
    let devices = cast(batch.column(0), &DataType::Utf8)?;
    let times = cast(batch.column(1), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
    let (devices, times) = (devices.as_string::<i32>(), times.as_primitive::<TimestampMicrosecondType>());
    let mut taken = 0;
    for row in (0..batch.num_rows()).filter(|row| devices.is_valid(*row)) {
        let of_device = asked.get_mut(devices.value(row));
        taken += u64::from(of_device.is_some_and(|of_device| of_device.remove(&times.value(row))));
    }
    Ok(taken)
}

/// All rows that may be meant; `None` where there can be none.
fn statement(asked: &AskedTimes) -> Option<String> {
    let first = asked.devices.values().filter_map(BTreeSet::first).min()?;
    let last = asked.devices.values().filter_map(BTreeSet::last).max()?;
    let instant =
        |us: i64| DateTime::from_timestamp_micros(us).map(|at| at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    let (first, last) = (instant(*first)?, instant(*last)?);
    let devices = list(asked.devices.keys());
    let zones = list(asked.zones.iter());
    let values: Vec<String> = asked.fields.iter().map(|field| format!("{} IS NOT NULL", name(field))).collect();
    let has_value = if values.is_empty() { String::new() } else { format!(" AND ({})", values.join(" OR ")) };
    Some(format!(
        "SELECT device, time FROM {} WHERE zone IN ({zones}) AND device IN ({devices}) AND time >= '{first}' AND time <= '{last}'{has_value}",
        name(&asked.table)
    ))
}

fn list<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    texts.map(|text| format!("'{}'", text.replace('\'', "''"))).collect::<Vec<_>>().join(", ")
}

fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_names_devices_zones_and_fields_and_nothing_of_them_is_sql() {
        let asked = AskedTimes {
            table: "environment".into(),
            zones: vec!["vung-ang".into()],
            fields: vec!["pm10".into(), "co".into()],
            devices: [("o'brien".to_owned(), [0, 1_000_000].into())].into(),
        };
        assert_eq!(
            statement(&asked).as_deref(),
            Some(
                "SELECT device, time FROM \"environment\" WHERE zone IN ('vung-ang') AND device IN ('o''brien') AND \
                 time >= '1970-01-01T00:00:00.000000Z' AND time <= '1970-01-01T00:00:01.000000Z' AND \
                 (\"pm10\" IS NOT NULL OR \"co\" IS NOT NULL)"
            )
        );
        assert_eq!(statement(&AskedTimes { devices: BTreeMap::new(), ..asked }), None);
    }
}
