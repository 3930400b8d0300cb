//! An entry as it is stored: a row of the table, and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt8Array, UInt32Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use zonelake_schemas::audit::AuditEntry;
use zonelake_schemas::columns::{LOG_FIXED, null_column, timestamp};

/// Fields of text that are hashed, in the order in which they are.
pub(crate) const TEXTS: [&str; 9] =
    ["principal", "principal_kind", "interface", "peer", "action", "object", "outcome", "reason", "detail"];

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Number in the chain.
    pub sequence: i64,
    /// Microseconds since 1970, UTC.
    pub time_us: i64,
    /// Values of the fields of text that are hashed, in the order of the table: from principal to detail.
    pub texts: [Option<String>; 9],
    /// Hash of the entry before it, as it stands there.
    pub previous: String,
    /// Hash, as it stands there.
    pub hash: String,
}

impl AuditRow {
    /// The texts of an entry.
    pub(crate) fn texts_of(entry: AuditEntry) -> [Option<String>; 9] {
        let AuditEntry { principal, principal_kind, interface, peer, action, object, outcome, reason, detail } = entry;
        let (kind, outcome) = (principal_kind.name().to_owned(), outcome.name().to_owned());
        [principal, Some(kind), Some(interface), peer, Some(action), object, Some(outcome), reason, detail]
    }

    /// Rows in the log schema of the table.
    ///
    /// # Errors
    /// The schema is not that of the table.
    pub fn to_batch(rows: &[Self], schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.time_us));
        // Of no place, and good as all that nobody doubts.
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(times.with_data_type(timestamp())),
            Arc::new(UInt32Array::from(vec![0; rows.len()])),
            Arc::new(UInt8Array::from(vec![0; rows.len()])),
            Arc::new(BooleanArray::from(vec![false; rows.len()])),
        ];
        for field in &schema.fields()[LOG_FIXED..] {
            let text = TEXTS.iter().position(|name| name == field.name());
            columns.push(match (field.name().as_str(), text) {
                ("sequence", _) => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.sequence))),
                ("previous_hash", _) => {
                    Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.previous.as_str())))
                }
                ("hash", _) => Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.hash.as_str()))),
                (_, Some(at)) => Arc::new(rows.iter().map(|row| row.texts[at].as_deref()).collect::<StringArray>()),
                _ => null_column(field.data_type(), rows.len()),
            });
        }
        RecordBatch::try_new(Arc::clone(schema), columns)
    }

    /// Rows of any schema of the table: of the WAL, in memory, of files or of SQL.
    ///
    /// # Errors
    /// A column is missing, or of another type. A value that is missing is none: its hash tells.
    pub fn from_batch(batch: &RecordBatch) -> Result<Vec<Self>, ArrowError> {
        let column = |name: &str, data_type: &DataType| {
            let missing = || ArrowError::SchemaError(format!("there is no column {name}"));
            cast(batch.column_by_name(name).ok_or_else(missing)?, data_type)
        };
        let text = |name: &str| -> Result<StringArray, ArrowError> {
            Ok(column(name, &DataType::Utf8)?.as_string::<i32>().clone())
        };
        let times = column("time", &timestamp())?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let sequences = column("sequence", &DataType::Int64)?;
        let sequences = sequences.as_primitive::<Int64Type>();
        let texts = TEXTS.iter().map(|name| text(name)).collect::<Result<Vec<_>, _>>()?;
        let (previous, hashes) = (text("previous_hash")?, text("hash")?);
        let value = |column: &StringArray, row: usize| column.is_valid(row).then(|| column.value(row).to_owned());
        let row = |row: usize| Self {
            sequence: if sequences.is_valid(row) { sequences.value(row) } else { 0 },
            time_us: times.value(row),
            texts: std::array::from_fn(|at| value(&texts[at], row)),
            previous: value(&previous, row).unwrap_or_default(),
            hash: value(&hashes, row).unwrap_or_default(),
        };
        Ok((0..batch.num_rows()).map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use zonelake_schemas::audit::audit_table;

    use super::*;

    #[test]
    fn every_field_of_the_table_is_hashed_or_is_a_part_of_the_chain() {
        let declared: Vec<String> = audit_table().fields.into_iter().map(|field| field.name).collect();
        let mut known: Vec<String> = vec!["sequence".to_owned()];
        known.extend(TEXTS.iter().map(|name| (*name).to_owned()));
        known.extend(["previous_hash".to_owned(), "hash".to_owned()]);
        assert_eq!(declared, known);
    }
}
