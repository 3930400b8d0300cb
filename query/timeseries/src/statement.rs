//! What is said in SQL with words of its own and is a function or a table function here. It is to be done with every
//! statement between parsing and planning, since DataFusion's planner has no place for it.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, JoinOperator, ObjectName,
    Select, TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

/// Rewrites a parsed statement: `x AT TIME ZONE z` becomes `timezone(z, x)`, and a table with `ASOF JOIN`s stands in
/// parentheses, where a planner of relations finds it.
pub fn prepare(statement: &mut Statement) {
    match statement {
        Statement::Statement(statement) => {
            let flow = statement.as_mut().visit(&mut Words);
            debug_assert!(flow.is_continue());
        }
        Statement::Explain(explain) => prepare(&mut explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => {}
    }
}

struct Words;

impl VisitorMut for Words {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for table in &mut select.from {
            if table.joins.iter().any(|join| matches!(join.join_operator, JoinOperator::AsOf { .. })) {
                set_in_parentheses(table);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::AtTimeZone { timestamp, time_zone } = expr {
            let arguments = [time_zone, timestamp].map(|argument| std::mem::replace(&mut **argument, nothing()));
            *expr = call("timezone", arguments);
        }
        ControlFlow::Continue(())
    }
}

/// Everything up to the last `ASOF JOIN`, so that the joins behind it stay where the planner expects them.
fn set_in_parentheses(table: &mut TableWithJoins) {
    let last = table.joins.iter().rposition(|join| matches!(join.join_operator, JoinOperator::AsOf { .. }));
    let behind = table.joins.split_off(last.map_or(0, |last| last + 1));
    let joins = std::mem::replace(&mut table.joins, behind);
    let within = TableWithJoins { relation: table.relation.clone(), joins };
    table.relation = TableFactor::NestedJoin { table_with_joins: Box::new(within), alias: None };
}

fn nothing() -> Expr {
    Expr::Identifier(Ident::new(""))
}

fn call(name: &str, arguments: [Expr; 2]) -> Expr {
    let args = arguments.map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.to_vec(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
