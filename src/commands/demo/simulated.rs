//! Zones that send at a fixed rate: air stations, machines, cameras, meters, phones and trackers, as gateways over QUIC. The clock decides when a
//! batch is due; a slow server does not slow it.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{MissedTickBehavior, interval};
use zonelake_gateway::{Acked, ArrowEncoder, BatchStream, Compression, StreamObserver, StreamOptions};
use zonelake_schemas::clock::{Clock, SystemClock};

use super::gateway::ZoneGateway;
use crate::error::CliError;

/// The zones that send.
pub(crate) const ZONES: [&str; 4] = ["vung-ang", "phu-vinh", "hoa-phu", "hoa-hiep-1"];

/// What was sent to one table from one zone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Rows.
    pub rows: u64,
    /// Non-null values in them.
    pub readings: u64,
    /// Sum of the table's check field, as an integer: see [`Kind::check`].
    pub checksum: i64,
}

/// By table and zone.
pub(crate) type SentByTable = BTreeMap<(&'static str, &'static str), Sent>;

/// Sends for so long and waits until everything is acknowledged.
///
/// # Errors
/// Where a stream ends.
pub(crate) async fn send(zones: &[ZoneGateway], length: Duration) -> Result<SentByTable, CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let progress = Arc::new(Progress::default());
    let mut senders = tokio::task::JoinSet::new();
    for zone in zones {
        for kind in KINDS {
            let mut options = StreamOptions::new(&zone.token, format!("demo-{}", kind.table()), kind.table());
            options.observer = Some(Arc::clone(&progress) as Arc<dyn StreamObserver>);
            let stream = BatchStream::open(&zone.connection, options)
                .await
                .map_err(|error| CliError::from_kind(error.kind(), error))?;
            let sender =
                Sender { kind, zone: zone.zone, stream, clock: Arc::clone(&clock), progress: Arc::clone(&progress) };
            senders.spawn(sender.run(length));
        }
    }
    let shown = tokio::spawn(show(Arc::clone(&progress), length));
    let mut all = BTreeMap::new();
    while let Some(ended) = senders.join_next().await {
        let (key, sent) = ended.map_err(CliError::failed)??;
        all.insert(key, sent);
    }
    shown.abort();
    let totals = progress.totals();
    println!(
        "simulated {} zones for {} s: {} rows, {} readings sent and acknowledged, acknowledgement p50 {:.1} ms, p99 {:.1} ms\n",
        zones.len(),
        length.as_secs(),
        totals.rows,
        totals.readings,
        totals.p50_ms,
        totals.p99_ms
    );
    Ok(all)
}

/// What a simulated zone measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Environment,
    Production,
    Security,
    Energy,
    Network,
    Assets,
}

const KINDS: [Kind; 6] =
    [Kind::Environment, Kind::Production, Kind::Security, Kind::Energy, Kind::Network, Kind::Assets];

impl Kind {
    fn table(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Production => "production",
            Self::Security => "security",
            Self::Energy => "energy",
            Self::Network => "network",
            Self::Assets => "assets",
        }
    }

    fn devices(self) -> usize {
        match self {
            Self::Environment => 1_000,
            Self::Production => 500,
            Self::Security => 8,
            Self::Energy => 60,
            Self::Network => 24,
            Self::Assets => 40,
        }
    }

    /// Columns of one tick: every device once.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "figures of the demonstration are far from the bounds of these types"
    )]
    fn columns(self, tick: u64) -> Vec<(&'static str, ArrayRef)> {
        let n = self.devices();
        // A value that differs by device and tick and repeats after a while; hundredths, as a meter reports.
        let value = |low: f64, span: u64, salt: u64| -> ArrayRef {
            let at = |device: u64| low + ((device * 7_919 + tick * 31 + salt * 104_729) % (span * 100)) as f64 / 100.0;
            Arc::new(Float64Array::from_iter_values((0..n as u64).map(at)))
        };
        let whole = |low: f64, span: u64, salt: u64| -> ArrayRef {
            let at = |device: u64| low + ((device * 7_919 + tick * 31 + salt * 104_729) % span) as f64;
            Arc::new(Float64Array::from_iter_values((0..n as u64).map(at)))
        };
        let counter = |per_tick: i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values((0..n as i64).map(|device| device + tick.cast_signed() * per_tick)))
        };
        let words = |words: &'static [&'static str]| -> ArrayRef {
            let keys = (0..n)
                .map(|device| Some(((device as u64 + tick / 20) % words.len() as u64) as i32))
                .collect::<Int32Array>();
            Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(words.to_vec()))))
        };
        match self {
            Self::Environment => vec![
                ("pm2_5", value(5.0, 60, 1)),
                ("pm10", value(10.0, 120, 2)),
                ("so2", value(1.0, 40, 3)),
                ("no2", value(2.0, 80, 4)),
                ("co", value(100.0, 900, 5)),
                ("o3", value(10.0, 150, 6)),
                ("temperature", value(18.0, 20, 7)),
                ("humidity", value(40.0, 59, 8)),
            ],
            Self::Production => vec![
                (
                    "state",
                    words(&["running", "running", "running", "running", "running", "idle", "setup", "breakdown"]),
                ),
                ("count_total", counter(3)),
                ("count_good", counter(2)),
                ("speed", value(100.0, 900, 9)),
                ("temperature", value(40.0, 40, 10)),
                ("vibration_rms_1", value(0.0, 4, 11)),
            ],
            Self::Security => vec![
                ("event", words(&["access_granted", "plate_read", "intrusion", "fire_alarm", "wrong_way"])),
                ("severity", words(&["info", "info", "high", "critical", "medium"])),
                ("state", words(&["detected", "handling", "confirmed", "closed", "detected"])),
                ("object_count", counter(1)),
            ],
            Self::Energy => vec![
                ("active_power", value(50.0, 200, 12)),
                ("active_energy_total", value(tick as f64, 1, 13)),
                ("power_factor", value(0.0, 1, 14)),
            ],
            Self::Network => vec![
                ("operator", words(&["Viettel", "VNPT", "MobiFone"])),
                ("network_mode", words(&["5G"])),
                ("state", words(&["D"])),
                ("dl_bitrate", whole(60_000.0, 120_000, 15)),
                ("rsrp", whole(-115.0, 50, 16)),
                ("ping_avg", value(8.0, 40, 17)),
            ],
            Self::Assets => vec![
                ("asset_class", words(&["truck", "forklift", "crane"])),
                ("status", words(&["in_use", "in_use", "idle", "maintenance"])),
                ("battery", value(20.0, 80, 18)),
                ("speed", value(0.0, 40, 19)),
            ],
        }
    }

    /// The field whose sum is compared, what makes an integer of a value, and the same in SQL.
    pub(crate) fn check(self) -> (&'static str, &'static str) {
        match self {
            Self::Environment => ("pm2_5", "sum(CAST(round(pm2_5 * 100) AS BIGINT))"),
            Self::Production => ("count_total", "sum(count_total)"),
            Self::Security => ("object_count", "sum(object_count)"),
            Self::Energy => ("active_power", "sum(CAST(round(active_power * 100) AS BIGINT))"),
            Self::Network => ("ping_avg", "sum(CAST(round(ping_avg * 100) AS BIGINT))"),
            Self::Assets => ("battery", "sum(CAST(round(battery * 100) AS BIGINT))"),
        }
    }
}

/// The check of a table in SQL.
pub(crate) fn check_sql(table: &str) -> &'static str {
    KINDS.into_iter().find(|kind| kind.table() == table).map_or("NULL", |kind| kind.check().1)
}

/// The fields that simulated zones fill in a table.
pub(crate) fn fields(table: &str) -> Vec<&'static str> {
    let kind = KINDS.into_iter().find(|kind| kind.table() == table);
    kind.map(|kind| kind.columns(0).into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

struct Sender {
    kind: Kind,
    zone: &'static str,
    stream: BatchStream,
    clock: Arc<dyn Clock>,
    progress: Arc<Progress>,
}

impl Sender {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "figures of the demonstration are far from the bounds of these types"
    )]
    async fn run(self, length: Duration) -> Result<((&'static str, &'static str), Sent), CliError> {
        let names: Vec<String> =
            (0..self.kind.devices()).map(|device| format!("sim-{}-{device:04}", self.kind.table())).collect();
        let devices = Arc::new(StringArray::from(names));
        let mut encoder: Option<ArrowEncoder> = None;
        let mut sent = Sent::default();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for tick in 0..length.as_millis() as u64 / TICK.as_millis() as u64 {
            ticks.tick().await;
            let (batch, counts) = self.batch(tick, &devices)?;
            let encoder = match &mut encoder {
                Some(encoder) => encoder,
                none => none.insert(ArrowEncoder::new(&batch.schema(), Compression::None).map_err(CliError::failed)?),
            };
            let encoded = encoder.encode(&batch).map_err(CliError::failed)?;
            self.stream.send(encoded).await.map_err(|error| CliError::from_kind(error.kind(), error))?;
            sent.rows += counts.rows;
            sent.readings += counts.readings;
            sent.checksum += counts.checksum;
            self.progress.count_sent(&counts);
        }
        let key = (self.kind.table(), self.zone);
        self.stream.finish().await.map_err(|error| CliError::from_kind(error.kind(), error))?;
        Ok((key, sent))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "figures of the demonstration are far from the bounds of these types"
    )]
    fn batch(&self, tick: u64, devices: &Arc<StringArray>) -> Result<(RecordBatch, Sent), CliError> {
        let n = self.kind.devices();
        let time = TimestampMicrosecondArray::from_value(self.clock.wall_us(), n).with_timezone("UTC");
        let keys = Int32Array::from_iter_values(0..n as i32);
        let device = DictionaryArray::<Int32Type>::new(keys, Arc::clone(devices) as ArrayRef);
        let measured = self.kind.columns(tick);
        let (check, _) = self.kind.check();
        let checked = measured.iter().find(|(name, _)| *name == check).map(|(_, column)| checksum(column));
        let sent =
            Sent { rows: n as u64, readings: (n * measured.len()) as u64, checksum: checked.unwrap_or_default() };
        let columns: Vec<(&str, ArrayRef)> =
            [("time", Arc::new(time) as ArrayRef), ("device", Arc::new(device) as ArrayRef)]
                .into_iter()
                .chain(measured)
                .collect();
        let fields: Vec<Field> =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(CliError::failed)?;
        Ok((batch, sent))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "figures of the demonstration are far from the bounds of these types"
)]
fn checksum(column: &ArrayRef) -> i64 {
    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, Int64Type};
    match column.as_primitive_opt::<Int64Type>() {
        Some(integers) => integers.values().iter().sum(),
        None => column.as_primitive::<Float64Type>().values().iter().map(|value| (value * 100.0).round() as i64).sum(),
    }
}

#[derive(Debug)]
struct Progress(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    rows: u64,
    readings: u64,
    rows_acknowledged: u64,
    latency_us: Histogram<u64>,
}

struct Totals {
    rows: u64,
    readings: u64,
    rows_acknowledged: u64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Default for Progress {
    fn default() -> Self {
        let latency_us = Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are possible");
        Self(Mutex::new(Counts { rows: 0, readings: 0, rows_acknowledged: 0, latency_us }))
    }
}

impl Progress {
    fn count_sent(&self, sent: &Sent) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.rows += sent.rows;
        counts.readings += sent.readings;
    }

    fn totals(&self) -> Totals {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |quantile| counts.latency_us.value_at_quantile(quantile) as f64 / 1_000.0;
        Totals {
            rows: counts.rows,
            readings: counts.readings,
            rows_acknowledged: counts.rows_acknowledged,
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
        }
    }
}

impl StreamObserver for Progress {
    fn handle_acked(&self, acked: &Acked) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for batch in &acked.batches {
            counts.rows_acknowledged += batch.rows;
            let us = u64::try_from(batch.latency.as_micros()).unwrap_or(u64::MAX);
            counts.latency_us.saturating_record(us.max(1));
        }
    }
}

async fn show(progress: Arc<Progress>, length: Duration) {
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(length.as_secs()));
    if let Some(bar) = &bar {
        bar.set_style(ProgressStyle::with_template("{bar:20} {msg}").expect("the template is well formed"));
    }
    let mut before = progress.totals();
    let mut seconds = interval(Duration::from_secs(1));
    seconds.tick().await;
    loop {
        seconds.tick().await;
        let now = progress.totals();
        let line = format!(
            "{:>9} rows/s  {:>10} readings/s  {:>10} rows acknowledged  p99 {:>6.1} ms",
            now.rows - before.rows,
            now.readings - before.readings,
            now.rows_acknowledged,
            now.p99_ms
        );
        match &bar {
            Some(bar) => {
                bar.inc(1);
                bar.set_message(line);
            }
            None => println!("{line}"),
        }
        before = now;
    }
}

/// How often each device of a simulated zone measures.
const TICK: Duration = Duration::from_millis(100);
