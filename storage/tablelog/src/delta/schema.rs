//! The declaration of a table as Delta metadata: `date` (the partition), the columns of the file schema, the fields, and the
//! identity of rows. Descriptions and units are the comments of the columns.

use deltalake_core::kernel::{
    Action, DataType, Metadata, MetadataExt, MetadataValue, Protocol, StructField, StructType,
};
use serde_json::json;
use uuid::Uuid;
use zonelake_schemas::table::{DIGITS_32, DIGITS_64};
use zonelake_schemas::{FieldDef, StorageType, TableDef, identity};

use crate::delta::format::{CHECKPOINT_COMMITS, READER_VERSION, WRITER_VERSION};

/// Actions of the first entry of a Delta log.
pub(super) fn create_actions(table: &TableDef, now_ms: i64) -> Result<Vec<Action>, String> {
    let schema = StructType::try_new(columns(table)?).map_err(|error| error.to_string())?;
    let metadata: Metadata = serde_json::from_value(json!({
        "id": Uuid::new_v4().to_string(),
        "name": table.name,
        "description": table.description,
        "format": { "provider": "parquet", "options": {} },
        "schemaString": serde_json::to_string(&schema).map_err(|error| error.to_string())?,
        "partitionColumns": ["date"],
        "configuration": {
            "delta.checkpointInterval": CHECKPOINT_COMMITS.to_string(),
            // All columns have statistics, not the first 32 alone.
            "delta.dataSkippingNumIndexedCols": "-1",
            RETENTION[0].0: RETENTION[0].1,
            RETENTION[1].0: RETENTION[1].1,
        },
        "createdTime": now_ms,
    }))
    .map_err(|error| error.to_string())?;
    let protocol: Protocol =
        serde_json::from_value(json!({ "minReaderVersion": READER_VERSION, "minWriterVersion": WRITER_VERSION }))
            .map_err(|error| error.to_string())?;
    Ok(vec![Action::Protocol(protocol), Action::Metadata(metadata)])
}

/// The metadata as the declaration would have it, where it differs: stored columns in their stored order, then new
/// ones, and the identity of rows last. A table of before gets those columns so. A stored column that is declared in another type or not null any more is an error; one that is no longer
/// declared stays.
pub(super) fn changed_metadata(stored: &Metadata, table: &TableDef) -> Result<Option<Metadata>, String> {
    let schema = stored.parse_schema().map_err(|error| error.to_string())?;
    if stored.partition_columns() != ["date"] {
        return Err(format!("it is partitioned by {:?}, not by date", stored.partition_columns()));
    }
    let declared = columns(table)?;
    let mut wanted: Vec<StructField> = schema.fields().cloned().collect();
    for column in declared {
        match wanted.iter_mut().find(|own| own.name() == column.name()) {
            None => wanted.push(column),
            Some(own) if own.data_type() == column.data_type() && own.is_nullable() == column.is_nullable() => {
                *own = column
            }
            Some(own) => {
                return Err(format!(
                    "column {} is stored as {} and declared as {}",
                    own.name(),
                    own.data_type(),
                    column.data_type()
                ));
            }
        }
    }
    // A stable sort: all others keep their order.
    wanted.sort_by_key(|column| identity::COLUMNS.contains(&column.name().as_str()));
    let wanted = StructType::try_new(wanted).map_err(|error| error.to_string())?;
    let lacking = lacking_properties(stored)?;
    let is_same = wanted == schema && stored.description() == Some(table.description.as_str()) && lacking.is_empty();
    if is_same {
        return Ok(None);
    }
    let mut changed =
        stored.clone().with_schema(&wanted).and_then(|metadata| metadata.with_description(table.description.clone()));
    for (key, value) in lacking {
        changed = changed.and_then(|metadata| metadata.add_config_key(key.to_owned(), value.to_owned()));
    }
    changed.map(Some).map_err(|error| error.to_string())
}

/// Properties that a stored table lacks, or has with another value: those of the retention, which earlier versions had turned off.
fn lacking_properties(stored: &Metadata) -> Result<Vec<(&'static str, &'static str)>, String> {
    let stored = serde_json::to_value(stored).map_err(|error| error.to_string())?;
    let has = |key: &str, value: &str| stored["configuration"][key] == *value;
    Ok(RETENTION.into_iter().filter(|(key, value)| !has(key, value)).collect())
}

fn columns(table: &TableDef) -> Result<Vec<StructField>, String> {
    let fixed = [
        ("date", DataType::DATE, false, "UTC date of time; partition."),
        ("time", DataType::TIMESTAMP, false, "When it was measured, UTC."),
        ("ingested_at", DataType::TIMESTAMP, false, "When it was received, UTC."),
        ("province", DataType::STRING, true, "Code of the province."),
        ("zone", DataType::STRING, true, "Code of the zone."),
        ("site", DataType::STRING, true, "Code of the site within the zone."),
        ("device", DataType::STRING, true, "Name of the device within the zone."),
        ("quality", DataType::STRING, false, "Quality of the row: good, uncertain, or why it is bad."),
        ("backfill", DataType::BOOLEAN, false, "Whether it was sent later, on the back-fill lane."),
    ];
    let identity = [
        (identity::SHARD, DataType::LONG, true, "Shard that has written the row, over all nodes."),
        (identity::LSN, DataType::LONG, true, "Record of the shard's log that the row came in."),
        (identity::ROW, DataType::INTEGER, true, "Place of the row in that record, from 0."),
        (identity::SEQUENCE, DataType::LONG, true, "Logical time of that record: an order of all writes."),
    ];
    let plain = |(name, data_type, nullable, comment): (&str, DataType, bool, &str)| {
        Ok(StructField::new(name, data_type, nullable).with_metadata([("comment", MetadataValue::from(comment))]))
    };
    let fields = table.fields.iter().map(column);
    fixed.into_iter().map(plain).chain(fields).chain(identity.into_iter().map(plain)).collect()
}

fn column(field: &FieldDef) -> Result<StructField, String> {
    let comment = match (field.description.as_str(), field.unit.as_str()) {
        (text, "") => text.to_owned(),
        ("", unit) => format!("[{unit}]"),
        (text, unit) => format!("{text} [{unit}]"),
    };
    let metadata =
        [("comment", comment), ("unit", field.unit.clone())].into_iter().filter(|(_, text)| !text.is_empty());
    let metadata = metadata.map(|(key, text)| (key, MetadataValue::from(text)));
    Ok(StructField::new(&field.name, data_type(field.storage_type())?, true).with_metadata(metadata))
}

fn data_type(kept: StorageType) -> Result<DataType, String> {
    let decimal = |digits, decimals| DataType::decimal(digits, decimals).map_err(|error| error.to_string());
    Ok(match kept {
        StorageType::Float64 => DataType::DOUBLE,
        StorageType::Decimal32 { decimals } => decimal(DIGITS_32, decimals)?,
        StorageType::Decimal64 { decimals } => decimal(DIGITS_64, decimals)?,
        StorageType::Int64 => DataType::LONG,
        StorageType::Boolean => DataType::BOOLEAN,
        StorageType::Utf8 => DataType::STRING,
        StorageType::Timestamp => DataType::TIMESTAMP,
    })
}

/// Properties that say how long entries stay that a checkpoint covers: as long as this program keeps them.
const RETENTION: [(&str, &str); 2] =
    [("delta.enableExpiredLogCleanup", "true"), ("delta.logRetentionDuration", "interval 30 days")];
