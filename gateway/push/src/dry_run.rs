//! What a push would store and what would be rejected, found without a server by the declaration of a table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::util::pretty::pretty_format_batches;
use chrono::DateTime;
use zonelake_schemas::decimal::{from_f64, to_f64};
use zonelake_schemas::table::{DIGITS_32, DIGITS_64};
use zonelake_schemas::{FieldDef, StorageType, TableDef, TableSchemas};

use crate::columns::position::BadRow;
use crate::error::PushError;
use crate::look::Look;
use crate::mapping::declaration::Mapping;
use crate::mapping::time::Epoch;
use crate::source::open::{OpenSource, PushFormat, PushInput};

/// What a push of a source would do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DryRun {
    /// Name of the source.
    pub file: String,
    /// Rows that would be sent.
    pub rows: u64,
    /// Readings that would be stored.
    pub readings: u64,
    /// Devices that the rows are of.
    pub devices: BTreeSet<String>,
    /// Times of the first and the last row, microseconds since 1970, UTC.
    pub times_us: Option<(i64, i64)>,
    /// Readings that the server would reject, and such that it would round, by field.
    pub fields: BTreeMap<String, FieldOutcome>,
    /// Rows that cannot be read.
    pub bad_rows: u64,
    /// Cells of the other rows that cannot be read.
    pub bad_cells: u64,
    /// The first of both; at most 8.
    pub first_bad: Vec<BadRow>,
    /// What is to be said about the source.
    pub notes: Vec<String>,
    /// The first rows as a table of text.
    pub first_rows: String,
}

/// What would become of the readings of one field beside those that are stored as they are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FieldOutcome {
    /// Readings outside of what the field takes: they go to the table `rejected`.
    pub rejected: u64,
    /// The first one of these.
    pub first_rejected: Option<f64>,
    /// Readings with more decimals than the field has: they are stored rounded.
    pub rounded: u64,
}

/// Looks at a source as a push would, and sends nothing.
///
/// # Errors
/// [`PushError`] where a push would end before it sends anything for another reason than rows that cannot be read.
pub fn dry_run(input: &PushInput, mapping: &Mapping, precision: Epoch, table: &TableDef) -> Result<DryRun, PushError> {
    let source = OpenSource::open(input)?;
    let mut run = DryRun { file: source.name.clone(), ..DryRun::default() };
    let look = if source.format == PushFormat::Line {
        Look::at_lines(&source, precision, Some(table.name.clone()))?.0
    } else {
        mapping.check().map_err(|error| PushError::from_mapping(&source.name, error))?;
        let wire = TableSchemas::new(table).wire;
        Look::at_rows(&source, &Arc::new(mapping.clone()), &wire, |read, _| run.add(&read.batch, table))?
    };
    run.rows = look.rows;
    (run.bad_rows, run.bad_cells) = (look.bad_rows, look.bad_cells);
    (run.first_bad, run.notes) = (look.first_bad, look.notes);
    Ok(run)
}

impl DryRun {
    fn add(&mut self, batch: &RecordBatch, table: &TableDef) {
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        for us in times.iter().flatten() {
            let (first, last) = self.times_us.unwrap_or((us, us));
            self.times_us = Some((first.min(us), last.max(us)));
        }
        let devices = batch.column(1).as_dictionary::<Int32Type>();
        if let Some(names) = devices.values().as_any().downcast_ref::<StringArray>() {
            let room = DEVICES_MAX.saturating_sub(self.devices.len());
            self.devices.extend(names.iter().flatten().take(room).map(str::to_owned));
        }
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let Some((_, declared)) = table.field(field.name()) else { continue };
            self.readings += (column.len() - column.null_count()) as u64;
            let outcome = self.fields.entry(field.name().clone()).or_default();
            if let Some(values) = column.as_primitive_opt::<Float64Type>() {
                values.iter().flatten().for_each(|value| outcome.add(value, declared));
            } else if let Some(values) = column.as_primitive_opt::<Int64Type>() {
                values.iter().flatten().for_each(|value| outcome.check_range(value as f64, declared));
            }
        }
        if self.first_rows.is_empty() && batch.num_rows() > 0 {
            self.first_rows = shown(&batch.slice(0, batch.num_rows().min(ROWS_SHOWN)));
        }
    }
}

impl FieldOutcome {
    fn add(&mut self, value: f64, field: &FieldDef) {
        let stored = match field.storage_type() {
            StorageType::Decimal32 { decimals } => Some((decimals, DIGITS_32)),
            StorageType::Decimal64 { decimals } => Some((decimals, DIGITS_64)),
            _ => None,
        };
        let Some((decimals, digits)) = stored else { return self.check_range(value, field) };
        match from_f64(value, decimals, digits) {
            Some(n) => {
                let stored = to_f64(n, decimals);
                self.check_range(stored, field);
                self.rounded += u64::from(stored.to_bits() != value.to_bits() && stored != value);
            }
            None => self.reject(value),
        }
    }

    fn check_range(&mut self, value: f64, field: &FieldDef) {
        let (min, max) = (field.min.unwrap_or(f64::MIN), field.max.unwrap_or(f64::MAX));
        if !(value >= min && value <= max) {
            self.reject(value);
        }
    }

    fn reject(&mut self, value: f64) {
        self.rejected += 1;
        self.first_rejected.get_or_insert(value);
    }
}

/// Rows as text, without the columns that none of them has.
fn shown(rows: &RecordBatch) -> String {
    let there: Vec<usize> =
        (0..rows.num_columns()).filter(|index| rows.column(*index).null_count() < rows.num_rows()).collect();
    let shown = rows.project(&there).and_then(|rows| pretty_format_batches(&[rows]));
    shown.map(|text| text.to_string()).unwrap_or_default()
}

impl std::fmt::Display for DryRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rejected: u64 = self.fields.values().map(|field| field.rejected).sum();
        writeln!(
            f,
            "{}: {} rows, {} readings would be stored; {} readings would be rejected",
            self.file,
            self.rows,
            self.readings - rejected,
            rejected + self.bad_cells
        )?;
        if let Some((first, last)) = self.times_us {
            let time = |us| DateTime::from_timestamp_micros(us).map(|time| time.to_rfc3339()).unwrap_or_default();
            let names: Vec<&str> = self.devices.iter().take(DEVICES_SHOWN).map(String::as_str).collect();
            let more = if self.devices.len() > DEVICES_SHOWN { ", …" } else { "" };
            writeln!(f, "  from {} to {}, of {}{more}", time(first), time(last), names.join(", "))?;
        }
        for (name, field) in &self.fields {
            if let Some(first) = field.first_rejected {
                writeln!(
                    f,
                    "  {name}: {} readings are outside of what the field takes, first: {first}",
                    field.rejected
                )?;
            }
            if field.rounded > 0 {
                writeln!(
                    f,
                    "  {name}: {} readings have more decimals than the field and would be rounded",
                    field.rounded
                )?;
            }
        }
        if self.bad_rows + self.bad_cells > 0 {
            writeln!(f, "  {} rows and {} more cells cannot be read", self.bad_rows, self.bad_cells)?;
        }
        for bad in &self.first_bad {
            writeln!(f, "    {}, column {:?}: {:?}: {}", bad.position, bad.column, bad.value, bad.reason)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))?;
        f.write_str(&self.first_rows)
    }
}

/// Devices whose names are kept.
const DEVICES_MAX: usize = 10_000;
/// Devices and rows that are shown.
const DEVICES_SHOWN: usize = 5;
const ROWS_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_stored_rejected_and_rounded_is_counted_without_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let text = "time,device,pm2_5,temperature\n2026-01-01T00:00:00Z,a,1.236,20\n2026-01-02T00:00:00Z,b,-1,\n2026-01-02T00:00:00Z,b,<1,21\nnow,b,1,1\n2026-01-02T00:00:00Z,b,1,1";
        std::fs::write(&path, text).unwrap();
        let table =
            zonelake_schemas::tables::builtin_tables().into_iter().find(|table| table.name == "environment").unwrap();
        let input = PushInput::File { path, format: None };
        let run = dry_run(&input, &Mapping::by_name("environment"), Epoch::Ns, &table).unwrap();
        assert_eq!((run.rows, run.readings, run.bad_rows, run.bad_cells), (4, 6, 1, 1));
        assert_eq!(run.fields["pm2_5"], FieldOutcome { rejected: 1, first_rejected: Some(-1.0), rounded: 1 });
        let shown = run.to_string();
        for words in [
            "4 rows, 5 readings would be stored; 2 readings",
            "2026-01-01T00:00:00+00:00",
            "of a, b",
            "rounded",
            "line 5",
            "no line end",
            "1.236",
        ] {
            assert!(shown.contains(words), "{words} in {shown}");
        }
    }
}
