//! A session with the table `readings`, which PostgreSQL gets the same rows of.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
    TimestampMicrosecondType, TimestampNanosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::DFParser;
use zonelake_timeseries::{DAY_US, Day, Zone, day_text, instant_text, interval_text, local_text};

const HOUR_US: i64 = DAY_US / 24;
const MINUTE_US: i64 = HOUR_US / 60;

/// A row of `readings`.
#[derive(Debug, Clone)]
struct Reading {
    id: i32,
    time: i64,
    local: i64,
    device: &'static str,
    zone_name: &'static str,
    value: Option<f64>,
    counter: i64,
    state: &'static str,
    span: IntervalMonthDayNano,
}

/// 48 rows of three devices over the three days in which summer time ends in Europe.
fn readings() -> Vec<Reading> {
    let begin = Day { year: 2026, month: 10, day: 24 }.us();
    let zones = ["UTC", "Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York"];
    let spans = [(0, 0, 90), (0, 1, 0), (1, 0, 0), (0, 0, 25 * 60), (1, -1, 30), (0, 0, 24 * 60)];
    let row = |n: i32| {
        let at = n as usize;
        let time = begin + i64::from(n) * 90 * MINUTE_US;
        let (months, days, minutes) = spans[at % spans.len()];
        Reading {
            id: n + 1,
            time,
            local: if n % 3 == 0 { time + HOUR_US / 2 } else { time },
            device: ["pump", "fan", "valve"][at % 3],
            zone_name: zones[at % zones.len()],
            value: (n % 7 != 6).then(|| f64::from(n * 37 % 50) / 4.0),
            counter: i64::from(n % 20) * 5,
            state: ["running", "idle", "stopped"][at / 4 % 3],
            span: IntervalMonthDayNano::new(months, days, minutes * MINUTE_US * 1_000),
        }
    };
    (0..48).map(row).collect()
}

fn batch(rows: &[Reading]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 10] = [
        ("id", Arc::new(rows.iter().map(|row| Some(row.id)).collect::<Int32Array>())),
        (
            "time",
            Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.time)).with_timezone("UTC")),
        ),
        ("local", Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.local)))),
        (
            "day",
            Arc::new(rows.iter().map(|row| i32::try_from(row.time.div_euclid(DAY_US)).ok()).collect::<Date32Array>()),
        ),
        ("device", Arc::new(rows.iter().map(|row| Some(row.device)).collect::<StringViewArray>())),
        ("zone_name", Arc::new(rows.iter().map(|row| Some(row.zone_name)).collect::<StringViewArray>())),
        ("value", Arc::new(rows.iter().map(|row| row.value).collect::<Float64Array>())),
        ("counter", Arc::new(rows.iter().map(|row| Some(row.counter)).collect::<Int64Array>())),
        ("state", Arc::new(rows.iter().map(|row| Some(row.state)).collect::<StringViewArray>())),
        ("span", Arc::new(rows.iter().map(|row| Some(row.span)).collect::<IntervalMonthDayNanoArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// Rows of devices with places: two at the last time of one device, and one that no device sent.
fn seen() -> RecordBatch {
    let rows = [
        (1, 5, Some("a"), Some("x"), 1.0),
        (3, 5, Some("a"), Some("x"), 2.0),
        (3, 6, Some("a"), Some("x"), 3.0),
        (2, 5, Some("b"), Some("x"), 4.0),
        (1, 9, Some("b"), Some("x"), 5.0),
        (2, 5, Some("a"), None, 6.0),
        (1, 5, Some("a"), None, 7.0),
        (1, 5, None, None, 8.0),
        (1, 5, Some("a"), Some("y"), 0.5),
    ];
    let begin = Day { year: 2026, month: 1, day: 1 }.us();
    let times = |of: fn(&AsofRow) -> i64| -> ArrayRef {
        let times = rows.iter().map(|row| begin + of(row) * HOUR_US);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let columns: [(&str, ArrayRef); 6] = [
        ("time", times(|row| row.0)),
        ("ingested_at", times(|row| row.1)),
        ("province", Arc::new(rows.iter().map(|_| None::<&str>).collect::<StringViewArray>())),
        ("zone", Arc::new(rows.iter().map(|row| row.2).collect::<StringViewArray>())),
        ("device", Arc::new(rows.iter().map(|row| row.3).collect::<StringViewArray>())),
        ("value", Arc::new(rows.iter().map(|row| Some(row.4)).collect::<Float64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// The table for PostgreSQL.
pub(crate) fn readings_sql() -> String {
    let mut sql =
        "create table readings(id int, time timestamptz, local timestamp, day date, device text, zone_name text, \
         value float8, counter int8, state text, span interval);\n"
            .to_owned();
    for row in readings() {
        let value = row.value.map_or("null".to_owned(), |value| value.to_string());
        writeln!(
            sql,
            "insert into readings values ({}, '{}', '{}', '{}', '{}', '{}', {value}, {}, '{}', '{}');",
            row.id,
            instant_text(row.time, Zone::UTC),
            local_text(row.local),
            day_text(Day::from_us(row.time)),
            row.device,
            row.zone_name,
            row.counter,
            row.state,
            interval_text(row.span),
        )
        .unwrap();
    }
    sql
}

/// A session whose zone is `zone`.
pub(crate) struct Session {
    context: SessionContext,
    zone: Zone,
}

impl Session {
    pub(crate) fn new(zone: &str) -> Self {
        let mut config = SessionConfig::new().with_target_partitions(3).with_batch_size(7);
        config.options_mut().execution.time_zone = Some(zone.to_owned());
        let zone = Zone::from_session(config.options()).unwrap();
        let mut state = SessionStateBuilder::new().with_config(config).with_default_features().build();
        zonelake_timeseries::register(&mut state).unwrap();
        let context = SessionContext::new_with_state(state);
        let rows = readings();
        // Rows of a device and of an hour are apart from each other.
        let partitions: Vec<Vec<RecordBatch>> = (0..2)
            .map(|part| rows.iter().skip(part).step_by(2).cloned().collect::<Vec<_>>().chunks(5).map(batch).collect())
            .collect();
        let table = MemTable::try_new(partitions[0][0].schema(), partitions).unwrap();
        context.register_table("readings", Arc::new(table)).unwrap();
        let seen = MemTable::try_new(seen().schema(), vec![vec![seen()]]).unwrap();
        context.register_table("seen", Arc::new(seen)).unwrap();
        Self { context, zone }
    }

    /// The rows of an answer.
    pub(crate) async fn batches(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let mut statement = DFParser::parse_sql(sql)?.pop_front().unwrap();
        zonelake_timeseries::prepare(&mut statement);
        let plan = self.context.state().statement_to_plan(statement).await?;
        self.context.execute_logical_plan(plan).await?.collect().await
    }

    /// The rows of an answer as PostgreSQL writes them.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let batches = self.batches(sql).await?;
        let mut rows = Vec::new();
        for batch in batches {
            for row in 0..batch.num_rows() {
                rows.push(batch.columns().iter().map(|column| self.cell(column, row)).collect());
            }
        }
        Ok(rows)
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
            DataType::Int64 => column.as_primitive::<Int64Type>().value(0).to_string(),
            _ => ArrayFormatter::try_new(&column, &FormatOptions::default()).unwrap().value(0).to_string(),
        }
    }
}

/// The one time of a column in µs; what is below a µs is cut off downwards.
fn time_us(column: &ArrayRef) -> i64 {
    let DataType::Timestamp(unit, zone) = column.data_type() else { panic!("{} is no time", column.data_type()) };
    if *unit == TimeUnit::Nanosecond {
        return column.as_primitive::<TimestampNanosecondType>().value(0).div_euclid(1_000);
    }
    let times = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone())).unwrap();
    times.as_primitive::<TimestampMicrosecondType>().value(0)
}

/// Hour of the time, hour of ingestion, zone, device, value.
type AsofRow = (i64, i64, Option<&'static str>, Option<&'static str>, f64);
