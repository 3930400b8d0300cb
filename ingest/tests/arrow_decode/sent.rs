//! Batches as they are sent, and what a fresh decoder makes of them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;
use arrow::ipc::writer::IpcWriteOptions;
use zonelake_ingest::{ArrowDecoder, DecodedBatch, Refusal};

use crate::fixture::{Fixture, NOW_US, Sender, batch, reasons};

pub(crate) fn times(rows: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values((0..rows).map(|row| NOW_US - row as i64)).with_timezone("UTC"))
}

pub(crate) fn devices(names: &[&str]) -> ArrayRef {
    Arc::new(names.iter().copied().collect::<DictionaryArray<Int32Type>>())
}

/// Decodes one batch with a fresh decoder.
pub(crate) fn decode(fixture: &Fixture, batch: &RecordBatch) -> Result<DecodedBatch, Refusal> {
    decode_with(fixture, batch, IpcWriteOptions::default())
}

pub(crate) fn decode_with(
    fixture: &Fixture,
    batch: &RecordBatch,
    options: IpcWriteOptions,
) -> Result<DecodedBatch, Refusal> {
    let messages = Sender::new(options).send(batch);
    let mut decoder = ArrowDecoder::new(&fixture.table, fixture.limits.clone());
    decoder.handle_schema(&messages.schema)?;
    for dictionary in messages.dictionaries {
        decoder.handle_dictionary(dictionary)?;
    }
    decoder.decode(messages.batch, &fixture.context())
}

/// Rows of device "a" with one field.
pub(crate) fn with_field(name: &str, values: ArrayRef) -> RecordBatch {
    let rows = values.len();
    batch(vec![("time", times(rows)), ("device", devices(&vec!["a"; rows])), (name, values)])
}

pub(crate) fn field(fixture: &Fixture, name: &str, values: ArrayRef) -> (Vec<String>, Vec<(i64, String, String)>) {
    let decoded = decode(fixture, &with_field(name, values)).unwrap();
    (fixture.stored(&decoded, name), reasons(&decoded))
}
