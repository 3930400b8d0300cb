//! Rules that give statements their meaning of times: types, operators and `extract` while SQL becomes a plan, everything
//! else before DataFusion coerces operands to common types.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr, TypePlanner};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType as SqlType, TimezoneInfo};

use crate::planning::operators::{Functions, Rewriter};
use crate::time::columns::{is_instant, is_text};
use crate::time::zone::Zone;

/// Types of SQL's timestamps. They are of microseconds, as PostgreSQL's and as the tables', and instants are of one type:
/// DataFusion takes the zone in a type's name for the zone of the value, so the name is always UTC.
#[derive(Debug)]
pub struct TimeTypes;

impl TypePlanner for TimeTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let SqlType::Timestamp(digits, zone) = sql_type else { return Ok(None) };
        let unit = match digits {
            Some(0) => TimeUnit::Second,
            Some(1..=3) => TimeUnit::Millisecond,
            Some(7..) => TimeUnit::Nanosecond,
            _ => TimeUnit::Microsecond,
        };
        let aware = matches!(zone, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone);
        let data_type = DataType::Timestamp(unit, aware.then(|| "UTC".into()));
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}

/// `extract`, and operators between times that DataFusion would refuse before [`TimeRules`] sees them.
#[derive(Debug)]
pub(crate) struct TimeExpressions {
    /// Functions that expressions become.
    pub(crate) functions: Functions,
    /// Function that `extract` becomes.
    pub(crate) date_part: Arc<ScalarUDF>,
}

impl ExprPlanner for TimeExpressions {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let op = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        if !may_be_time(&expr.left) && !may_be_time(&expr.right) {
            return Ok(PlannerResult::Original(expr));
        }
        let types = (expr.left.get_type(schema), expr.right.get_type(schema));
        let (Ok(left), Ok(right)) = types else { return Ok(PlannerResult::Original(expr)) };
        let instants = is_instant(&left) && is_instant(&right);
        let spans = [&left, &right].into_iter().any(|side| matches!(side, DataType::Interval(_)));
        if !is_text(&left) && !is_text(&right) && !instants && !spans {
            return Ok(PlannerResult::Original(expr));
        }
        // The planner of expressions has no settings at hand, hence no zone: what depends on it becomes a function.
        let rewriter = Rewriter { schema, functions: &self.functions, zone: None };
        Ok(match rewriter.binary(&expr.left, op, &expr.right)? {
            Some(planned) => PlannerResult::Planned(planned),
            None => PlannerResult::Original(expr),
        })
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let function = ScalarFunction::new_udf(Arc::clone(&self.date_part), args);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(function)))
    }
}

/// True where an operand may be a time. Long sums of numbers are not looked through, so that a statement of many operators
/// stays cheap to plan.
fn may_be_time(expr: &Expr) -> bool {
    !matches!(expr, Expr::BinaryExpr(_))
}

/// Rewrites expressions over times to what PostgreSQL means by them.
#[derive(Debug)]
pub(crate) struct TimeRules {
    /// Functions that expressions become.
    pub(crate) functions: Functions,
}

impl AnalyzerRule for TimeRules {
    fn name(&self) -> &str {
        "time_rules"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = Zone::from_session(config)?;
        plan.transform_up_with_subqueries(|plan| self.rewrite(plan, zone)).map(|plan| plan.data)
    }
}

impl TimeRules {
    fn rewrite(&self, plan: LogicalPlan, zone: Zone) -> Result<Transformed<LogicalPlan>> {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            let source = DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
            schema.merge(&source);
        }
        let rewriter = Rewriter { schema: &schema, functions: &self.functions, zone: Some(zone) };
        // A rewritten expression keeps its name, since nodes above refer to it.
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let rewritten = expr.transform_up(|expr| {
                let (expr, changed) = rewriter.rewrite(expr)?;
                Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
            })?;
            Ok(rewritten.update_data(|expr| name.restore(expr)))
        })?;
        // Types may have changed below even where no expression of this node has.
        let plan = plan.map_data(LogicalPlan::recompute_schema)?;
        Ok(plan.update_data(|plan| match plan {
            LogicalPlan::Sort(sort) => LogicalPlan::Sort(rewriter.sort_spans(sort)),
            other => other,
        }))
    }
}
