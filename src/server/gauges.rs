//! What `/metrics` reads from the pipeline and the store at the moment it is asked.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;
use zonelake_ingest::Pipeline;
use zonelake_postgres::PostgresMetrics;

/// Adds the gauges of the pipeline and of the store below it.
pub(crate) fn register(metrics: &mut Metrics, pipeline: &Arc<Pipeline>) {
    metrics.register_collector(Box::new(Gauges(Arc::clone(pipeline))));
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
        gauge("zonelake_files", "Parquet files of the table", &|table| count(table.view().files.len()))?;
        gauge("zonelake_file_rows", "Rows in Parquet files", &|table| {
            i64::try_from(table.view().file_rows()).unwrap_or(i64::MAX)
        })
    }
}

/// Adds the counts of the PostgreSQL door.
pub(crate) fn register_postgres(metrics: &mut Metrics, of: &Arc<PostgresMetrics>) {
    metrics.register_collector(Box::new(OfPostgres(Arc::clone(of))));
}

#[derive(Debug)]
struct OfPostgres(Arc<PostgresMetrics>);

impl Collector for OfPostgres {
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
