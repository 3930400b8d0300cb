//! Windows by name. DataFusion forgets what a window inherits from the one that it names: its partitions and its order.

use datafusion::sql::sqlparser::ast::{Expr, Ident, NamedWindowExpr, Select, SelectItem, WindowSpec, WindowType};
use zonelake_timeseries::visit_own_expressions_mut;

use super::build::folded;
use crate::error::{QueryError, QueryErrorCode};

/// Writes each window of a SELECT in full.
pub(super) fn correct(select: &mut Select) -> Result<(), QueryError> {
    let mut known: Vec<(String, WindowSpec)> = Vec::new();
    for definition in &mut select.named_window {
        let spec = match &definition.1 {
            NamedWindowExpr::NamedWindow(name) => find(&known, name)?.clone(),
            NamedWindowExpr::WindowSpec(spec) => inherited(spec, &known)?,
        };
        definition.1 = NamedWindowExpr::WindowSpec(spec.clone());
        known.push((folded(&definition.0), spec));
    }
    let mut failed = None;
    let mut write_whole = |expr: &mut Expr| {
        let Expr::Function(function) = expr else { return };
        let Some(WindowType::WindowSpec(spec)) = &mut function.over else { return };
        if spec.window_name.is_some() && failed.is_none() {
            match inherited(spec, &known) {
                Ok(whole) => *spec = whole,
                Err(error) => failed = Some(error),
            }
        }
    };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            visit_own_expressions_mut(expr, &mut write_whole);
        }
    }
    if let Some(qualify) = &mut select.qualify {
        visit_own_expressions_mut(qualify, &mut write_whole);
    }
    failed.map_or(Ok(()), Err)
}

fn find<'a>(known: &'a [(String, WindowSpec)], name: &Ident) -> Result<&'a WindowSpec, QueryError> {
    let found = known.iter().find(|(known, _)| *known == folded(name)).map(|(_, spec)| spec);
    found.ok_or_else(|| error("42704", format!("window \"{}\" does not exist", name.value)))
}

/// A window with what it inherits, by PostgreSQL's rules.
fn inherited(spec: &WindowSpec, known: &[(String, WindowSpec)]) -> Result<WindowSpec, QueryError> {
    let Some(name) = &spec.window_name else { return Ok(spec.clone()) };
    let base = find(known, name)?;
    if !spec.partition_by.is_empty() {
        return Err(error("42P20", format!("cannot override PARTITION BY clause of window \"{}\"", name.value)));
    }
    if !spec.order_by.is_empty() && !base.order_by.is_empty() {
        return Err(error("42P20", format!("cannot override ORDER BY clause of window \"{}\"", name.value)));
    }
    if base.window_frame.is_some() {
        let words = format!("cannot copy window \"{}\" because it has a frame clause", name.value);
        return Err(error("42P20", words));
    }
    let order_by = if spec.order_by.is_empty() { base.order_by.clone() } else { spec.order_by.clone() };
    Ok(WindowSpec {
        window_name: None,
        partition_by: base.partition_by.clone(),
        order_by,
        window_frame: spec.window_frame.clone(),
    })
}

fn error(sqlstate: &'static str, words: String) -> QueryError {
    QueryError::new(QueryErrorCode::Sql, words).with_sqlstate(sqlstate)
}
