//! The sent schema, read from the flatbuffer by our own hand (arrow-ipc's conversion panics on types that it does not
//! expect) and bound to the table's columns by name, in any order. Only flat types pass.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ipc::{self, Type};
use std::collections::HashSet;
use std::sync::Arc;
use zonelake_schemas::columns::{AS_TEXT, arrow_type};
use zonelake_schemas::table::FIELDS_MAX;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{QualityScale, StorageType, TableDef};

use crate::refusal::Refusal;

/// Purpose of a sent column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Time,
    Device,
    Quality(QualityScale),
    Province,
    Zone,
    Site,
    Field(usize),
}

/// A sent column, bound to its purpose.
#[derive(Debug, Clone)]
pub(crate) struct WireColumn {
    pub(crate) name: String,
    pub(crate) target: Target,
    /// Type of the values; of a dictionary column, that of the dictionary's values.
    pub(crate) data_type: DataType,
    /// Dictionary id and index type.
    pub(crate) dictionary: Option<(i64, DataType)>,
}

/// A sent schema, bound.
#[derive(Debug, Clone)]
pub(crate) struct WireSchema {
    pub(crate) columns: Vec<WireColumn>,
    /// Types in which the buffers are read: integers for decimals, instants and dictionary indices.
    pub(crate) physical: SchemaRef,
    pub(crate) physical_types: Vec<DataType>,
}

impl WireSchema {
    /// Binds the schema of a stream for `table`. Refuses what the table does not have or cannot take, by name.
    pub(crate) fn bind(sent: ipc::Schema<'_>, table: &TableDef) -> Result<Self, Refusal> {
        // arrow-rs does not swap bytes.
        if sent.endianness() != ipc::Endianness::Little {
            return Err(Refusal::new(RefusedCode::BadPayload, "the schema is big-endian; little-endian is required"));
        }
        let fields = sent.fields().ok_or_else(|| Refusal::new(RefusedCode::BadPayload, "the schema has no fields"))?;
        if fields.len() > COLUMNS_MAX {
            let message = format!("the schema has {} columns; the limit is {COLUMNS_MAX}", fields.len());
            return Err(Refusal::new(RefusedCode::TooLarge, message));
        }
        let mut names = HashSet::new();
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let name = field.name().unwrap_or_default();
            // Columns are found by name: of two, one would be lost without a word.
            if !names.insert(name) {
                return Err(Refusal::new(RefusedCode::BadPayload, format!("the schema has column {name:?} twice")));
            }
            columns.push(bind_column(name, &field, table)?);
        }
        for (target, name) in [(Target::Time, "time"), (Target::Device, "device")] {
            if !columns.iter().any(|column| column.target == target) {
                let message = format!("the schema has no column {name}; every row needs one");
                return Err(Refusal::new(RefusedCode::BadPayload, message));
            }
        }
        let qualities: Vec<_> = columns.iter().filter(|column| column.quality_scale().is_some()).collect();
        if let [one, other, ..] = qualities[..] {
            let message = format!("columns {} and {} both have the quality; send one", one.name, other.name);
            return Err(Refusal::new(RefusedCode::BadPayload, message));
        }
        let physical_types: Vec<_> = columns.iter().map(WireColumn::physical_type).collect();
        let physical = columns
            .iter()
            .zip(&physical_types)
            .map(|(column, data_type)| Field::new(&column.name, data_type.clone(), true));
        Ok(Self { physical: Arc::new(Schema::new(physical.collect::<Vec<_>>())), physical_types, columns })
    }
}

impl WireColumn {
    /// Scale of its values, where they are qualities.
    pub(crate) fn quality_scale(&self) -> Option<QualityScale> {
        match self.target {
            Target::Quality(scale) => Some(scale),
            _ => None,
        }
    }

    fn physical_type(&self) -> DataType {
        if let Some((_, index)) = &self.dictionary {
            return index.clone();
        }
        match &self.data_type {
            DataType::Decimal32(..) => DataType::Int32,
            DataType::Decimal64(..) | DataType::Timestamp(..) => DataType::Int64,
            // The widest precision, scale 0: the values are read as plain integers, and the sent scale is applied
            // later.
            DataType::Decimal128(..) => DataType::Decimal128(38, 0),
            DataType::Decimal256(..) => DataType::Decimal256(76, 0),
            other => other.clone(),
        }
    }
}

/// The refusal of a column or tag that the table does not have, with the names that are most like it.
pub(crate) fn unknown_column(name: &str, table: &TableDef) -> Refusal {
    let shown: String = name.chars().take(64).collect();
    // These columns exist in SQL, so that a list of similar fields would mislead.
    if ["date", "ingested_at", "backfill"].contains(&name) {
        let message = format!("column {shown:?} of table {} is set by the server; it cannot be sent", table.name);
        return Refusal::new(RefusedCode::UnknownColumn, message);
    }
    let mut near: Vec<_> = table.fields.iter().map(|field| field.name.as_str()).collect();
    near.sort_by_cached_key(|known| edit_distance(&shown, known));
    near.truncate(5);
    let message =
        format!("table {} has no column {shown:?}; its fields nearest to it: {}", table.name, near.join(", "));
    Refusal::new(RefusedCode::UnknownColumn, message)
}

/// The refusal of a type that a column cannot take.
pub(crate) fn wrong_type(name: &str, table: &TableDef, sent: &str, expected: &str) -> Refusal {
    let message = format!("column {name} of table {}: sent as {sent}; expected {expected}", table.name);
    Refusal::new(RefusedCode::WrongType, message)
}

fn bind_column(name: &str, field: &ipc::Field<'_>, table: &TableDef) -> Result<WireColumn, Refusal> {
    let (target, expected) = match name {
        "time" => (Target::Time, "Timestamp".to_owned()),
        "device" => (Target::Device, TEXT.to_owned()),
        "province" => (Target::Province, TEXT.to_owned()),
        "zone" => (Target::Zone, TEXT.to_owned()),
        "site" => (Target::Site, TEXT.to_owned()),
        _ => match QualityScale::of_column(name) {
            Some(scale) => (Target::Quality(scale), format!("{TEXT}, or an integer code")),
            None => {
                let (index, field) = table.field(name).ok_or_else(|| unknown_column(name, table))?;
                (Target::Field(index), expected_types(field.storage_type()))
            }
        },
    };
    let data_type = flat_type(field).map_err(|sent| wrong_type(name, table, &sent, &expected))?;
    let dictionary = match field.dictionary() {
        None => None,
        Some(dictionary) => {
            let index = dictionary.indexType().map_or(Some(DataType::Int32), |int| int_type(&int));
            let index = index.filter(DataType::is_dictionary_key_type);
            let index = index.ok_or_else(|| wrong_type(name, table, "a dictionary with odd indices", &expected))?;
            Some((dictionary.id(), index))
        }
    };
    let is_as_text = dictionary.is_none() && states_text(field);
    let sent = if dictionary.is_some() { format!("Dictionary of {data_type}") } else { data_type.to_string() };
    if dictionary.is_some() && !data_type.is_string() || !takes(target, table, &data_type, is_as_text) {
        return Err(wrong_type(name, table, &sent, &expected));
    }
    Ok(WireColumn { name: name.to_owned(), target, data_type, dictionary })
}

/// True where a column says that it has its values as texts: its source could not read all of them.
fn states_text(field: &ipc::Field<'_>) -> bool {
    let metadata = field.custom_metadata().into_iter().flatten();
    metadata.into_iter().any(|pair| pair.key() == Some(AS_TEXT) && pair.value() == Some("true"))
}

fn takes(target: Target, table: &TableDef, sent: &DataType, is_as_text: bool) -> bool {
    if *sent == DataType::Null {
        return true;
    }
    if let Target::Field(index) = target
        && is_as_text
        && sent.is_string()
    {
        return table.fields[index].storage_type() != StorageType::Timestamp;
    }
    match target {
        Target::Time => matches!(sent, DataType::Timestamp(..)),
        Target::Device | Target::Province | Target::Zone | Target::Site => sent.is_string(),
        Target::Quality(_) => sent.is_string() || sent.is_integer(),
        Target::Field(index) => match table.fields[index].storage_type() {
            StorageType::Float64 | StorageType::Decimal32 { .. } | StorageType::Decimal64 { .. } => {
                sent.is_integer() || sent.is_decimal() || matches!(sent, DataType::Float32 | DataType::Float64)
            }
            StorageType::Int64 => sent.is_integer(),
            StorageType::Boolean => *sent == DataType::Boolean,
            StorageType::Utf8 => sent.is_string(),
            StorageType::Timestamp => matches!(sent, DataType::Timestamp(..)),
        },
    }
}

/// Types that a field takes on the wire, in words.
fn expected_types(storage: StorageType) -> String {
    match storage {
        StorageType::Float64 => "Float64, Float32, an integer or a decimal".into(),
        StorageType::Decimal32 { .. } | StorageType::Decimal64 { .. } => {
            format!("{}, another decimal, Float64, Float32 or an integer", arrow_type(storage))
        }
        StorageType::Int64 => "Int64 or another integer".into(),
        StorageType::Boolean => "Boolean".into(),
        StorageType::Utf8 => TEXT.into(),
        StorageType::Timestamp => "Timestamp".into(),
    }
}

fn flat_type(field: &ipc::Field<'_>) -> Result<DataType, String> {
    let kind = field.type_type();
    let name = || kind.variant_name().map_or_else(|| format!("type {}", kind.0), str::to_owned);
    let nested = field.children().is_some_and(|children| !children.is_empty());
    let flat = match kind {
        Type::Null => Some(DataType::Null),
        Type::Bool => Some(DataType::Boolean),
        Type::Utf8 => Some(DataType::Utf8),
        Type::LargeUtf8 => Some(DataType::LargeUtf8),
        Type::Utf8View => Some(DataType::Utf8View),
        Type::Int => field.type_as_int().as_ref().and_then(int_type),
        Type::FloatingPoint => match field.type_as_floating_point().map(|float| float.precision()) {
            Some(ipc::Precision::SINGLE) => Some(DataType::Float32),
            Some(ipc::Precision::DOUBLE) => Some(DataType::Float64),
            _ => None,
        },
        Type::Timestamp => field.type_as_timestamp().and_then(|stamp| timestamp_type(&stamp)),
        Type::Decimal => field.type_as_decimal().and_then(|decimal| decimal_type(&decimal)),
        _ => None,
    };
    flat.filter(|_| !nested).ok_or_else(name)
}

fn int_type(int: &ipc::Int<'_>) -> Option<DataType> {
    Some(match (int.bitWidth(), int.is_signed()) {
        (8, true) => DataType::Int8,
        (8, false) => DataType::UInt8,
        (16, true) => DataType::Int16,
        (16, false) => DataType::UInt16,
        (32, true) => DataType::Int32,
        (32, false) => DataType::UInt32,
        (64, true) => DataType::Int64,
        (64, false) => DataType::UInt64,
        _ => return None,
    })
}

fn timestamp_type(stamp: &ipc::Timestamp<'_>) -> Option<DataType> {
    // A stated zone does not change the instant: Arrow counts from 1970 UTC then, too.
    let unit = match stamp.unit() {
        ipc::TimeUnit::SECOND => TimeUnit::Second,
        ipc::TimeUnit::MILLISECOND => TimeUnit::Millisecond,
        ipc::TimeUnit::MICROSECOND => TimeUnit::Microsecond,
        ipc::TimeUnit::NANOSECOND => TimeUnit::Nanosecond,
        _ => return None,
    };
    Some(DataType::Timestamp(unit, stamp.timezone().map(Into::into)))
}

fn decimal_type(decimal: &ipc::Decimal<'_>) -> Option<DataType> {
    let precision = u8::try_from(decimal.precision()).ok().filter(|precision| *precision > 0)?;
    let scale = i8::try_from(decimal.scale()).ok()?;
    let (most, data_type): (u8, fn(u8, i8) -> DataType) = match decimal.bitWidth() {
        32 => (9, DataType::Decimal32),
        64 => (18, DataType::Decimal64),
        128 => (38, DataType::Decimal128),
        256 => (76, DataType::Decimal256),
        _ => return None,
    };
    (precision <= most && scale.unsigned_abs() <= most).then(|| data_type(precision, scale))
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, r) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

const TEXT: &str = "Utf8, LargeUtf8, Utf8View, or a dictionary of one of these";
/// Time, device, quality, three parts of the location and the fields.
const COLUMNS_MAX: usize = FIELDS_MAX + 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_column_is_named_with_the_fields_most_like_it() {
        let table = TableDef::from_toml(
            "name = \"t\"\n[[field]]\nname = \"pm2_5\"\ntype = \"double\"\n[[field]]\nname = \"humidity\"\ntype = \"double\"",
        )
        .unwrap();
        let refusal = unknown_column("pm25", &table);
        assert_eq!(refusal.code, RefusedCode::UnknownColumn);
        assert!(refusal.message.ends_with("pm2_5, humidity"), "{refusal}");
        assert!(refusal.message.contains("\"pm25\""), "{refusal}");
        assert!(unknown_column("ingested_at", &table).message.contains("set by the server"));
    }

    #[test]
    fn the_edit_distance_counts_insertions_deletions_and_substitutions() {
        for (left, right, distance) in [("", "abc", 3), ("kitten", "sitting", 3), ("same", "same", 0)] {
            assert_eq!(edit_distance(left, right), distance);
        }
    }
}
