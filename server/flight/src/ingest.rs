//! Bulk ingest: rows that a client appends. Each Arrow message of the call goes the way of a batch over QUIC, with the
//! same limits, checks, rejections and durability. Batches are unsequenced: a call that is retried after a lost
//! response stores its rows again.

use std::sync::Arc;

use arrow_flight::FlightData;
use arrow_flight::sql::server::PeekableFlightDataStream;
use arrow_flight::sql::{CommandStatementIngest, TableExistsOption, TableNotExistOption};
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use tonic::Status;
use zonelake_ingest::{ArrowDecoder, BatchContext, DecodePlace, DecodedBatch, WriteState};
use zonelake_net::Cause;
use zonelake_registry::{Gateway, RegisteredTable};
use zonelake_schemas::alerts::is_written_by_server;
use zonelake_schemas::{Epoch, Lane};

use crate::status::{from_refusal, from_write_error, internal, status};

/// Appends all rows of a call; returns the count of durable rows, those in `rejected` included.
pub(crate) async fn append(
    state: &Arc<WriteState>,
    gateway: Arc<Gateway>,
    command: &CommandStatementIngest,
    mut messages: PeekableFlightDataStream,
) -> Result<i64, Status> {
    let table = table(state, command)?;
    if gateway.rights.zones(&table.def.name).is_empty() {
        let message = format!("gateway {} may not write to table {}", gateway.name, table.def.name);
        return Err(status(Cause::NoRight, message));
    }
    let mut decoder = ArrowDecoder::new(&table, state.limits.clone());
    let mut rows = 0u64;
    while let Some(message) = messages.next().await {
        let stored = append_message(state, &gateway, &table, decoder, message?).await;
        let done = stored.map_err(|failed| after(rows, &failed))?;
        decoder = done.0;
        rows += done.1;
    }
    i64::try_from(rows).map_err(|error| internal(&error))
}

/// Status with the count of rows that were stored before it.
fn after(rows: u64, failed: &Status) -> Status {
    if rows == 0 {
        return failed.clone();
    }
    Status::new(failed.code(), format!("after {rows} rows that are stored: {}", failed.message()))
}

fn table(state: &WriteState, command: &CommandStatementIngest) -> Result<Arc<RegisteredTable>, Status> {
    if command.temporary || command.transaction_id.is_some() {
        return Err(status(
            Cause::NotSupported,
            "there are no temporary tables and no transactions: each batch is durable by itself",
        ));
    }
    let names = [(&command.catalog, "zonelake"), (&command.schema, "public")];
    for (given, only) in names {
        if given.as_deref().is_some_and(|given| !given.is_empty() && given != only) {
            return Err(status(
                Cause::UnknownTable,
                format!("rows are appended to tables of zonelake.public only, not of {given:?}"),
            ));
        }
    }
    let name = &command.table;
    let found = state.tables.get(name).filter(|table| !is_written_by_server(&table.def));
    let options = command.table_definition_options.unwrap_or_default();
    let creates = options.if_not_exist == TableNotExistOption::Create as i32;
    match (found, options.if_exists) {
        (Some(_), exists) if exists == TableExistsOption::Fail as i32 => {
            Err(status(Cause::TableExists, format!("the table {name} exists: append to it")))
        }
        (Some(_), exists) if exists == TableExistsOption::Replace as i32 => {
            Err(status(Cause::NoRight, format!("the table {name} cannot be replaced: append to it")))
        }
        (Some(table), _) => Ok(Arc::clone(table)),
        (None, _) if creates => Err(status(
            Cause::NoRight,
            format!("there is no table {name}, and tables are declared in the settings folder, not made by a client"),
        )),
        (None, _) => Err(status(Cause::UnknownTable, format!("there is no table {name} that rows can be appended to"))),
    }
}

async fn append_message(
    state: &Arc<WriteState>,
    gateway: &Arc<Gateway>,
    table: &Arc<RegisteredTable>,
    decoder: ArrowDecoder,
    message: FlightData,
) -> Result<(ArrowDecoder, u64), Status> {
    let bytes = message.data_header.len() + message.data_body.len();
    // Some clients send an empty message first, with the descriptor alone.
    if bytes == 0 {
        return Ok((decoder, 0));
    }
    // Its bytes were taken from the gateway's quota and from the budget before it was read.
    state.sink.check_free_space().map_err(|error| from_write_error(&error))?;
    // As it is now: what it may write may have changed since the call began.
    let now = state.registry.gateway(gateway.id);
    let gateway = &now.ok_or_else(|| status(Cause::UnknownToken, "the token was revoked"))?;
    let (decoder, decoded) = decode(state, gateway, table, decoder, message).await?;
    let Some(decoded) = decoded else { return Ok((decoder, 0)) };
    // Rejected rows are durable as well, and the client counts all that it has sent.
    let rows = decoded.rows + decoded.rejected_rows;
    state.sink.write(gateway, table, decoded).await.map_err(|error| from_write_error(&error))?;
    Ok((decoder, rows))
}

/// Decodes a message in the gateway's turn.
async fn decode(
    state: &Arc<WriteState>,
    gateway: &Arc<Gateway>,
    table: &Arc<RegisteredTable>,
    mut decoder: ArrowDecoder,
    message: FlightData,
) -> Result<(ArrowDecoder, Option<DecodedBatch>), Status> {
    let queue = state.decoders.queue(gateway.id);
    let bytes = message.data_header.len() + message.data_body.len();
    let (state, gateway, table) = (Arc::clone(state), Arc::clone(gateway), Arc::clone(table));
    let work = move |place: DecodePlace| {
        let kind = arrow::ipc::root_as_message(&message.data_header)
            .map_err(|error| status(Cause::BadPayload, format!("the message is not one of Arrow IPC: {error}")))?
            .header_type();
        let payload = encapsulated(&message);
        place.charge(decoder.decoded_bytes(&payload));
        let decoded = match kind {
            arrow::ipc::MessageHeader::Schema => decoder.handle_schema(&payload).map(|()| None),
            arrow::ipc::MessageHeader::DictionaryBatch => decoder.handle_dictionary(payload).map(|()| None),
            arrow::ipc::MessageHeader::RecordBatch => {
                let context = BatchContext {
                    registry: &state.registry,
                    gateway: &gateway,
                    // Unsequenced: neither epoch nor number says that a batch was stored before.
                    producer: "flight",
                    epoch: Epoch(0),
                    number: None,
                    lane: Lane::Live,
                    now_us: state.clock.wall_us(),
                    table: &table,
                    rejected: &state.rejected,
                    limits: &state.limits,
                };
                decoder.decode(payload, &context).map(Some)
            }
            other => {
                return Err(status(Cause::BadPayload, format!("a message of the kind {other:?} is not possible here")));
            }
        };
        Ok((decoder, decoded.map_err(from_refusal)?))
    };
    queue.run(bytes as u64, work).await.map_err(|error| internal(&error))?
}

/// Header and body of a message in the format of Arrow IPC streams. Numbers are little-endian: continuation (4 bytes),
/// length of the header (4 bytes), header padded to 8 bytes, body.
fn encapsulated(message: &FlightData) -> Bytes {
    let padded = message.data_header.len().next_multiple_of(8);
    let mut bytes = BytesMut::with_capacity(8 + padded + message.data_body.len());
    bytes.put_u32_le(CONTINUATION);
    bytes.put_u32_le(u32::try_from(padded).expect("a message has a limit far below 4 GiB"));
    bytes.put_slice(&message.data_header);
    bytes.put_bytes(0, padded - message.data_header.len());
    bytes.put_slice(&message.data_body);
    bytes.freeze()
}

/// First four bytes of an encapsulated message.
const CONTINUATION: u32 = u32::MAX;
