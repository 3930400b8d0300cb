//! SQL over time: buckets and gaps, counters and states, the last rows, joins by time, and time zones with the meaning that
//! PostgreSQL gives them. In the order in which a statement meets it:
//!
//! - [`statement`]: SQL's own words, made functions before planning
//! - [`planning`], [`rewrite`]: types, operators and casts of times while a statement is planned
//! - [`latest`], [`asof`], [`series`]: relations made of other relations
//! - [`gapfill`]: rows for buckets of which there are none
//! - [`time_bucket`], [`truncate`], [`instants`], [`intervals`], [`to_char`], [`now`]: functions, made with [`function`]
//! - [`ends`], [`points`], [`single_group`]: aggregates
//! - [`bucket`], [`zone`], [`calendar`], [`text`], [`columns`]: what they rest on

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub mod asof;
pub mod bucket;
pub mod calendar;
pub mod columns;
pub mod ends;
pub mod function;
pub mod gapfill;
pub mod instants;
pub mod intervals;
pub mod latest;
pub mod now;
pub mod planning;
pub mod points;
pub mod rewrite;
pub mod series;
pub mod single_group;
pub mod statement;
pub mod text;
pub mod time_bucket;
pub mod to_char;
pub mod truncate;
pub mod zone;

pub use planning::visit::{
    SyntaxVisitor, SyntaxVisitorMut, visit_expr, visit_expr_mut, visit_expressions, visit_expressions_mut, visit_query,
    visit_query_mut, visit_statement, visit_statement_mut,
};
pub use statement::prepare;

use ends::{End, EndFunction};
use gapfill::functions::Word;
use gapfill::planner::TimeseriesPlanner;
use gapfill::rule::FillGaps;
use planning::{TimeExpressions, TimeRules, TimeTypes};
use points::{Measure, PointsFunction};
use rewrite::Functions;

/// Adds everything to a session. Statements must go through [`prepare`] before they are planned.
pub fn register(state: &mut SessionState) -> Result<()> {
    let functions = functions();
    for function in &functions.all {
        state.register_udf(Arc::clone(function))?;
    }
    for aggregate in aggregates() {
        state.register_udaf(Arc::new(aggregate))?;
    }
    let (time_bucket, date_part) = (state.udf("time_bucket")?, state.udf("date_part")?);
    state.register_relation_planner(Arc::new(latest::Latest))?;
    state.register_relation_planner(Arc::new(asof::AsofJoins))?;

    for name in ["generate_series", "range"] {
        if let Some(function) = state.table_functions().get(name).map(|function| Arc::clone(function.function())) {
            state.register_udtf(name, Arc::new(series::InNanoseconds { function }));
        }
    }

    let mut expressions = state.expr_planners().to_vec();
    expressions.insert(0, Arc::new(TimeExpressions { functions: functions.clone(), date_part }));
    let mut rules = state.analyzer().rules.clone();
    // Both come before DataFusion brings operands to common types.
    rules.insert(0, Arc::new(TimeRules { functions }));
    rules.insert(1, Arc::new(FillGaps { time_bucket }));
    *state = SessionStateBuilder::new_from_existing(state.clone())
        .with_expr_planners(expressions)
        .with_type_planner(Arc::new(TimeTypes))
        .with_analyzer_rules(rules)
        .with_query_planner(Arc::new(TimeseriesPlanner))
        .build();
    Ok(())
}

fn functions() -> Functions {
    let simple = [truncate::functions(), instants::functions(), intervals::functions(), to_char::functions()];
    let mut all: Vec<Arc<ScalarUDF>> = simple.into_iter().flatten().map(function::TimeFunction::udf).collect();
    all.push(Arc::new(ScalarUDF::new_from_impl(time_bucket::TimeBucket::default())));
    all.extend([now::Now::instant(), now::Now::local()].map(|now| Arc::new(ScalarUDF::new_from_impl(now))));
    all.extend(Word::all().map(|word| Arc::new(ScalarUDF::new_from_impl(word))));
    Functions { all }
}

fn aggregates() -> Vec<AggregateUDF> {
    let ends = [End::First, End::Last, End::Delta].map(|end| AggregateUDF::new_from_impl(EndFunction::new(end)));
    let measures = [Measure::Increase, Measure::Rate, Measure::LinearAverage, Measure::StateDuration];
    let points = measures.map(|measure| AggregateUDF::new_from_impl(PointsFunction::new(measure)));
    ends.into_iter().chain(points).collect()
}
