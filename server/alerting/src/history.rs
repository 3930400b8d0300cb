//! Rows and transitions that are read by SQL, as an administrator or as the author of a rule sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::error::ArrowError;
use futures::StreamExt;
use zonelake_alerts::{Seed, State};
use zonelake_parquet::{DataFile, StatValue};
use zonelake_query::{Caller, QueryEngine, QueryError};
use zonelake_schemas::{DeviceKey, Locations, TableDef};
use zonelake_storage::TableView;

use crate::found::{Found, RuleWords};
use crate::statements::{last_receipt_statement, rows_statement, states_statement};
use crate::watched::{DeviceRow, StoredState, Watched};

/// Why history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A statement failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Its rows are not what they should be.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// There are more transitions than are told.
    #[error("the rule would change its states more than {0} times: look at less time or fewer devices")]
    TooMany(usize),
}

/// What history is read with.
pub(crate) struct History<'a> {
    pub(crate) engine: &'a QueryEngine,
    pub(crate) caller: Caller,
}

/// Rows that are read.
pub(crate) struct HistorySpan {
    pub(crate) from_us: i64,
    pub(crate) until_us: Option<i64>,
    /// True for a restart, to which rows come as they came then. Else they come by their times, and all of them in time.
    pub(crate) as_received: bool,
    /// Transitions beyond which it ends with an error.
    pub(crate) found_max: usize,
}

impl HistorySpan {
    /// From a time on, or from a later one where too many rows would be read: of the files of a view those that end last, and of what is
    /// live all.
    pub(crate) fn bounded_from(view: &TableView, from_us: i64, rows_max: u64) -> i64 {
        let times = |file: &Arc<DataFile>| match file.stats.get("time").map(|stats| (&stats.min, &stats.max)) {
            Some((Some(StatValue::Integer(first)), Some(StatValue::Integer(last)))) => (*first, *last),
            _ => (i64::MIN, i64::MAX),
        };
        let mut files: Vec<((i64, i64), u64)> = view.files.iter().map(|file| (times(file), file.rows)).collect();
        files.retain(|((_, last), _)| *last >= from_us);
        files.sort_unstable_by_key(|((_, last), _)| std::cmp::Reverse(*last));
        let mut rows = 0_u64;
        for ((first, last), of_file) in files {
            rows = rows.saturating_add(of_file);
            if rows > rows_max {
                // A file alone may have too many: its last part, as if its rows were as many at each time.
                let too_many = u128::from(rows - rows_max);
                let length = u128::from(last.saturating_sub(first).unsigned_abs());
                let left_out = length.saturating_mul(too_many) / u128::from(of_file.max(1));
                let left_out = i64::try_from(left_out.min(length)).unwrap_or(i64::MAX);
                // Bounds of times are in milliseconds.
                return first.saturating_add(left_out).saturating_add(1_000).max(from_us);
            }
        }
        from_us
    }
}

impl History<'_> {
    /// The last transitions of the rules of a table.
    pub(crate) async fn states(&self, table: &str) -> Result<Vec<StoredState>, HistoryError> {
        let result = self.engine.execute(&states_statement(table), &self.caller).await?;
        let mut states = Vec::new();
        for batch in result.collect().await? {
            states.extend(stored_states(table, &batch)?);
        }
        Ok(states)
    }

    /// When the last row of a table came; `None` where it has none.
    pub(crate) async fn last_receipt_us(&self, table: &str) -> Result<Option<i64>, HistoryError> {
        let result = self.engine.execute(&last_receipt_statement(table), &self.caller).await?;
        let batches = result.collect().await?;
        let Some(batch) = batches.first().filter(|batch| batch.num_rows() > 0) else { return Ok(None) };
        let last = integers(batch, 0)?;
        Ok(last.is_valid(0).then(|| last.value(0)))
    }

    /// Gives the rows of a span to machines.
    pub(crate) async fn replay(
        &self,
        table: &TableDef,
        span: &HistorySpan,
        locations: &Locations,
        watched: &mut Watched,
        found: &mut Vec<Found>,
    ) -> Result<u64, HistoryError> {
        let statement = rows_statement(table, watched.fields(), (span.from_us, span.until_us), span.as_received);
        let mut keys: BTreeMap<(&str, &str), DeviceKey> = BTreeMap::new();
        for (key, at) in locations.iter() {
            if let Some(place) = at.zone.as_deref().zip(at.device.as_deref()) {
                keys.insert(place, key);
            }
        }
        let mut stream = self.engine.execute(&statement, &self.caller).await?.stream;
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            let batch = HistoryRows::new(&batch?, watched.fields().len())?;
            rows += batch.times.len() as u64;
            if found.len() > span.found_max {
                return Err(HistoryError::TooMany(span.found_max));
            }
            for row in 0..batch.times.len() {
                let place = (batch.zones.value(row), batch.devices.value(row));
                let device = keys.get(&place).and_then(|key| watched.device_of(*key, locations));
                if let Some(device) = device {
                    watched.take(device, &batch.row(row, span.as_received, &batch.values(row)), found);
                }
            }
        }
        Ok(rows)
    }
}

/// Rows of [`rows_statement`].
struct HistoryRows {
    times: Int64Array,
    receipts: Int64Array,
    zones: StringArray,
    devices: StringArray,
    backfill: BooleanArray,
    fields: Vec<Float64Array>,
}

impl HistoryRows {
    fn new(batch: &RecordBatch, fields: usize) -> Result<Self, ArrowError> {
        let number = |column: usize| -> Result<Float64Array, ArrowError> {
            Ok(as_type(batch, column, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
        };
        Ok(Self {
            times: integers(batch, 0)?,
            receipts: integers(batch, 1)?,
            zones: texts(batch, 2)?,
            devices: texts(batch, 3)?,
            backfill: as_type(batch, 4, &DataType::Boolean)?.as_boolean().clone(),
            fields: (5..5 + fields).map(number).collect::<Result<_, _>>()?,
        })
    }

    fn values(&self, row: usize) -> impl Fn(usize) -> Option<f64> {
        move |field| self.fields[field].is_valid(row).then(|| self.fields[field].value(row))
    }

    fn row<'a>(&self, row: usize, as_received: bool, value: &'a dyn Fn(usize) -> Option<f64>) -> DeviceRow<'a> {
        let time_us = self.times.value(row);
        DeviceRow {
            time_us,
            ingested_at_us: if as_received { self.receipts.value(row) } else { time_us },
            is_backfill: as_received && self.backfill.value(row),
            value,
        }
    }
}

fn stored_states(table: &str, batch: &RecordBatch) -> Result<Vec<StoredState>, ArrowError> {
    let [rule, state, from, zone, device] = [0, 3, 4, 8, 9].map(|column| texts(batch, column));
    let (rule, state, from, zone, device) = (rule?, state?, from?, zone?, device?);
    let [author, severity, field, message, message_vi] = [10, 11, 12, 13, 14].map(|column| texts(batch, column));
    let (author, severity, field, message, message_vi) = (author?, severity?, field?, message?, message_vi?);
    let [version, number, since, seen, at] = [1, 2, 5, 6, 7].map(|column| integers(batch, column));
    let (version, number, since, seen, at) = (version?, number?, since?, seen?, at?);
    let text = |texts: &StringArray, row: usize| texts.is_valid(row).then(|| Arc::<str>::from(texts.value(row)));
    let us = |instants: &Int64Array, row: usize| if instants.is_valid(row) { instants.value(row) } else { i64::MIN };
    let read = |row: usize| {
        let name = |texts: &StringArray| texts.value(row).parse::<State>().map_err(ArrowError::ParseError);
        Ok(StoredState {
            words: RuleWords {
                name: word(&rule, row),
                version: u32::try_from(version.value(row)).unwrap_or(0),
                author: word(&author, row),
                severity: word(&severity, row),
                table: table.to_owned(),
                field: field.is_valid(row).then(|| word(&field, row)),
                message: word(&message, row),
                message_vi: word(&message_vi, row),
            },
            zone: text(&zone, row),
            device: text(&device, row),
            seed: Seed {
                state: name(&state)?,
                from: name(&from)?,
                since_us: us(&since, row),
                at_us: us(&at, row),
                seen_us: us(&seen, row),
                number: number.value(row).unsigned_abs(),
            },
        })
    };
    (0..batch.num_rows()).map(read).collect()
}

fn word(texts: &StringArray, row: usize) -> String {
    if texts.is_valid(row) { texts.value(row).to_owned() } else { String::new() }
}

fn as_type(batch: &RecordBatch, column: usize, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    cast(batch.column(column), wanted)
}

fn integers(batch: &RecordBatch, column: usize) -> Result<Int64Array, ArrowError> {
    Ok(as_type(batch, column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn texts(batch: &RecordBatch, column: usize) -> Result<StringArray, ArrowError> {
    Ok(as_type(batch, column, &DataType::Utf8)?.as_string::<i32>().clone())
}

#[cfg(test)]
mod tests {
    use zonelake_parquet::ColumnStats;

    use super::*;

    #[test]
    fn a_long_history_is_read_as_far_back_as_so_many_rows_reach() {
        let file = |first: i64, last: i64, rows: u64| {
            let time = |us| Some(StatValue::Integer(us));
            let stats = [("time".to_owned(), ColumnStats { min: time(first), max: time(last), nulls: 0 })].into();
            Arc::new(DataFile { path: first.to_string(), bytes: 1, rows, date: 0, stats, checksum: None })
        };
        let second = 1_000_000;
        let mut view = TableView::default();
        let files = (0..100).map(|hour| file(hour * 3_600 * second, (hour + 1) * 3_600 * second - 1, 1_000));
        view.set_files(Arc::new(files.collect()));
        let from = |from_us, rows_max| HistorySpan::bounded_from(&view, from_us, rows_max);
        assert_eq!(from(95 * 3_600 * second, 5_000), 95 * 3_600 * second, "all of five hours");
        assert_eq!(from(0, 1_000_000), 0);
        let five_hours = from(0, 5_000);
        assert!((95 * 3_600 * second..95 * 3_600 * second + 2_000).contains(&five_hours), "{five_hours}");
        let half_an_hour = from(0, 500);
        let wanted = 99 * 3_600 * second + 1_800 * second;
        assert!((wanted..wanted + 2_000).contains(&half_an_hour), "{half_an_hour}");
        // Without bounds a file counts for any time.
        view.set_files(Arc::new(vec![Arc::new(DataFile {
            stats: BTreeMap::new(),
            ..DataFile::clone(&view.files[0])
        })]));
        assert_eq!(HistorySpan::bounded_from(&view, 7, 5_000), 7);
    }
}
