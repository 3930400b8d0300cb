//! `left ASOF JOIN right MATCH_CONDITION (left.time >= right.time) [ON … | USING (…)]`: every row of the left side with the
//! nearest row of the right side, made of a union, a sort and a window.

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue, plan_err};
use datafusion::functions::core::expr_fn::{get_field, named_struct};
use datafusion::functions_window::expr_fn::last_value;
use datafusion::logical_expr::expr::{BinaryExpr, NullTreatment};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, WindowFrame, WindowFrameBound,
    WindowFrameUnits, cast, col, lit,
};
use datafusion::sql::sqlparser::ast::{Join, JoinConstraint, JoinOperator, ObjectName, TableFactor, TableWithJoins};

/// Plans tables in parentheses with `ASOF JOIN`s among them; [`crate::prepare`] sets the parentheses.
#[derive(Debug)]
pub(crate) struct AsofJoins;

impl RelationPlanner for AsofJoins {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::NestedJoin { table_with_joins, alias } = relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let is_asof = |join: &Join| matches!(join.join_operator, JoinOperator::AsOf { .. });
        let Some(first) = table_with_joins.joins.iter().position(is_asof) else {
            return Ok(RelationPlanning::Original(Box::new(TableFactor::NestedJoin { table_with_joins, alias })));
        };
        let TableWithJoins { relation, mut joins } = *table_with_joins;
        let asof = joins.split_off(first);
        let mut left = if joins.is_empty() {
            context.plan(relation)?
        } else {
            let table_with_joins = Box::new(TableWithJoins { relation, joins });
            context.plan(TableFactor::NestedJoin { table_with_joins, alias: None })?
        };
        for join in asof {
            let JoinOperator::AsOf { match_condition, constraint } = join.join_operator else {
                return plan_err!("other joins stand before the first ASOF JOIN or behind the last one");
            };
            let right = context.plan(join.relation)?;
            let both = left.schema().join(right.schema())?;
            let condition = context.sql_to_expr(match_condition, &both)?;
            let keys = match constraint {
                JoinConstraint::None => Vec::new(),
                JoinConstraint::On(on) => keys_of(context.sql_to_expr(on, &both)?, left.schema(), right.schema())?,
                JoinConstraint::Using(names) => {
                    let same = |name: String, schema: &DFSchema| -> Result<Expr> {
                        let (table, field) = schema.qualified_field_with_unqualified_name(&name)?;
                        Ok(Expr::Column(Column::from((table, field))))
                    };
                    let name = |name: &ObjectName| match name.0.last().and_then(|part| part.as_ident()) {
                        Some(ident) => Ok(context.normalize_ident(ident.clone())),
                        None => plan_err!("USING takes names of columns"),
                    };
                    let names = names.iter().map(name).collect::<Result<Vec<_>>>()?;
                    let pairs = names
                        .into_iter()
                        .map(|name| Ok((same(name.clone(), left.schema())?, same(name, right.schema())?)));
                    pairs.collect::<Result<Vec<_>>>()?
                }
                JoinConstraint::Natural => return plan_err!("an ASOF JOIN says its keys by ON or USING"),
            };
            let nearest = Nearest::from_condition(condition, left.schema(), right.schema())?;
            left = build_join(left, right, nearest, keys)?;
        }
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(left, alias))))
    }
}

fn within(expr: &Expr, schema: &DFSchema) -> bool {
    let columns = expr.column_refs();
    !columns.is_empty() && columns.into_iter().all(|column| schema.has_column(column))
}

/// The keys of both sides that are to be equal.
fn keys_of(on: Expr, left: &DFSchema, right: &DFSchema) -> Result<Vec<(Expr, Expr)>> {
    let terms = split_conjunction_owned(on).into_iter().map(|term| match term {
        Expr::BinaryExpr(BinaryExpr { left: a, op: Operator::Eq, right: b })
            if within(&a, left) && within(&b, right) =>
        {
            Ok((*a, *b))
        }
        Expr::BinaryExpr(BinaryExpr { left: a, op: Operator::Eq, right: b })
            if within(&b, left) && within(&a, right) =>
        {
            Ok((*b, *a))
        }
        _ => plan_err!("ON of an ASOF JOIN has equalities between columns of both sides only"),
    });
    terms.collect()
}

/// The row of the right side that is taken.
struct Nearest {
    left_time: Expr,
    right_time: Expr,
    /// The last one before, and not the first one after.
    before: bool,
    /// A row at the same time counts too.
    or_equal: bool,
}

impl Nearest {
    fn from_condition(condition: Expr, left: &DFSchema, right: &DFSchema) -> Result<Self> {
        let Expr::BinaryExpr(BinaryExpr { left: a, op, right: b }) = condition else {
            return plan_err!("MATCH_CONDITION compares a time of each side by >=, >, <= or <");
        };
        let (left_time, op, right_time) = match (within(&a, left) && within(&b, right), op.swap()) {
            (true, _) => (*a, op, *b),
            (false, Some(op)) if within(&b, left) && within(&a, right) => (*b, op, *a),
            _ => return plan_err!("MATCH_CONDITION compares a time of each side"),
        };
        let (before, or_equal) = match op {
            Operator::GtEq => (true, true),
            Operator::Gt => (true, false),
            Operator::LtEq => (false, true),
            Operator::Lt => (false, false),
            _ => return plan_err!("MATCH_CONDITION compares by >=, >, <= or <"),
        };
        Ok(Self { left_time, right_time, before, or_equal })
    }
}

const RIGHT: &str = "__right";
const TIME: &str = "__time";
const TIE: &str = "__turn";
const IS_LEFT: &str = "__is_left";

fn left_name(at: usize) -> String {
    format!("__left_{at}")
}

fn right_name(at: usize) -> String {
    format!("__right_{at}")
}

fn key_name(at: usize) -> String {
    format!("__key_{at}")
}

/// The plan of a join. Rows of both sides are put in one order, so that the last right row before a left row is the
/// nearest one: a sort of both sides instead of a comparison of each pair.
fn build_join(left: LogicalPlan, right: LogicalPlan, nearest: Nearest, keys: Vec<(Expr, Expr)>) -> Result<LogicalPlan> {
    let (left_columns, right_columns) = (left.schema().columns(), right.schema().columns());
    let fields =
        right_columns.iter().enumerate().flat_map(|(at, column)| [lit(right_name(at)), Expr::Column(column.clone())]);
    // All columns of the right side in one struct, so that one window function carries the row.
    let row = named_struct(fields.collect());
    let row_type = row.get_type(right.schema().as_ref())?;
    // At one time, right rows come first where they are meant too.
    let (left_tie, right_tie) = if nearest.or_equal { (1, 0) } else { (0, 1) };

    let mut of_left: Vec<Expr> = Vec::new();
    let mut of_right: Vec<Expr> = Vec::new();
    for (at, column) in left_columns.iter().enumerate() {
        let data_type = left.schema().field_from_column(column)?.data_type().clone();
        of_left.push(Expr::Column(column.clone()).alias(left_name(at)));
        of_right.push(null(&data_type)?.alias(left_name(at)));
    }
    of_left.push(null(&row_type)?.alias(RIGHT));
    of_right.push(row.alias(RIGHT));
    // A right row without time or key matches nothing, as in any join.
    let mut present = vec![nearest.right_time.clone().is_not_null()];
    for (at, (of_left_key, of_right_key)) in keys.iter().enumerate() {
        of_left.push(of_left_key.clone().alias(key_name(at)));
        of_right.push(of_right_key.clone().alias(key_name(at)));
        present.push(of_right_key.clone().is_not_null());
    }
    of_left.extend([nearest.left_time.alias(TIME), lit(left_tie).alias(TIE), lit(true).alias(IS_LEFT)]);
    of_right.extend([nearest.right_time.alias(TIME), lit(right_tie).alias(TIE), lit(false).alias(IS_LEFT)]);

    let mut right = LogicalPlanBuilder::from(right);
    if let Some(present) = conjunction(present) {
        right = right.filter(present)?;
    }
    let right = right.project(of_right)?.build()?;
    let frame = WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::CurrentRow,
    );
    let found = last_value(col(RIGHT))
        .partition_by((0..keys.len()).map(|at| col(key_name(at))).collect())
        .order_by(vec![col(TIME).sort(nearest.before, true), col(TIE).sort(true, false)])
        .window_frame(frame)
        .null_treatment(NullTreatment::IgnoreNulls)
        .build()?
        .alias("__found");
    let all = LogicalPlanBuilder::from(left).project(of_left)?.union(right)?;
    let found_name = "__found";
    let windowed = with_window(all, found)?;
    let of_left = left_columns.iter().enumerate().map(|(at, column)| under_name_of(col(left_name(at)), column));
    let of_right = right_columns
        .iter()
        .enumerate()
        .map(|(at, column)| under_name_of(get_field(col(found_name), right_name(at)), column));
    windowed.filter(col(IS_LEFT))?.project(of_left.chain(of_right))?.build()
}

/// Columns of the input and one window function, under its alias.
fn with_window(builder: LogicalPlanBuilder, function: Expr) -> Result<LogicalPlanBuilder> {
    let columns: Vec<Expr> = builder.schema().columns().into_iter().map(Expr::Column).collect();
    let Expr::Alias(alias) = function else { return plan_err!("a window function has a name") };
    let name = alias.expr.schema_name().to_string();
    let builder = builder.window(vec![*alias.expr])?;
    let found = Expr::Column(Column::from_name(name)).alias(alias.name);
    builder.project(columns.into_iter().chain([found]))
}

fn under_name_of(expr: Expr, column: &Column) -> Expr {
    match &column.relation {
        Some(table) => expr.alias_qualified(Some(table.clone()), &column.name),
        None => expr.alias(&column.name),
    }
}

fn null(data_type: &DataType) -> Result<Expr> {
    Ok(cast(lit(ScalarValue::try_from(data_type)?), data_type.clone()))
}
