//! A table's wire schema as gateways get it.

use arrow::datatypes::Schema;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use bytes::Bytes;

/// One encapsulated Arrow IPC schema message.
pub(crate) fn schema_message(schema: &Schema) -> Bytes {
    let options = IpcWriteOptions::default();
    let mut dictionaries = DictionaryTracker::new(false);
    let data = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, &mut dictionaries, &options);
    let mut message = Vec::new();
    write_message(&mut message, data, &options).expect("a Vec grows as needed");
    message.into()
}
