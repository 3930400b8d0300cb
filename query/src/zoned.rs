//! Tables whose times with a zone are in the zone of a session: literals without a zone then mean that zone, and
//! `date_trunc`, casts to a date and the text of a time are those of its local days. Only the type changes and no value,
//! so that filters still leave out files.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::optimizer::AnalyzerRule;

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

/// A day that is compared with instants is the one of the session's zone and not that of UTC, as it is for Arrow.
#[derive(Debug)]
pub(crate) struct DaysOfZone;

impl AnalyzerRule for DaysOfZone {
    fn name(&self) -> &'static str {
        "days_of_zone"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let mut schema = DFSchema::empty();
            for input in plan.inputs() {
                schema.merge(input.schema());
            }
            if let LogicalPlan::TableScan(scan) = &plan {
                schema.merge(&scan.projected_schema);
            }
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                let rewritten = expr.transform_up(|expr| day_of_zone(expr, &schema))?;
                Ok(rewritten.update_data(|expr| name.restore(expr)))
            })
        })
        .data()
    }
}

fn day_of_zone(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::Cast(of) = &expr else { return Ok(Transformed::no(expr)) };
    let DataType::Timestamp(unit, Some(_)) = of.field.data_type() else { return Ok(Transformed::no(expr)) };
    match of.expr.get_type(schema) {
        Ok(DataType::Date32) => {
            let midnight = cast(of.expr.as_ref().clone(), DataType::Timestamp(*unit, None));
            Ok(Transformed::yes(cast(midnight, of.field.data_type().clone())))
        }
        _ => Ok(Transformed::no(expr)),
    }
}
