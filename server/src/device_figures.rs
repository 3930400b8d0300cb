//! Figures of devices that are read when `/metrics` is asked: how many are silent beyond what they declare, and how many wait for approval.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;
use zonelake_schemas::alerts::is_written_by_server;
use zonelake_storage::{LastRows, LastRowsState, Store};

/// Adds the figures.
pub(crate) fn register(metrics: &mut Metrics, store: &Arc<Store>) {
    metrics.register_collector(Box::new(DeviceFigures(Arc::clone(store))));
}

#[derive(Debug)]
struct DeviceFigures(Arc<Store>);

impl DeviceFigures {
    /// Devices without a row for two of their intervals; `None` while the last rows of a table are not known.
    fn silent(&self) -> Option<usize> {
        let tables = self.0.tables().values().filter(|table| !is_written_by_server(&table.registered.def));
        // Of tables in which a row may take another one's place, last rows are not kept: a device that was heard of nowhere else is not judged.
        let (kept, others): (Vec<_>, Vec<_>) = tables.partition(|table| table.registered.def.on_repeat.keeps_all());
        // What is kept anyway: rows of the last moment may be missing, which is nothing beside an interval.
        let last: Vec<Arc<LastRows>> = kept.into_iter().map(|table| Arc::clone(&table.view().last)).collect();
        if last.iter().any(|last| last.state() != LastRowsState::Complete) {
            return None;
        }
        let now_us = self.0.clock().wall_us();
        let is_silent = |device: &zonelake_registry::DeviceRecord| {
            let (Some(key), Some(since)) = (device.key, device.registered_us) else { return false };
            let received = last.iter().filter_map(|last| last.device(key)).map(|of| of.head.ingested_at_us).max();
            let is_judged = received.is_some() || others.is_empty();
            is_judged && device.details.is_silent(since, received, now_us) == Some(true)
        };
        Some(self.0.registry().devices_with_interval().into_iter().filter(is_silent).count())
    }
}

impl Collector for DeviceFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: usize| {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
        };
        if let Some(silent) = self.silent() {
            gauge("zonelake_devices_silent", "Devices without a row for two of their declared intervals", silent)?;
        }
        gauge("zonelake_devices_waiting", "Devices that wait for approval", self.0.registry().waiting_devices())
    }
}
