//! Rows of a source into a batch in the table's wire schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray, StringDictionaryBuilder,
    TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use chrono::DateTime;
use zonelake_schemas::columns::timestamp;

use crate::columns::binding::SourceColumns;
use crate::columns::cells::{BadCell, CellKind, as_texts, cast_strictly, local_times};
use crate::columns::instant::TimeReader;
use crate::mapping::Mapping;
use crate::time_mapping::MappingError;

/// Rows as a source has them, with where each stands.
#[derive(Debug)]
pub(crate) struct RawRows {
    pub(crate) batch: RecordBatch,
    pub(crate) positions: Positions,
    /// Rows that could not even be split into columns; their cells are null.
    pub(crate) broken: BTreeMap<usize, BadRow>,
}

/// Positions of the rows of a chunk in their source.
#[derive(Debug)]
pub(crate) enum Positions {
    /// Line of each row, from 1.
    Lines(Vec<u64>),
    /// Number of the first row, from 1.
    RowsFrom(u64),
}

/// Position of a row in its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Line, from 1.
    Line(u64),
    /// Row, from 1.
    Row(u64),
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Position of the row.
    pub position: Position,
    /// Column in the source; empty where the row as a whole is broken.
    pub column: String,
    /// Text of the cell, or of the whole row.
    pub value: String,
    /// Reason why it cannot be read.
    pub reason: String,
}

/// Rows that can be sent.
#[derive(Debug)]
pub(crate) struct WireRows {
    pub(crate) batch: RecordBatch,
    /// Rows that were left out, in the order of the source.
    pub(crate) bad: Vec<BadRow>,
}

/// Turns the columns of one source into those of one table.
#[derive(Debug)]
pub(crate) struct RowReader {
    mapping: Arc<Mapping>,
    schema: SchemaRef,
    device: DeviceSource,
    time_columns: Vec<usize>,
    time_name: String,
    time: TimeReader,
    quality: Option<usize>,
    columns: Vec<(usize, String, CellKind)>,
    /// Field and value where a field takes the file's name.
    file_name: Option<(String, String)>,
}

#[derive(Debug)]
enum DeviceSource {
    Constant(String),
    Column(usize, String),
}

impl RowReader {
    /// Binds a mapping to the names of a source's columns and to a table's wire schema.
    ///
    /// # Errors
    /// [`MappingError::Invalid`] naming a column that is missing, twice there, or neither mapped nor ignored, or a field
    /// that the table does not have.
    pub(crate) fn new(
        mapping: Arc<Mapping>,
        source: &[String],
        wire: &Schema,
        file_stem: &str,
    ) -> Result<Self, MappingError> {
        let time = TimeReader::new(&mapping.time)?;
        let names = SourceColumns { mapping: &mapping, names: source };
        let device = match (&mapping.device.column, &mapping.device.constant) {
            (Some(column), _) => DeviceSource::Column(names.find(column)?, column.clone()),
            (None, Some(constant)) => DeviceSource::Constant(constant.clone()),
            (None, None) => DeviceSource::Constant(file_stem.to_owned()),
        };
        let time_columns =
            mapping.time_columns().into_iter().map(|name| names.find(name)).collect::<Result<Vec<_>, _>>()?;
        let quality = match &mapping.quality {
            Some(column) => Some(names.find(column)?),
            None => names.by_name("quality")?,
        };
        let columns = names.fields(wire)?;
        let mut used = time_columns.clone();
        used.extend(quality);
        used.extend(columns.iter().map(|(index, ..)| *index));
        if let DeviceSource::Column(index, _) = &device {
            used.push(*index);
        }
        names.check_rest(&used)?;
        let file_name = names.file_name_field(wire, &columns)?.map(|field| (field, file_stem.to_owned()));
        let schema = schema_of(quality.is_some(), &columns, file_name.as_ref().map(|(field, _)| field.as_str()));
        let time_name = mapping.time_columns().join(" ");
        Ok(Self { schema, device, time_columns, time_name, time, quality, columns, file_name, mapping })
    }

    /// Schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Positions of the source's columns that are read.
    pub(crate) fn used_columns(&self) -> Vec<usize> {
        let mut used = self.time_columns.clone();
        used.extend(self.quality);
        used.extend(self.columns.iter().map(|(index, ..)| *index));
        if let DeviceSource::Column(index, _) = &self.device {
            used.push(*index);
        }
        used.sort_unstable();
        used.dedup();
        used
    }

    /// Reads rows. Those that cannot be read are left out and told.
    pub(crate) fn read(&self, raw: &RawRows) -> Result<WireRows, ArrowError> {
        let rows = raw.batch.num_rows();
        let mut bad: BTreeMap<usize, BadRow> = raw.broken.clone();
        let mut note = |column: &str, cells: Vec<BadCell>| {
            for cell in cells {
                bad.entry(cell.row).or_insert_with(|| BadRow {
                    position: raw.positions.of(cell.row),
                    column: column.to_owned(),
                    value: cell.value,
                    reason: cell.reason,
                });
            }
        };
        let mut cells = Vec::new();
        let mut arrays = vec![self.read_times(&raw.batch, &mut cells)?];
        note(&self.time_name, std::mem::take(&mut cells));
        arrays.push(self.read_devices(&raw.batch, &mut cells)?);
        if let DeviceSource::Column(_, name) = &self.device {
            note(name, std::mem::take(&mut cells));
        }
        if let Some(index) = self.quality {
            let empty_is_null = CellKind::Text.read(raw.batch.column(index), &self.mapping, &mut cells)?;
            arrays.push(dictionary_of(empty_is_null.as_string()));
        }
        for (index, name, kind) in &self.columns {
            arrays.push(kind.read(raw.batch.column(*index), &self.mapping, &mut cells)?);
            note(name, std::mem::take(&mut cells));
        }
        if let Some((_, name)) = &self.file_name {
            arrays.push(Arc::new(StringArray::from(vec![name.as_str(); rows])));
        }
        let batch = self.assemble(arrays, &bad, rows)?;
        Ok(WireRows { batch, bad: bad.into_values().collect() })
    }

    /// The batch of the good rows. Times and devices of bad rows are null until they are left out.
    fn assemble(
        &self,
        arrays: Vec<ArrayRef>,
        bad: &BTreeMap<usize, BadRow>,
        rows: usize,
    ) -> Result<RecordBatch, ArrowError> {
        if bad.is_empty() {
            return RecordBatch::try_new(self.schema.clone(), arrays);
        }
        let nullable = self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let loose = RecordBatch::try_new(Arc::new(Schema::new(nullable.collect::<Vec<_>>())), arrays)?;
        let good: BooleanArray = (0..rows).map(|row| Some(!bad.contains_key(&row))).collect();
        let good = filter_record_batch(&loose, &good)?;
        RecordBatch::try_new(self.schema.clone(), good.columns().to_vec())
    }

    fn read_times(&self, batch: &RecordBatch, bad: &mut Vec<BadCell>) -> Result<ArrayRef, ArrowError> {
        let times = match self.time_columns.as_slice() {
            [one] if matches!(batch.column(*one).data_type(), DataType::Timestamp(_, Some(_))) => {
                cast_strictly(batch.column(*one), &timestamp())?
            }
            [one] => match local_times(batch.column(*one))? {
                Some(local) => self.read_local_times(local.as_primitive(), bad)?,
                None => self.read_time_texts(&as_texts(batch.column(*one))?, bad),
            },
            several => {
                let parts =
                    several.iter().map(|index| as_texts(batch.column(*index))).collect::<Result<Vec<_>, _>>()?;
                self.read_time_texts(&joined(&parts, batch.num_rows()), bad)
            }
        };
        // The reader has told its own bad cells; what is null otherwise had no time.
        let told: Vec<usize> = bad.iter().map(|cell| cell.row).collect();
        for row in (0..times.len()).filter(|row| times.is_null(*row) && told.binary_search(row).is_err()) {
            bad.push(BadCell { row, value: String::new(), reason: "a row needs a time".into() });
        }
        Ok(times)
    }

    fn read_time_texts(&self, texts: &StringArray, bad: &mut Vec<BadCell>) -> ArrayRef {
        let kind = CellKind::Timestamp(self.time.clone());
        let column: ArrayRef = Arc::new(texts.clone());
        kind.read(&column, &self.mapping, bad).expect("texts are read, not cast")
    }

    fn read_local_times(
        &self,
        local: &TimestampMicrosecondArray,
        bad: &mut Vec<BadCell>,
    ) -> Result<ArrayRef, ArrowError> {
        if !self.time.has_zone() {
            return Err(ArrowError::CastError(format!(
                "column {} has local times: time.zone must say which zone they are in",
                self.time_name
            )));
        }
        let mut values = TimestampMicrosecondBuilder::with_capacity(local.len()).with_timezone("UTC");
        for (row, us) in local.iter().enumerate() {
            let naive = us.and_then(DateTime::from_timestamp_micros).map(|time| time.naive_utc());
            match naive.map(|naive| self.time.read_local(naive)) {
                Some(Ok(us)) => values.append_value(us),
                None => values.append_null(),
                Some(Err(reason)) => {
                    let value = naive.map(|naive| naive.to_string()).unwrap_or_default();
                    bad.push(BadCell { row, value, reason });
                    values.append_null();
                }
            }
        }
        Ok(Arc::new(values.finish()))
    }

    fn read_devices(&self, batch: &RecordBatch, bad: &mut Vec<BadCell>) -> Result<ArrayRef, ArrowError> {
        match &self.device {
            DeviceSource::Constant(name) => {
                let names = StringArray::from(vec![name.as_str()]);
                let keys = Int32Array::from(vec![0; batch.num_rows()]);
                Ok(Arc::new(arrow::array::DictionaryArray::<Int32Type>::try_new(keys, Arc::new(names))?))
            }
            DeviceSource::Column(index, _) => {
                let names = as_texts(batch.column(*index))?;
                let read = CellKind::Text.read(&(Arc::new(names) as ArrayRef), &self.mapping, bad)?;
                let read = read.as_string::<i32>();
                for row in (0..read.len()).filter(|row| read.is_null(*row)) {
                    bad.push(BadCell { row, value: String::new(), reason: "a row needs a device".into() });
                }
                Ok(dictionary_of(read))
            }
        }
    }
}

impl Positions {
    fn of(&self, row: usize) -> Position {
        match self {
            Self::Lines(lines) => Position::Line(lines.get(row).copied().unwrap_or(0)),
            Self::RowsFrom(first) => Position::Row(first + row as u64),
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

fn schema_of(quality: bool, columns: &[(usize, String, CellKind)], file_name: Option<&str>) -> SchemaRef {
    let mut fields = vec![
        Field::new("time", timestamp(), false),
        Field::new_dictionary("device", DataType::Int32, DataType::Utf8, false),
    ];
    if quality {
        fields.push(Field::new_dictionary("quality", DataType::Int32, DataType::Utf8, true));
    }
    fields.extend(columns.iter().map(|(_, name, kind)| Field::new(name, kind.wire_type(), true)));
    fields.extend(file_name.map(|name| Field::new(name, DataType::Utf8, true)));
    Arc::new(Schema::new(fields))
}

fn joined(parts: &[StringArray], rows: usize) -> StringArray {
    let mut text = String::new();
    (0..rows)
        .map(|row| {
            text.clear();
            for part in parts {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(if part.is_null(row) { "" } else { part.value(row).trim() });
            }
            Some(text.clone())
        })
        .collect()
}

fn dictionary_of(texts: &StringArray) -> ArrayRef {
    let mut builder = StringDictionaryBuilder::<Int32Type>::new();
    for text in texts {
        builder.append_option(text);
    }
    Arc::new(builder.finish())
}
