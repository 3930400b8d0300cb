//! Last rows and last values of one table, as a table that a scan makes from memory.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Float64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use zonelake_schemas::columns::{SQL_FIXED, timestamp};
use zonelake_schemas::{DeviceKey, Quality, TableSchemas};
use zonelake_storage::{LastRows, RowOrder};

use crate::last::columns::{FieldsOf, Known, instants, last_field, live_rows};
use crate::scan::filter_pushdown::location_filter;
use crate::scan::live_columns::LiveRows;
use crate::scan::location_columns::LocationColumns;

/// What of its devices a table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The last row of each device of a zone, wherever it was in it: `latest(table)`.
    Rows,
    /// The last row at each location, among which is the newest of any choice of locations.
    RowsByLocation,
    /// The last value of each field of each device where it is now: `last_values(table)`.
    Values,
}

/// The last rows of a table at one moment.
#[derive(Debug)]
pub(crate) struct LastTable {
    shown: Shown,
    schemas: TableSchemas,
    schema: SchemaRef,
    rows: Arc<LastRows>,
    locations: Arc<LocationColumns>,
    /// Memory of the rows of its scans.
    made: Mutex<Vec<MemoryReservation>>,
}

impl LastTable {
    /// Last rows, whose locations are all in `locations`.
    pub(crate) fn new(
        shown: Shown,
        schemas: TableSchemas,
        rows: Arc<LastRows>,
        locations: Arc<LocationColumns>,
    ) -> Self {
        let schema = match shown {
            Shown::Rows | Shown::RowsByLocation => Arc::clone(&schemas.sql),
            Shown::Values => values_schema(&schemas.sql),
        };
        Self { shown, schemas, schema, rows, locations, made: Mutex::default() }
    }

    /// What it shows a part of.
    pub(crate) fn kept(&self) -> &Arc<LastRows> {
        &self.rows
    }

    /// The locations that its devices are at.
    pub(crate) fn locations(&self) -> &Arc<LocationColumns> {
        &self.locations
    }

    /// For each key the current one of its device.
    pub(crate) fn current_keys(&self) -> &[u32] {
        self.locations.current_keys()
    }

    /// The devices that are shown, of those that pass a filter by key, in the order of their keys.
    pub(crate) fn devices(&self, passes: impl Fn(DeviceKey) -> bool) -> Vec<Known> {
        let current = self.locations.current_keys();
        let now = |key: DeviceKey| current.get(key.0 as usize).copied();
        let passing = self.rows.devices().filter(|(key, _)| passes(*key));
        let passing = passing.map(|(key, device)| (key, Arc::clone(device)));
        match self.shown {
            Shown::RowsByLocation => passing.collect(),
            Shown::Values => passing.filter(|(key, _)| now(*key) == Some(key.0)).collect(),
            Shown::Rows => {
                // Of a device that has moved within its zone, the newest row of all its places.
                let mut newest: Vec<Option<(RowOrder, Known)>> = vec![None; current.len()];
                for (key, device) in passing {
                    let Some(slot) = now(key).and_then(|key| newest.get_mut(key as usize)) else { continue };
                    let order = device.head.order;
                    if slot.as_ref().is_none_or(|(known, _)| *known <= order) {
                        *slot = Some((order, (key, device)));
                    }
                }
                newest.into_iter().flatten().map(|(_, known)| known).collect()
            }
        }
    }

    /// Devices as rows with the columns at the positions of `projection`. `now_us` is what ages are counted to.
    pub(crate) fn rows(&self, devices: &[Known], projection: &[usize], now_us: i64) -> Result<RecordBatch> {
        let schema = Arc::new(self.schema.project(projection)?);
        if self.shown != Shown::Values {
            return self.projected(devices, projection, schema, FieldsOf::LastRow);
        }
        let sources: Vec<ValueColumn> = projection.iter().map(|&position| ValueColumn::at(position)).collect();
        let in_sql: Vec<usize> = sources.iter().filter_map(ValueColumn::in_sql).collect();
        let of_rows = Arc::new(self.schemas.sql.project(&in_sql)?);
        let mut of_rows =
            self.projected(devices, &in_sql, of_rows, FieldsOf::LastValues)?.columns().to_vec().into_iter();
        let columns = sources.iter().map(|source| -> ArrayRef {
            match *source {
                ValueColumn::InSql(_) => of_rows.next().expect("one column for each of the rows"),
                ValueColumn::Age => {
                    let age = |time_us: i64| now_us.saturating_sub(time_us) as f64 / 1_000_000.0;
                    Arc::new(Float64Array::from_iter_values(
                        devices.iter().map(|(_, device)| age(device.head.order.time_us)),
                    ))
                }
                ValueColumn::Time(field) => instants(
                    devices.iter().map(|(_, device)| last_field(device, field).map(|known| known.order.time_us)),
                ),
                ValueColumn::Quality(field) => {
                    Arc::new(StringViewArray::from_iter(devices.iter().map(|(_, device)| {
                        last_field(device, field)
                            .and_then(|known| Quality::from_number(known.quality))
                            .map(Quality::name)
                    })))
                }
            }
        });
        let columns: Vec<ArrayRef> = columns.collect();
        let options = RecordBatchOptions::new().with_row_count(Some(devices.len()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }

    fn projected(
        &self,
        devices: &[Known],
        projection: &[usize],
        schema: SchemaRef,
        fields_of: FieldsOf,
    ) -> Result<RecordBatch> {
        let wanted: HashSet<usize> = projection.iter().filter_map(|at| at.checked_sub(SQL_FIXED)).collect();
        let live = live_rows(&self.schemas.live, devices, fields_of, |field| wanted.contains(&field))?;
        let columns = LiveRows::new(projection, Arc::clone(&schema), Arc::clone(&self.locations), None);
        Ok(columns.project(&live)?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
    }

    fn reserve(&self, state: &dyn Session, rows: &RecordBatch) -> Result<()> {
        let reservation = MemoryConsumer::new("last rows").register(&state.runtime_env().memory_pool);
        reservation.try_grow(rows.get_array_memory_size())?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(reservation);
        Ok(())
    }
}

#[async_trait]
impl TableProvider for LastTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        // A device that has moved has rows at several sites, of which the newest counts before its site is looked at.
        let is_before_choice = |filter: &&Expr| {
            self.shown != Shown::Rows || filter.column_refs().iter().all(|column| column.name != "site")
        };
        let filters: Vec<Expr> = filters.iter().filter(is_before_choice).cloned().collect();
        let devices = match location_filter(state, &filters)? {
            Some(filter) => {
                let passing = self.locations.passing(&filter)?;
                self.devices(|key| {
                    let key = key.0 as usize;
                    key < passing.len() && !arrow::array::Array::is_null(&passing, key) && passing.value(key)
                })
            }
            None => self.devices(|_| true),
        };
        let started = state.execution_props().query_execution_start_time;
        let now_us = started.map_or(0, |at| at.timestamp_micros());
        let rows = self.rows(&devices, &projection, now_us)?;
        self.reserve(state, &rows)?;
        let schema = rows.schema();
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], schema, None)?)
    }

    /// Filters of locations choose devices; the filter above the scan decides which rows pass.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// Columns of `last_values(table)`: the place of a device, the time of its last row and its age, then for each field the value, its
/// time and its quality.
pub(super) fn values_schema(sql: &SchemaRef) -> SchemaRef {
    let mut columns: Vec<FieldRef> = VALUES_HEAD_IN_SQL.map(|position| Arc::clone(&sql.fields()[position])).to_vec();
    let age = Field::new("age_seconds", DataType::Float64, false);
    columns.push(Arc::new(age.with_metadata([("unit".to_owned(), "s".to_owned())].into())));
    let mut names: HashSet<String> = sql.fields().iter().map(|field| field.name().clone()).collect();
    for field in &sql.fields()[SQL_FIXED..] {
        columns.push(Arc::clone(field));
        for (suffix, data_type) in [("time", timestamp()), ("quality", DataType::Utf8View)] {
            let mut name = format!("{}_{suffix}", field.name());
            // A field may have that name itself.
            while !names.insert(name.clone()) {
                name.push('_');
            }
            columns.push(Arc::new(Field::new(name, data_type, true)));
        }
    }
    Arc::new(Schema::new(columns))
}

/// Source of a column of `last_values(table)`.
#[derive(Debug, Clone, Copy)]
pub(super) enum ValueColumn {
    /// Column of the table's rows, by its position there.
    InSql(usize),
    /// Age of the last row.
    Age,
    /// Time of the last value of a field, by its number.
    Time(usize),
    /// Quality of its row.
    Quality(usize),
}

impl ValueColumn {
    /// That at a position.
    pub(super) fn at(position: usize) -> Self {
        if let Some(&in_sql) = VALUES_HEAD_IN_SQL.get(position) {
            return Self::InSql(in_sql);
        }
        let Some(beyond) = position.checked_sub(VALUES_HEAD_IN_SQL.len() + 1) else { return Self::Age };
        match beyond % 3 {
            0 => Self::InSql(SQL_FIXED + beyond / 3),
            1 => Self::Time(beyond / 3),
            _ => Self::Quality(beyond / 3),
        }
    }

    fn in_sql(&self) -> Option<usize> {
        match *self {
            Self::InSql(position) => Some(position),
            Self::Age | Self::Time(_) | Self::Quality(_) => None,
        }
    }
}

/// Positions in the SQL schema of province, zone, site, device and time, which `last_values(table)` begins with.
const VALUES_HEAD_IN_SQL: [usize; 5] = [3, 4, 5, 6, 1];
