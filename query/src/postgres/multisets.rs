//! `EXCEPT ALL` and `INTERSECT ALL`: equal rows are numbered on both sides, and compared with their numbers.

use std::sync::Arc;

use datafusion::common::{Result, plan_err};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, cast, col};
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, FunctionArg, FunctionArgExpr, Query, TableFactor};

/// Name of the relation that `EXCEPT ALL` becomes.
pub(crate) const EXCEPT_ALL: &str = "__except_all";
/// Name of the relation that `INTERSECT ALL` becomes.
pub(crate) const INTERSECT_ALL: &str = "__intersect_all";

/// Plans both.
#[derive(Debug)]
pub(crate) struct Multisets;

impl RelationPlanner for Multisets {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table { name, args: Some(args), alias, .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let name = name.to_string();
        if ![EXCEPT_ALL, INTERSECT_ALL].contains(&name.as_str()) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let (Some(left), Some(right)) = (subquery(args.args.first()), subquery(args.args.get(1))) else {
            return plan_err!("{name} takes two queries");
        };
        let (left, right) = (plan_side(left, context)?, plan_side(right, context)?);
        let (left, right) = aligned(left, right)?;
        let names: Vec<_> = left.schema().fields().iter().map(|field| field.name().clone()).collect();
        let (left, right) = (numbered(left)?, numbered(right)?);
        let both = match name.as_str() {
            EXCEPT_ALL => LogicalPlanBuilder::except(left, right, true)?,
            _ => LogicalPlanBuilder::intersect(left, right, true)?,
        };
        let own = names.iter().enumerate().map(|(at, name)| col(member(at)).alias(name));
        let plan = LogicalPlanBuilder::from(both).project(own)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

fn subquery(argument: Option<&FunctionArg>) -> Option<Box<Query>> {
    match argument? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(SqlExpr::Subquery(query))) => Some(query.clone()),
        _ => None,
    }
}

fn plan_side(subquery: Box<Query>, context: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    context.plan(TableFactor::Derived { lateral: false, subquery, alias: None, sample: None })
}

fn member(at: usize) -> String {
    format!("__column_{at}")
}

const NUMBER: &str = "__number";

/// Both sides with columns of common names and types.
fn aligned(left: LogicalPlan, right: LogicalPlan) -> Result<(LogicalPlan, LogicalPlan)> {
    let (of_left, of_right) = (Arc::clone(left.schema()), Arc::clone(right.schema()));
    if of_left.fields().len() != of_right.fields().len() {
        return plan_err!("each query of EXCEPT ALL or INTERSECT ALL must have the same number of columns");
    }
    let mut types = Vec::new();
    for (a, b) in of_left.fields().iter().zip(of_right.fields()) {
        let (a, b) = (a.data_type(), b.data_type());
        match if a == b { Some(a.clone()) } else { type_union_coercion(a, b) } {
            Some(common) => types.push(common),
            None => return plan_err!("EXCEPT ALL or INTERSECT ALL types {a} and {b} cannot be matched"),
        }
    }
    let cast_all = |plan: LogicalPlan| -> Result<LogicalPlan> {
        let schema = Arc::clone(plan.schema());
        let columns = schema.iter().zip(&types).map(|((table, field), to)| {
            let column = Expr::Column(datafusion::common::Column::from((table, field)));
            let typed = if field.data_type() == to { column } else { cast(column, to.clone()) };
            typed.alias(field.name())
        });
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    };
    Ok((cast_all(left)?, cast_all(right)?))
}

/// The rows with the number that each has among its equals.
fn numbered(plan: LogicalPlan) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let members = schema
        .iter()
        .enumerate()
        .map(|(at, (table, field))| Expr::Column(datafusion::common::Column::from((table, field))).alias(member(at)));
    let all: Vec<Expr> = (0..schema.fields().len()).map(|at| col(member(at))).collect();
    let number = row_number().partition_by(all.clone()).build()?;
    let name = number.schema_name().to_string();
    LogicalPlanBuilder::from(plan)
        .project(members)?
        .window(vec![number])?
        .project(all.into_iter().chain([Expr::Column(datafusion::common::Column::from_name(name)).alias(NUMBER)]))?
        .build()
}
