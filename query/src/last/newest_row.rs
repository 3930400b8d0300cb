//! `ORDER BY time DESC LIMIT 1` of one or several devices, from the last rows in memory: the newest row of any choice of locations is
//! among the last rows of those locations.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, Sort};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::last::last_table::Shown;
use crate::last::relations::last_table;
use crate::scan::location_columns::LOCATION_COLUMNS;

/// Rule that puts the last rows in place of all rows where the newest of them is wanted.
#[derive(Debug)]
pub(crate) struct NewestRow;

impl OptimizerRule for NewestRow {
    fn name(&self) -> &str {
        "newest_row"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Sort(sort) = &plan else { return Ok(Transformed::no(plan)) };
        let (Some(1), [by]) = (sort.fetch, sort.expr.as_slice()) else { return Ok(Transformed::no(plan)) };
        let (Expr::Column(by), false) = (&by.expr, by.asc) else { return Ok(Transformed::no(plan)) };
        match over_last_rows(&sort.input, by, true)? {
            Some(input) => Ok(Transformed::yes(LogicalPlan::Sort(Sort { input: Arc::new(input), ..sort.clone() }))),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// The same rows' newest by `column`, over last rows; `None` where it is not the newest row of a choice of locations.
fn over_last_rows(plan: &LogicalPlan, column: &Column, may_project: bool) -> Result<Option<LogicalPlan>> {
    let inner = match plan {
        LogicalPlan::TableScan(scan) => {
            let is_by_time = column.name == "time" && scan.fetch.is_none();
            if !is_by_time || !scan.filters.iter().all(reads_locations_only) {
                return Ok(None);
            }
            let Some(last) = last_table(scan, Shown::RowsByLocation)? else { return Ok(None) };
            let mut scan = scan.clone();
            scan.source = provider_as_source(last);
            return Ok(Some(LogicalPlan::TableScan(scan)));
        }
        LogicalPlan::Projection(projection) if may_project => {
            let Some(position) = projection.schema.maybe_index_of_column(column) else { return Ok(None) };
            let Expr::Column(inner) = projection.expr[position].clone().unalias() else { return Ok(None) };
            if projection.expr.iter().any(Expr::is_volatile) {
                return Ok(None);
            }
            over_last_rows(&projection.input, &inner, true)?
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let Some(position) = alias.schema.maybe_index_of_column(column) else { return Ok(None) };
            let inner = Column::from(alias.input.schema().qualified_field(position));
            over_last_rows(&alias.input, &inner, may_project)?
        }
        // Below it no column has another name than in the table.
        LogicalPlan::Filter(filter) if reads_locations_only(&filter.predicate) => {
            over_last_rows(&filter.input, column, false)?
        }
        _ => None,
    };
    inner.map(|inner| plan.with_new_exprs(plan.expressions(), vec![inner])).transpose()
}

fn reads_locations_only(filter: &Expr) -> bool {
    let is_foreign = |expr: &Expr| {
        matches!(expr, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_) | Expr::OuterReferenceColumn(..))
    };
    let has_foreign = filter.exists(|expr| Ok(is_foreign(expr))).unwrap_or(true);
    let columns = filter.column_refs();
    !has_foreign
        && !filter.is_volatile()
        && columns.iter().all(|column| LOCATION_COLUMNS.contains(&column.name.as_str()))
}
