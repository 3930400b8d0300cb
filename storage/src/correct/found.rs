//! The rows of an order in the files of a table, with the values that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use serde_json::{Value, json};
use zonelake_parquet::{DataFile, FileRows, ParquetFileError};

use crate::correct::wanted::{KEY, Wanted};
use crate::rules::error::RuleError;
use crate::rules::hidden::HiddenRows;
use crate::store::Store;
use crate::table::table::Table;
use crate::table::view::TableView;

/// Rows of one file that an order is about.
#[derive(Debug)]
pub(super) struct FoundFile {
    pub file: Arc<DataFile>,
    /// What statements do not see of it, and how many rows that are. A file in its place does not get them.
    pub hidden: Option<HiddenRows>,
    pub hidden_rows: u64,
    /// Cells that the order is about, in the order of the file.
    pub cells: Vec<FoundCell>,
    /// Values of the order, by position, that are about the same field of one row.
    pub clashes: Vec<(usize, usize)>,
    /// Rows of which a cell has another value.
    pub changed_rows: u64,
}

/// One field of one row.
#[derive(Debug)]
pub(super) struct FoundCell {
    /// Position of its new value in the order.
    pub value: usize,
    /// Where and what it is, with the old and the new value, where these are not the same.
    pub change: Option<Value>,
}

impl Store {
    /// Looks for the rows of an order, in the files of a view that may have them. Files without any are left out.
    pub(super) async fn find_corrected(
        &self,
        table: &Table,
        view: &TableView,
        wanted: &Wanted,
    ) -> Result<Vec<FoundFile>, RuleError> {
        let mut found = Vec::new();
        for file in view.files.iter().filter(|file| wanted.may_be_in(file)) {
            let of_file = self.find_in_file(table, file, view.hidden.in_file(file), wanted).await;
            let of_file = of_file.map_err(|source| RuleError::File {
                table: table.name().into(),
                file: file.path.clone(),
                source,
            })?;
            if !of_file.cells.is_empty() {
                found.push(of_file);
            }
        }
        Ok(found)
    }

    async fn find_in_file(
        &self,
        table: &Table,
        file: &Arc<DataFile>,
        hidden: Option<HiddenRows>,
        wanted: &Wanted,
    ) -> Result<FoundFile, ParquetFileError> {
        let columns = wanted.columns_of(&table.registered.schemas.file)?;
        let mut rows = FileRows::open(Arc::clone(self.object_store()), table.root(), file, columns).await?;
        let mut found = FoundFile {
            file: Arc::clone(file),
            hidden,
            hidden_rows: 0,
            cells: Vec::new(),
            clashes: Vec::new(),
            changed_rows: 0,
        };
        while let Some(batch) = rows.next().await? {
            found.take(&batch, wanted)?;
        }
        Ok(found)
    }
}

impl FoundFile {
    fn take(&mut self, rows: &RecordBatch, wanted: &Wanted) -> Result<(), ArrowError> {
        let hidden = self.hidden_among(rows);
        self.hidden_rows += hidden.len() as u64;
        let (mut changed, mut taken) = (BTreeSet::new(), BTreeMap::new());
        for (row, cell) in wanted.cells_in(rows)? {
            if hidden.contains(&row) {
                continue;
            }
            if let Some(other) = taken.insert((row, cell.field), cell.value) {
                self.clashes.push((other, cell.value));
            }
            let field = wanted.field_name(cell.field);
            let at = rows.schema().index_of(field)?;
            let (old, new) = (rows.column(at).slice(row, 1), wanted.new_value(cell));
            let mut change = None;
            if old.as_ref() != new.as_ref() {
                let mut told = json!({"field": field, "old": told(&old)?, "new": told(&new)?});
                for name in KEY {
                    let at = rows.schema().index_of(name)?;
                    told[name] = told_at(rows.column(at), row)?;
                }
                change = Some(told);
                changed.insert(row);
            }
            self.cells.push(FoundCell { value: cell.value, change });
        }
        self.changed_rows += changed.len() as u64;
        Ok(())
    }

    /// Rows that no statement sees.
    fn hidden_among(&self, rows: &RecordBatch) -> BTreeSet<usize> {
        let Some(hidden) = &self.hidden else { return BTreeSet::new() };
        let [time, _, zone, device] = KEY.map(|name| rows.column_by_name(name).expect("the columns were asked for"));
        let times = time.as_primitive::<TimestampMicrosecondType>();
        let (zones, devices) = (zone.as_string::<i32>(), device.as_string::<i32>());
        let is_hidden = |row: &usize| {
            let zone = zones.is_valid(*row).then(|| zones.value(*row));
            let device = devices.is_valid(*row).then(|| devices.value(*row));
            hidden.hides(zone, device, times.value(*row))
        };
        (0..rows.num_rows()).filter(is_hidden).collect()
    }
}

/// The value of a column of one row, as an entry of audit has it.
fn told(column: &ArrayRef) -> Result<Value, ArrowError> {
    told_at(column, 0)
}

fn told_at(column: &ArrayRef, row: usize) -> Result<Value, ArrowError> {
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    array_value_to_string(column, row).map(Value::String)
}
