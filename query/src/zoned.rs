//! Tables whose times with a zone are in the zone of a session: literals without a zone then mean that zone, and
//! `date_trunc`, casts to a date and the text of a time are those of its local days. Only the type changes and no value,
//! so that filters still leave out files.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::{Column, Result};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast};

/// The table in a zone; the same one where none of its columns is a time with a zone.
pub(crate) fn in_zone(table: Arc<dyn TableProvider>, zone: &Arc<str>) -> Result<Arc<dyn TableProvider>> {
    let schema: SchemaRef = table.schema();
    let is_zoned = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, Some(_)));
    if !schema.fields().iter().any(|field| is_zoned(field.data_type())) {
        return Ok(table);
    }
    let columns = schema.fields().iter().map(|field| {
        let column = Expr::Column(Column::new(Some(STORED), field.name()));
        match field.data_type() {
            DataType::Timestamp(unit, Some(_)) => {
                cast(column, DataType::Timestamp(*unit, Some(Arc::clone(zone)))).alias(field.name())
            }
            _ => column,
        }
    });
    let plan = LogicalPlanBuilder::scan(STORED, provider_as_source(table), None)?.project(columns)?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Name of the table below the view. No statement sees it.
const STORED: &str = "stored";
