//! Filters of a statement on their way down to the data: whole files and live chunks are left out by their statistics, and
//! what reads locations alone is evaluated once for each device. Row groups and pages are left out by the Parquet reader, which gets
//! the filter as it is; [`crate::scan::decimal_pushdown`] rewrites it for decimals there.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::PhysicalExpr;
use zonelake_schemas::TableDef;

use crate::scan::location_columns::{LOCATION_COLUMNS, location_schema};
use crate::scan::pruning_statistics::{Candidates, HasBounds};

/// Candidates of a table that may have rows that pass `filter`.
pub(crate) fn keep<T: HasBounds>(
    def: &Arc<TableDef>,
    sql: &SchemaRef,
    all: Vec<Arc<T>>,
    filter: Option<&Arc<dyn PhysicalExpr>>,
) -> Result<Vec<Arc<T>>> {
    let Some(filter) = filter else { return Ok(all) };
    let pruning = PruningPredicateBuilder::new().with_file_schema(Arc::clone(sql)).try_build(Arc::clone(filter))?;
    if pruning.always_true() || all.is_empty() {
        return Ok(all);
    }
    let may_pass = pruning.prune(&Candidates { def, schema: sql, all: &all })?;
    Ok(all.into_iter().zip(may_pass).filter_map(|(one, keep)| keep.then_some(one)).collect())
}

/// Conjunction of filters over a schema, ready to be evaluated.
pub(crate) fn physical_filter(
    state: &dyn Session,
    schema: &SchemaRef,
    filters: impl IntoIterator<Item = Expr>,
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let Some(filter) = conjunction(filters) else { return Ok(None) };
    let schema = DFSchema::try_from(Arc::clone(schema))?;
    state.create_physical_expr(filter, &schema).map(Some)
}

/// Part of the filters that reads locations alone, over the [`location_schema`].
pub(crate) fn location_filter(state: &dyn Session, filters: &[Expr]) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    physical_filter(state, &location_schema(), parts_over(filters, &LOCATION_COLUMNS))
}

/// Part of the filters that reads columns of the key of a row alone, by which rows repeat each other: it passes all rows of a key or none of
/// them.
pub(crate) fn key_filters(filters: &[Expr]) -> Vec<Expr> {
    parts_over(filters, &KEY_COLUMNS).collect()
}

/// Parts of a conjunction that read some of these columns, and no others.
fn parts_over<'a>(filters: &'a [Expr], columns: &'a [&str]) -> impl Iterator<Item = Expr> + 'a {
    let is_over = |expr: &&Expr| {
        let read = expr.column_refs();
        !read.is_empty() && read.iter().all(|column| columns.contains(&column.name.as_str())) && !expr.is_volatile()
    };
    filters.iter().flat_map(split_conjunction).filter(is_over).cloned()
}

/// Columns that are the same for all repeats of a row.
const KEY_COLUMNS: [&str; 5] = ["date", "time", "province", "zone", "device"];
