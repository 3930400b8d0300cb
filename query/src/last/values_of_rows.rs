//! Last values of a table that memory does not know, made of its rows: while files are read anew after a start without a checkpoint, a
//! correction or a deletion, while rows are hidden that are still on disk, and where a table has too many devices.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{Column, DFSchema, NullEquality, Result};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::functions_aggregate::first_last::last_value_udaf;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableScan, cast, lit,
};
use zonelake_schemas::columns::{SQL_FIXED, timestamp};

use crate::last::last_table::{ValueColumn, values_schema};
use crate::scan::location_columns::{LOCATION_COLUMNS, LocationColumns};

/// The rows of `last_values(table)`, by a query over all rows of the table. Of several rows of a device at one time the one that was received
/// last counts, as in `latest`. Of columns that a statement does not want nothing is read.
pub(crate) fn values_of_rows(
    scan: &TableScan,
    locations: &LocationColumns,
    now: &Arc<ScalarUDF>,
) -> Result<LogicalPlan> {
    let sql = scan.source.schema();
    let table = scan.table_name.clone();
    let column = |name: &str| Expr::Column(Column::new(Some(table.clone()), name));
    let places = LOCATION_COLUMNS.map(column);
    let mut aggregates = vec![max(column("time")).alias(LAST_TIME)];
    for (number, field) in sql.fields()[SQL_FIXED..].iter().enumerate() {
        for part in [Part::Value, Part::Time, Part::Quality] {
            let taken = match part {
                Part::Value => field.name().as_str(),
                Part::Time => "time",
                Part::Quality => "quality",
            };
            let order = ["time", "ingested_at"].map(|name| column(name).sort(true, true)).to_vec();
            let last = last_value_udaf().call(vec![column(taken)]).order_by(order);
            let last = last.filter(column(field.name()).is_not_null()).build()?;
            aggregates.push(last.alias(part.name(number)));
        }
    }
    let all = LogicalPlanBuilder::from(LogicalPlan::TableScan(scan.clone())).aggregate(places.to_vec(), aggregates)?;
    let current = current_places(locations)?;
    let keys = |plan: &DFSchema| -> Vec<Column> {
        let of = |name: &&str| plan.columns().into_iter().find(|column| column.name == **name);
        LOCATION_COLUMNS.iter().filter_map(of).collect()
    };
    let on = (keys(all.schema()), keys(current.schema()));
    let here = all.join_detailed(current, JoinType::LeftSemi, on, None, NullEquality::NullEqualsNull)?;
    let made = |name: &str| Expr::Column(Column::from_name(name));
    let columns = values_schema(&sql);
    let shown = columns.fields().iter().enumerate().map(|(position, field)| {
        let value = match ValueColumn::at(position) {
            ValueColumn::InSql(at) => match at.checked_sub(SQL_FIXED) {
                Some(number) => made(&Part::Value.name(number)),
                None if sql.field(at).name() == "time" => made(LAST_TIME),
                None => column(sql.field(at).name()),
            },
            ValueColumn::Age => age_of(made(LAST_TIME), now),
            ValueColumn::Time(number) => made(&Part::Time.name(number)),
            ValueColumn::Quality(number) => made(&Part::Quality.name(number)),
        };
        value.alias_with_metadata(field.name(), Some(FieldMetadata::from(field.as_ref())))
    });
    let shown: Vec<Expr> = shown.collect();
    here.project(shown)?.alias(table)?.build()
}

/// Seconds from a time to the beginning of the statement.
fn age_of(time: Expr, now: &Arc<ScalarUDF>) -> Expr {
    let us = |instant| cast(cast(instant, timestamp()), DataType::Int64);
    cast(us(now.call(Vec::new())) - us(time), DataType::Float64) / lit(1_000_000.0)
}

/// The places at which devices are now, as a relation.
fn current_places(locations: &LocationColumns) -> Result<LogicalPlan> {
    let rows = locations.current_places()?;
    let places = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
    LogicalPlanBuilder::scan("__places", provider_as_source(Arc::new(places)), None)?.build()
}

/// What is told of the last value of a field.
#[derive(Debug, Clone, Copy)]
enum Part {
    Value,
    Time,
    Quality,
}

impl Part {
    /// Name of its column before it gets the one that is shown, which another field may have.
    fn name(self, field: usize) -> String {
        match self {
            Self::Value => format!("__value_{field}"),
            Self::Time => format!("__time_{field}"),
            Self::Quality => format!("__quality_{field}"),
        }
    }
}

const LAST_TIME: &str = "__last_time";
