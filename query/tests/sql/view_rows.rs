//! Rows of the built-in tables for tests of views, and what is known of the stations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal32Array, Decimal64Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt32Array, new_null_array,
};
use arrow::datatypes::DataType;
use zonelake_parquet::ParquetOptions;
use zonelake_query::QueryEngine;
use zonelake_schemas::tables::builtin_tables;
use zonelake_schemas::{DeviceKey, Quality};

use crate::harness::{Harness, answer};

/// A row: time, device, quality and named values.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    time_us: i64,
    device: &'static str,
    quality: Quality,
    numbers: Vec<(&'static str, f64)>,
    texts: Vec<(&'static str, &'static str)>,
}

/// A good row at a time of UTC, as `2025-01-31 06:00`.
pub(crate) fn reading(time: &str, device: &'static str, numbers: &[(&'static str, f64)]) -> Reading {
    Reading { time_us: us(time), device, quality: Quality::Good, numbers: numbers.to_vec(), texts: Vec::new() }
}

impl Reading {
    pub(crate) fn of_quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        self
    }

    pub(crate) fn with_texts(mut self, texts: &[(&'static str, &'static str)]) -> Self {
        self.texts = texts.to_vec();
        self
    }

    pub(crate) fn later(mut self, us: i64) -> Self {
        self.time_us += us;
        self
    }
}

/// Microseconds of a time of UTC.
pub(crate) fn us(time: &str) -> i64 {
    // Arrow reads a time with its seconds alone.
    let whole = if time.len() == "2025-01-31 06:00".len() { format!("{time}:00") } else { time.to_owned() };
    let text = StringArray::from(vec![whole]);
    let time =
        arrow::compute::cast(&text, &DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None)).unwrap();
    arrow::array::AsArray::as_primitive::<arrow::datatypes::TimestampMicrosecondType>(&time).value(0)
}

/// The built-in tables, of which one has these rows.
#[derive(Debug)]
pub(crate) struct Place {
    pub harness: Arc<Harness>,
    pub engine: Arc<QueryEngine>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let harness = Harness::new(&builtin_tables());
        let engine = harness.engine();
        Self { harness, engine }
    }

    /// Puts rows of CSV behind the header of a reference table.
    pub(crate) fn know(self, table: &str, rows: &str) -> Self {
        let registry = self.harness.registry_arc();
        let header = registry.reference(table).unwrap().csv.lines().next().unwrap().to_owned();
        registry.import_reference(table, &format!("{header}\n{rows}"), false).unwrap();
        self
    }

    pub(crate) fn with(self, table: &str, readings: &[Reading]) -> Self {
        let batch = self.batch(table, readings);
        self.harness.add_live(table, vec![batch]);
        self
    }

    pub(crate) async fn flushed(self, table: &str) -> Self {
        self.harness.flush(table, &ParquetOptions::default()).await;
        self
    }

    pub(crate) async fn answer(&self, sql: &str) -> Vec<String> {
        answer(&self.engine, sql).await
    }

    fn batch(&self, table: &str, readings: &[Reading]) -> RecordBatch {
        let schema = Arc::clone(&self.harness.schemas(table).live);
        let names: BTreeSet<&str> = readings.iter().map(|reading| reading.device).collect();
        let registered =
            self.harness.devices("vung-ang", &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        let by_name: BTreeMap<&str, DeviceKey> = names.into_iter().zip(registered).collect();
        let keys: Vec<DeviceKey> = readings.iter().map(|reading| by_name[reading.device]).collect();
        let columns: Vec<ArrayRef> = schema
            .fields()
            .iter()
            .map(|field| -> ArrayRef {
                let times =
                    || readings.iter().map(|reading| Some(reading.time_us)).collect::<TimestampMicrosecondArray>();
                let number = |reading: &Reading| {
                    reading.numbers.iter().find(|(name, _)| name == field.name()).map(|(_, value)| *value)
                };
                let scaled = |reading: &Reading, scale: i8| {
                    number(reading).map(|value| (value * 10_f64.powi(scale.into())).round())
                };
                match (field.name().as_str(), field.data_type()) {
                    ("time" | "ingested_at", _) => Arc::new(times().with_timezone("UTC")),
                    ("device_key", _) => Arc::new(keys.iter().map(|key| Some(key.0)).collect::<UInt32Array>()),
                    ("quality", _) => {
                        Arc::new(readings.iter().map(|row| Some(row.quality as u8)).collect::<UInt8Array>())
                    }
                    ("backfill", _) => Arc::new(readings.iter().map(|_| Some(false)).collect::<BooleanArray>()),
                    (_, DataType::Float64) => Arc::new(readings.iter().map(number).collect::<Float64Array>()),
                    (_, DataType::Int64) => Arc::new(
                        readings.iter().map(|row| number(row).map(|value| value as i64)).collect::<Int64Array>(),
                    ),
                    (_, DataType::Decimal32(precision, scale)) => {
                        let values = readings.iter().map(|row| scaled(row, *scale).map(|value| value as i32));
                        let values = values.collect::<Decimal32Array>();
                        Arc::new(values.with_precision_and_scale(*precision, *scale).unwrap())
                    }
                    (_, DataType::Decimal64(precision, scale)) => {
                        let values = readings.iter().map(|row| scaled(row, *scale).map(|value| value as i64));
                        let values = values.collect::<Decimal64Array>();
                        Arc::new(values.with_precision_and_scale(*precision, *scale).unwrap())
                    }
                    (name, DataType::Utf8) => Arc::new(
                        readings
                            .iter()
                            .map(|row| row.texts.iter().find(|(known, _)| *known == name).map(|(_, text)| *text))
                            .collect::<StringArray>(),
                    ),
                    (_, other) => new_null_array(other, readings.len()),
                }
            })
            .collect();
        RecordBatch::try_new(schema, columns).unwrap()
    }
}
