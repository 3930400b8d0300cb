//! `live_windows(table, window)` in a statement.

use std::sync::Arc;

use datafusion::common::{Result, plan_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::TableFactor;
use zonelake_timeseries::window_relation;

use crate::windows::source::readings;
use crate::windows::window_table::WindowTable;

/// Planner of these relations.
#[derive(Debug)]
pub(crate) struct WindowRelations;

impl RelationPlanner for WindowRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (Some((span, table)), TableFactor::Derived { alias, .. }) = (window_relation(&relation), &relation) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let LogicalPlan::TableScan(scan) = context.plan(table)? else {
            return plan_err!("live_windows takes the name of one table of readings");
        };
        let provider = source_as_provider(&scan.source)?;
        let Some((readings, _)) = readings(&provider) else {
            return plan_err!("live_windows takes the name of one table of readings");
        };
        let columns = readings.window_columns(&provider.schema());
        let table = Arc::new(WindowTable::new(span, provider, columns));
        let rows = LogicalPlanBuilder::scan(scan.table_name.clone(), provider_as_source(table), None)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(rows, alias.clone()))))
    }
}
