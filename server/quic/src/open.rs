//! From the frame `Open` to an opened stream: the token, the table, the producer, and the last durable sequence number.
//!
//! The order matters. The token is checked before anything else of the frame, so that whoever has none learns nothing
//! about tables. The shard is asked last: its answer takes the stream over from an earlier connection.

use std::sync::Arc;

use prost::Message;
use quinn::RecvStream;
use zonelake_ingest::{Refusal, SessionId};
use zonelake_net::{AuthenticationError, Credential};
use zonelake_registry::{Gateway, RegisteredTable, device_name_is_valid};
use zonelake_schemas::alerts::is_written_by_server;
use zonelake_schemas::wire::MINOR_VERSION;
use zonelake_schemas::wire::control::{Encoding, Open, Opened, Pushes, RefusedCode};
use zonelake_schemas::wire::frame::{CONTROL_BYTES_MAX, FrameKind};
use zonelake_schemas::{BatchNumber, Epoch, Lane, ProducerId, StreamKey};
use zonelake_storage::Table;

use crate::connection::ConnectionState;
use crate::frames::read_frame;
use crate::log_limit::shown;
use crate::pushes::request::PushesRequest;
use crate::schema_message::schema_message;
use crate::shared::SharedState;

/// A frame `Open` whose token and table are valid.
pub(crate) struct OpenRequest {
    open: Open,
    gateway: Arc<Gateway>,
    credential: Credential,
    table: Arc<Table>,
}

/// A stream that its shard has opened.
pub(crate) struct OpenedStream {
    pub(crate) gateway: Arc<Gateway>,
    /// The token that the stream ends with.
    pub(crate) credential: Credential,
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

/// First frame of a stream.
pub(crate) enum FirstFrame {
    /// A stream of batches begins.
    Open(OpenRequest),
    /// A question about what was pushed, or a note of it.
    Pushes(Box<PushesRequest>),
}

/// Reads the frame `Open` or `Pushes` and checks its token and its table; `None` where the stream ends before it, or a wrong token
/// was shown on its connection before.
pub(crate) async fn read_first(
    shared: &SharedState,
    connection: &ConnectionState,
    receive: &mut RecvStream,
) -> Result<Option<FirstFrame>, Refusal> {
    let wait = shared.options.frame_timeout;
    let Ok(frame) = tokio::time::timeout(wait, read_frame(receive, CONTROL_BYTES_MAX, wait)).await else {
        return Err(protocol(format!("no Open frame within {wait:?}")));
    };
    let Some((kind, body)) = frame? else { return Ok(None) };
    match kind {
        FrameKind::Open => {
            let open = Open::decode(body).map_err(|error| protocol(format!("Open cannot be read: {error}")))?;
            let Some((gateway, table)) = check(shared, connection, &open.token, &open.table).await? else {
                return Ok(None);
            };
            // Revoked since it was checked: the same as before.
            let credential = shared.authenticator.credential(&open.token).ok_or_else(unknown_token)?;
            Ok(Some(FirstFrame::Open(OpenRequest { open, gateway, credential, table })))
        }
        FrameKind::Pushes => {
            let pushes = Pushes::decode(body).map_err(|error| protocol(format!("Pushes cannot be read: {error}")))?;
            let checked = check(shared, connection, &pushes.token, &pushes.table).await?;
            Ok(checked.map(|(gateway, table)| FirstFrame::Pushes(Box::new(PushesRequest { pushes, gateway, table }))))
        }
        other => Err(protocol(format!("the first frame of a stream is Open, not {other:?}"))),
    }
}

/// Gateway and table of a first frame; `None` where a wrong token was shown on its connection before.
async fn check(
    shared: &SharedState,
    connection: &ConnectionState,
    token: &str,
    table: &str,
) -> Result<Option<(Arc<Gateway>, Arc<Table>)>, Refusal> {
    let store = shared.pipeline.store();
    let peer = connection.peer();
    let check = connection.check_token(shared.authenticator.gateway(token, Some(peer)));
    let Some(gateway) = check.await else { return Ok(None) };
    let gateway = gateway.map_err(refused_token)?;
    let is_open = |table: &Table| !is_written_by_server(&table.registered.def);
    let found = store.tables().get(table).filter(|table| is_open(table));
    let found = found.ok_or_else(|| {
        let names: Vec<&str> =
            store.tables().values().filter(|table| is_open(table)).map(|table| table.name()).collect();
        let unknown = shown(table, TEXT_BYTES_MAX);
        Refusal::new(
            RefusedCode::UnknownTable,
            format!("there is no table {unknown:?} to write to; there are {}", names.join(", ")),
        )
    })?;
    // Without any right to the table there is nothing to send; which rows there is a right to is judged for each.
    if gateway.rights.zones(found.name()).is_empty() {
        let message = format!("gateway {} may not write to table {}", gateway.name, found.name());
        shared.authenticator.note_refused_gateway(&gateway.name, "write", found.name(), Some(peer));
        return Err(Refusal::new(RefusedCode::Right, message));
    }
    Ok(Some((gateway, Arc::clone(found))))
}

/// Registers the producer and opens the stream at its shard.
pub(crate) async fn open_stream(shared: &SharedState, request: OpenRequest) -> Result<OpenedStream, Refusal> {
    let OpenRequest { open, gateway, credential, table } = request;
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
    if let Some(left_out) = shared.logs.gateways.allow(shared.pipeline.store().clock().monotonic()) {
        let software = shown(&open.software, TEXT_BYTES_MAX);
        tracing::info!(gateway = gateway.name, producer = open.producer, %epoch, table = table.name(), ?lane, software, last = %last, left_out, "stream opened");
    }
    let producer_name = open.producer;
    Ok(OpenedStream { gateway, credential, producer_name, producer, epoch, lane, table, encoding, id, last })
}

impl OpenedStream {
    /// Its table and lane.
    pub(crate) fn key(&self) -> StreamKey {
        StreamKey { table: self.table.registered.id, lane: self.lane }
    }

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

fn refused_token(error: AuthenticationError) -> Refusal {
    Refusal::new(RefusedCode::Token, format!("{error}; `zonelake gateway add` makes one"))
}

fn unknown_token() -> Refusal {
    refused_token(AuthenticationError::UnknownToken)
}

fn protocol(what: impl Into<String>) -> Refusal {
    Refusal::new(RefusedCode::Protocol, what)
}

/// Bytes of a text of `Open` that are shown, in the server log or in a refusal.
const TEXT_BYTES_MAX: usize = 128;
