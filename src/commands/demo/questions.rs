//! SQL as a dashboard would ask it, over HTTP, and the check that every reading sent is found exactly once.

use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use zonelake_server::{FailureKind, Started};

use super::recordings::Recorded;
use super::simulated::{SentByTable, check_sql, fields};
use crate::commands::sql::client::{Client, ClientOptions, SessionOptions};
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
            session: SessionOptions::default(),
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
                // The sum of integers is numeric.
                let column = arrow::compute::cast(column, &DataType::Int64).ok();
                column
                    .and_then(|column| Some(column.as_primitive_opt::<Int64Type>()?.value(0)))
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

const QUESTIONS: [(&str, &str); 10] = [
    (
        "Environment: VN_AQI of each day at the recorded stations, to be published from 18 hours on",
        "SELECT device, day, aqi, parameter, band_en, reason, aqi_any FROM air_quality_daily
WHERE device IN ('Aotizhongxin', 'Dongsi', 'Gucheng') ORDER BY device, day",
    ),
    (
        "Environment: the recorded days judged as of 1 January 2026, since the limits are younger than the data",
        "SELECT device, parameter, averaging, limit_value, sum(exceeded) AS exceeded, max(worst) AS worst FROM air_checks
WHERE device IN ('Aotizhongxin', 'Dongsi', 'Gucheng') AND '2026-01-01' BETWEEN valid_from AND coalesce(valid_to, date '9999-12-31')
GROUP BY device, parameter, averaging, limit_value HAVING sum(exceeded) > 0 ORDER BY device, parameter, averaging",
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
        "Production: effectiveness of two machines of each zone today, and why one has none",
        "SELECT zone, device, round(availability, 3) AS availability, round(quality, 3) AS quality, round(oee, 3) AS oee,
       running_seconds, breakdown_seconds, pieces, reason
FROM oee WHERE period = 'day' AND device IN ('sim-production-0000', 'sim-production-0001') ORDER BY zone, device, day",
    ),
    (
        "Security: events by severity",
        "SELECT severity, event, count(*) AS events, max(time) AS latest
FROM security GROUP BY severity, event ORDER BY events DESC, event",
    ),
    (
        "Energy: the steel plant by day and tariff, as its customer is billed",
        "SELECT day, tariff, active_kwh, price, cost FROM energy_use
WHERE device = 'steel-plant-main-meter' AND is_billed ORDER BY day, tariff",
    ),
    (
        "Network: QCVN 126 by operator; what was not measured is never passed",
        "SELECT zone, operator, samples, round(mean_download, 1) AS mean_download, round(mean_latency, 1) AS mean_latency, verdict
FROM network_quality ORDER BY zone, operator LIMIT 6",
    ),
    (
        "Assets: trackers that have to report, and whether they are silent",
        "SELECT zone, device, last_at, is_silent FROM silent_trackers ORDER BY zone, device",
    ),
    (
        "Overview: the zones that have devices, as they are now",
        "SELECT zone, devices, devices_online, newest_at, aqi, incidents_open, network_verdict
FROM zone_overview WHERE devices > 0 ORDER BY zone",
    ),
    (
        "Overview: the provinces, and the roll-out of 5G, of which nobody reported a station here",
        "SELECT province, zones_with_devices, devices, devices_online, rollout_target, rollout_on_air, rollout_reason FROM province_overview
ORDER BY province",
    ),
];
