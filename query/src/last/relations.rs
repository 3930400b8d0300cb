//! `latest(table)` and `last_values(table)` in a statement, planned over memory where the last rows of the table are known.
//! Elsewhere `latest` is the query over all rows that it abbreviates, and `last_values` one that is made here.

use std::any::Any;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Result, plan_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::sql::sqlparser::ast::TableFactor;
use zonelake_timeseries::{LastFunction, last_relation};

use crate::last::last_table::{LastTable, Shown};
use crate::last::values_of_rows::values_of_rows;
use crate::scan::telemetry_table::TelemetryTable;

/// Planner of these relations.
#[derive(Debug)]
pub(crate) struct LastRelations;

impl RelationPlanner for LastRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let Some((function, table)) = last_relation(&relation) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let TableFactor::Derived { alias, .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let shown = match function {
            LastFunction::Latest => Shown::Rows,
            LastFunction::LastValues => Shown::Values,
        };
        let planned = context.plan(table)?;
        if let LogicalPlan::TableScan(scan) = &planned
            && let Some(last) = last_table(scan, shown)?
        {
            let rows = LogicalPlanBuilder::scan(scan.table_name.clone(), provider_as_source(last), None)?.build()?;
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(rows, alias.clone()))));
        }
        match function {
            LastFunction::Latest => Ok(RelationPlanning::Original(Box::new(relation))),
            LastFunction::LastValues if telemetry_of(&planned, |table| !table.def().on_repeat.keeps_all()) => {
                plan_err!(
                    "last_values cannot be told of a table that declares on_repeat: a row may take another one's place, so that last values are not kept; use latest"
                )
            }
            LastFunction::LastValues => {
                let rows = rows_of(&planned, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(rows, alias.clone()))))
            }
        }
    }
}

/// The table of last rows in place of a scan of all rows, where they are known.
pub(crate) fn last_table(scan: &TableScan, shown: Shown) -> Result<Option<Arc<LastTable>>> {
    let Ok(provider) = source_as_provider(&scan.source) else { return Ok(None) };
    telemetry(&provider).map_or(Ok(None), |table| table.last(shown))
}

/// The table of readings that a provider is, where nothing is hidden of it.
pub(crate) fn telemetry(provider: &Arc<dyn TableProvider>) -> Option<&TelemetryTable> {
    let provider: &dyn Any = provider.as_ref();
    provider.downcast_ref()
}

/// The last values by the rows of a table of readings.
fn rows_of(planned: &LogicalPlan, context: &dyn RelationPlannerContext) -> Result<LogicalPlan> {
    if let LogicalPlan::TableScan(scan) = planned
        && let Ok(provider) = source_as_provider(&scan.source)
        && let Some(table) = telemetry(&provider)
        && let Some(now) = context.context_provider().get_function_meta("now")
    {
        return values_of_rows(scan, table.location_columns()?.as_ref(), &now);
    }
    plan_err!("last_values takes the name of one table of readings")
}

/// Whether a plan is the scan of a table of readings that passes a test.
fn telemetry_of(plan: &LogicalPlan, is_it: impl Fn(&TelemetryTable) -> bool) -> bool {
    let LogicalPlan::TableScan(scan) = plan else { return false };
    source_as_provider(&scan.source).is_ok_and(|provider| telemetry(&provider).is_some_and(is_it))
}
