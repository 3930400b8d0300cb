//! Arrow types of the columns of a file. Files have no Arrow schema beside their Parquet one: it would take half of a small file,
//! and readers of before Decimal32 refuse a file that speaks of it. Without it decimals read as 128 bits, whatever they are stored
//! in; here they keep the width that they are stored in, which takes a quarter of the memory.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema, parquet_to_arrow_schema};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use crate::read::object_reader::ObjectReader;

/// Metadata of a file with the Arrow types that its readers are to use, where the file does not tell them.
///
/// # Errors
/// The file has a type that Arrow has not.
pub fn with_arrow_types(metadata: ParquetMetaData) -> Result<ParquetMetaData, ParquetError> {
    let file = metadata.file_metadata();
    let entries = file.key_value_metadata();
    if entries.is_some_and(|entries| entries.iter().any(|entry| entry.key == ARROW_SCHEMA_META_KEY)) {
        return Ok(metadata);
    }
    let columns = file.schema_descr();
    let read = parquet_to_arrow_schema(columns, None)?;
    let Some(stored) = stored_types(&read, columns) else { return Ok(metadata) };
    let told = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&stored));
    let entries = entries.into_iter().flatten().cloned().chain([told]).collect();
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(entries),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    let mut parts = metadata.into_builder();
    let row_groups = parts.take_row_groups();
    let (columns, offsets) = (parts.take_column_index(), parts.take_offset_index());
    let told = ParquetMetaDataBuilder::new(file).set_row_groups(row_groups);
    Ok(told.set_column_index(columns).set_offset_index(offsets).build())
}

/// Opens a file for reading, in these types.
pub(crate) async fn open_file(
    mut reader: ObjectReader,
    options: ArrowReaderOptions,
) -> Result<ParquetRecordBatchStreamBuilder<ObjectReader>, ParquetError> {
    let metadata = reader.get_metadata(Some(&options)).await?;
    let metadata = with_arrow_types(Arc::unwrap_or_clone(metadata))?;
    let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), options)?;
    Ok(ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata))
}

/// The schema with decimals as wide as they are stored; `None` where it has none that is narrower than it reads.
fn stored_types(read: &Schema, columns: &SchemaDescriptor) -> Option<Schema> {
    // A file of another program may have nested columns, whose leaves are more than its fields.
    if read.fields().len() != columns.num_columns() {
        return None;
    }
    let narrowed = |(field, column): (&FieldRef, &Arc<ColumnDescriptor>)| {
        let narrow = narrow_type(field.data_type(), column.physical_type())?;
        Some(Arc::new(Field::clone(field).with_data_type(narrow)))
    };
    let narrowed: Vec<Option<FieldRef>> = read.fields().iter().zip(columns.columns()).map(narrowed).collect();
    if narrowed.iter().all(Option::is_none) {
        return None;
    }
    let fields = read.fields().iter().zip(narrowed).map(|(field, narrow)| narrow.unwrap_or_else(|| Arc::clone(field)));
    Some(Schema::new(fields.collect::<Vec<_>>()))
}

fn narrow_type(read: &DataType, stored: Type) -> Option<DataType> {
    match (read, stored) {
        (&DataType::Decimal128(digits, scale), Type::INT32) => Some(DataType::Decimal32(digits, scale)),
        (&DataType::Decimal128(digits, scale), Type::INT64) => Some(DataType::Decimal64(digits, scale)),
        _ => None,
    }
}
