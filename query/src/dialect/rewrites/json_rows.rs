//! `row_to_json(t)` and `json_agg(t)` of a subquery in FROM, whose columns are known: its rows as objects.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select, SelectItem, SetExpr,
    TableFactor,
};
use zonelake_timeseries::{SyntaxVisitorMut, visit_expr_mut};

use crate::dialect::corrections::build::{call, folded, text};
use crate::postgres::json::functions::ROW;

/// Functions of a row, each with the one that takes the object; none where that is the answer.
const OF_ROWS: [(&str, Option<&str>); 5] = [
    ("row_to_json", None),
    ("to_json", None),
    ("to_jsonb", Some("jsonb")),
    ("json_agg", Some("json_agg")),
    ("jsonb_agg", Some("jsonb_agg")),
];

/// Rewrites the columns of a SELECT.
pub(super) fn rewrite(select: &mut Select) {
    let relations = select
        .from
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    let rows: Vec<Rows> = relations.filter_map(Rows::of).collect();
    if rows.is_empty() {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let walk = visit_expr_mut(expr, &mut Calls { rows: &rows, depth: 0 });
            debug_assert!(walk.is_continue(), "nothing ends the walk");
        }
    }
}

/// A relation and its columns.
struct Rows {
    name: Ident,
    columns: Vec<Ident>,
}

impl Rows {
    fn of(relation: &TableFactor) -> Option<Self> {
        let TableFactor::Derived { subquery, alias: Some(alias), .. } = relation else { return None };
        let columns = match (alias.columns.as_slice(), subquery.body.as_ref()) {
            ([], SetExpr::Select(select)) => select.projection.iter().map(column).collect::<Option<Vec<_>>>()?,
            ([], _) => return None,
            (named, _) => named.iter().map(|column| column.name.clone()).collect(),
        };
        // A name that is a column's is that of the column.
        let is_shadowed = columns.iter().any(|column| folded(column) == folded(&alias.name));
        (!is_shadowed).then(|| Self { name: alias.name.clone(), columns })
    }

    /// The object of a row.
    fn object(&self) -> Expr {
        let members = self.columns.iter().flat_map(|column| {
            [text(folded(column)), Expr::CompoundIdentifier(vec![self.name.clone(), column.clone()])]
        });
        call(ROW, members.collect())
    }
}

/// The name of a column that has one.
fn column(item: &SelectItem) -> Option<Ident> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) | SelectItem::ExprWithAlias { alias: name, .. } => {
            Some(name.clone())
        }
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
        _ => None,
    }
}

struct Calls<'a> {
    rows: &'a [Rows],
    /// Subqueries around the expression.
    depth: usize,
}

impl SyntaxVisitorMut for Calls<'_> {
    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Some(made) = object_of_call(expr, self.rows)
        {
            *expr = made;
        }
        ControlFlow::Continue(())
    }
}

fn object_of_call(expr: &mut Expr, rows: &[Rows]) -> Option<Expr> {
    let Expr::Function(function) = expr else { return None };
    let name = function.name.to_string().to_lowercase();
    let (_, outer) = OF_ROWS.iter().find(|(known, _)| *known == name)?;
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_mut_slice() else { return None };
    let Expr::Identifier(of) = &*argument else { return None };
    let object = rows.iter().find(|rows| folded(&rows.name) == folded(of))?.object();
    let Some(outer) = outer else { return Some(object) };
    *argument = object;
    function.name = ObjectName::from(vec![Ident::new(*outer)]);
    Some(expr.clone())
}
