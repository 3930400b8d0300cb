//! Store and forward over links of the field: slow, late and lossy. Everything arrives, nothing is refused, back-fill goes on beside what happens
//! now, and the line carries little more than the batches.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, DictionaryArray, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;
use zonelake_gateway::{
    ArrowEncoder, BackoffPolicy, Compression, Connection, ConnectionOptions, EncodedBatch, ForwardOptions, Forwarder,
    StreamOptions, Trust,
};
use zonelake_schemas::clock::{Clock, SystemClock};

use crate::dialogue::{Running, Setting};
use crate::weak_link::{LinkQuality, WeakLink};

const KBIT: u64 = 1_000;

fn connection(server: &Running, link: &WeakLink) -> Arc<Connection> {
    Connection::new(ConnectionOptions::new(link.address.to_string(), Trust::Fingerprint(server.fingerprint()))).unwrap()
}

fn options(token: &str, folder: &std::path::Path) -> ForwardOptions {
    let backoff = BackoffPolicy { give_up_after: None, ..BackoffPolicy::default() };
    let stream = StreamOptions { backoff, ..StreamOptions::new(token, "p", "environment") };
    ForwardOptions { live_age_max: Duration::from_secs(1), ..ForwardOptions::new(stream, folder) }
}

/// Readings as they come from a sensor: each a little beside the one before, with two decimals.
fn readings(number: u64, rows: usize) -> EncodedBatch {
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut value = 20.0;
    let values: Vec<f64> = (0..rows)
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            value += (random % 21) as f64 / 100.0 - 0.1;
            (value * 100.0_f64).round() / 100.0
        })
        .collect();
    let begins = 1_767_225_600_000_000 + i64::try_from(number).unwrap() * 1_000_000_000;
    let times = (0..).step_by(1_000_000).take(rows).map(|offset| begins + offset);
    let device: DictionaryArray<Int32Type> = std::iter::repeat_n("kk-01", rows).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))),
        ("device", Arc::new(device)),
        ("pm2_5", Arc::new(Float64Array::from(values))),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    ArrowEncoder::new(&rows.schema(), Compression::Zstd).unwrap().encode(&rows).unwrap()
}

/// Bytes of the rows of a batch, without the schema and the dictionaries that go in front of the first one.
fn payload(batch: &EncodedBatch) -> u64 {
    batch.payload.len() as u64
}

/// Backlog that is there before the link is, and what happens while it drains.
struct Load {
    backlog: u64,
    live: u64,
    live_rows: usize,
    live_every: Duration,
    /// What happens meanwhile stays on the live lane, however much of it waits there.
    is_all_live: bool,
}

/// Sends it all over a link, and tells how the line was used.
async fn run(quality: LinkQuality, load: &Load, patience: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting { frame_timeout: Duration::from_secs(30), ..Setting::new() };
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let nowhere = Connection::new(ConnectionOptions::new("127.0.0.1:9", Trust::Fingerprint([0; 32]))).unwrap();
    let small = ForwardOptions { live_bytes_max: 1, ..options(&token, folder.path()) };
    let offline = Forwarder::open(nowhere, small).await.unwrap();
    let (mut bytes, mut rows) = (0, 0);
    for number in 0..load.backlog {
        let batch = readings(number, 1_000);
        (bytes, rows) = (bytes + payload(&batch), rows + batch.rows);
        offline.send(batch).await.unwrap();
    }
    offline.close().await;

    let link = WeakLink::to(server.address, quality).await;
    let clock = SystemClock::default();
    let began = clock.monotonic();
    let mut options = options(&token, folder.path());
    if load.is_all_live {
        options = ForwardOptions { live_bytes_max: 64 << 20, live_age_max: Duration::from_secs(3_600), ..options };
    }
    let forwarder = Forwarder::open(connection(&server, &link), options).await.unwrap();
    let mut backfill_before_live_ended = 0;
    for number in 0..load.live {
        let batch = readings(load.backlog + number, load.live_rows);
        (bytes, rows) = (bytes + payload(&batch), rows + batch.rows);
        forwarder.send(batch).await.unwrap();
        tokio::time::sleep(load.live_every).await;
        backfill_before_live_ended = forwarder.status().backfill.acknowledged.0;
    }
    let drained = tokio::time::timeout(patience, forwarder.drained()).await;
    drained.unwrap_or_else(|_| panic!("not drained: {:?}", forwarder.status())).unwrap();
    let (took, status) = (clock.monotonic() - began, forwarder.status());
    let factor = link.bytes_up() as f64 / bytes as f64;
    eprintln!(
        "{quality:?}: {rows} rows in {bytes} bytes took {took:?} and {} bytes on the line, a factor of {factor:.2}; \
         {backfill_before_live_ended} batches of back-fill went beside {} live ones; {status:?}",
        link.bytes_up(),
        load.live
    );
    assert_eq!(server.rows("environment") as u64, rows);
    assert_eq!((status.refused_batches, status.lost_batches, status.dropped_batches), (0, 0, 0));
    assert!(
        status.stopped.is_none() && status.live.waits_for.is_none() && status.backfill.waits_for.is_none(),
        "{status:?}"
    );
    assert!(load.live == 0 || backfill_before_live_ended > 0, "back-fill goes on beside what happens now");
    assert!(factor < 1.3, "{factor}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_over_a_slow_lossy_link_with_little_more_on_the_line_than_the_batches() {
    let quality = LinkQuality {
        bits_per_second: 256 * KBIT,
        delay: Duration::from_millis(100),
        loss_percent: 5,
        queue_bytes: 32 << 10,
        seed: 1,
    };
    let live_every = Duration::from_millis(300);
    let load = Load { backlog: 40, live: 10, live_rows: 20, live_every, is_all_live: false };
    run(quality, &load, Duration::from_secs(120)).await;
}

/// More happens than the line takes: 1,000 rows, which are some 5.8 KB, every 120 ms on a line of 32 KB a second.
#[tokio::test(flavor = "multi_thread")]
async fn back_fill_goes_on_over_a_link_that_what_happens_now_fills_by_itself() {
    let quality = LinkQuality {
        bits_per_second: 256 * KBIT,
        delay: Duration::from_millis(50),
        loss_percent: 1,
        queue_bytes: 32 << 10,
        seed: 3,
    };
    let live_every = Duration::from_millis(120);
    let load = Load { backlog: 20, live: 120, live_rows: 1_000, live_every, is_all_live: true };
    run(quality, &load, Duration::from_secs(300)).await;
}

/// A link by satellite in bad weather; two minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn everything_arrives_at_64_kbit_with_two_seconds_of_delay_and_five_percent_of_loss() {
    for seed in 1..=2 {
        let quality = LinkQuality {
            bits_per_second: 64 * KBIT,
            delay: Duration::from_secs(2),
            loss_percent: 5,
            queue_bytes: 32 << 10,
            seed,
        };
        let live_every = Duration::from_secs(2);
        let load = Load { backlog: 40, live: 30, live_rows: 20, live_every, is_all_live: false };
        run(quality, &load, Duration::from_secs(900)).await;
    }
}
