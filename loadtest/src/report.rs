//! The report of a run: as JSON, and what is printed at its end.

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::meter::{Counts, Second};
use crate::proof::Proved;
use crate::resources::Usage;

/// Everything that a run has found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Name of the load.
    pub load: String,
    /// Connections.
    pub connections: usize,
    /// Rows of a batch, by stream.
    pub batch_rows: Vec<usize>,
    /// Rate asked for, rows a second over all streams; absent: as fast as it goes.
    pub rows_per_second_due: Option<f64>,
    /// Seconds measured.
    pub seconds: f64,
    /// Counts of what became durable in them.
    pub measured: Counts,
    /// Rows a second.
    pub rows_per_second: f64,
    /// Readings a second.
    pub readings_per_second: f64,
    /// Everything that became durable, warm-up and end included.
    pub in_all: Counts,
    /// From when a batch was due to its acknowledgement.
    pub acknowledgement: Latency,
    /// From sending a row until a SQL query sees it; absent where it was not measured.
    pub freshness: Option<Latency>,
    /// Statements that were asked meanwhile, by client.
    pub statements: Vec<StatementsReport>,
    /// Screens that asked meanwhile; absent where there were none.
    pub screens: Option<ScreensReport>,
    /// Links that broke.
    pub links_lost: u64,
    /// The server's memory at its peak, bytes.
    pub server_memory_peak_bytes: u64,
    /// Processors that the server used on average.
    pub server_processors: f64,
    /// Processors that this program used on average.
    pub load_processors: f64,
    /// Bytes written to the write-ahead log.
    pub log_bytes: f64,
    /// Rows that were in Parquet files, committed, when the load ended.
    pub rows_flushed_meanwhile: f64,
    /// Bytes of Parquet for each reading, all columns; of those flushes.
    pub parquet_bytes_per_reading: Option<f64>,
    /// Seconds from the end of the load until everything was durable.
    pub drained_seconds: f64,
    /// Counts of what was proved to be stored exactly once; absent where it was not asked for.
    pub proved: Option<Proved>,
    /// By second.
    pub by_second: Vec<SecondReport>,
    /// Share of acknowledgements (0 to 1) by latency, milliseconds.
    pub percentiles: Vec<(f64, f64)>,
}

/// Findings of an overload. Rates are readings a second of the gateways that spill; latencies are those of a gateway of
/// little data beside them.
#[derive(Debug, Serialize)]
pub(crate) struct OverloadReport {
    /// As fast as batches are acknowledged.
    pub full_readings_per_second: f64,
    /// Rate that the spools took while twice that was due.
    pub offered_readings_per_second: f64,
    /// Rate that was acknowledged of it meanwhile.
    pub taken_readings_per_second: f64,
    /// Backlog on disk at the end of it.
    pub backlog_readings: f64,
    /// Rate at which that went.
    pub drain_readings_per_second: f64,
    /// Seconds that it took.
    pub drain_seconds: f64,
    /// Latency before.
    pub normal: Latency,
    /// Latency meanwhile.
    pub overloaded: Latency,
    /// Latency while the backlog went.
    pub draining: Latency,
    /// Seconds from then until a second's p99 was at most twice what it was before; absent where it was not within a minute.
    pub seconds_until_normal: Option<f64>,
    /// The server's memory at its peak, bytes.
    pub server_memory_peak_bytes: u64,
    /// Counts of what was proved to be stored exactly once; absent where it was not asked for.
    pub proved: Option<Proved>,
    /// By second, all phases.
    pub by_second: Vec<SecondReport>,
}

impl OverloadReport {
    /// The report in words.
    pub(crate) fn words(&self) -> String {
        let millions = |n: f64| format!("{:.2} million readings", n / 1e6);
        let share = 100.0 * self.drain_readings_per_second / self.full_readings_per_second;
        let normal =
            self.seconds_until_normal.map_or("not within a minute".into(), |s| format!("within {} s", s + 1.0));
        let proved = self.proved.as_ref().map_or("not asked for".into(), |proved| {
            format!("{} rows of {} devices, every count and sum equal", proved.rows, proved.devices)
        });
        [
            ("full rate", format!("{} a second", millions(self.full_readings_per_second))),
            ("offered", format!("{} a second", millions(self.offered_readings_per_second))),
            ("taken meanwhile", format!("{} a second", millions(self.taken_readings_per_second))),
            ("backlog", millions(self.backlog_readings)),
            (
                "drained",
                format!(
                    "{} a second, {share:.0} % of the full rate, {:.1} s",
                    millions(self.drain_readings_per_second),
                    self.drain_seconds
                ),
            ),
            ("latency, normal", latency_words(&self.normal)),
            ("latency, overload", latency_words(&self.overloaded)),
            ("latency, drain", latency_words(&self.draining)),
            ("normal again", normal),
            ("server memory, peak", format!("{:.0} MB", self.server_memory_peak_bytes as f64 / 1e6)),
            ("exactly once", proved),
        ]
        .map(|(label, text)| format!("{label:<24}{text}\n"))
        .concat()
    }
}

/// Statement that one client repeated next to a load.
#[derive(Debug, Default, Serialize)]
pub(crate) struct StatementsReport {
    /// Statement of the client.
    pub statement: String,
    /// Times that it was answered.
    pub answered: u64,
    /// The longest that it took.
    pub longest_seconds: f64,
    /// Times that it failed.
    pub failed: u64,
    /// Reason of its first failure.
    pub first_failure: Option<String>,
}

/// Findings of screens beside a load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ScreensReport {
    /// Clients that pulled a zone's last 5 minutes once a second.
    pub screens: usize,
    /// From when a pull was due to its whole answer.
    pub pulls: Latency,
    /// Clients that followed a device as a stream of events.
    pub followers: usize,
    /// From when a row was sent to its event.
    pub events: Latency,
    /// Pulls and streams that failed.
    pub failed: u64,
    /// Reason of the first failure.
    pub first_failure: Option<String>,
}

/// Some latencies, milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    /// Number of them.
    pub count: u64,
    /// Half of them are below.
    pub p50_ms: f64,
    /// Ninety of a hundred are.
    pub p90_ms: f64,
    /// Ninety-nine of a hundred are.
    pub p99_ms: f64,
    /// All but one of a thousand are.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// One second of a run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct SecondReport {
    /// End of it, seconds since the load began.
    pub at: f64,
    /// Readings that became durable.
    pub readings: u64,
    /// Latency of acknowledgements.
    pub latency: Latency,
    /// The server's memory, bytes.
    pub server_memory_bytes: u64,
    /// Processors that the server used.
    pub server_processors: f64,
}

impl Latency {
    /// Of latencies in microseconds.
    pub(crate) fn of(us: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1_000.0;
        Self {
            count: us.len(),
            p50_ms: ms(us.value_at_quantile(0.5)),
            p90_ms: ms(us.value_at_quantile(0.9)),
            p99_ms: ms(us.value_at_quantile(0.99)),
            p999_ms: ms(us.value_at_quantile(0.999)),
            max_ms: ms(us.max()),
        }
    }
}

impl SecondReport {
    /// A second that took `length` and ended `at`, with the server's usage at its ends.
    pub(crate) fn new(at: Duration, length: Duration, second: &Second, before: Usage, after: Usage) -> Self {
        Self {
            at: at.as_secs_f64(),
            readings: second.acknowledged.readings,
            latency: Latency::of(&second.latency_us),
            server_memory_bytes: after.memory_bytes,
            server_processors: (after.processor_seconds - before.processor_seconds) / length.as_secs_f64().max(1e-9),
        }
    }
}

/// Shares of acknowledgements by latency, for a plot.
pub(crate) fn percentiles(us: &Histogram<u64>) -> Vec<(f64, f64)> {
    let shares = (0..=40).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 10.0));
    shares.map(|share| (share, us.value_at_quantile(share) as f64 / 1_000.0)).collect()
}

impl Report {
    /// The report in words.
    pub(crate) fn words(&self) -> String {
        let mut words = String::new();
        let mut line = |label: &str, text: String| {
            // Writing to a string does not fail.
            writeln!(words, "{label:<24}{text}").expect("a string takes everything");
        };
        let millions = |n: f64| format!("{:.2} million", n / 1e6);
        line("load", format!("{}, {} connections, {} s", self.load, self.connections, self.seconds.round()));
        line("readings a second", millions(self.readings_per_second));
        line("rows a second", millions(self.rows_per_second));
        line("acknowledgement", latency_words(&self.acknowledgement));
        if let Some(freshness) = &self.freshness {
            line("freshness", latency_words(freshness));
        }
        let ended = self.by_second.last().map_or(0.0, |second| second.at);
        let measured = self.by_second.iter().filter(|second| second.at > ended - self.seconds);
        let worst = measured.map(|second| second.latency.p99_ms).fold(0.0, f64::max);
        line("worst second", format!("p99 {worst:.1} ms"));
        for asked in &self.statements {
            let failed =
                asked.first_failure.as_ref().map_or(String::new(), |why| format!(", {} failed: {why}", asked.failed));
            let (answered, longest) = (asked.answered, asked.longest_seconds);
            line("asked meanwhile", format!("{answered} times, longest {longest:.1} s{failed}: {}", asked.statement));
        }
        if let Some(screens) = &self.screens {
            line("pulls", format!("{}, {} screens", latency_words(&screens.pulls), screens.screens));
            line("events", format!("{}, {} followers", latency_words(&screens.events), screens.followers));
            if let Some(why) = &screens.first_failure {
                line("failed", format!("{} pulls and streams: {why}", screens.failed));
            }
        }
        line("server memory, peak", format!("{:.0} MB", self.server_memory_peak_bytes as f64 / 1e6));
        line("processors", format!("server {:.2}, load {:.2}", self.server_processors, self.load_processors));
        line("flushed meanwhile", format!("{} rows", millions(self.rows_flushed_meanwhile)));
        if let Some(bytes) = self.parquet_bytes_per_reading {
            line("Parquet", format!("{bytes:.3} bytes a reading, all columns"));
        }
        line("links lost", self.links_lost.to_string());
        line("drained", format!("{:.1} s after the end", self.drained_seconds));
        if let Some(proved) = &self.proved {
            let (rows, devices) = (proved.rows, proved.devices);
            line("exactly once", format!("{rows} rows of {devices} devices, every count and sum equal"));
        }
        words
    }
}

fn latency_words(latency: &Latency) -> String {
    format!(
        "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, longest {:.1} ms ({})",
        latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms, latency.count
    )
}
