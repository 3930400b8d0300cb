//! Harness of the stages: a store with the program's defaults in a folder of a real disk, zones and gateways of the workload,
//! and their rows in every form.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use bytes::{Bytes, BytesMut};
use rustix::fs::statfs;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zonelake_benches::workload::{
    ArrowForm, HUNDREDTHS_TABLE, Rows, START_US, Walks, Wire, Workload, hundredths_table,
};
use zonelake_gateway::{ArrowEncoder, Compression, EncodedBatch};
use zonelake_ingest::{ArrowDecoder, BatchContext, DecodeLimits, DecodedBatch};
use zonelake_parquet::ParquetOptions;
use zonelake_registry::{Gateway, Registry};
use zonelake_schemas::clock::SystemClock;
use zonelake_schemas::columns::log;
use zonelake_schemas::tables::builtin_tables;
use zonelake_schemas::wire::frame::{batch_prefix, split_batch};
use zonelake_schemas::{BatchNumber, Epoch, Lane};
use zonelake_storage::{Shard, Store, StoreArgs, StoreOptions, Table};
use zonelake_wal::RealDisk;

/// Table and wire: what the figures are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// As it stands in the names of measurements.
    pub name: &'static str,
    /// Table.
    pub table: &'static str,
    /// Type of values on the wire.
    pub wire: Wire,
}

/// The built-in table, doubles on the wire: 8 of its 46 fields, three of them with four decimals, one without.
pub(crate) const ENVIRONMENT: Form = Form { name: "environment_doubles", table: "environment", wire: Wire::Doubles };
/// Two decimals declared, doubles on the wire.
pub(crate) const DOUBLES: Form = Form { name: "doubles", table: HUNDREDTHS_TABLE, wire: Wire::Doubles };
/// Two decimals declared, and sent as such.
pub(crate) const DECIMALS: Form = Form { name: "decimals", table: HUNDREDTHS_TABLE, wire: Wire::AsStored };
/// All of them.
pub(crate) const FORMS: [Form; 3] = [ENVIRONMENT, DOUBLES, DECIMALS];

/// Rows of a large batch.
pub(crate) const LARGE: usize = 8_192;
/// Rows of a small batch.
pub(crate) const SMALL: usize = 100;

/// A folder for what a stage writes, removed with it: below `ZONELAKE_BENCH_FOLDER`, or else below the folder of cargo's
/// artifacts.
///
/// # Panics
/// If the folder is in memory: nothing would be measured there.
pub(crate) fn scratch() -> TempDir {
    let base = std::env::var_os("ZONELAKE_BENCH_FOLDER").map_or_else(artifacts, PathBuf::from).join("stages-data");
    std::fs::create_dir_all(&base).expect("the folder for measurements can be made");
    let kind = statfs(&base).expect("the folder exists").f_type;
    assert!(kind != TMPFS_MAGIC, "{} is in memory; set ZONELAKE_BENCH_FOLDER to a folder on a disk", base.display());
    TempDir::new_in(&base).expect("a folder can be made")
}

/// The folder that has `release/deps/` with this program.
fn artifacts() -> PathBuf {
    let program = std::env::current_exe().expect("the program knows where it is");
    program.ancestors().nth(3).unwrap_or(Path::new(".")).to_owned()
}

/// A store with the tables, zones and gateways of the workload.
pub(crate) struct Harness {
    pub runtime: Runtime,
    pub store: Arc<Store>,
    pub shard: Shard,
    pub gateways: Vec<Arc<Gateway>>,
    pub workload: Workload,
    limits: DecodeLimits,
    pub folder: TempDir,
}

impl Harness {
    /// Opens it: the first rows come with it, so that every device is registered.
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let folder = scratch();
        let options = StoreOptions {
            folder: folder.path().join("data"),
            node: "node-1".into(),
            shards: 1,
            segment_bytes: 64 << 20,
            flush_bytes_max: 128 << 20,
            flush_age_max: Duration::from_secs(60),
            live_bytes_max: 512 << 20,
            log_bytes_max: 1 << 30,
            free_bytes_min: 0,
            parquet: ParquetOptions::default(),
        };
        let declared = [builtin_tables(), vec![hundredths_table()]].concat();
        let clock = Arc::new(SystemClock::default());
        let args = StoreArgs { options, declared, clock, disk: Arc::new(RealDisk) };
        let (store, mut shards, _) = runtime.block_on(Store::open(args)).expect("a new store opens");
        let workload = Workload::default();
        let gateways = add_gateways(store.registry(), &workload);
        let shard = shards.pop().expect("there is one shard");
        Self { runtime, store, shard, gateways, workload, limits: DecodeLimits::default(), folder }
    }

    pub(crate) fn table(&self, name: &str) -> Arc<Table> {
        Arc::clone(&self.store.tables()[name])
    }

    /// The rows of one gateway, and what its devices are called.
    pub(crate) fn sender(&self, zone: usize) -> Sender {
        let number = u32::try_from(zone).expect("few zones");
        let devices = self.workload.devices_of_zone(number);
        let names = devices.iter().map(|&device| self.workload.device_name(device)).collect();
        Sender { walks: self.workload.walks(&devices), names, zone }
    }

    pub(crate) fn source<'a>(&'a self, table: &'a Table, zone: usize) -> BatchContext<'a> {
        BatchContext {
            registry: self.store.registry(),
            gateway: &self.gateways[zone],
            producer: "stages",
            epoch: Epoch(1),
            number: Some(BatchNumber(1)),
            lane: Lane::Live,
            now_us: START_US + DAYS_90_US,
            table: &table.registered,
            rejected: &self.store.rejected().registered,
            limits: &self.limits,
        }
    }

    /// Batches of a sender, encoded.
    pub(crate) fn encoded(&self, form: Form, sender: &mut Sender, rows: usize, batches: usize) -> Vec<EncodedBatch> {
        let arrow = ArrowForm::new(&self.table(form.table).registered.schemas, form.wire, &sender.names);
        let mut encoder = ArrowEncoder::new(arrow.schema(), Compression::None).expect("the schema can be encoded");
        let encode = |_| encoder.encode(&arrow.batch(&sender.walks.rows(rows))).expect("the batch can be encoded");
        (0..batches).map(encode).collect()
    }

    /// A decoder that has taken the schema and the dictionaries of these batches.
    pub(crate) fn decoder(&self, form: Form, first: &EncodedBatch) -> ArrowDecoder {
        let table = self.table(form.table);
        let mut decoder = ArrowDecoder::new(&table.registered, self.limits.clone());
        decoder.handle_schema(first.prelude.schema().expect("Arrow has a schema")).expect("the schema is accepted");
        for (_, dictionary) in first.prelude.dictionaries() {
            decoder.handle_dictionary(dictionary.clone()).expect("the dictionary is accepted");
        }
        decoder
    }

    /// Rows of a sender as the WAL has them, by way of a batch that was encoded and decoded.
    pub(crate) fn log_rows(&self, form: Form, sender: &mut Sender, rows: usize, batches: usize) -> Vec<RecordBatch> {
        let encoded = self.encoded(form, sender, rows, batches);
        let mut decoder = self.decoder(form, &encoded[0]);
        let table = self.table(form.table);
        let source = self.source(&table, sender.zone);
        let decode = |batch: &EncodedBatch| {
            let decoded = decoder.decode(as_received(&batch.payload), &source).expect("the batch is accepted");
            stored(decoded, rows)
        };
        encoded.iter().map(decode).collect()
    }

    /// Rows of all gateways in the order in which they would become live: a batch of each gateway in turn.
    pub(crate) fn live_rows(&self, form: Form, rows_of_batch: usize, rows: usize) -> Vec<RecordBatch> {
        let mut senders: Vec<Sender> = (0..self.gateways.len()).map(|zone| self.sender(zone)).collect();
        let table = self.table(form.table);
        let mut live = Vec::with_capacity(rows.div_ceil(rows_of_batch));
        while live.len() * rows_of_batch < rows {
            for sender in &mut senders {
                let log = self.log_rows(form, sender, rows_of_batch, 1).remove(0);
                live.push(as_live(&table, &log));
            }
        }
        live.truncate(rows.div_ceil(rows_of_batch));
        live
    }
}

/// The rows of one gateway.
pub(crate) struct Sender {
    pub walks: Walks,
    pub names: Vec<String>,
    pub zone: usize,
}

impl Sender {
    pub(crate) fn rows(&mut self, rows: usize) -> Rows {
        self.walks.rows(rows)
    }
}

/// All rows of a batch; none may have been rejected.
pub(crate) fn stored(decoded: DecodedBatch, rows: usize) -> RecordBatch {
    assert!(decoded.rejected.is_none(), "nothing of the workload is rejected: {:?}", decoded.rejections);
    assert!(decoded.rows == rows as u64 && decoded.readings == 8 * rows as u64, "every reading counts");
    decoded.stored.expect("rows were stored")
}

/// A payload as a session has it: behind the batch's number, in a buffer of its own.
pub(crate) fn as_received(payload: &Bytes) -> Bytes {
    let frame = batch_prefix(BatchNumber(1), payload.len());
    let mut body = BytesMut::zeroed(frame.len() - HEADER + payload.len());
    body[..frame.len() - HEADER].copy_from_slice(&frame[HEADER..]);
    body[frame.len() - HEADER..].copy_from_slice(payload);
    let body = body.freeze();
    let (_, payload) = split_batch(&body).expect("it has a number");
    body.slice_ref(payload)
}

/// Rows in the live schema, as a shard makes them of rows in the log schema.
pub(crate) fn as_live(table: &Table, rows: &RecordBatch) -> RecordBatch {
    let received_us = START_US + DAYS_90_US;
    let stamps = TimestampMicrosecondArray::from_value(received_us, rows.num_rows()).with_timezone("UTC");
    let mut columns: Vec<ArrayRef> = vec![Arc::clone(rows.column(log::TIME)), Arc::new(stamps)];
    columns.extend(rows.columns()[log::DEVICE_KEY..].iter().cloned());
    RecordBatch::try_new(Arc::clone(&table.registered.schemas.live), columns)
        .expect("the columns are in the live schema")
}

fn add_gateways(registry: &Registry, workload: &Workload) -> Vec<Arc<Gateway>> {
    let zones = (0..workload.zones).map(|zone| workload.zone_code(zone));
    let add = |code: String| {
        let zone = zonelake_registry::NewZone {
            province: "ha-tinh",
            kind: "KCN",
            code: &code,
            name: &code,
            locality: None,
            area_ha: None,
            status: "simulated",
            source: None,
            auto_register: true,
        };
        registry.add_zone(&zone).expect("the zone is new");
        registry.add_gateway(&format!("gateway-{code}"), &code).expect("the gateway is new").gateway
    };
    zones.map(add).collect()
}

/// Bytes in front of a frame's body.
const HEADER: usize = zonelake_schemas::wire::frame::HEADER_BYTES;
/// Ninety days: the server's clock stands so far behind the first row, so that no row is of the future.
const DAYS_90_US: i64 = 90 * 86_400_000_000;
/// Number of a file system in memory, in Linux.
const TMPFS_MAGIC: i64 = 0x0102_1994;
