//! Planner of the operator that runs: constants become values, columns become positions.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use crate::functions::time_bucket::buckets_of;
use crate::gapfill::exec::{GapFillExec, Range};
use crate::gapfill::limits::BUCKETS_MAX;
use crate::gapfill::node::{Bound, Fill, GapFill};
use crate::time::columns::{constant_us, interval_type};

/// DataFusion's planner, with the operators of this crate.
#[derive(Debug)]
pub(crate) struct TimeseriesPlanner;

#[async_trait]
impl QueryPlanner for TimeseriesPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(GapFillPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

/// Plans [`GapFill`].
#[derive(Debug)]
pub(crate) struct GapFillPlanner;

#[async_trait]
impl ExtensionPlanner for GapFillPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<GapFill>() else { return Ok(None) };
        let [input] = inputs else { return plan_err!("GapFill has one input") };
        let bucket = node.bucket.iter().map(|expr| constant(session, expr)).collect::<Result<Vec<_>>>()?;
        let Some(position) = node.fills.iter().position(|fill| *fill == Fill::Bucket) else {
            return plan_err!("GapFill has a column of buckets");
        };
        let time_type = input.schema().field(position).data_type().clone();
        let width = bucket[0].cast_to(&interval_type())?;
        let Some(buckets) = buckets_of(&width, &bucket[1..], &time_type)? else {
            return plan_err!("the width of a bucket must not be null");
        };
        let bounds = |bounds: &[Bound]| {
            bounds.iter().map(|bound| bound_us(session, bound, &time_type)).collect::<Result<Vec<_>>>()
        };
        let (starts, finishes) = (bounds(&node.starts)?, bounds(&node.finishes)?);
        // A bound that is null lets no row pass.
        let (start, finish) = (starts.into_iter().flatten().max(), finishes.into_iter().flatten().min());
        let (Some(start), Some(finish)) = (start, finish) else {
            return plan_err!("the range of a gap filling must not be null");
        };
        let count = buckets.count_about(start, finish);
        if count > BUCKETS_MAX {
            return plan_err!("the range has about {count} buckets, and at most {BUCKETS_MAX} can be filled");
        }
        let range = Range { buckets, start_us: start, finish_us: finish };
        Ok(Some(Arc::new(GapFillExec::try_new(Arc::clone(input), node.fills.clone(), range)?)))
    }
}

fn bound_us(session: &dyn Session, bound: &Bound, time_type: &DataType) -> Result<Option<i64>> {
    let value = constant(session, &bound.time)?;
    let value = match value.data_type() {
        DataType::Timestamp(..) | DataType::Date32 => value,
        _ => value.cast_to(time_type)?,
    };
    Ok(constant_us(&value)?.map(|us| us.saturating_add(i64::from(bound.one_us_later))))
}

fn constant(session: &dyn Session, expr: &Expr) -> Result<ScalarValue> {
    if let Expr::Literal(value, _) = expr {
        return Ok(value.clone());
    }
    let physical = session.create_physical_expr(expr.clone(), &DFSchema::empty())?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let one_row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
    let value = physical.evaluate(&one_row)?.into_array(1)?;
    ScalarValue::try_from_array(&value, 0)
}
