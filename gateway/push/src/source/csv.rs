//! Rows of CSV and its relatives, as columns of text.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use csv::ByteRecord;

use crate::columns::rows::{BadRow, Position, Positions, RawRows};
use crate::error::PushError;
use crate::mapping::Mapping;
use crate::source::rows::RowSource;

/// Reads CSV. Only the columns that are asked for are kept.
pub(crate) struct CsvRows {
    file: String,
    reader: csv::Reader<Box<dyn Read + Send>>,
    names: Vec<String>,
    record: ByteRecord,
}

impl CsvRows {
    /// Reads the header.
    pub(crate) fn open(file: &str, content: Box<dyn Read + Send>, mapping: &Mapping) -> Result<Self, PushError> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(mapping.delimiter_byte().map_err(|error| PushError::from_mapping(file, error))?)
            .has_headers(mapping.header.is_none())
            .flexible(true)
            .from_reader(content);
        let names = match &mapping.header {
            Some(names) => names.clone(),
            None => {
                let header = reader.byte_headers().map_err(|error| PushError::from_source(file, &error))?;
                header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect()
            }
        };
        Ok(Self { file: file.to_owned(), reader, names, record: ByteRecord::new() })
    }
}

impl RowSource for CsvRows {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn next_rows(&mut self, used: &[usize], rows_max: usize) -> Result<Option<RawRows>, PushError> {
        let mut chunk = Chunk::new(used.len());
        while chunk.lines.len() < rows_max {
            let more = self.reader.read_byte_record(&mut self.record);
            if !more.map_err(|error| PushError::from_source(&self.file, &error))? {
                break;
            }
            let line = self.record.position().map_or(0, csv::Position::line);
            chunk.push(&self.record, line, used, &self.names);
        }
        if chunk.lines.is_empty() {
            return Ok(None);
        }
        chunk.finish(used, &self.names).map(Some).map_err(|error| PushError::from_source(&self.file, &error))
    }
}

struct Chunk {
    cells: Vec<StringBuilder>,
    lines: Vec<u64>,
    broken: BTreeMap<usize, BadRow>,
}

impl Chunk {
    fn new(columns: usize) -> Self {
        Self { cells: (0..columns).map(|_| StringBuilder::new()).collect(), lines: Vec::new(), broken: BTreeMap::new() }
    }

    fn push(&mut self, record: &ByteRecord, line: u64, used: &[usize], names: &[String]) {
        let row = self.lines.len();
        self.lines.push(line);
        let mut broken = None;
        if record.len() != names.len() {
            broken = Some((String::new(), format!("it has {} columns and the header {}", record.len(), names.len())));
        }
        for (builder, column) in self.cells.iter_mut().zip(used) {
            let bytes = record.get(*column).unwrap_or_default();
            match std::str::from_utf8(bytes) {
                Ok(text) => builder.append_value(text),
                Err(_not_utf8) => {
                    builder.append_null();
                    broken.get_or_insert_with(|| (names[*column].clone(), "it is not UTF-8".into()));
                }
            }
        }
        if let Some((column, reason)) = broken {
            let value = record.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
            self.broken.insert(row, BadRow { position: Position::Line(line), column, value, reason });
        }
    }

    /// A batch as wide as the source; columns that nobody asked for are of nulls.
    fn finish(self, used: &[usize], names: &[String]) -> Result<RawRows, arrow::error::ArrowError> {
        let rows = self.lines.len();
        let mut cells: BTreeMap<usize, ArrayRef> = used
            .iter()
            .copied()
            .zip(self.cells.into_iter().map(|mut cells| Arc::new(cells.finish()) as ArrayRef))
            .collect();
        let mut fields = Vec::with_capacity(names.len());
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            let column = cells.remove(&index).unwrap_or_else(|| Arc::new(NullArray::new(rows)));
            let data_type = if column.data_type() == &DataType::Null { DataType::Null } else { DataType::Utf8 };
            fields.push(Field::new(name, data_type, true));
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        Ok(RawRows { batch, positions: Positions::Lines(self.lines), broken: self.broken })
    }
}
