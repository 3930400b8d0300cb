//! `generate_series` over times: steps by the calendar of the session's zone, bounds of any type that means a time. That over whole
//! numbers, and `range`, are DataFusion's.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, exec_datafusion_err, plan_err};
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::sql::sqlparser::ast::{FunctionArg, FunctionArgExpr, TableFactor};

use crate::functions::intervals::instant_plus;
use crate::planning::operators::{Functions, Rewriter};
use crate::time::columns::{from_us, instant_type, interval_type, is_instant, is_local, local_type};
use crate::time::zone::Zone;

/// Plans series of times.
#[derive(Debug)]
pub(crate) struct TimeSeries {
    /// Functions that expressions become.
    pub(crate) functions: Functions,
}

impl RelationPlanner for TimeSeries {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table { name, args: Some(args), alias, .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        if !name.to_string().eq_ignore_ascii_case("generate_series") || args.args.len() != 3 {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let mut values = Vec::with_capacity(3);
        for argument in &args.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument else {
                return Ok(RelationPlanning::Original(Box::new(relation)));
            };
            let planned = context.sql_to_expr(expr.clone(), &DFSchema::empty())?;
            values.push(self.simplified(planned, context)?);
        }
        let types: Vec<Option<DataType>> =
            values.iter().map(|value| literal(value).map(ScalarValue::data_type)).collect();
        let is_time = |of: &Option<DataType>| {
            of.as_ref().is_some_and(|of| matches!(of, DataType::Timestamp(..) | DataType::Date32))
        };
        if !types.iter().take(2).any(is_time) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        // A local time alone makes a series of local times; dates and instants make one of instants.
        let local = types.iter().take(2).flatten().all(|of| !is_instant(of) && *of != DataType::Date32)
            && types.iter().take(2).flatten().any(is_local);
        let time_type = if local { local_type() } else { instant_type() };
        let bounds =
            [&values[0], &values[1]].map(|bound| self.simplified(cast(bound.clone(), time_type.clone()), context));
        let [start, stop] = bounds;
        let step = self.simplified(cast(values[2].clone(), interval_type()), context)?;
        let series = Series::new(&start?, &stop?, &step, time_type, self.zone(context)?)?;
        let schema = Arc::clone(&series.schema);
        let table = StreamingTable::try_new(schema, vec![Arc::new(series)])?;
        let plan = LogicalPlanBuilder::scan("generate_series", provider_as_source(Arc::new(table)), None)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

impl TimeSeries {
    fn zone(&self, context: &dyn RelationPlannerContext) -> Result<Zone> {
        Zone::from_session(context.context_provider().options())
    }

    /// An argument as a constant, with the meaning that times have in the session.
    fn simplified(&self, expr: Expr, context: &dyn RelationPlannerContext) -> Result<Expr> {
        let schema = DFSchema::empty();
        let rewriter = Rewriter { schema: &schema, functions: &self.functions, zone: Some(self.zone(context)?) };
        let expr = expr.transform_up(|expr| {
            let (expr, changed) = rewriter.rewrite(expr)?;
            Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
        })?;
        let options = Arc::new(context.context_provider().options().clone());
        let simplifier = ExprSimplifier::new(SimplifyContext::builder().with_config_options(options).build());
        simplifier.simplify(simplifier.coerce(expr.data, &schema)?)
    }
}

/// A series of times.
#[derive(Debug)]
struct Series {
    schema: SchemaRef,
    /// First and last time in µs, and the step; none where one is null.
    range: Option<(i64, i64, IntervalMonthDayNano)>,
    zone: Zone,
}

impl Series {
    fn new(start: &Expr, stop: &Expr, step: &Expr, time_type: DataType, zone: Zone) -> Result<Self> {
        let us = |bound: &Expr| match literal(bound) {
            Some(ScalarValue::TimestampMicrosecond(us, _)) => Ok(*us),
            _ => plan_err!("the bounds of generate_series are constants here"),
        };
        let step = match literal(step) {
            Some(ScalarValue::IntervalMonthDayNano(step)) => *step,
            _ => return plan_err!("the step of generate_series is a constant interval here"),
        };
        if step.is_some_and(|step| direction(step) == 0) {
            return plan_err!("step size cannot equal zero");
        }
        let range = us(start)?.zip(us(stop)?).zip(step).map(|((start, stop), step)| (start, stop, step));
        let zone = if is_instant(&time_type) { zone } else { Zone::UTC };
        let schema = Arc::new(Schema::new(vec![Field::new("value", time_type, false)]));
        Ok(Self { schema, range, zone })
    }
}

/// The sign of a step: months count as 30 days, as where intervals are compared.
fn direction(step: IntervalMonthDayNano) -> i128 {
    let days = i128::from(step.months) * 30 + i128::from(step.days);
    (days * 86_400_000_000_000 + i128::from(step.nanoseconds)).signum()
}

impl PartitionStream for Series {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = context.session_config().batch_size();
        let (schema, zone) = (Arc::clone(&self.schema), self.zone);
        let batches = futures::stream::unfold(self.range, move |range| {
            let schema = Arc::clone(&schema);
            async move {
                let (next, stop, step) = range?;
                let (times, rest) = match times(next, stop, step, zone, rows) {
                    Ok(found) => found,
                    Err(error) => return Some((Err(error), None)),
                };
                if times.is_empty() {
                    return None;
                }
                let column: Result<ArrayRef> = from_us(Int64Array::from(times), schema.field(0).data_type());
                let batch = column.and_then(|column| Ok(RecordBatch::try_new(schema, vec![column])?));
                Some((batch, rest.map(|next| (next, stop, step))))
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

/// Times from one on, at most so many, and the one that follows them.
fn times(
    mut next: i64,
    stop: i64,
    step: IntervalMonthDayNano,
    zone: Zone,
    rows: usize,
) -> Result<(Vec<i64>, Option<i64>), DataFusionError> {
    let is_rising = direction(step) > 0;
    let mut times = Vec::new();
    while if is_rising { next <= stop } else { next >= stop } {
        if times.len() == rows {
            return Ok((times, Some(next)));
        }
        times.push(next);
        let following = instant_plus(next, step, zone).ok_or_else(|| exec_datafusion_err!("timestamp out of range"))?;
        // A step of days and hours of opposite signs may stand still where a day is longer.
        if (following > next) != is_rising || following == next {
            return Ok((times, None));
        }
        next = following;
    }
    Ok((times, None))
}
