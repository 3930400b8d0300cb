//! Rows as bytes: one Arrow IPC record batch without its schema.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{SchemaRef, UInt32Type};
use arrow::error::ArrowError;
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use zonelake_schemas::columns::{LOG_FIXED, is_null_column, log, null_column};
use zonelake_schemas::{RegistryMarks, SchemaVersion, TableId};

use crate::shard::record::bounds::check_bounds;
use crate::shard::record::error::RecordError;
use crate::shard::record::header::{RowsHeader, split_by_length};

thread_local! {
    /// Buffers in which this thread encodes rows.
    static WRITE_CONTEXT: RefCell<IpcWriteContext> = RefCell::default();
}

/// The parts in which rows are written: message with its length, then body.
#[derive(Debug, Clone, Default)]
pub struct EncodedRows {
    message: Vec<u8>,
    body: Vec<u8>,
    rows: u64,
    fields: Vec<u32>,
    device_key_max: u32,
}

impl EncodedRows {
    /// Encodes rows in a log schema.
    ///
    /// # Errors
    /// Arrow refuses to encode them.
    pub fn new(rows: &RecordBatch) -> Result<Self, ArrowError> {
        let fields: Vec<usize> =
            (LOG_FIXED..rows.num_columns()).filter(|&index| !is_null_column(rows.column(index))).collect();
        let written = if LOG_FIXED + fields.len() == rows.num_columns() {
            Cow::Borrowed(rows)
        } else {
            Cow::Owned(rows.project(&(0..LOG_FIXED).chain(fields.iter().copied()).collect::<Vec<_>>())?)
        };
        let (dictionaries, mut data) = WRITE_CONTEXT.with_borrow_mut(|context| {
            // The next batch begins with a buffer as large as this one took.
            context.set_reserve_scratch(true);
            IpcDataGenerator::default().encode(
                &written,
                &mut DictionaryTracker::new(true),
                &IpcWriteOptions::default(),
                context,
            )
        })?;
        // The body lives as long as the batch waits for its group: twice its size would count against nobody's budget.
        if data.arrow_data.capacity() > data.arrow_data.len() * 2 {
            data.arrow_data.shrink_to_fit();
        }
        assert!(dictionaries.is_empty(), "a log schema has no dictionaries");
        let length = u32::try_from(data.ipc_message.len()).expect("a flatbuffer is below 2 GiB");
        let mut message = Vec::with_capacity(4 + data.ipc_message.len());
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(&data.ipc_message);
        let position = |index: usize| u32::try_from(index - LOG_FIXED).expect("a table has at most 1,000 fields");
        let fields = fields.into_iter().map(position).collect();
        let device_key_max = device_key_max(rows);
        Ok(Self { message, body: data.arrow_data, rows: rows.num_rows() as u64, fields, device_key_max })
    }

    /// Header of the rows.
    pub fn header(&self, table: TableId, version: SchemaVersion) -> RowsHeader {
        RowsHeader {
            table: table.0,
            schema_version: version.0,
            bytes: self.bytes(),
            rows: self.rows,
            fields: self.fields.clone(),
            device_key_max: self.device_key_max,
        }
    }

    /// Bytes in the record.
    pub fn bytes(&self) -> u64 {
        (self.message.len() + self.body.len()) as u64
    }

    /// Fields that have a value.
    pub fn fields(&self) -> usize {
        self.fields.len()
    }

    /// The parts, in order.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.message, &self.body]
    }
}

/// Maximum device key of rows in a log schema; 0 where there is none.
pub(crate) fn device_key_max(rows: &RecordBatch) -> u32 {
    rows.column(log::DEVICE_KEY).as_primitive::<UInt32Type>().values().iter().copied().max().unwrap_or(0)
}

/// Refuses what refers to ids that the registry has never given out.
pub(crate) fn check_marks(registry: &RegistryMarks, needed: &RegistryMarks) -> Result<(), RecordError> {
    registry.first_unknown(needed).map_or(Ok(()), |unknown| Err(RecordError::OlderRegistry(unknown)))
}

/// Splits the bytes of rows off what is left of their record.
pub(crate) fn split_rows<'a>(rest: &'a [u8], header: &RowsHeader) -> Result<(&'a [u8], &'a [u8]), RecordError> {
    let bytes = usize::try_from(header.bytes).unwrap_or(usize::MAX);
    rest.split_at_checked(bytes).ok_or(RecordError::Short { need: header.bytes, have: rest.len() as u64 })
}

/// Reads rows into `schema`, the log schema of the table as it is now. Versions of a table only add fields at the end,
/// so that a field keeps its position; a field that was added since reads as null.
///
/// # Errors
/// The bytes are too few, or are not rows of the schema.
pub fn decode_rows(bytes: &[u8], header: &RowsHeader, schema: &SchemaRef) -> Result<RecordBatch, RecordError> {
    let unreadable = |what: String| RecordError::Rows(what);
    let written: Vec<usize> =
        (0..LOG_FIXED).chain(header.fields.iter().map(|&field| LOG_FIXED + field as usize)).collect();
    let written_schema = Arc::new(schema.project(&written).map_err(|error| unreadable(error.to_string()))?);
    let (message, body) = split_by_length(bytes)?;
    let message = arrow::ipc::root_as_message(message).map_err(|error| unreadable(error.to_string()))?;
    let batch = message.header_as_record_batch().ok_or_else(|| unreadable("not a record batch".into()))?;
    // arrow-ipc would panic where a length points outside of the body, so all lengths are checked first.
    let rows = check_bounds(&batch, body, &written_schema).map_err(unreadable)?;
    if rows != header.rows {
        return Err(unreadable(format!("{rows} rows, and its header says {}", header.rows)));
    }
    let read = read_record_batch(&Buffer::from(body), batch, written_schema, &HashMap::new(), None, &message.version())
        .map_err(|error| unreadable(error.to_string()))?;
    let mut columns: Vec<ArrayRef> =
        schema.fields().iter().map(|field| null_column(field.data_type(), read.num_rows())).collect();
    for (column, index) in read.columns().iter().zip(written) {
        columns[index] = Arc::clone(column);
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::TableSchemas;
    use zonelake_schemas::reject::rejected_table;

    use super::*;

    #[test]
    fn rows_read_back_and_cut_ones_are_refused() {
        let schema = TableSchemas::new(&rejected_table()).log;
        let columns = schema
            .fields()
            .iter()
            .map(|field| match field.is_nullable() {
                true => arrow::array::new_null_array(field.data_type(), 3),
                false => arrow::compute::cast(
                    &arrow::array::Int32Array::from(vec![0, 1, 0]),
                    &match field.data_type() {
                        arrow::datatypes::DataType::Timestamp(_, _) => arrow::datatypes::DataType::Int64,
                        other => other.clone(),
                    },
                )
                .and_then(|column| arrow::compute::cast(&column, field.data_type()))
                .unwrap(),
            })
            .collect();
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let encoded = EncodedRows::new(&rows).unwrap();
        let bytes = encoded.parts().concat();
        assert_eq!(bytes.len() as u64, encoded.bytes());
        let header = encoded.header(TableId(1), SchemaVersion(1));
        assert!(header.fields.is_empty(), "columns without values are not written");
        assert_eq!(header.device_key_max, 1);
        assert_eq!(decode_rows(&bytes, &header, &schema).unwrap(), rows);
        for end in 0..bytes.len().min(200) {
            assert!(decode_rows(&bytes[..end], &header, &schema).is_err(), "cut at {end}");
        }
        let beyond = RowsHeader { fields: vec![99], ..header };
        assert!(decode_rows(&bytes, &beyond, &schema).is_err());
    }
}
