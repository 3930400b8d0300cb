//! Rows into payloads.
//!
//! Each Arrow payload is one encapsulated IPC message: `FF FF FF FF`, the length of the metadata (u32, little-endian),
//! the metadata (a flatbuffer), padding, the buffers. Dictionaries are sent whole, never as deltas, so that the bytes of
//! a batch and of what it refers to do not depend on the batches before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use bytes::Bytes;
use zonelake_schemas::columns::AS_TEXT;

use crate::batch::{EncodedBatch, Prelude};
use crate::error::EncodeError;

/// Compression of the buffers of Arrow payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// No compression: the minimum of work on both sides.
    #[default]
    None,
    /// LZ4 frames: about half the bytes at little cost.
    Lz4,
    /// Zstandard: for links that are slow or paid by the byte.
    Zstd,
}

/// Encodes record batches of one schema.
pub struct ArrowEncoder {
    schema: SchemaRef,
    schema_message: Bytes,
    options: IpcWriteOptions,
    generator: IpcDataGenerator,
    tracker: DictionaryTracker,
    context: IpcWriteContext,
    dictionaries: BTreeMap<i64, Bytes>,
    prelude: Option<Prelude>,
}

impl std::fmt::Debug for ArrowEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArrowEncoder").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl ArrowEncoder {
    /// An encoder of batches of `schema`: a table's wire schema, or any of its columns with `time` and `device`. Metadata
    /// of the schema and its fields is left out: the server has it, and it need not be in a fixed order. What says that a field is
    /// sent as texts stays.
    ///
    /// # Errors
    /// [`EncodeError::Arrow`] where Arrow cannot compress so.
    pub fn new(schema: &Schema, compression: Compression) -> Result<Self, EncodeError> {
        let codec = match compression {
            Compression::None => None,
            Compression::Lz4 => Some(CompressionType::LZ4_FRAME),
            Compression::Zstd => Some(CompressionType::ZSTD),
        };
        let options = IpcWriteOptions::default().try_with_compression(codec)?;
        let schema = Arc::new(with_statements_alone(schema));
        let generator = IpcDataGenerator::default();
        // Replaced dictionaries are sent whole, not as an error.
        let mut tracker = DictionaryTracker::new(false);
        let message = generator.schema_to_bytes_with_dictionary_tracker(&schema, &mut tracker, &options);
        Ok(Self {
            schema_message: encapsulated(message, &options)?,
            schema,
            options,
            generator,
            tracker,
            context: IpcWriteContext::default(),
            dictionaries: BTreeMap::new(),
            prelude: None,
        })
    }

    /// The schema of its batches, without metadata but that of fields sent as texts.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Encodes a batch, and its dictionaries where they differ from those of the batch before.
    ///
    /// # Errors
    /// [`EncodeError::OtherSchema`] where names or types of columns differ from the encoder's.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<EncodedBatch, EncodeError> {
        let batch = self.conformed(batch)?;
        let (dictionaries, message) =
            self.generator.encode(&batch, &mut self.tracker, &self.options, &mut self.context)?;
        if !dictionaries.is_empty() {
            self.prelude = None;
        }
        for dictionary in dictionaries {
            let id = dictionary_id(&dictionary)?;
            self.dictionaries.insert(id, encapsulated(dictionary, &self.options)?);
        }
        let prelude = self
            .prelude
            .get_or_insert_with(|| Prelude::new(self.schema_message.clone(), self.dictionaries.clone()))
            .clone();
        Ok(EncodedBatch { prelude, payload: encapsulated(message, &self.options)?, rows: batch.num_rows() as u64 })
    }

    fn conformed(&self, batch: &RecordBatch) -> Result<RecordBatch, EncodeError> {
        let other = batch.schema();
        let same = other.fields().len() == self.schema.fields().len()
            && other
                .fields()
                .iter()
                .zip(self.schema.fields())
                .all(|(one, own)| one.name() == own.name() && one.data_type() == own.data_type());
        if !same {
            return Err(EncodeError::OtherSchema { expected: self.schema.to_string(), found: other.to_string() });
        }
        Ok(RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?)
    }
}

/// A payload of line protocol: whole lines of one table, each ended by a line feed or the last without.
pub fn line_block(lines: impl Into<Bytes>, rows: u64) -> EncodedBatch {
    EncodedBatch { prelude: Prelude::default(), payload: lines.into(), rows }
}

/// The schema with what the server has to know of a column, and nothing else.
fn with_statements_alone(schema: &Schema) -> Schema {
    let field = |field: &Arc<Field>| {
        let mut metadata = field.metadata().clone();
        metadata.retain(|key, _| key == AS_TEXT);
        field.as_ref().clone().with_metadata(metadata)
    };
    Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}

fn encapsulated(message: EncodedData, options: &IpcWriteOptions) -> Result<Bytes, ArrowError> {
    let mut bytes = Vec::with_capacity(message.ipc_message.len() + message.arrow_data.len() + 64);
    write_message(&mut bytes, message, options)?;
    Ok(bytes.into())
}

fn dictionary_id(message: &EncodedData) -> Result<i64, ArrowError> {
    arrow::ipc::root_as_message(&message.ipc_message)
        .ok()
        .and_then(|root| root.header_as_dictionary_batch().map(|batch| batch.id()))
        .ok_or_else(|| ArrowError::IpcError("the encoder made a dictionary message without an id".into()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, DictionaryArray, Float64Array, TimestampMicrosecondArray, cast::AsArray};
    use arrow::buffer::Buffer;
    use arrow::datatypes::Int32Type;
    use arrow::ipc::reader::StreamDecoder;
    use zonelake_schemas::{TableDef, TableSchemas};

    use super::*;

    fn wire_schema() -> SchemaRef {
        let table = TableDef::from_toml("name = \"t\"\n[[field]]\nname = \"v\"\ntype = \"double\"\nunit = \"bar\"");
        TableSchemas::new(&table.unwrap()).wire
    }

    fn rows(devices: &[&str]) -> RecordBatch {
        let count = devices.len() as i64;
        let device: DictionaryArray<Int32Type> = devices.iter().copied().collect();
        let quality: DictionaryArray<Int32Type> = devices.iter().map(|_| None::<&str>).collect();
        RecordBatch::try_new(
            wire_schema(),
            vec![
                Arc::new(TimestampMicrosecondArray::from_iter_values(0..count).with_timezone("UTC")),
                Arc::new(device),
                Arc::new(quality),
                Arc::new((0..count).map(|n| Some(n as f64 / 4.0)).collect::<Float64Array>()),
            ],
        )
        .unwrap()
    }

    fn decoded(batch: &EncodedBatch) -> RecordBatch {
        let mut decoder = StreamDecoder::new();
        let mut last = None;
        let messages = batch.prelude.schema().into_iter().chain(batch.prelude.dictionaries().map(|(_, bytes)| bytes));
        for message in messages.chain([&batch.payload]) {
            let mut buffer = Buffer::from(message.clone());
            last = decoder.decode(&mut buffer).unwrap();
            assert!(buffer.is_empty(), "a message is taken whole");
        }
        last.unwrap()
    }

    fn devices(batch: &RecordBatch) -> Vec<String> {
        let column = batch.column(1).as_dictionary::<Int32Type>().downcast_dict::<arrow::array::StringArray>().unwrap();
        column.into_iter().map(|name| name.unwrap().to_owned()).collect()
    }

    #[test]
    fn every_payload_decodes_as_arrow_ipc_under_its_prelude() {
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            let mut encoder = ArrowEncoder::new(&wire_schema(), compression).unwrap();
            for names in [&["a", "b", "a"][..], &["c"], &["c", "c"]] {
                let batch = rows(names);
                let back = decoded(&encoder.encode(&batch).unwrap());
                assert_eq!(back.num_rows(), names.len());
                assert_eq!(devices(&back), names);
                assert_eq!(back.column(0).to_data(), batch.column(0).to_data());
                assert_eq!(back.column(3).to_data(), batch.column(3).to_data());
            }
        }
    }

    #[test]
    fn a_prelude_is_shared_as_long_as_no_dictionary_changes() {
        let mut encoder = ArrowEncoder::new(&wire_schema(), Compression::None).unwrap();
        let one = encoder.encode(&rows(&["a", "b"])).unwrap();
        let two = encoder.encode(&rows(&["a", "b"])).unwrap();
        let three = encoder.encode(&rows(&["b", "a"])).unwrap();
        assert!(one.prelude.is_shared_with(&two.prelude));
        assert!(!two.prelude.is_shared_with(&three.prelude));
        assert_eq!(two.prelude.schema(), three.prelude.schema());
    }

    #[test]
    fn the_bytes_of_a_batch_do_not_depend_on_the_batches_before_it() {
        let mut one = ArrowEncoder::new(&wire_schema(), Compression::None).unwrap();
        one.encode(&rows(&["x", "y", "z"])).unwrap();
        let behind = one.encode(&rows(&["a", "b"])).unwrap();
        let alone = ArrowEncoder::new(&wire_schema(), Compression::None).unwrap().encode(&rows(&["a", "b"])).unwrap();
        assert_eq!(behind.payload, alone.payload);
        assert_eq!(behind.prelude.schema(), alone.prelude.schema());
        assert!(behind.prelude.dictionaries().eq(alone.prelude.dictionaries()));
    }

    #[test]
    fn a_batch_of_another_schema_is_refused() {
        let mut encoder = ArrowEncoder::new(&wire_schema(), Compression::None).unwrap();
        let narrow = rows(&["a"]).project(&[0, 1]).unwrap();
        assert!(matches!(encoder.encode(&narrow), Err(EncodeError::OtherSchema { .. })));
    }
}
