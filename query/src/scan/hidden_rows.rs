//! Rows that are hidden by retention or deletion, as a filter directly above the scan of the files that have them. Files and chunks
//! without any are scanned as ever, with exact statistics.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use zonelake_parquet::DataFile;
use zonelake_storage::{Chunk, Floors, Hidden, HiddenRows, Selection};

use crate::scan::filter_pushdown::physical_filter;

/// What has to be scanned, by what is hidden in it.
pub(crate) type ByHidden<T> = BTreeMap<Option<HiddenRows>, Vec<Arc<T>>>;

/// Files by what is hidden in them; those without a visible row are left out.
pub(crate) fn files_by_hidden(hidden: &Hidden, files: &[Arc<DataFile>]) -> ByHidden<DataFile> {
    let mut by_hidden = ByHidden::new();
    for file in files {
        let rows = hidden.in_file(file);
        if rows.as_ref().is_none_or(|rows| !rows.hides_all(file)) {
            by_hidden.entry(rows).or_default().push(Arc::clone(file));
        }
    }
    by_hidden
}

/// Live chunks by what is hidden in them.
pub(crate) fn chunks_by_hidden<'a>(hidden: &Hidden, chunks: impl Iterator<Item = &'a Arc<Chunk>>) -> ByHidden<Chunk> {
    let mut by_hidden = ByHidden::new();
    for chunk in chunks {
        by_hidden.entry(hidden.in_live_rows(chunk.time_us.0)).or_default().push(Arc::clone(chunk));
    }
    by_hidden
}

/// Columns of a scan that has those of another one and all that the filter reads.
pub(crate) fn with_filter_columns(sql: &Schema, projection: &[usize]) -> Result<Vec<usize>> {
    let mut all = projection.to_vec();
    for name in FILTER_COLUMNS {
        let position = sql.index_of(name)?;
        if !all.contains(&position) {
            all.push(position);
        }
    }
    Ok(all)
}

/// The visible rows of a scan, in its first `columns` columns.
pub(crate) fn visible(
    state: &dyn Session,
    scan: Arc<dyn ExecutionPlan>,
    hidden: &HiddenRows,
    columns: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema: SchemaRef = scan.schema();
    let Some(filter) = physical_filter(state, &schema, [condition(hidden).is_not_true()])? else { return Ok(scan) };
    first_columns(Arc::new(FilterExec::try_new(filter, scan)?), columns)
}

/// Rows in their first `columns` columns.
pub(crate) fn first_columns(rows: Arc<dyn ExecutionPlan>, columns: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = rows.schema();
    let named = schema.fields().iter().take(columns).enumerate();
    let kept: Vec<(Arc<dyn PhysicalExpr>, String)> = named
        .map(|(position, field)| (Arc::new(Column::new(field.name(), position)) as _, field.name().clone()))
        .collect();
    Ok(Arc::new(ProjectionExec::try_new(kept, rows)?))
}

/// True for the rows that are hidden; not true, or null, for all others.
fn condition(hidden: &HiddenRows) -> Expr {
    let due = due(&hidden.floors).and(any_of(&hidden.held).is_not_true());
    due.or(any_of(&hidden.deleted))
}

/// True for rows before the floor of their zone.
fn due(floors: &Floors) -> Expr {
    let of_zones = floors.zones_us.iter().map(|(zone, floor)| is(ZONE, zone).and(col(TIME).lt(instant(*floor))));
    let own: Vec<Expr> = floors.zones_us.keys().map(|zone| lit(zone.as_str())).collect();
    let of_others = floors.all_us.map(|floor| {
        let before = col(TIME).lt(instant(floor));
        if own.is_empty() { before } else { before.and(col(ZONE).in_list(own, false).is_not_true()) }
    });
    of_zones.chain(of_others).reduce(Expr::or).unwrap_or_else(|| lit(false))
}

fn any_of(selections: &[Selection]) -> Expr {
    selections.iter().map(selected).reduce(Expr::or).unwrap_or_else(|| lit(false))
}

fn selected(selection: &Selection) -> Expr {
    let Selection { zone, device, from_us, until_us } = selection;
    let parts = [
        zone.as_deref().map(|zone| is(ZONE, zone)),
        device.as_deref().map(|device| is(DEVICE, device)),
        from_us.map(|from| col(TIME).gt_eq(instant(from))),
        until_us.map(|until| col(TIME).lt(instant(until))),
    ];
    parts.into_iter().flatten().reduce(Expr::and).unwrap_or_else(|| lit(true))
}

fn is(column: &str, value: &str) -> Expr {
    col(column).eq(lit(ScalarValue::Utf8View(Some(value.to_owned()))))
}

fn instant(us: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())))
}

const ZONE: &str = "zone";
const DEVICE: &str = "device";
const TIME: &str = "time";
/// What the filter reads.
const FILTER_COLUMNS: [&str; 3] = [ZONE, DEVICE, TIME];
