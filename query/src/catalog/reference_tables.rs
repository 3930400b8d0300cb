//! Tables whose rows are few and known without a file: the registry's, the declared fields, and reference data.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray};
use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use zonelake_registry::{Device, DeviceDetails, DeviceState, Position, ReferenceChange, Registry};
use zonelake_schemas::columns::timestamp;
use zonelake_schemas::reference_tables::{
    CellKind, REFERENCE_TABLES, ReferenceColumn, ReferenceTable as DeclaredTable,
};
use zonelake_schemas::{FieldKind, TableDef};

/// Makes the rows of a table.
type MakeRows = Box<dyn Fn() -> Result<RecordBatch, ArrowError> + Send + Sync>;

/// Table that makes its rows when a statement first reads it and keeps them for that statement.
pub(crate) struct ReferenceTable {
    schema: SchemaRef,
    make: MakeRows,
    rows: OnceLock<RecordBatch>,
}

impl ReferenceTable {
    /// Table with these columns.
    pub(crate) fn new(
        columns: Vec<Field>,
        make: impl Fn(&SchemaRef) -> Result<RecordBatch, ArrowError> + Send + Sync + 'static,
    ) -> Self {
        let schema = Arc::new(Schema::new(columns));
        let of = Arc::clone(&schema);
        Self { schema, make: Box::new(move || make(&of)), rows: OnceLock::new() }
    }
}

impl fmt::Debug for ReferenceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceTable").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for ReferenceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = match self.rows.get() {
            Some(rows) => rows.clone(),
            None => {
                // Two scans may make the rows at the same time; the first one's are kept, so both see the same.
                let made = (self.make)()?;
                self.rows.get_or_init(|| made).clone()
            }
        };
        let plan = MemorySourceConfig::try_new_exec(&[vec![rows]], Arc::clone(&self.schema), projection.cloned())?;
        Ok(plan)
    }
}

/// Reference table with its name and what it says.
pub(crate) type NamedTable = (&'static str, &'static str, Arc<dyn TableProvider>);

/// Reference tables: those of `registry`, the fields of `tables`, and the dated rows.
pub(crate) fn reference_tables(registry: &Arc<Registry>, tables: &[Arc<TableDef>]) -> Vec<NamedTable> {
    let tables = tables.to_vec();
    let mut all: Vec<NamedTable> = vec![
        ("provinces", "", Arc::new(provinces(Arc::clone(registry)))),
        ("zones", "", Arc::new(zones(Arc::clone(registry)))),
        ("sites", "", Arc::new(sites(Arc::clone(registry)))),
        ("devices", "", Arc::new(devices(Arc::clone(registry)))),
        ("gateways", "", Arc::new(gateways(Arc::clone(registry)))),
        ("fields", "", Arc::new(fields(tables))),
        (
            "reference_changes",
            "Changes of reference data: when, rows after it, and the digest of these.",
            Arc::new(reference_changes(Arc::clone(registry))),
        ),
    ];
    for declared in REFERENCE_TABLES {
        all.push((declared.name, declared.description, Arc::new(dated_rows(Arc::clone(registry), declared))));
    }
    all
}

/// Column of text that may be null.
pub(crate) fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8View, true)
}

pub(crate) fn double(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

pub(crate) fn bigint(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn boolean(name: &str) -> Field {
    Field::new(name, DataType::Boolean, true)
}

fn date(name: &str) -> Field {
    Field::new(name, DataType::Date32, true)
}

/// Values of a column of text, one a row.
pub(crate) fn texts<'a, T: 'a, I: Into<Option<&'a str>>>(rows: &'a [T], of: impl Fn(&'a T) -> I) -> ArrayRef {
    Arc::new(rows.iter().map(|row| of(row).into()).collect::<StringViewArray>())
}

fn booleans<T>(rows: &[T], of: impl Fn(&T) -> bool) -> ArrayRef {
    Arc::new(rows.iter().map(|row| Some(of(row))).collect::<BooleanArray>())
}

fn doubles<T>(rows: &[T], of: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Float64Array>())
}

pub(crate) fn instants<T>(rows: &[T], of: impl Fn(&T) -> Option<i64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn provinces(registry: Arc<Registry>) -> ReferenceTable {
    ReferenceTable::new(vec![text("code"), text("name")], move |schema| {
        let rows = registry.provinces();
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![texts(&rows, |row| Some(&*row.code)), texts(&rows, |row| Some(&*row.name))],
        )
    })
}

fn zones(registry: Arc<Registry>) -> ReferenceTable {
    let columns = vec![
        text("province"),
        text("kind"),
        text("code"),
        text("name"),
        text("locality"),
        double("area_ha"),
        text("status"),
        text("source"),
        boolean("auto_register"),
    ];
    ReferenceTable::new(columns, move |schema| {
        let rows = registry.zones();
        let columns = vec![
            texts(&rows, |row| Some(&*row.province)),
            texts(&rows, |row| Some(row.kind.as_str())),
            texts(&rows, |row| Some(&*row.code)),
            texts(&rows, |row| Some(row.name.as_str())),
            texts(&rows, |row| row.locality.as_deref()),
            doubles(&rows, |row| row.area_ha),
            texts(&rows, |row| Some(row.status.as_str())),
            texts(&rows, |row| row.source.as_deref()),
            booleans(&rows, |row| row.auto_register),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

fn sites(registry: Arc<Registry>) -> ReferenceTable {
    let columns = vec![text("province"), text("zone"), text("code"), text("name")];
    ReferenceTable::new(columns, move |schema| {
        let rows = registry.sites();
        let columns = vec![
            texts(&rows, |row| Some(&*row.province)),
            texts(&rows, |row| Some(&*row.zone_code)),
            texts(&rows, |row| Some(&*row.code)),
            texts(&rows, |row| Some(row.name.as_str())),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

fn devices(registry: Arc<Registry>) -> ReferenceTable {
    let columns = vec![
        text("province"),
        text("zone"),
        text("site"),
        text("device"),
        text("state"),
        text("kind"),
        text("model"),
        text("serial"),
        double("latitude"),
        double("longitude"),
        text("tags"),
        bigint("interval_seconds"),
    ];
    ReferenceTable::new(columns, move |schema| {
        let rows = registry.devices();
        let tags: Vec<Option<String>> = rows.iter().map(|row| tags(row.details.as_deref())).collect();
        let columns = vec![
            texts(&rows, |row| Some(&*row.province)),
            texts(&rows, |row| Some(&*row.zone_code)),
            texts(&rows, |row| row.site.as_deref()),
            texts(&rows, |row| Some(&*row.name)),
            texts(&rows, |row| Some(row.details.as_deref().map_or(DeviceState::Announced, |of| of.state).name())),
            said(&rows, |details| details.kind.as_deref()),
            said(&rows, |details| details.model.as_deref()),
            said(&rows, |details| details.serial.as_deref()),
            degrees(&rows, |position| position.latitude),
            degrees(&rows, |position| position.longitude),
            texts(&tags, |tags| tags.as_deref()),
            intervals(&rows),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

/// An attribute of each device, where somebody has said something of it.
fn said<'a>(rows: &'a [Device], of: impl Fn(&'a DeviceDetails) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| row.details.as_deref().and_then(&of)).collect::<StringViewArray>())
}

/// A part of the position of each device.
fn degrees(rows: &[Device], of: impl Fn(Position) -> f64) -> ArrayRef {
    doubles(rows, |row| row.details.as_deref().and_then(|details| details.position).map(&of))
}

/// Tags of a device, as one text.
fn tags(details: Option<&DeviceDetails>) -> Option<String> {
    details.map(|details| details.tags.join(";")).filter(|tags| !tags.is_empty())
}

/// Declared intervals of devices.
fn intervals(rows: &[Device]) -> ArrayRef {
    let seconds = |row: &Device| row.details.as_deref().and_then(|details| details.interval_seconds).map(i64::from);
    Arc::new(rows.iter().map(seconds).collect::<Int64Array>())
}

/// The gateways, without anything of their tokens.
fn gateways(registry: Arc<Registry>) -> ReferenceTable {
    let instant = |name| Field::new(name, timestamp(), true);
    let columns = vec![text("name"), text("province"), text("zone"), instant("created_at"), instant("revoked_at")];
    ReferenceTable::new(columns, move |schema| {
        let rows = registry.gateways().map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        let columns = vec![
            texts(&rows, |row| Some(row.name.as_str())),
            texts(&rows, |row| Some(&*row.province)),
            texts(&rows, |row| Some(&*row.zone_code)),
            instants(&rows, |row| Some(row.created_us)),
            instants(&rows, |row| row.revoked_us),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

/// The declared fields of all tables, in the order in which SQL shows them.
fn fields(tables: Vec<Arc<TableDef>>) -> ReferenceTable {
    let columns = vec![
        text("table_name"),
        text("field"),
        text("type"),
        text("unit"),
        double("min"),
        double("max"),
        bigint("decimals"),
        text("description"),
    ];
    ReferenceTable::new(columns, move |schema| {
        let rows: Vec<_> =
            tables.iter().flat_map(|table| table.fields.iter().map(|field| (table.name.as_str(), field))).collect();
        let columns: Vec<ArrayRef> = vec![
            texts(&rows, |(table, _)| Some(*table)),
            texts(&rows, |(_, field)| Some(field.name.as_str())),
            texts(&rows, |(_, field)| Some(type_name(field.kind))),
            texts(&rows, |(_, field)| Some(field.unit.as_str()).filter(|unit| !unit.is_empty())),
            doubles(&rows, |(_, field)| field.min),
            doubles(&rows, |(_, field)| field.max),
            Arc::new(rows.iter().map(|(_, field)| field.decimals.map(i64::from)).collect::<Int64Array>()),
            texts(&rows, |(_, field)| Some(field.description.as_str())),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

fn type_name(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Double => "double",
        FieldKind::Bigint => "bigint",
        FieldKind::Boolean => "boolean",
        FieldKind::Text => "text",
        FieldKind::Timestamp => "timestamp",
    }
}

/// The dated rows of a table, as the registry has them when a statement first reads them.
fn dated_rows(registry: Arc<Registry>, declared: &'static DeclaredTable) -> ReferenceTable {
    let column = |column: &ReferenceColumn| match column.kind {
        CellKind::Text | CellKind::TimeOfDay | CellKind::Polygon => text(column.name),
        CellKind::Number => double(column.name),
        CellKind::Integer => bigint(column.name),
        CellKind::Boolean => boolean(column.name),
        CellKind::Date => date(column.name),
    };
    ReferenceTable::new(declared.columns.iter().map(column).collect(), move |schema| {
        match registry.reference(declared.name) {
            Some(content) => csv(&content.csv, schema),
            None => Ok(RecordBatch::new_empty(Arc::clone(schema))),
        }
    })
}

/// Changes of the tables of dated rows.
fn reference_changes(registry: Arc<Registry>) -> ReferenceTable {
    let columns = vec![
        Field::new("changed_at", timestamp(), true),
        text("table_name"),
        bigint("rows"),
        bigint("added"),
        bigint("removed"),
        text("digest"),
    ];
    ReferenceTable::new(columns, move |schema| {
        let rows = registry.reference_changes().map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        let numbers = |of: fn(&ReferenceChange) -> u64| -> ArrayRef {
            Arc::new(rows.iter().map(|row| i64::try_from(of(row)).ok()).collect::<Int64Array>())
        };
        let columns = vec![
            instants(&rows, |row| Some(row.changed_us)),
            texts(&rows, |row| Some(row.table.as_str())),
            numbers(|row| row.rows),
            numbers(|row| row.added),
            numbers(|row| row.removed),
            texts(&rows, |row| Some(row.digest.as_str())),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    })
}

/// The rows of a CSV text, its columns by position.
fn csv(content: &str, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let lines = content.lines().count();
    let mut reader = ReaderBuilder::new(Arc::clone(schema))
        .with_header(true)
        .with_batch_size(lines)
        .build(std::io::Cursor::new(content))?;
    reader.next().unwrap_or_else(|| Ok(RecordBatch::new_empty(Arc::clone(schema))))
}
