//! Payloads of batches: a stream of Arrow messages, and a block of lines, through the decoders of a server.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use zonelake_ingest::{
    ArrowDecoder, BatchContext, DecodeLimits, DecodedBatch, LineDecoder, LinesArgs, Precision, Refusal, decode_lines,
};
use zonelake_registry::{Gateway, RegisteredTable, Registry};
use zonelake_schemas::clock::Clock;
use zonelake_schemas::reject::{REJECTED, rejected_table};
use zonelake_schemas::{BatchNumber, Epoch, Lane, TableDef};
use zonelake_storage::Rows;

use crate::second_opinion;

/// Takes the messages of one stream.
pub fn arrow(mut input: &[u8]) {
    let server = Server::get();
    let mut decoder = ArrowDecoder::new(&server.table, server.limits.clone());
    while let [kind, low, high, rest @ ..] = input {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (message, behind) = rest.split_at(length);
        input = behind;
        let taken = match kind % 3 {
            0 => decoder.handle_schema(message).is_ok(),
            1 => decoder.handle_dictionary(Bytes::copy_from_slice(message)).is_ok(),
            _ => {
                let payload = Bytes::copy_from_slice(message);
                decoder.digest(&payload);
                decoder.decode(payload, &server.source()).map(check).is_ok()
            }
        };
        // A refusal ends the stream.
        if !taken {
            return;
        }
    }
}

/// Takes one block of lines, and compares what it decodes to with what another parser makes of it.
pub fn line(input: &[u8]) {
    let decoded = decode_line(input);
    second_opinion::compare(input, decoded.as_ref(), NOW_US);
    if let Ok(decoded) = decoded {
        check(decoded);
    }
}

/// Takes the body of one HTTP request: lines of many tables, cut into batches of so few rows and devices that short bodies
/// have many.
pub fn request(input: &[u8]) {
    let server = Server::get();
    let tables: BTreeMap<_, _> =
        [&server.table, &server.rejected].map(|table| (table.def.name.clone(), Arc::clone(table))).into();
    let limits = DecodeLimits {
        batch_rows_max: 4,
        batch_devices_max: 3,
        dictionary_values_max: 4,
        rejected_rows_max: 2,
        ..server.limits.clone()
    };
    let args = LinesArgs {
        registry: &server.registry,
        tables: &tables,
        rejected: &server.rejected,
        gateway: &server.gateway,
        limits: &limits,
        tags: &zonelake_ingest::TagRules::NONE,
        precision: Precision::Nanoseconds,
        now_us: NOW_US,
    };
    let Ok(decoded) = decode_lines(input, &args, &mut |_bytes| Ok(())) else { return };
    for (_, batch) in decoded.batches {
        assert!(batch.rows + batch.rejected_rows <= 4, "a batch within its limit");
        check(batch);
    }
}

/// Decodes one block of lines as a server does.
///
/// # Errors
/// The refusal that the sender would get.
pub fn decode_line(input: &[u8]) -> Result<DecodedBatch, Refusal> {
    let server = Server::get();
    let mut decoder = LineDecoder::new(&server.table, Precision::Nanoseconds);
    // A digest is asked of each block before it is decoded; it must not panic either.
    decoder.digest(input);
    decoder.decode(input, &server.source())
}

/// Checks that rows are in the schemas of their tables, as many as the counts say, and can be written to the WAL.
fn check(decoded: DecodedBatch) {
    let server = Server::get();
    let rows = decoded.stored.as_ref().map_or(0, |stored| stored.num_rows());
    assert_eq!(rows as u64, decoded.rows);
    for (rows, table) in [(decoded.stored, &server.table), (decoded.rejected, &server.rejected)] {
        let Some(rows) = rows else { continue };
        assert_eq!(rows.schema(), table.schemas.log);
        assert!(rows.num_rows() > 0, "no rows are said so by absence");
        Rows::new(rows).expect("what is decoded can be logged");
    }
}

struct Server {
    registry: Registry,
    gateway: Gateway,
    table: Arc<RegisteredTable>,
    rejected: Arc<RegisteredTable>,
    limits: DecodeLimits,
    _folder: TempDir,
}

/// Clock that stands at [`NOW_US`].
#[derive(Debug)]
pub struct StoppedClock;

impl Clock for StoppedClock {
    fn wall_us(&self) -> i64 {
        NOW_US
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

impl Server {
    fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::new)
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("registry.sqlite");
        let registry = Registry::open(&path, Arc::new(StoppedClock)).expect("a registry can be made");
        let gateway = registry.add_gateway("g", "vung-ang").expect("a gateway can be added").gateway;
        // Inputs must not write to the disk: devices that are not known are rejected.
        let gateway = Gateway { auto_register: false, ..Gateway::clone(&gateway) };
        registry.register_devices(gateway.zone, &["a", "b"]).expect("devices can be registered");
        let table = TableDef::from_toml(TABLE).expect("the declaration is good");
        let tables = registry.register_tables(&[table, rejected_table()]).expect("tables can be made");
        let named = |name: &str| {
            Arc::clone(tables.iter().find(|table| table.def.name == name).expect("it was adopted just now"))
        };
        let limits = DecodeLimits {
            decompressed_bytes_max: 1 << 20,
            batch_rows_max: 4_096,
            dictionary_bytes_max: 1 << 20,
            rejected_bytes_max: 1 << 20,
            ..DecodeLimits::default()
        };
        Self { gateway, table: named("t"), rejected: named(REJECTED), limits, registry, _folder: folder }
    }

    fn source(&self) -> BatchContext<'_> {
        BatchContext {
            registry: &self.registry,
            gateway: &self.gateway,
            producer: "p",
            epoch: Epoch(3),
            number: Some(BatchNumber(7)),
            lane: Lane::Live,
            now_us: NOW_US,
            table: &self.table,
            rejected: &self.rejected,
            limits: &self.limits,
        }
    }
}

/// 2025-01-01T00:00:00Z.
pub const NOW_US: i64 = 1_735_689_600_000_000;

/// A table with every kind of field.
pub const TABLE: &str = include_str!("../../../ingest/tests/fixture/table.toml");
