//! Check of a whole record without a store, for operators: everything that a replay would look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use prost::Message;
use zonelake_registry::RegisteredTable;
use zonelake_schemas::{DeviceKey, GatewayId, ProducerId, RegistryMarks, RoleId, TableId};
use zonelake_wal::SegmentId;

use crate::shard::record::error::RecordError;
use crate::shard::record::header::{RowsHeader, StreamsHeader, decode_header};
use crate::shard::record::rows::{check_marks, decode_rows, device_key_max, split_rows};

/// Decodes a record with all its rows, and compares what it refers to with the registry: its tables by id, and the
/// maximum ids that it has given out.
///
/// # Errors
/// The record is not what it should be, or refers to what the registry does not have.
pub fn check_record(
    payload: &[u8],
    tables: &BTreeMap<TableId, Arc<RegisteredTable>>,
    marks: &RegistryMarks,
) -> Result<(), RecordError> {
    let (header, mut rest) = decode_header(payload)?;
    for keys in header.request.iter().chain(header.streams.iter().flat_map(|streams| &streams.keys)) {
        let (gateway, role) = (GatewayId(keys.gateway), RoleId(keys.role));
        check_marks(marks, &RegistryMarks { gateway, role, ..RegistryMarks::NONE })?;
    }
    let producers = header.fence.iter().map(|fence| fence.producer);
    let producers = producers.chain(header.streams.iter().flat_map(|streams| &streams.producers).map(|it| it.producer));
    check_producers(producers, marks)?;
    let Some(batch) = &header.batch else { return Ok(()) };
    check_marks(marks, &batch.marks())?;
    for rows in [&batch.stored, &batch.rejected].into_iter().flatten() {
        let (own, behind) = split_rows(rest, rows)?;
        rest = behind;
        check_rows(own, rows, tables, marks)?;
    }
    Ok(())
}

/// Segments of which records are set aside, as the state in a checkpoint names them: each has a file.
///
/// # Errors
/// The state is not the protobuf message.
pub fn set_aside_segments(state: &[u8]) -> Result<Vec<SegmentId>, RecordError> {
    Ok(StreamsHeader::decode(state)?.asides.into_iter().map(SegmentId).collect())
}

fn check_producers(producers: impl Iterator<Item = u32>, marks: &RegistryMarks) -> Result<(), RecordError> {
    let producer = ProducerId(producers.max().unwrap_or(0));
    check_marks(marks, &RegistryMarks { producer, ..RegistryMarks::NONE })
}

fn check_rows(
    bytes: &[u8],
    rows: &RowsHeader,
    tables: &BTreeMap<TableId, Arc<RegisteredTable>>,
    marks: &RegistryMarks,
) -> Result<(), RecordError> {
    let table = tables.get(&TableId(rows.table)).filter(|table| rows.version() <= table.version);
    let read = decode_rows(bytes, rows, &table.ok_or_else(|| rows.unknown_table())?.schemas.log)?;
    let device_key = DeviceKey(device_key_max(&read));
    check_marks(marks, &RegistryMarks { device_key, ..RegistryMarks::NONE })
}

/// Rows of one table in a record that [`check_record`] has found sound.
///
/// # Errors
/// The record is not what it should be.
pub fn rows_of_table(payload: &[u8], table: &RegisteredTable) -> Result<Option<RecordBatch>, RecordError> {
    let (header, rest) = decode_header(payload)?;
    let stored = header.batch.as_ref().and_then(|batch| batch.stored.as_ref());
    let Some(rows) = stored.filter(|rows| rows.table == table.id.0) else { return Ok(None) };
    let (own, _) = split_rows(rest, rows)?;
    decode_rows(own, rows, &table.schemas.log).map(Some)
}
