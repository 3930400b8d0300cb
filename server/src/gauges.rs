//! Metrics that are read from the parts at the moment when `/metrics` is asked.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;
use zonelake_alerting::{AlertFigure, AlertFigures};
use zonelake_ingest::Pipeline;
use zonelake_net::Authenticator;
use zonelake_postgres::PostgresMetrics;
use zonelake_reports::schedule::{ReportFigure, ReportFigures};

/// Adds the gauges of the pipeline and of the store below it.
pub(crate) fn register(metrics: &mut Metrics, pipeline: &Arc<Pipeline>) {
    metrics.register_collector(Box::new(Gauges(Arc::clone(pipeline))));
}

/// Adds the figures of alert rules.
pub(crate) fn register_alerts(metrics: &mut Metrics) -> Arc<AlertFigures> {
    let figures = Arc::new(AlertFigures::default());
    metrics.register_collector(Box::new(OfAlerts(Arc::clone(&figures))));
    figures
}

/// Adds the figures of scheduled reports.
pub(crate) fn register_reports(metrics: &mut Metrics) -> Arc<ReportFigures> {
    let figures = Arc::new(ReportFigures::default());
    metrics.register_collector(Box::new(OfReports(Arc::clone(&figures))));
    figures
}

#[derive(Debug)]
struct OfReports(Arc<ReportFigures>);

impl Collector for OfReports {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for ReportFigure { name, help, value, is_counter } in self.0.all() {
            encode(&mut encoder, name, help, value, is_counter)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct OfAlerts(Arc<AlertFigures>);

impl Collector for OfAlerts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for AlertFigure { name, help, value, is_counter } in self.0.all() {
            encode(&mut encoder, name, help, value, is_counter)?;
        }
        Ok(())
    }
}

/// One figure, as a counter where it only grows.
fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
    is_counter: bool,
) -> Result<(), std::fmt::Error> {
    if is_counter {
        let counter = ConstCounter::new(value);
        return counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?);
    }
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

#[derive(Debug)]
struct Gauges(Arc<Pipeline>);

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let in_flight = ConstGauge::new(i64::try_from(self.0.bytes_in_flight()).unwrap_or(i64::MAX));
        let help = "Bytes of frames and batches in flight, of ingest.buffered_bytes_max";
        in_flight.encode(encoder.encode_descriptor(
            "zonelake_in_flight_bytes",
            help,
            None,
            in_flight.metric_type(),
        )?)?;
        let behind = ConstGauge::new(self.0.health().clock_behind_seconds());
        let help = "Seconds by which the clock is behind the last receipt, while batches are refused for it";
        behind.encode(encoder.encode_descriptor(
            "zonelake_clock_behind_seconds",
            help,
            None,
            behind.metric_type(),
        )?)?;
        let steps = ConstCounter::new(self.0.store().receipt_clock().steps_back());
        let help = "Times that the clock has stepped back by more than times of receipt wait for";
        steps.encode(encoder.encode_descriptor("zonelake_clock_steps_back", help, None, steps.metric_type())?)?;
        let now = self.0.store().clock().monotonic();
        let oldest = self.0.store().tables().values().filter_map(|table| table.waiting_for(now)).max();
        let oldest = ConstGauge::new(oldest.unwrap_or_default().as_secs_f64());
        let help = "Time for which the oldest rows have been in the log and in no file";
        oldest.encode(encoder.encode_descriptor("zonelake_log_age_seconds", help, None, oldest.metric_type())?)?;
        let help = "Bytes of the write-ahead log of each shard";
        let mut family = encoder.encode_descriptor(
            "zonelake_log_bytes",
            help,
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        for (shard, bytes) in self.0.store().log_sizes().bytes() {
            let labels = [("shard", shard.to_string())];
            ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX)).encode(family.encode_family(&labels)?)?;
        }
        let mut gauge = |name: &str, help: &str, read: &dyn Fn(&zonelake_storage::Table) -> i64| {
            let mut family =
                encoder.encode_descriptor(name, help, None, prometheus_client::metrics::MetricType::Gauge)?;
            for (table, state) in self.0.store().tables() {
                let labels = [("table", table.as_str())];
                ConstGauge::new(read(state)).encode(family.encode_family(&labels)?)?;
            }
            Ok::<(), std::fmt::Error>(())
        };
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        gauge("zonelake_live_rows", "Rows in memory and in the log, not yet in a file", &|table| {
            count(table.view().live_rows())
        })?;
        gauge("zonelake_live_bytes", "Bytes of memory that live rows take", &|table| count(table.live_bytes()))?;
        gauge("zonelake_merge_backlog_files", "Files that are to be merged", &|table| count(table.merge_backlog()))?;
        gauge("zonelake_retired_files", "Files that merges have removed and that are still on disk", &|table| {
            count(table.retired_files())
        })?;
        gauge("zonelake_files", "Parquet files of the table", &|table| count(table.view().files.len()))?;
        gauge("zonelake_file_rows", "Rows in Parquet files", &|table| {
            i64::try_from(table.view().file_rows()).unwrap_or(i64::MAX)
        })
    }
}

/// Adds the counts of the PostgreSQL interface.
pub(crate) fn register_postgres(metrics: &mut Metrics, of: &Arc<PostgresMetrics>) {
    metrics.register_collector(Box::new(PostgresCounts(Arc::clone(of))));
}

#[derive(Debug)]
struct PostgresCounts(Arc<PostgresMetrics>);

impl Collector for PostgresCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let open = ConstGauge::new(i64::try_from(self.0.connections()).unwrap_or(i64::MAX));
        let help = "Connections of PostgreSQL's clients that are open";
        open.encode(encoder.encode_descriptor("zonelake_postgres_connections", help, None, open.metric_type())?)?;
        let statements = ConstCounter::new(self.0.statements());
        let help = "Statements of PostgreSQL's clients";
        let described =
            encoder.encode_descriptor("zonelake_postgres_statements", help, None, statements.metric_type())?;
        statements.encode(described)?;
        let refused = ConstCounter::new(self.0.refused());
        let help = "Connections of PostgreSQL's clients that were refused";
        refused.encode(encoder.encode_descriptor("zonelake_postgres_refused", help, None, refused.metric_type())?)
    }
}

/// Adds the count of failed authentications.
pub(crate) fn register_authentication(metrics: &mut Metrics, of: &Arc<Authenticator>) {
    metrics.register_collector(Box::new(AuthenticationCounts(Arc::clone(of))));
}

#[derive(Debug)]
struct AuthenticationCounts(Arc<Authenticator>);

impl Collector for AuthenticationCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let failures = ConstCounter::new(self.0.failures());
        let help = "Wrong passwords and unknown tokens, over all interfaces";
        failures.encode(encoder.encode_descriptor(
            "zonelake_authentication_failures",
            help,
            None,
            failures.metric_type(),
        )?)
    }
}
