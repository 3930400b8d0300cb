//! Alerts go to hooks in the order in which they were found, whatever the clock says.
#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use zonelake_alerting::AlertDelivery;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::columns::{LOG_FIXED, constant_boolean, null_column, timestamp};
use zonelake_schemas::{DeviceKey, GatewayId, Lane, Principal};
use zonelake_storage::{Entry, Outcome, Rows, Shard, Store, StoreArgs, StoreOptions};
use zonelake_wal::RealDisk;

/// 2026-01-01T00:00:00Z.
const NEW_YEAR_US: i64 = 1_767_225_600_000_000;
const DAY_US: i64 = 86_400_000_000;

/// A wall clock that is put anywhere; the monotonic one is the machine's.
#[derive(Debug, Default)]
struct PutClock {
    wall_us: AtomicI64,
    machine: SystemClock,
}

impl Clock for PutClock {
    fn wall_us(&self) -> i64 {
        self.wall_us.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        self.machine.monotonic()
    }
}

async fn open(folder: &Path, clock: &Arc<PutClock>) -> (Arc<Store>, Vec<Shard>) {
    let options = StoreOptions {
        folder: folder.join("data"),
        node: "node-1".into(),
        shards: 1,
        segment_bytes: 4 << 20,
        flush_bytes_max: 64 << 20,
        flush_age_max: Duration::from_secs(3_600),
        live_bytes_max: 256 << 20,
        log_bytes_max: 256 << 20,
        free_bytes_min: 0,
        parquet: Default::default(),
    };
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let args = StoreArgs { options, declared: Vec::new(), clock, disk: Arc::new(RealDisk) };
    let (store, shards, _) = Store::open(args).await.unwrap();
    (store, shards)
}

/// Makes a transition durable: the odd ones fire, the others end it.
fn append(store: &Store, shards: &mut [Shard], device: DeviceKey, number: i64) {
    let alerts = store.alerts().unwrap();
    let schema = &alerts.registered.schemas.log;
    let (state, from) = if number % 2 == 1 { ("firing", "normal") } else { ("normal", "firing") };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(vec![NEW_YEAR_US + number]).with_data_type(timestamp())),
        Arc::new(UInt32Array::from(vec![device.0])),
        Arc::new(UInt8Array::from(vec![0])),
        Arc::new(constant_boolean(false, 1)),
    ];
    columns.extend(schema.fields()[LOG_FIXED..].iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "rule" => Arc::new(StringArray::from(vec!["hot"])),
            "state" => Arc::new(StringArray::from(vec![state])),
            "from_state" => Arc::new(StringArray::from(vec![from])),
            "rule_version" => Arc::new(Int64Array::from(vec![1])),
            "number" => Arc::new(Int64Array::from(vec![number])),
            _ => null_column(field.data_type(), 1),
        }
    }));
    let rows = RecordBatch::try_new(Arc::clone(schema), columns).unwrap();
    let entry = Entry {
        sequenced: None,
        principal: Principal::Gateway(GatewayId(1)),
        lane: Lane::Live,
        table: Arc::clone(alerts),
        stored: Some(Rows::new(rows).unwrap()),
        rejected: None,
    };
    assert_eq!(shards[0].append(&[entry]).unwrap(), [Outcome::Stored]);
}

/// A receiver that takes everything; gives its port and the keys that came.
fn receiver() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, keys) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<String>>>::default());
    let taken = Arc::clone(&keys);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let key = key_of(&stream);
            (&stream).write_all(b"HTTP/1.1 200 S\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok();
            taken.lock().unwrap().push(key);
        }
    });
    (port, keys)
}

fn key_of(stream: &TcpStream) -> String {
    let (mut reader, mut key, mut length) = (BufReader::new(stream), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "zonelake-alert" => value.clone_into(&mut key),
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    key
}

async fn await_numbers(keys: &Mutex<Vec<String>>, last: i64) {
    let wanted: Vec<String> = (1..=last).map(|number| format!("hot/vung-ang/kiln/1/{number}")).collect();
    for _ in 0..600 {
        if keys.lock().unwrap().len() >= wanted.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(*keys.lock().unwrap(), wanted);
}

/// A clock may be a day ahead, of a battery that is empty for instance, until somebody puts it right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_once_a_clock_that_was_ahead_is_right_again_is_delivered_at_once_and_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(PutClock::default());
    let put = |us: i64| clock.wall_us.store(NEW_YEAR_US + us, Ordering::SeqCst);
    put(0);
    let (store, mut shards) = open(folder.path(), &clock).await;
    let zone = store.registry().zone_by_code("vung-ang").unwrap().id;
    let device = store.registry().register_devices(zone, &["kiln"]).unwrap()[0];
    let (port, keys) = receiver();
    // Found before the hook was added: none of its alerts.
    append(&store, &mut shards, device, 99);
    put(1_000_000);
    store.registry().add_alert_hook("duty", &format!("http://127.0.0.1:{port}/")).unwrap();
    let delivery = AlertDelivery::start(Arc::clone(&store), b"").unwrap();
    append(&store, &mut shards, device, 1);
    await_numbers(&keys, 1).await;
    put(DAY_US);
    append(&store, &mut shards, device, 2);
    await_numbers(&keys, 2).await;
    put(10_000_000);
    append(&store, &mut shards, device, 3);
    await_numbers(&keys, 3).await;
    // The same of what is in files, and after a start.
    store.flush_all().await.unwrap();
    append(&store, &mut shards, device, 4);
    await_numbers(&keys, 4).await;
    delivery.stop().await;
    append(&store, &mut shards, device, 5);
    store.flush_all().await.unwrap();
    let delivery = AlertDelivery::start(Arc::clone(&store), b"").unwrap();
    append(&store, &mut shards, device, 6);
    // What was done of the last group is not noted one by one, so that it comes again, under its key.
    let came = || {
        let mut keys = keys.lock().unwrap().clone();
        keys.dedup();
        keys
    };
    for _ in 0..600 {
        if came().len() >= 6 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    delivery.stop().await;
    let wanted: Vec<String> = (1..=6).map(|number| format!("hot/vung-ang/kiln/1/{number}")).collect();
    assert_eq!(came(), wanted);
}
