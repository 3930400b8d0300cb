//! Rows as Flight messages. Text is plain `Utf8`, never a view or a dictionary, which many clients cannot read.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use futures::{Stream, StreamExt, TryStreamExt};
use tonic::Status;
use zonelake_query::{RowStream, Zone};

use crate::status::{from_flight_error, in_stream};

/// Stream of messages.
pub(crate) type Messages = std::pin::Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// Messages of the result of a statement, whose instants are in a zone.
pub(crate) fn messages(schema: &Schema, zone: Zone, rows: RowStream) -> Messages {
    let schema = plain_schema(schema, zone);
    let columns = Arc::clone(&schema);
    // Cast batch by batch, so that no more than one is in memory twice.
    let batches = rows.map(move |batch| {
        let batch = batch.map_err(in_stream)?;
        plain(&batch, &columns).map_err(FlightError::from)
    });
    encode(schema, batches)
}

/// Messages of one batch.
pub(crate) fn batch_messages(batch: RecordBatch) -> Messages {
    encode(batch.schema(), futures::stream::iter([Ok(batch)]))
}

fn encode(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Messages {
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema).with_max_flight_data_size(MESSAGE_BYTES);
    Box::pin(encoder.build(batches).map_err(from_flight_error))
}

/// Schema that a result has on the wire, with instants in the zone of the session.
pub(crate) fn plain_schema(schema: &Schema, zone: Zone) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match plain_type(field.data_type(), zone) {
        Some(plain) => Arc::new(Field::clone(field).with_data_type(plain)),
        None => Arc::clone(field),
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

fn plain(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => cast(column, field.data_type()),
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    // A batch without columns, as of an empty projection, has rows all the same.
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

fn plain_type(data_type: &DataType, zone: Zone) -> Option<DataType> {
    match data_type {
        DataType::Utf8View => Some(DataType::Utf8),
        DataType::BinaryView => Some(DataType::Binary),
        DataType::Dictionary(_, values) => Some(plain_type(values, zone).unwrap_or_else(|| values.as_ref().clone())),
        DataType::Timestamp(unit, Some(_)) if zone != Zone::UTC => {
            Some(DataType::Timestamp(*unit, Some(zone.arrow_name().into())))
        }
        _ => None,
    }
}

/// Approximate size of a message: larger ones make fewer calls, and some clients accept no more than 4 MiB.
const MESSAGE_BYTES: usize = 2 << 20;
