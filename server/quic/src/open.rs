//! From the frame `Open` to an opened stream: the token, the table, the producer, and the last durable sequence number.
//!
//! The order matters. The token is checked before anything else of the frame, so that whoever has none learns nothing
//! about tables. The shard is asked last: its answer takes the stream over from an earlier connection.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use bytes::Bytes;
use prost::Message;
use quinn::RecvStream;
use zonelake_ingest::{Refusal, SessionId};
use zonelake_registry::{Gateway, RegisteredTable, device_name_is_valid};
use zonelake_schemas::reject::REJECTED;
use zonelake_schemas::wire::MINOR_VERSION;
use zonelake_schemas::wire::control::{Encoding, Open, Opened, RefusedCode};
use zonelake_schemas::wire::frame::{CONTROL_BYTES_MAX, FrameKind};
use zonelake_schemas::{BatchNumber, Epoch, Lane, ProducerId, StreamKey};
use zonelake_storage::Table;

use crate::frames::read_frame;
use crate::shared::SharedState;

/// A frame `Open` whose token and table are valid.
pub(crate) struct OpenRequest {
    open: Open,
    gateway: Arc<Gateway>,
    table: Arc<Table>,
}

/// A stream that its shard has opened.
pub(crate) struct OpenedStream {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) producer_name: String,
    pub(crate) producer: ProducerId,
    pub(crate) epoch: Epoch,
    pub(crate) lane: Lane,
    pub(crate) table: Arc<Table>,
    /// Encoding of its batches; never `Unstated`.
    pub(crate) encoding: Encoding,
    pub(crate) id: SessionId,
    /// Last sequence number that is durable.
    pub(crate) last: BatchNumber,
}

/// Reads the frame `Open` and checks its token and its table; `None` where the stream ends before it.
pub(crate) async fn read_open(
    shared: &SharedState,
    peer: IpAddr,
    receive: &mut RecvStream,
) -> Result<Option<OpenRequest>, Refusal> {
    let wait = shared.options.frame_timeout;
    let Ok(frame) = tokio::time::timeout(wait, read_frame(receive, CONTROL_BYTES_MAX)).await else {
        return Err(protocol(format!("no Open frame within {wait:?}")));
    };
    let Some((kind, body)) = frame? else { return Ok(None) };
    if kind != FrameKind::Open {
        return Err(protocol(format!("the first frame of a stream is Open, not {kind:?}")));
    }
    let open = Open::decode(body).map_err(|error| protocol(format!("Open cannot be read: {error}")))?;
    let store = shared.pipeline.store();
    let gateway = shared
        .authenticator
        .gateway(&open.token, Some(peer))
        .await
        .map_err(|error| Refusal::new(RefusedCode::Token, format!("{error}; `zonelake gateway add` makes one")))?;
    // The table `rejected` is written by the server alone.
    let table = store.tables().get(&open.table).filter(|table| table.name() != REJECTED);
    let table = table.ok_or_else(|| {
        let names = store.tables().keys().map(String::as_str);
        let names: Vec<&str> = names.filter(|name| *name != REJECTED).collect();
        Refusal::new(
            RefusedCode::UnknownTable,
            format!("there is no table {:?} to write to; there are {}", open.table, names.join(", ")),
        )
    })?;
    Ok(Some(OpenRequest { open, gateway, table: Arc::clone(table) }))
}

/// Registers the producer and opens the stream at its shard.
pub(crate) async fn open_stream(shared: &SharedState, request: OpenRequest) -> Result<OpenedStream, Refusal> {
    let OpenRequest { open, gateway, table } = request;
    if !device_name_is_valid(&open.producer) {
        return Err(protocol("producer: 1 to 128 bytes of UTF-8 without control characters"));
    }
    if open.epoch == 0 {
        return Err(protocol("epoch: 1 or more"));
    }
    let lane = Lane::from_number(open.lane)
        .ok_or_else(|| protocol(format!("lane: 1 (live) or 2 (back-fill), not {}", open.lane)))?;
    let encoding = open.encoding();
    if encoding == Encoding::Unstated {
        return Err(protocol(format!("encoding: 1 (Arrow) or 2 (line), not {}", open.encoding)));
    }
    let registry = Arc::clone(shared.pipeline.store().registry());
    let (id, name) = (gateway.id, open.producer.clone());
    // Registering writes to disk.
    let producer = tokio::task::spawn_blocking(move || registry.producer(id, &name)).await;
    let producer = producer
        .map_err(|error| Refusal::internal(&error))?
        .map_err(|error| Refusal::not_registered("the producer", &error, RefusedCode::Token))?;
    let epoch = Epoch(open.epoch);
    let stream = StreamKey { table: table.registered.id, lane };
    let (id, last) = shared.pipeline.open_stream(producer, epoch, stream).await?;
    tracing::info!(gateway = gateway.name, producer = open.producer, %epoch, table = table.name(), ?lane, software = open.software, last = %last, "stream opened");
    Ok(OpenedStream { gateway, producer_name: open.producer, producer, epoch, lane, table, encoding, id, last })
}

impl OpenedStream {
    /// The frame that tells the gateway that its stream is open.
    pub(crate) fn message(&self, shared: &SharedState) -> Opened {
        let table: &RegisteredTable = &self.table.registered;
        let options = &shared.options;
        Opened {
            minor_version: MINOR_VERSION,
            last_number: self.last.0,
            frame_bytes_max: options.frame_bytes_max as u64,
            batch_rows_max: options.decode.rows_max(&table.def) as u64,
            schema_version: table.version.0,
            schema: schema_message(&table.schemas.wire),
            server_time_us: shared.pipeline.store().clock().wall_us(),
            unacked_bytes_max: options.unacked_bytes_max as u64,
        }
    }
}

/// One encapsulated Arrow IPC schema message.
fn schema_message(schema: &Schema) -> Bytes {
    let options = IpcWriteOptions::default();
    let mut dictionaries = DictionaryTracker::new(false);
    let data = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut dictionaries, &options);
    let mut message = Vec::new();
    write_message(&mut message, data, &options).expect("a Vec grows as needed");
    message.into()
}

fn protocol(what: impl Into<String>) -> Refusal {
    Refusal::new(RefusedCode::Protocol, what)
}
