//! Long form: a row a parameter, brought to a row an instant. Rows belong together where device, time and quality are the same,
//! wherever they stand in the file; the second value of a parameter there begins a second row. The rows come in the order in
//! which the first parameter of each stands in the file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, StringBuilder};
use arrow::error::ArrowError;

use crate::columns::cells::as_texts;
use crate::columns::position::{BadRow, Position, Positions};
use crate::columns::rows::RawRows;
use crate::error::PushError;
use crate::mapping::declaration::Mapping;
use crate::mapping::parts::LongMapping;
use crate::mapping::time::MappingError;
use crate::source::rows::RowSource;
use crate::source::table::wide_batch;

/// Rows that were in long form.
pub(crate) struct LongRows {
    file: String,
    names: Vec<String>,
    units: Option<Vec<String>>,
    rows: Vec<WideRow>,
    given: usize,
    notes: Vec<String>,
}

/// A row under construction.
struct WideRow {
    position: Position,
    /// Values of the columns that are the same for all parameters of the row.
    key: Arc<[String]>,
    values: Vec<(usize, String)>,
    broken: Option<BadRow>,
}

impl LongRows {
    /// Reads all rows of a source and brings them together.
    pub(crate) fn read(
        file: &str,
        source: Box<dyn RowSource>,
        mapping: &Mapping,
        long: &LongMapping,
    ) -> Result<Self, PushError> {
        let keys = key_columns(source.columns(), mapping, long);
        let find = |name: &str| find(file, source.columns(), name);
        let columns = LongColumns {
            keys: keys.iter().map(|name| find(name)).collect::<Result<_, _>>()?,
            parameter: find(&long.parameter)?,
            value: find(&long.value)?,
            unit: long.unit.as_ref().map(|name| find(name)).transpose()?,
        };
        let mut gathering = Gathering::new(file, keys.len());
        gathering.read(source, &columns)?;
        let Gathering { parameters, units, rows, notes, .. } = gathering;
        let names = keys.iter().cloned().chain(parameters).collect();
        let units = columns.unit.map(|_| std::iter::repeat_n(String::new(), keys.len()).chain(units).collect());
        Ok(Self { file: file.to_owned(), names, units, rows, given: 0, notes })
    }
}

impl RowSource for LongRows {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn units(&self) -> Option<&[String]> {
        self.units.as_deref()
    }

    fn next_rows(&mut self, used: &[usize], rows_max: usize) -> Result<Option<RawRows>, PushError> {
        let rows = &self.rows[self.given..self.rows.len().min(self.given + rows_max)];
        if rows.is_empty() {
            return Ok(None);
        }
        self.given += rows.len();
        let batch = batch_of(&self.names, rows, used).map_err(|error| PushError::from_source(&self.file, &error))?;
        let broken = rows.iter().enumerate().filter_map(|(row, wide)| Some((row, wide.broken.clone()?))).collect();
        let positions = Positions::Each(rows.iter().map(|row| row.position).collect());
        Ok(Some(RawRows { batch, positions, broken }))
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

fn batch_of(names: &[String], rows: &[WideRow], used: &[usize]) -> Result<arrow::array::RecordBatch, ArrowError> {
    let mut columns: BTreeMap<usize, StringBuilder> = used.iter().map(|index| (*index, StringBuilder::new())).collect();
    for row in rows {
        for (index, builder) in &mut columns {
            let text = match row.key.get(*index) {
                Some(text) => Some(text.as_str()),
                None => row.values.iter().find(|(of, _)| of == index).map(|(_, text)| text.as_str()),
            };
            builder.append_option(text);
        }
    }
    let columns = columns.into_iter().map(|(index, mut builder)| (index, Arc::new(builder.finish()) as ArrayRef));
    wide_batch(names, columns.collect(), rows.len())
}

/// Positions of the columns of a source in long form.
struct LongColumns {
    keys: Vec<usize>,
    parameter: usize,
    value: usize,
    unit: Option<usize>,
}

/// Rows that are brought together.
struct Gathering<'a> {
    file: &'a str,
    /// Columns before those of parameters.
    keys: usize,
    parameters: Vec<String>,
    units: Vec<String>,
    by_name: HashMap<String, usize>,
    by_key: HashMap<Arc<[String]>, Vec<usize>>,
    rows: Vec<WideRow>,
    notes: Vec<String>,
}

impl<'a> Gathering<'a> {
    fn new(file: &'a str, keys: usize) -> Self {
        Self {
            file,
            keys,
            parameters: Vec::new(),
            units: Vec::new(),
            by_name: HashMap::new(),
            by_key: HashMap::new(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn read(&mut self, mut source: Box<dyn RowSource>, columns: &LongColumns) -> Result<(), PushError> {
        let mut used: Vec<usize> =
            columns.keys.iter().copied().chain([columns.parameter, columns.value]).chain(columns.unit).collect();
        used.sort_unstable();
        used.dedup();
        while let Some(raw) = source.next_rows(&used, CHUNK_ROWS)? {
            self.add(&raw, columns)?;
        }
        self.notes = source.notes();
        Ok(())
    }

    fn add(&mut self, raw: &RawRows, columns: &LongColumns) -> Result<(), PushError> {
        let texts = |index: usize| -> Result<StringArray, PushError> {
            as_texts(raw.batch.column(index)).map_err(|error| PushError::from_source(self.file, &error))
        };
        let keys = columns.keys.iter().map(|index| texts(*index)).collect::<Result<Vec<_>, _>>()?;
        let (parameters, values) = (texts(columns.parameter)?, texts(columns.value)?);
        let units = columns.unit.map(texts).transpose()?;
        let at = |array: &StringArray, row: usize| {
            if array.is_null(row) { String::new() } else { array.value(row).trim().to_owned() }
        };
        for row in 0..raw.batch.num_rows() {
            let key: Arc<[String]> = keys.iter().map(|array| at(array, row)).collect();
            let (parameter, position) = (at(&parameters, row), raw.positions.of(row));
            let unit = units.as_ref().map(|units| at(units, row)).unwrap_or_default();
            let mut broken = raw.broken.get(&row).cloned();
            if broken.is_none() && parameter.is_empty() {
                broken = Some(fault(position, "", &key, "it names no parameter; long.parameter decides the column"));
            }
            let index = if broken.is_none() { self.parameter(&parameter, &unit) } else { None };
            if broken.is_none() && index.is_none() {
                let reason =
                    "the unit of this parameter is another one than before; a parameter has one unit in a file";
                broken = Some(fault(position, &parameter, &key, reason));
            }
            match index {
                Some(index) if broken.is_none() => self.put(key, position, index, at(&values, row)),
                _ => self.rows.push(WideRow { position, key, values: Vec::new(), broken }),
            }
            if self.rows.len() > ROWS_MAX {
                let reason =
                    format!("a file in long form has at most {ROWS_MAX} rows, since it is held in memory; cut it");
                return Err(PushError::Source { file: self.file.to_owned(), reason });
            }
        }
        Ok(())
    }

    /// Position of a parameter; `None` where it was there with another unit.
    fn parameter(&mut self, name: &str, unit: &str) -> Option<usize> {
        if let Some(index) = self.by_name.get(name) {
            return (self.units[*index] == unit).then_some(*index);
        }
        let index = self.parameters.len();
        self.by_name.insert(name.to_owned(), index);
        self.parameters.push(name.to_owned());
        self.units.push(unit.to_owned());
        Some(index)
    }

    /// Puts a value into the first row of its key that has none of this parameter.
    fn put(&mut self, key: Arc<[String]>, position: Position, parameter: usize, value: String) {
        let column = self.keys + parameter;
        let of_key = self.by_key.entry(Arc::clone(&key)).or_default();
        // The rows that have this parameter are the first ones of their key.
        let taken = of_key.partition_point(|row| self.rows[*row].values.iter().any(|(of, _)| *of == column));
        let row = of_key.get(taken).copied().unwrap_or_else(|| {
            of_key.push(self.rows.len());
            self.rows.push(WideRow { position, key, values: Vec::new(), broken: None });
            self.rows.len() - 1
        });
        self.rows[row].values.push((column, value));
    }
}

fn fault(position: Position, column: &str, key: &[String], reason: &str) -> BadRow {
    BadRow::of_row(position, column, key.join(","), reason.to_owned())
}

/// Columns that say which row a parameter belongs to: all that the mapping reads, but parameter, value and unit.
fn key_columns(names: &[String], mapping: &Mapping, long: &LongMapping) -> Vec<String> {
    let time = mapping.time_columns();
    let is_key = |name: &str| {
        let is_long = name == long.parameter || name == long.value || long.unit.as_deref() == Some(name);
        let is_read = mapping.device.column.as_deref() == Some(name)
            || mapping.quality.as_deref() == Some(name)
            || time.contains(&name)
            || mapping.columns.contains_key(name);
        is_read && !is_long
    };
    names.iter().filter(|name| is_key(name)).cloned().collect()
}

fn find(file: &str, names: &[String], name: &str) -> Result<usize, PushError> {
    names.iter().position(|own| own == name).ok_or_else(|| {
        let what = format!("the source has no column {name:?}, which long names; it has {}", names.join(", "));
        PushError::from_mapping(file, MappingError::Invalid(what))
    })
}

/// Rows that are read at a time.
const CHUNK_ROWS: usize = 8_192;
/// Most rows that are brought together.
const ROWS_MAX: usize = 20_000_000;
