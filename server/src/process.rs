//! Metrics of the process and of the program, by the names that Prometheus' own libraries have for them.

use std::fmt::Error;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry as Metrics;

/// Adds `process_…` and `zonelake_build_info`.
pub(crate) fn register(metrics: &mut Metrics) {
    metrics.register_collector(Box::new(Process));
}

#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Version of the program";
        let mut family = encoder.encode_descriptor("zonelake_build_info", help, None, MetricType::Gauge)?;
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        ConstGauge::new(1i64).encode(family.encode_family(&labels)?)?;
        // A system that does not say has no such metric, rather than a wrong one.
        let Some(read) = ProcessState::read() else { return Ok(()) };
        let cpu = ConstCounter::new(read.cpu_seconds);
        let help = "Time of processors, of user and system, in seconds";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?)?;
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            Some(value) => {
                ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
            }
            None => Ok(()),
        };
        gauge("process_resident_memory_bytes", "Memory that is in use", read.resident_bytes)?;
        gauge("process_virtual_memory_bytes", "Memory that is addressed", Some(read.virtual_bytes))?;
        gauge("process_threads", "Threads", Some(read.threads))?;
        gauge("process_open_fds", "Open file descriptors", read.open_files)?;
        gauge("process_max_fds", "File descriptors that may be open", read.files_max)?;
        gauge("process_start_time_seconds", "Start of the process, seconds since 1970", read.start_seconds)
    }
}

/// What Linux says of this process (proc(5)).
#[derive(Debug)]
struct ProcessState {
    cpu_seconds: f64,
    threads: f64,
    virtual_bytes: f64,
    resident_bytes: Option<f64>,
    open_files: Option<f64>,
    files_max: Option<f64>,
    start_seconds: Option<f64>,
}

impl ProcessState {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program stands in parentheses and may hold blanks; fields are numbered behind it, from 3 on.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let boot = line_of("/proc/stat", "btime").and_then(|text| text.parse::<f64>().ok());
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            threads: field(20)?,
            virtual_bytes: field(23)?,
            resident_bytes: line_of("/proc/self/status", "VmRSS:").and_then(|text| kib(&text)),
            open_files: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64),
            files_max: line_of("/proc/self/limits", "Max open files")
                .and_then(|text| text.split_whitespace().next()?.parse().ok()),
            start_seconds: boot.zip(field(22)).map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND),
        })
    }
}

/// What stands behind a name at the beginning of a line.
fn line_of(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
}

fn kib(text: &str) -> Option<f64> {
    Some(1_024.0 * text.strip_suffix(" kB")?.parse::<f64>().ok()?)
}

/// Ticks in which Linux tells times, on every machine that it runs on.
const TICKS_PER_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_every_metric_of_the_process() {
        let state = ProcessState::read().unwrap();
        assert!(state.threads >= 1.0 && state.virtual_bytes > 1e6, "{state:?}");
        assert!(state.resident_bytes.unwrap() > 1e5 && state.open_files.unwrap() >= 3.0, "{state:?}");
        assert!(
            state.files_max.unwrap() >= state.open_files.unwrap() && state.start_seconds.unwrap() > 1e9,
            "{state:?}"
        );
        assert!(state.cpu_seconds >= 0.0 && state.cpu_seconds < 1e6, "{state:?}");
    }
}
