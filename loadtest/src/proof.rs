//! The proof: every reading that was sent is in the tables exactly once.
//!
//! For each device, the number of its rows, the sum of their times and the sum of each field, all as integers, must be
//! what its gateway counted while it made them. A lost row, a doubled one, or another value changes a count or a sum; for two
//! faults to hide each other they would have to agree in time and in every field.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::LoadError;
use crate::freshness::PROBE;
use crate::rows::SentByDevice;
use crate::sql::SqlClient;
use zonelake_benches::workload::FieldWalk;

/// Rows sent to one table by one kind of device.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Table.
    pub table: &'static str,
    /// Fields.
    pub walks: &'static [FieldWalk],
    /// Time that sums of times count from, microseconds since 1970.
    pub start_us: i64,
    /// By device.
    pub devices: Vec<SentByDevice>,
}

/// Counts of what was compared.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Proved {
    /// Devices.
    pub devices: u64,
    /// Rows.
    pub rows: u64,
    /// Readings.
    pub readings: u64,
}

/// Compares everything that was sent to a table with what SQL finds there.
///
/// # Errors
/// [`LoadError::Proof`] with the first differences.
pub(crate) fn prove(sql: &SqlClient, sent: &Sent) -> Result<Proved, LoadError> {
    let Sent { table, walks, start_us, devices } = sent;
    let sums: Vec<String> =
        walks.iter().map(|walk| format!("sum(CAST(round({} * 100) AS BIGINT))", walk.name)).collect();
    let query = format!(
        "SELECT device, count(*) AS rows, sum(arrow_cast(time, 'Int64') / 1000 - {}), {} FROM {table} \
         WHERE device <> '{PROBE}' GROUP BY device",
        start_us / 1_000,
        sums.join(", ")
    );
    let found: BTreeMap<String, Vec<Value>> =
        sql.rows(&query)?.into_iter().map(|row| (row[0].as_str().unwrap_or_default().to_owned(), row)).collect();
    let mut wrong = Vec::new();
    let mut proved = Proved::default();
    for device in devices {
        let row: Vec<Option<i64>> =
            found.get(&device.device).into_iter().flatten().skip(1).map(Value::as_i64).collect();
        let counted = [device.rows.cast_signed(), device.time_sum_ms].into_iter().chain(device.sums.iter().copied());
        let same = row.iter().copied().eq(counted.map(Some));
        if !same {
            wrong.push(format!("{table}, {}: sent {device:?}, found {row:?}", device.device));
        }
        proved.devices += 1;
        proved.rows += device.rows;
        proved.readings += device.rows * walks.len() as u64;
    }
    if found.len() != devices.len() {
        wrong.push(format!("{table}: {} devices have sent, {} are found", devices.len(), found.len()));
    }
    if wrong.is_empty() {
        return Ok(proved);
    }
    let count = wrong.len();
    wrong.truncate(DIFFERENCES_SHOWN);
    Err(LoadError::Proof(format!("{count} differences, the first: {}", wrong.join("; "))))
}

/// Differences that an error names.
const DIFFERENCES_SHOWN: usize = 5;
