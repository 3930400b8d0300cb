//! Names of casts. DataFusion names a cast as its operand, so `max(time::date), max(time)` would be two columns of one
//! name. Where an operand stands in several forms, each of its casts gets a name of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, GroupByExpr, Ident, OrderByKind, Query, SelectItem, SetExpr, Value,
};
use zonelake_timeseries::{SyntaxVisitorMut, visit_expr_mut, visit_own_expressions_mut};

use super::build::{call, take, text};

/// Names the casts of a query.
pub(super) fn correct(query: &mut Query) {
    each_expr(query, &mut |expr, _| {
        let walk = visit_expr_mut(expr, &mut TypedStrings { depth: 0 });
        debug_assert!(walk.is_continue(), "nothing ends the walk");
    });
    let mut forms = Forms::default();
    each_expr(query, &mut |expr, is_column| {
        let is_cast = matches!(expr, Expr::Cast { .. });
        forms.is_within |= !(is_column && is_cast && operand(expr).is_some_and(|inner| inner.1 == 1)) && has_cast(expr);
        visit_own_expressions_mut(expr, &mut |expr| forms.note(expr));
    });
    let several = forms.several();
    if several.is_empty() || !forms.is_within {
        return;
    }
    name_columns(query, &several);
    each_expr(query, &mut |expr, _| {
        visit_own_expressions_mut(expr, &mut |expr| name_cast(expr, &several));
    });
}

/// Columns, groups, conditions on groups, and order of a query that is one SELECT.
fn each_expr(query: &mut Query, visit: &mut dyn FnMut(&mut Expr, bool)) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            visit(expr, true);
        }
    }
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        keys.iter_mut().for_each(|key| visit(key, false));
    }
    [&mut select.having, &mut select.qualify].into_iter().flatten().for_each(|condition| visit(condition, false));
    if let Some(order) = &mut query.order_by
        && let OrderByKind::Expressions(all) = &mut order.kind
    {
        all.iter_mut().for_each(|by| visit(&mut by.expr, false));
    }
}

/// A column that is a cast keeps the name that DataFusion gives it, unless another has that name.
fn name_columns(query: &mut Query, several: &BTreeSet<String>) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let mut names = BTreeSet::new();
    for item in &mut select.projection {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let Some((inner, _)) = operand(expr).filter(|(inner, _)| several.contains(&folded_text(inner))) else {
            names.insert(expr.to_string());
            continue;
        };
        let name = match inner {
            Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
            Expr::Identifier(name) => name.value.clone(),
            other => other.to_string(),
        };
        let name = if names.insert(name.clone()) { name } else { expr.to_string().replace('"', "'") };
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
    }
}

/// `timestamp '2026-01-01'` as the cast that it is.
struct TypedStrings {
    depth: usize,
}

impl SyntaxVisitorMut for TypedStrings {
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
            && let Expr::TypedString(typed) = expr
            && matches!(typed.data_type, DataType::Date | DataType::Timestamp(..))
        {
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(typed.value.clone())),
                data_type: typed.data_type.clone(),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

/// Forms in which operands of casts stand, by the text of the operand.
#[derive(Debug, Default)]
struct Forms {
    casts: BTreeMap<String, BTreeSet<String>>,
    /// How often an operand stands anywhere, less how often directly in a cast.
    bare: BTreeMap<String, i64>,
    /// A cast stands within another expression or in GROUP BY.
    is_within: bool,
}

impl Forms {
    /// Notes a cast, or an operand that may stand in one.
    fn note(&mut self, expr: &Expr) {
        if let Some((inner, levels)) = operand(expr) {
            let name = folded_text(inner);
            if levels == 1 {
                *self.bare.entry(name.clone()).or_default() -= 1;
            }
            self.casts.entry(name).or_default().insert(folded_text(expr));
        } else if is_operand(expr) && !matches!(expr, Expr::Value(_)) {
            *self.bare.entry(folded_text(expr)).or_default() += 1;
        }
    }

    fn several(&self) -> BTreeSet<String> {
        let is_bare = |operand: &String| self.bare.get(operand).is_some_and(|count| *count > 0);
        let several = self.casts.iter().filter(|(operand, forms)| forms.len() + usize::from(is_bare(operand)) > 1);
        several.map(|(operand, _)| operand.clone()).collect()
    }
}

/// Names a cast whose operand stands in several forms.
fn name_cast(expr: &mut Expr, several: &BTreeSet<String>) {
    if let Some((inner, _)) = operand(expr)
        && several.contains(&folded_text(inner))
        && let Expr::Cast { data_type, .. } = expr
    {
        let name = text(data_type.to_string().to_lowercase());
        *expr = call("named_cast", vec![take(expr), name]);
    }
}

/// What a cast is made of, behind how many casts; none where it is no column or call.
fn operand(expr: &Expr) -> Option<(&Expr, usize)> {
    let (mut inner, mut levels) = (expr, 0);
    loop {
        match inner {
            Expr::Cast { expr, .. } => {
                inner = expr;
                levels += 1;
            }
            Expr::Nested(expr) => inner = expr,
            // What this correction has made of a cast within.
            Expr::Function(function) if levels > 0 && function.name.to_string() == "named_cast" => {
                use datafusion::sql::sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
                let FunctionArguments::List(list) = &function.args else { return None };
                let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(cast))) = list.args.first() else { return None };
                inner = cast;
            }
            _ => break,
        }
    }
    (levels > 0 && matches!(expr, Expr::Cast { .. }) && is_operand(inner)).then_some((inner, levels))
}

fn is_operand(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Function(_) => true,
        // Arithmetic, whose name DataFusion gives the cast around it too.
        Expr::BinaryOp { op, .. } => matches!(
            op,
            BinaryOperator::Plus
                | BinaryOperator::Minus
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo
        ),
        Expr::Value(constant) => matches!(constant.value, Value::SingleQuotedString(_)),
        _ => false,
    }
}

fn has_cast(expr: &mut Expr) -> bool {
    struct Casts(bool);
    impl SyntaxVisitorMut for Casts {
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            self.0 |= matches!(expr, Expr::Cast { .. });
            ControlFlow::Continue(())
        }
    }
    let mut casts = Casts(false);
    visit_expr_mut(expr, &mut casts).is_break() || casts.0
}

fn folded_text(expr: &Expr) -> String {
    let text = expr.to_string();
    if text.contains('"') { text } else { text.to_lowercase() }
}
