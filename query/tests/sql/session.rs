//! A session over `probe` whose answers are written as PostgreSQL writes them. Each statement is run over live rows and over
//! the same rows in files, and both answers are to be the same.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use zonelake_parquet::ParquetOptions;
use zonelake_query::{Interface, QueryEngine, QueryError, SqlSession};
use zonelake_timeseries::{Day, Zone, day_text, instant_text, interval_text, local_text};

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, ProbeRow, caller, probe_batch};

/// Rows of `probe` in both databases.
fn probe_rows(keys: &[zonelake_schemas::DeviceKey]) -> Vec<ProbeRow> {
    (0..24).map(|n| ProbeRow::numbered(n, keys[n as usize % keys.len()], NEW_YEAR_US + n * HOUR_US)).collect()
}

/// The table for PostgreSQL.
pub(crate) fn readings_sql() -> String {
    let mut sql = "create table probe(time timestamptz, device text, level float8, temperature float8, \
                   pulses int8, is_open bool, note text, seen timestamptz);\n"
        .to_owned();
    let keys: Vec<_> = (1..=2).map(zonelake_schemas::DeviceKey).collect();
    for row in probe_rows(&keys) {
        let number = |value: Option<f64>| value.map_or("null".to_owned(), |value| value.to_string());
        let time = |us: Option<i64>| us.map_or("null".to_owned(), |us| format!("'{}'", instant_text(us, Zone::UTC)));
        let text = |text: &Option<String>| text.as_ref().map_or("null".to_owned(), |text| format!("'{text}'"));
        writeln!(
            sql,
            "insert into probe values ({}, 'd{}', {}, {}, {}, {}, {}, {});",
            time(Some(row.time_us)),
            row.device.0 - 1,
            number(row.level),
            number(row.temperature.map(|n| f64::from(n) / 100.0)),
            row.pulses.map_or("null".to_owned(), |n| n.to_string()),
            row.is_open.map_or("null".to_owned(), |is_open| is_open.to_string()),
            text(&row.note),
            time(row.seen),
        )
        .unwrap();
    }
    sql
}

/// Engines over live rows and over files.
static ENGINES: Mutex<Option<[Arc<QueryEngine>; 2]>> = Mutex::new(None);

/// A session whose zone is given.
pub(crate) struct Session {
    settings: SqlSession,
    zone: Zone,
}

impl Session {
    pub(crate) fn new(zone: &str) -> Self {
        let mut settings = SqlSession::new(caller(), Interface::Http);
        settings.set("TimeZone", zone).unwrap();
        let zone = settings.zone();
        Self { settings, zone }
    }

    /// The rows of an answer as PostgreSQL writes them.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, QueryError> {
        let known = ENGINES.lock().unwrap().clone();
        let engines = match known {
            Some(engines) => engines,
            None => {
                let engines = [engine(false).await, engine(true).await];
                *ENGINES.lock().unwrap() = Some(engines.clone());
                engines
            }
        };
        let live = self.answer(&engines[0], sql).await;
        let stored = self.answer(&engines[1], sql).await;
        let same = match (&live, &stored) {
            (Ok(live), Ok(stored)) => live == stored,
            (live, stored) => live.is_err() && stored.is_err(),
        };
        if !same {
            return Ok(vec![vec![format!("live rows: {live:?}"), format!("rows in files: {stored:?}")]]);
        }
        live
    }

    async fn answer(&self, engine: &QueryEngine, sql: &str) -> Result<Vec<Vec<String>>, QueryError> {
        let batches = engine.execute_in(sql, &self.settings).await?.collect().await?;
        let rows = batches.iter().flat_map(|batch| {
            (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| self.cell(column, row)).collect())
        });
        Ok(rows.collect())
    }

    fn cell(&self, column: &ArrayRef, row: usize) -> String {
        if column.is_null(row) {
            return "NULL".to_owned();
        }
        let column = column.slice(row, 1);
        match column.data_type() {
            DataType::Boolean => if column.as_boolean().value(0) { "t" } else { "f" }.to_owned(),
            DataType::Timestamp(_, Some(_)) => instant_text(time_us(&column), self.zone),
            DataType::Timestamp(_, None) => local_text(time_us(&column)),
            DataType::Date32 => day_text(Day::from_days(column.as_primitive::<Date32Type>().value(0).into())),
            DataType::Interval(_) | DataType::Duration(_) => {
                let intervals = cast(&column, &DataType::Interval(IntervalUnit::MonthDayNano)).unwrap();
                interval_text(intervals.as_primitive::<IntervalMonthDayNanoType>().value(0))
            }
            _ => ArrayFormatter::try_new(&column, &FormatOptions::default()).unwrap().value(0).to_string(),
        }
    }
}

async fn engine(in_files: bool) -> Arc<QueryEngine> {
    let (harness, keys) = Harness::probe(2);
    let rows = probe_batch(harness.schemas("probe"), &probe_rows(&keys));
    // Several chunks, so that answers are made of parts.
    let chunks = (0..4).map(|part| rows.slice(part * 6, 6)).collect();
    harness.add_live("probe", chunks);
    if in_files {
        harness.flush("probe", &ParquetOptions::default()).await;
    }
    harness.engine()
}

/// The one time of a column in µs.
fn time_us(column: &ArrayRef) -> i64 {
    let DataType::Timestamp(_, zone) = column.data_type() else { panic!("{} is no time", column.data_type()) };
    let times = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone())).unwrap();
    times.as_primitive::<TimestampMicrosecondType>().value(0)
}
