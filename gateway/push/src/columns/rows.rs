//! Rows of a source into a batch in the table's wire schema. A cell that cannot be read leaves the rest of its row; a row without a
//! time or a device, or that could not be split into cells, is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int32Array, RecordBatch, StringArray, StringBuilder,
    StringDictionaryBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use chrono::DateTime;
use zonelake_schemas::QualityScale;
use zonelake_schemas::columns::{AS_TEXT, timestamp};

use crate::columns::binding::SourceColumns;
use crate::columns::cells::{BadCell, CellForm, CellKind, as_texts, cast_strictly, local_times};
use crate::columns::instant::TimeReader;
use crate::columns::number::NumberForm;
use crate::columns::position::{BadRow, Positions};
use crate::mapping::declaration::Mapping;
use crate::mapping::time::MappingError;

/// Rows as a source has them, with where each stands.
#[derive(Debug)]
pub(crate) struct RawRows {
    pub(crate) batch: RecordBatch,
    pub(crate) positions: Positions,
    /// Rows that could not even be split into columns; their cells are null.
    pub(crate) broken: BTreeMap<usize, BadRow>,
}

/// Rows that can be sent.
#[derive(Debug)]
pub(crate) struct WireRows {
    pub(crate) batch: RecordBatch,
    /// Rows that were left out, in the order of the source.
    pub(crate) bad: Vec<BadRow>,
    /// Cells of the other rows that cannot be read, each with the position of its row in the batch.
    pub(crate) bad_cells: Vec<(usize, BadRow)>,
    /// Positions in the chunk of the rows that were left out.
    pub(crate) left_out: Vec<usize>,
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
    /// Position of the qualities, and their scale.
    quality: Option<(usize, QualityScale)>,
    columns: Vec<(usize, String, CellKind)>,
    /// Names of the source's columns.
    names: Vec<String>,
    numbers: NumberForm,
    /// Fields that are sent as texts, since a cell of theirs cannot be read.
    as_text: BTreeSet<String>,
    /// Instant of the last row of each device, where the next one may depend on it.
    last_us: HashMap<String, i64>,
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
        source: SourceHead<'_>,
        wire: &Schema,
        file_stem: &str,
    ) -> Result<Self, MappingError> {
        let time = TimeReader::new(&mapping.time)?;
        let names = SourceColumns { mapping: &mapping, names: source.names, units: source.units };
        let device = match (&mapping.device.column, &mapping.device.constant) {
            (Some(column), _) => DeviceSource::Column(names.find(column)?, column.clone()),
            (None, Some(constant)) => DeviceSource::Constant(constant.clone()),
            (None, None) => DeviceSource::Constant(mapping.device.of_file(file_stem)?),
        };
        let time_columns =
            mapping.time_columns().into_iter().map(|name| names.find(name)).collect::<Result<Vec<_>, _>>()?;
        let quality = names.quality()?;
        let columns = names.fields(wire)?;
        let mut used = time_columns.clone();
        used.extend(quality.map(|(index, _)| index));
        used.extend(columns.iter().map(|(index, ..)| *index));
        if let DeviceSource::Column(index, _) = &device {
            used.push(*index);
        }
        names.check_rest(&used)?;
        let file_name = names.file_name_field(wire, &columns)?.map(|field| (field, file_stem.to_owned()));
        let mut reader = Self {
            schema: Arc::new(Schema::empty()),
            device,
            time_columns,
            time_name: mapping.time_columns().join(" "),
            time,
            quality,
            columns,
            names: source.names.to_vec(),
            numbers: mapping.number_form()?,
            as_text: BTreeSet::new(),
            last_us: HashMap::new(),
            file_name,
            mapping,
        };
        reader.send_as_text(BTreeSet::new());
        Ok(reader)
    }

    /// Sends these fields as texts from now on.
    pub(crate) fn send_as_text(&mut self, fields: BTreeSet<String>) {
        self.as_text = fields;
        self.schema = self.schema_of_batches();
    }

    /// Schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Positions of the source's columns that are read.
    pub(crate) fn used_columns(&self) -> Vec<usize> {
        let mut used = self.time_columns.clone();
        used.extend(self.quality.map(|(index, _)| index));
        used.extend(self.columns.iter().map(|(index, ..)| *index));
        if let DeviceSource::Column(index, _) = &self.device {
            used.push(*index);
        }
        used.sort_unstable();
        used.dedup();
        used
    }

    /// Reads rows. Those that cannot be read are left out and told.
    pub(crate) fn read(&mut self, raw: &RawRows) -> Result<WireRows, ArrowError> {
        let rows = raw.batch.num_rows();
        let mut faults = Faults { positions: &raw.positions, rows: raw.broken.clone(), cells: Vec::new() };
        let (mut bad_times, mut bad_devices) = (Vec::new(), Vec::new());
        let devices = self.read_devices(&raw.batch, &mut bad_devices)?;
        let mut arrays = vec![self.read_times(&raw.batch, &devices, &mut bad_times)?];
        faults.note_rows(&self.time_name, bad_times);
        if let DeviceSource::Column(_, name) = &self.device {
            faults.note_rows(name, bad_devices);
        }
        arrays.push(devices);
        let form = CellForm { mapping: &self.mapping, numbers: &self.numbers };
        if let Some((index, _)) = self.quality {
            let mut unknown = Vec::new();
            arrays.push(self.read_qualities(raw.batch.column(index), &form, &mut unknown)?);
            faults.note_rows(&self.names[index], unknown);
        }
        for (index, field, kind) in &self.columns {
            let (mut bad, source) = (Vec::new(), raw.batch.column(*index));
            let values = kind.read(source, &form, &mut bad)?;
            let is_text = self.as_text.contains(field);
            arrays.push(if is_text { with_texts(&values, &bad)? } else { values });
            match kind.may_be_text() {
                true => faults.note_cells(&self.names[*index], field, bad),
                false => faults.note_rows(&self.names[*index], bad),
            }
        }
        if let Some((_, name)) = &self.file_name {
            arrays.push(Arc::new(StringArray::from(vec![name.as_str(); rows])));
        }
        let Faults { rows: bad, mut cells, .. } = faults;
        cells.retain(|(row, _)| !bad.contains_key(row));
        cells.sort_by_key(|(row, _)| *row);
        let left_out: Vec<usize> = bad.keys().copied().collect();
        let in_batch = |row: usize| row - left_out.partition_point(|out| *out < row);
        let bad_cells = cells.into_iter().map(|(row, cell)| (in_batch(row), cell)).collect();
        let batch = self.assemble(arrays, &bad, rows)?;
        Ok(WireRows { batch, bad: bad.into_values().collect(), bad_cells, left_out })
    }

    /// The qualities of a column, by the flags that the mapping names or as they are.
    fn read_qualities(
        &self,
        column: &ArrayRef,
        form: &CellForm<'_>,
        bad: &mut Vec<BadCell>,
    ) -> Result<ArrayRef, ArrowError> {
        let flags = &self.mapping.quality_flags;
        if flags.is_empty() {
            let empty_is_null = CellKind::Text.read(column, form, bad)?;
            return Ok(dictionary_of(empty_is_null.as_string()));
        }
        let texts = as_texts(column)?;
        let mut qualities = StringBuilder::new();
        for (row, text) in texts.iter().enumerate() {
            let flag = text.unwrap_or_default().trim();
            match flags.get(flag) {
                Some(quality) => qualities.append_value(quality),
                None => {
                    let reason = "quality_flags has no quality for this flag".into();
                    bad.push(BadCell { row, value: flag.to_owned(), reason });
                    qualities.append_null();
                }
            }
        }
        Ok(dictionary_of(&qualities.finish()))
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

    fn read_times(
        &mut self,
        batch: &RecordBatch,
        devices: &ArrayRef,
        bad: &mut Vec<BadCell>,
    ) -> Result<ArrayRef, ArrowError> {
        let times = match self.time_columns.as_slice() {
            [one] if matches!(batch.column(*one).data_type(), DataType::Timestamp(_, Some(_))) => {
                cast_strictly(batch.column(*one), &timestamp())?
            }
            [one] => match local_times(batch.column(*one))? {
                Some(local) => {
                    if !self.time.has_zone() {
                        return Err(ArrowError::CastError(format!(
                            "column {} has local times: time.zone must say which zone they are in",
                            self.time_name
                        )));
                    }
                    self.read_local_times(local.as_primitive(), devices, bad)
                }
                None => self.read_time_texts(&as_texts(batch.column(*one))?, devices, bad),
            },
            several => {
                let parts =
                    several.iter().map(|index| as_texts(batch.column(*index))).collect::<Result<Vec<_>, _>>()?;
                self.read_time_texts(&joined(&parts, batch.num_rows()), devices, bad)
            }
        };
        // The reader has told its own bad cells; what is null otherwise had no time.
        let told: Vec<usize> = bad.iter().map(|cell| cell.row).collect();
        for row in (0..times.len()).filter(|row| times.is_null(*row) && told.binary_search(row).is_err()) {
            bad.push(BadCell {
                row,
                value: String::new(),
                reason: "a row needs a time; time.columns says where it is".into(),
            });
        }
        Ok(times)
    }

    fn read_time_texts(&mut self, texts: &StringArray, devices: &ArrayRef, bad: &mut Vec<BadCell>) -> ArrayRef {
        let text_of = |row: usize| {
            let text = if texts.is_null(row) { "" } else { texts.value(row).trim() };
            (!text.is_empty()).then_some(text)
        };
        let mapping = Arc::clone(&self.mapping);
        self.each_time(texts.len(), devices, bad, |time, row, before_us| {
            let text = text_of(row).filter(|text| !mapping.is_null(text))?;
            Some(time.read(text, before_us).map_err(|reason| (text.to_owned(), reason)))
        })
    }

    fn read_local_times(
        &mut self,
        local: &TimestampMicrosecondArray,
        devices: &ArrayRef,
        bad: &mut Vec<BadCell>,
    ) -> ArrayRef {
        self.each_time(local.len(), devices, bad, |time, row, before_us| {
            let naive =
                local.is_valid(row).then(|| local.value(row)).and_then(DateTime::from_timestamp_micros)?.naive_utc();
            Some(time.read_local(naive, before_us).map_err(|reason| (naive.to_string(), reason)))
        })
    }

    /// Reads the time of each row: nothing, an instant, or a bad text with its reason.
    fn each_time(
        &mut self,
        rows: usize,
        devices: &ArrayRef,
        bad: &mut Vec<BadCell>,
        read: impl Fn(&TimeReader, usize, Option<i64>) -> Option<Result<i64, (String, String)>>,
    ) -> ArrayRef {
        let devices = self.time.is_in_order().then(|| devices.as_dictionary::<Int32Type>());
        let names = devices.and_then(|devices| devices.downcast_dict::<StringArray>());
        let mut values = TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
        for row in 0..rows {
            let device = names.as_ref().filter(|names| names.is_valid(row)).map(|names| {
                use arrow::array::ArrayAccessor;
                names.value(row)
            });
            let before_us = device.and_then(|device| self.last_us.get(device).copied());
            match read(&self.time, row, before_us) {
                None => values.append_null(),
                Some(Ok(us)) => {
                    values.append_value(us);
                    if let Some(device) = device {
                        self.last_us.insert(device.to_owned(), us);
                    }
                }
                Some(Err((value, reason))) => {
                    bad.push(BadCell { row, value, reason });
                    values.append_null();
                }
            }
        }
        Arc::new(values.finish())
    }

    fn read_devices(&self, batch: &RecordBatch, bad: &mut Vec<BadCell>) -> Result<ArrayRef, ArrowError> {
        match &self.device {
            DeviceSource::Constant(name) => {
                let names = StringArray::from(vec![name.as_str()]);
                let keys = Int32Array::from(vec![0; batch.num_rows()]);
                Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::new(names))?))
            }
            DeviceSource::Column(index, _) => {
                let names = as_texts(batch.column(*index))?;
                let form = CellForm { mapping: &self.mapping, numbers: &self.numbers };
                let read = CellKind::Text.read(&(Arc::new(names) as ArrayRef), &form, bad)?;
                let read = read.as_string::<i32>();
                for row in (0..read.len()).filter(|row| read.is_null(*row)) {
                    bad.push(BadCell {
                        row,
                        value: String::new(),
                        reason: "a row needs a device; device.column says where it is".into(),
                    });
                }
                Ok(dictionary_of(read))
            }
        }
    }

    fn schema_of_batches(&self) -> SchemaRef {
        let mut fields = vec![
            Field::new("time", timestamp(), false),
            Field::new_dictionary("device", DataType::Int32, DataType::Utf8, false),
        ];
        let quality = self.quality.map(|(_, scale)| scale.column());
        fields.extend(quality.map(|name| Field::new_dictionary(name, DataType::Int32, DataType::Utf8, true)));
        fields.extend(self.columns.iter().map(|(_, name, kind)| {
            if self.as_text.contains(name) {
                let stated = [(AS_TEXT.to_owned(), "true".to_owned())].into();
                return Field::new(name, DataType::Utf8, true).with_metadata(stated);
            }
            Field::new(name, kind.wire_type(), true)
        }));
        fields.extend(self.file_name.iter().map(|(name, _)| Field::new(name, DataType::Utf8, true)));
        Arc::new(Schema::new(fields))
    }
}

/// Faults of the rows of a chunk.
struct Faults<'a> {
    positions: &'a Positions,
    rows: BTreeMap<usize, BadRow>,
    cells: Vec<(usize, BadRow)>,
}

impl Faults<'_> {
    /// Faults for which their rows are left out.
    fn note_rows(&mut self, column: &str, bad: Vec<BadCell>) {
        for cell in bad {
            let BadCell { row, value, reason } = cell;
            let position = self.positions.of(row);
            self.rows.entry(row).or_insert_with(|| BadRow::of_row(position, column, value, reason));
        }
    }

    /// Faults of single cells.
    fn note_cells(&mut self, column: &str, field: &str, bad: Vec<BadCell>) {
        for cell in bad {
            let BadCell { row, value, reason } = cell;
            let told = BadRow::of_row(self.positions.of(row), column, value, reason);
            self.cells.push((row, BadRow { field: Some(field.to_owned()), ..told }));
        }
    }
}

/// Head of a source: the names of its columns, and their units where it states them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceHead<'a> {
    pub(crate) names: &'a [String],
    pub(crate) units: Option<&'a [String]>,
}

/// Values as texts, with what could not be read as it stands in the source.
fn with_texts(values: &ArrayRef, bad: &[BadCell]) -> Result<ArrayRef, ArrowError> {
    let values = as_texts(values)?;
    let mut unread = bad.iter().peekable();
    let mut texts = StringBuilder::new();
    for (row, value) in values.iter().enumerate() {
        match unread.next_if(|cell| cell.row == row) {
            Some(cell) => texts.append_value(&cell.value),
            None => texts.append_option(value),
        }
    }
    Ok(Arc::new(texts.finish()))
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
