//! The values of an order in one table, by the rows that are to have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{concat, interleave};
use arrow::datatypes::{Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use zonelake_parquet::DataFile;
use zonelake_schemas::TableDef;
use zonelake_schemas::alerts::is_written_by_server;

use crate::correct::order::CorrectedValue;
use crate::correct::value::{column_of_value, instant_us};
use crate::rules::hidden::DAY_US;
use crate::rules::selection::Selection;

/// Values for the rows of one table.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Fields that get values, each with all of these as one column.
    fields: Vec<WantedField>,
    /// Keys by time, in microseconds.
    keys: BTreeMap<i64, Vec<WantedKey>>,
}

#[derive(Debug)]
struct WantedField {
    name: String,
    values: Vec<ArrayRef>,
    column: ArrayRef,
}

#[derive(Debug)]
struct WantedKey {
    province: Option<String>,
    zone: Option<String>,
    device: Option<String>,
    cells: Vec<WantedCell>,
}

/// One value, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WantedCell {
    /// Position of the value in the order.
    pub value: usize,
    /// Position among the fields.
    pub field: usize,
    /// Position in the column of the field's values.
    at: usize,
}

impl Wanted {
    /// Takes a value for a table. The message of an error says what is wrong with it.
    pub(super) fn add(&mut self, table: &TableDef, number: usize, value: &CorrectedValue) -> Result<i64, String> {
        if is_written_by_server(table) {
            return Err(format!("rows of table {} are written by the server and are not corrected", table.name));
        }
        let (_, field) = table
            .field(&value.field)
            .ok_or_else(|| format!("table {} has no field {:?} that can be corrected", table.name, value.field))?;
        let time_us = instant_us(&value.time)?;
        let column = column_of_value(field, value.value.as_deref())
            .map_err(|why| format!("field {} of table {}: {why}", field.name, table.name))?;
        let position = self.fields.iter().position(|known| known.name == field.name).unwrap_or_else(|| {
            let (name, column) = (field.name.clone(), Arc::clone(&column));
            self.fields.push(WantedField { name, values: Vec::new(), column });
            self.fields.len() - 1
        });
        let values = &mut self.fields[position].values;
        values.push(column);
        let cell = WantedCell { value: number, field: position, at: values.len() - 1 };
        let keys = self.keys.entry(time_us).or_default();
        let is_same = |key: &&mut WantedKey| {
            (&key.province, &key.zone, &key.device) == (&value.province, &value.zone, &value.device)
        };
        match keys.iter_mut().find(is_same) {
            Some(key) => key.cells.push(cell),
            None => keys.push(WantedKey {
                province: value.province.clone(),
                zone: value.zone.clone(),
                device: value.device.clone(),
                cells: vec![cell],
            }),
        }
        Ok(time_us)
    }

    /// Puts the values of each field together, once all are taken.
    pub(super) fn close(&mut self) -> Result<(), ArrowError> {
        for field in &mut self.fields {
            let values: Vec<&dyn Array> = field.values.iter().map(|value| value.as_ref()).collect();
            field.column = concat(&values)?;
        }
        Ok(())
    }

    /// The columns of a file schema that say which rows are meant and what they have.
    pub(super) fn columns_of(&self, file: &Schema) -> Result<SchemaRef, ArrowError> {
        let names = KEY.into_iter().chain(self.fields.iter().map(|field| field.name.as_str()));
        let fields = names.map(|name| Ok(file.field_with_name(name)?.clone())).collect::<Result<Vec<_>, ArrowError>>();
        Ok(Arc::new(Schema::new(fields?)))
    }

    /// Whether a file may have rows that are meant, by its date and statistics.
    pub(super) fn may_be_in(&self, file: &DataFile) -> bool {
        let day = i64::from(file.date).saturating_mul(DAY_US);
        self.keys.range(day..day.saturating_add(DAY_US)).any(|(&time_us, keys)| {
            keys.iter().any(|key| {
                let selection = Selection {
                    zone: key.zone.clone(),
                    device: key.device.clone(),
                    // Bounds of times are in milliseconds.
                    from_us: Some(time_us.saturating_sub(1_000)),
                    until_us: Some(time_us.saturating_add(1_001)),
                };
                selection.may_select(file)
            })
        })
    }

    /// Rows that are meant among some that have the columns of [`Self::columns_of`], each with a value of one field, in the order of the rows.
    pub(super) fn cells_in(&self, rows: &RecordBatch) -> Result<Vec<(usize, WantedCell)>, ArrowError> {
        let column = |name: &str| {
            let missing = || ArrowError::SchemaError(format!("there is no column {name}"));
            rows.column_by_name(name).ok_or_else(missing)
        };
        let times = column(TIME)?.as_primitive::<TimestampMicrosecondType>().values();
        let text = |name: &str| Ok::<&StringArray, ArrowError>(column(name)?.as_string::<i32>());
        let (provinces, zones, devices) = (text(PROVINCE)?, text(ZONE)?, text(DEVICE)?);
        let mut found = Vec::new();
        for (row, time_us) in times.iter().enumerate() {
            let Some(keys) = self.keys.get(time_us) else { continue };
            let at = |column: &'_ StringArray| column.is_valid(row).then(|| column.value(row).to_owned());
            let (province, zone, device) = (at(provinces), at(zones), at(devices));
            let is_meant = |key: &&WantedKey| {
                (key.province.is_none() || key.province == province) && (&key.zone, &key.device) == (&zone, &device)
            };
            let meant = keys.iter().filter(is_meant);
            found.extend(meant.flat_map(|key| key.cells.iter().map(move |cell| (row, *cell))));
        }
        Ok(found)
    }

    /// Positions of the values in the order.
    pub(super) fn values(&self) -> impl Iterator<Item = usize> + '_ {
        self.keys.values().flatten().flat_map(|key| key.cells.iter().map(|cell| cell.value))
    }

    /// Name of a field.
    pub(super) fn field_name(&self, position: usize) -> &str {
        &self.fields[position].name
    }

    /// The new value of a cell, as a column of one row.
    pub(super) fn new_value(&self, cell: WantedCell) -> ArrayRef {
        self.fields[cell.field].column.slice(cell.at, 1)
    }

    /// Rows of the file schema with their new values.
    pub(super) fn corrected(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let cells = self.cells_in(rows)?;
        if cells.is_empty() {
            return Ok(rows.clone());
        }
        let mut columns = rows.columns().to_vec();
        for (position, field) in self.fields.iter().enumerate() {
            let of_field: BTreeMap<usize, usize> =
                cells.iter().filter(|(_, cell)| cell.field == position).map(|(row, cell)| (*row, cell.at)).collect();
            if of_field.is_empty() {
                continue;
            }
            let at = rows.schema().index_of(&field.name)?;
            let sources: Vec<(usize, usize)> =
                (0..rows.num_rows()).map(|row| of_field.get(&row).map_or((0, row), |new| (1, *new))).collect();
            columns[at] = interleave(&[columns[at].as_ref(), field.column.as_ref()], &sources)?;
        }
        RecordBatch::try_new(rows.schema(), columns)
    }
}

const TIME: &str = "time";
const PROVINCE: &str = "province";
const ZONE: &str = "zone";
const DEVICE: &str = "device";
/// What says which rows are meant.
pub(super) const KEY: [&str; 4] = [TIME, PROVINCE, ZONE, DEVICE];
