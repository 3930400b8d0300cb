//! Rows of a text or a sheet, as columns of text: behind its head, cut into chunks. The head is what loggers write it as: lines
//! before the names, the names, a row of units, more rows that are no data, and all of that again where a logger was restarted.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};

use crate::columns::position::{BadRow, Positions};
use crate::columns::rows::RawRows;
use crate::error::PushError;
use crate::mapping::declaration::Mapping;
use crate::mapping::time::MappingError;
use crate::source::record::{Record, Records};
use crate::source::rows::RowSource;

/// Reads the rows of records. Only the columns that are asked for are kept.
pub(crate) struct TableRows<R> {
    file: String,
    records: R,
    is_sheet: bool,
    names: Vec<String>,
    units: Option<Vec<String>>,
    /// True where the source itself has the names, so that they may stand in it again.
    has_names: bool,
    /// Rows behind the names that are no data.
    rows_behind_names: usize,
    record: Record,
    repeated_heads: u64,
}

impl<R: Records> TableRows<R> {
    /// Reads the head.
    pub(crate) fn open(file: &str, mut records: R, is_sheet: bool, mapping: &Mapping) -> Result<Self, PushError> {
        for _ in 0..mapping.skip_lines {
            records.skip()?;
        }
        let mut record = Record::default();
        let names = match &mapping.header {
            Some(names) => names.clone(),
            None => {
                if !records.next(&mut record)? {
                    return Err(no_head(file, "it has no line with the names of its columns; header would give them"));
                }
                if let Some(fault) = &record.fault {
                    return Err(no_head(file, &format!("line {}, the names of its columns: {fault}", record.line)));
                }
                let mut names: Vec<String> = record.texts().map(std::borrow::Cow::into_owned).collect();
                while names.last().is_some_and(String::is_empty) {
                    names.pop();
                }
                names
            }
        };
        let mut units = None;
        if mapping.units_row && records.next(&mut record)? {
            units = Some(record.texts().map(std::borrow::Cow::into_owned).collect());
        }
        for _ in 0..mapping.skip_rows {
            records.next(&mut record)?;
        }
        Ok(Self {
            file: file.to_owned(),
            records,
            is_sheet,
            names,
            units,
            has_names: mapping.header.is_none(),
            rows_behind_names: usize::from(mapping.units_row) + mapping.skip_rows,
            record,
            repeated_heads: 0,
        })
    }

    /// Reads the next record of data.
    fn next_record(&mut self) -> Result<bool, PushError> {
        while self.records.next(&mut self.record)? {
            // Separators alone are what spreadsheets leave of rows that were deleted.
            if self.record.fault.is_none() && self.record.is_blank() {
                continue;
            }
            self.record.trim_to(self.names.len());
            if !self.is_head() {
                return Ok(true);
            }
            self.repeated_heads += 1;
            for _ in 0..self.rows_behind_names {
                self.records.next(&mut self.record)?;
            }
        }
        Ok(false)
    }

    fn is_head(&self) -> bool {
        self.has_names
            && self.record.fault.is_none()
            && self.record.len() == self.names.len()
            && self.record.texts().zip(&self.names).all(|(cell, name)| cell == *name)
    }
}

fn no_head(file: &str, reason: &str) -> PushError {
    PushError::from_mapping(file, MappingError::Invalid(reason.to_owned()))
}

impl<R: Records> RowSource for TableRows<R> {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn units(&self) -> Option<&[String]> {
        self.units.as_deref()
    }

    fn next_rows(&mut self, used: &[usize], rows_max: usize) -> Result<Option<RawRows>, PushError> {
        let mut chunk = Chunk::new(used.len());
        while chunk.lines.len() < rows_max && self.next_record()? {
            chunk.push(&self.record, used, &self.names);
        }
        if chunk.lines.is_empty() {
            return Ok(None);
        }
        let (file, is_sheet) = (&self.file, self.is_sheet);
        chunk.finish(used, &self.names, is_sheet).map(Some).map_err(|error| PushError::from_source(file, &error))
    }

    fn notes(&self) -> Vec<String> {
        let heads = match self.repeated_heads {
            0 => None,
            count => Some(format!("the names of the columns stand in it {count} more times; these lines are no rows")),
        };
        heads.into_iter().chain(self.records.note()).collect()
    }
}

/// Rows that are gathered.
pub(crate) struct Chunk {
    cells: Vec<StringBuilder>,
    lines: Vec<u64>,
    broken: BTreeMap<usize, BrokenRow>,
}

struct BrokenRow {
    column: String,
    value: String,
    reason: String,
}

impl Chunk {
    pub(crate) fn new(columns: usize) -> Self {
        Self { cells: (0..columns).map(|_| StringBuilder::new()).collect(), lines: Vec::new(), broken: BTreeMap::new() }
    }

    fn push(&mut self, record: &Record, used: &[usize], names: &[String]) {
        let row = self.lines.len();
        self.lines.push(record.line);
        let mut broken = record.fault.clone().map(|fault| (String::new(), fault));
        if broken.is_none() && record.len() != names.len() {
            let reason = format!("it has {} columns and the header {}", record.len(), names.len());
            broken = Some((String::new(), reason));
        }
        for (builder, column) in self.cells.iter_mut().zip(used) {
            match std::str::from_utf8(record.get(*column)) {
                Ok(text) => builder.append_value(text),
                Err(_not_utf8) => {
                    builder.append_null();
                    let reason = "it is not UTF-8; encoding = \"windows-1252\" or \"windows-1258\" may be what it is";
                    broken.get_or_insert_with(|| (names[*column].clone(), reason.into()));
                }
            }
        }
        if let Some((column, reason)) = broken {
            let whole: String = record.texts().collect::<Vec<_>>().join(",");
            let value = whole.chars().take(SHOWN_CHARS_MAX).collect();
            self.broken.insert(row, BrokenRow { column, value, reason });
        }
    }

    /// A batch as wide as the source; columns that nobody asked for are of nulls.
    fn finish(self, used: &[usize], names: &[String], is_sheet: bool) -> Result<RawRows, arrow::error::ArrowError> {
        let rows = self.lines.len();
        let cells = self.cells.into_iter().map(|mut cells| Arc::new(cells.finish()) as ArrayRef);
        let batch = wide_batch(names, used.iter().copied().zip(cells).collect(), rows)?;
        let positions = if is_sheet { Positions::Rows(self.lines) } else { Positions::Lines(self.lines) };
        let broken = self.broken.into_iter().map(|(row, broken)| {
            let BrokenRow { column, value, reason } = broken;
            (row, BadRow::of_row(positions.of(row), &column, value, reason))
        });
        let broken = broken.collect();
        Ok(RawRows { batch, positions, broken })
    }
}

/// A batch of columns of text; those that are not there are of nulls.
pub(crate) fn wide_batch(
    names: &[String],
    mut cells: BTreeMap<usize, ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let mut fields = Vec::with_capacity(names.len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let column = cells.remove(&index).unwrap_or_else(|| Arc::new(NullArray::new(rows)));
        let data_type = if column.data_type() == &DataType::Null { DataType::Null } else { DataType::Utf8 };
        fields.push(Field::new(name, data_type, true));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// Most characters of a broken row that are told.
const SHOWN_CHARS_MAX: usize = 200;
