//! SQL as a dashboard would ask it, over HTTP, and the check that every reading sent is found exactly once.

use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;
use zonelake_server::{FailureKind, Started};

use super::recordings::Recorded;
use super::simulated::{SentByTable, check_sql, fields};
use crate::commands::sql::client::{Client, ClientOptions};
use crate::error::CliError;
use crate::options::CredentialOptions;

/// Asks the server as any client would.
pub(crate) struct Asker {
    client: Client,
}

impl Asker {
    /// An asker with the administrator's password; `ca` is what the server's certificate is checked with, where it has one.
    pub(crate) fn new(started: &Started, password: &str, ca: Option<PathBuf>) -> Result<Self, CliError> {
        let scheme = if started.http_has_tls { "https" } else { "http" };
        let options = ClientOptions {
            url: format!("{scheme}://{}", started.http),
            credentials: CredentialOptions { user: "admin".into(), password: Some(password.into()), ca },
        };
        Ok(Self { client: Client::new(&options)? })
    }

    /// Asks what each agency would, and prints the answers.
    ///
    /// # Errors
    /// Where a query fails.
    pub(crate) fn show_answers(&self) -> Result<(), CliError> {
        for (title, sql) in QUESTIONS {
            let rows = self.client.rows(sql)?;
            println!("{title}\n{}\n{}\n", indent(sql), pretty_format_batches(&rows).map_err(CliError::failed)?);
        }
        Ok(())
    }

    /// Compares what was sent with what SQL finds.
    ///
    /// # Errors
    /// A failure of kind [`FailureKind::Unsound`] where they differ.
    pub(crate) fn check(&self, recorded: &[Recorded], sent: &SentByTable) -> Result<(), CliError> {
        let mut rows = 0;
        let mut readings = 0;
        let mut wrong = Vec::new();
        for ((table, zone), sent) in sent {
            let which = format!("zone = '{zone}' AND device LIKE 'sim-%'");
            let found = self.integers(&check_query(table, &which, &fields(table), &[check_sql(table).into()]))?;
            let rows_sent = sent.rows.cast_signed();
            if found != [rows_sent, rows_sent, sent.readings.cast_signed(), sent.checksum] {
                wrong.push(format!("{table} of {zone}: sent {sent:?}, found {found:?}"));
            }
            rows += sent.rows;
            readings += sent.readings;
        }
        for recording in recorded {
            let fields = self.fields_of(recording.table)?;
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let table = recording.table;
            let sums = recording.sums.iter().map(|(field, _)| format!("sum(CAST(round({field} * 10000) AS BIGINT))"));
            let sql = check_query(table, recording.devices, &fields, &sums.collect::<Vec<_>>());
            let found = self.integers(&sql)?;
            let rows_sent = recording.rows.cast_signed();
            let mut wanted = vec![rows_sent, rows_sent, recording.readings.cast_signed()];
            wanted.extend(recording.sums.iter().map(|(_, sum)| sum));
            if found != wanted {
                wrong.push(format!("recording in {table}: {wanted:?} in its file, found {found:?}"));
            }
            rows += recording.rows;
            readings += recording.readings;
        }
        let rejected = self.integers("SELECT count(*) FROM rejected")?;
        if rejected != [0] {
            wrong.push(format!("{} rows in the table rejected", rejected[0]));
        }
        if wrong.is_empty() {
            println!(
                "checked: all {rows} rows and {readings} readings that were sent are found exactly once, none is rejected"
            );
            return Ok(());
        }
        Err(CliError::new(
            FailureKind::Unsound,
            format!("not every reading is found exactly once:\n{}", wrong.join("\n")),
        ))
    }

    fn fields_of(&self, table: &str) -> Result<Vec<String>, CliError> {
        let rows = self.client.rows(&format!("SELECT field FROM fields WHERE table_name = '{table}'"))?;
        let names = rows
            .iter()
            .flat_map(|rows| rows.column(0).as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>());
        Ok(names.collect())
    }

    fn integers(&self, sql: &str) -> Result<Vec<i64>, CliError> {
        let rows = self.client.rows(sql)?;
        let row = rows.iter().find(|rows| rows.num_rows() == 1);
        let row: &RecordBatch = row.ok_or_else(|| CliError::failed(format!("no answer to {sql}")))?;
        row.columns()
            .iter()
            .map(|column| {
                let column = column.as_primitive_opt::<Int64Type>();
                column
                    .map(|column| column.value(0))
                    .ok_or_else(|| CliError::failed(format!("not an integer in the answer to {sql}")))
            })
            .collect()
    }
}

/// Asks for rows, distinct pairs of device and time, readings, and more.
fn check_query(table: &str, which: &str, fields: &[&str], more: &[String]) -> String {
    format!(
        "SELECT count(*) AS found, (SELECT count(*) FROM (SELECT DISTINCT device, time FROM {table} WHERE {which})) AS pairs, {}, {} FROM {table} WHERE {which}",
        count_of(fields),
        more.join(", ")
    )
}

fn count_of(fields: &[&str]) -> String {
    fields.iter().map(|field| format!("count({field})")).collect::<Vec<_>>().join(" + ")
}

fn indent(sql: &str) -> String {
    sql.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

const QUESTIONS: [(&str, &str); 5] = [
    (
        "Environment: hourly PM2.5 at the recorded stations, worst first",
        "SELECT device, date_trunc('hour', time) AS hour_utc, avg(pm2_5) AS pm2_5, avg(pm10) AS pm10
FROM environment WHERE device IN ('Aotizhongxin', 'Dongsi', 'Gucheng')
GROUP BY device, hour_utc ORDER BY pm2_5 DESC LIMIT 5",
    ),
    (
        "Environment: simulated stations above the 24 h limit of PM2.5, by zone",
        "SELECT province, zone, count(DISTINCT device) AS stations, round(avg(pm2_5), 2) AS mean, max(pm2_5) AS highest,
       max(limit_value) AS limit_24h, count(*) FILTER (WHERE pm2_5 > limit_value) AS rows_above
FROM environment CROSS JOIN (SELECT limit_value FROM air_limits
  WHERE parameter = 'PM2.5' AND averaging = '24h' AND valid_from = DATE '2026-01-01') l
WHERE device LIKE 'sim-%' GROUP BY province, zone ORDER BY mean DESC",
    ),
    (
        "Production: share of the time that machines run, and good parts, by zone",
        "SELECT zone, count(DISTINCT device) AS machines, round(100.0 * count(*) FILTER (WHERE state = 'running') / count(*), 1) AS running_percent,
       max(count_good) AS good_parts_max, round(max(vibration_rms_1), 2) AS vibration_max_g
FROM production WHERE device LIKE 'sim-%' GROUP BY zone ORDER BY zone",
    ),
    (
        "Security: events by severity",
        "SELECT severity, event, count(*) AS events, max(time) AS latest
FROM security GROUP BY severity, event ORDER BY events DESC, event",
    ),
    (
        "Energy: the steel plant by day (its own, UTC+9) and load",
        "SELECT date_trunc('day', time - INTERVAL '15 minutes' + INTERVAL '9 hours') AS local_day, load_type, count(*) AS quarters,
       round(sum(active_energy), 2) AS kwh
FROM energy GROUP BY local_day, load_type ORDER BY local_day, load_type",
    ),
];
