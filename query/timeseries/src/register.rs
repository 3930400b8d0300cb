//! Registration of all functions, aggregates, relations and rules with a session.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use crate::aggregates::counters::{CounterAggregate, CounterFunction};
use crate::aggregates::first_last::{FirstLastFunction, Pick};
use crate::functions::function::TimeFunction;
use crate::functions::now::Now;
use crate::functions::time_bucket::TimeBucket;
use crate::functions::{date_trunc, intervals, timestamps, to_char};
use crate::gapfill::functions::Placeholder;
use crate::gapfill::planner::TimeseriesPlanner;
use crate::gapfill::rule::FillGaps;
use crate::planning::operators::Functions;
use crate::planning::planner::{TimeExpressions, TimeRules, TimeTypes};
use crate::relations::asof_join::AsofJoins;
use crate::relations::generate_series::TimeSeries;
use crate::relations::latest::Latest;
use crate::relations::live_windows::LiveWindowsRefusal;
use crate::relations::range::InNanoseconds;

/// Adds everything to a session. Statements must go through [`crate::prepare`] before they are planned.
///
/// # Errors
///
/// Fails where the session refuses a function or an aggregate.
pub fn register(state: &mut SessionState) -> Result<()> {
    let functions = functions();
    for function in &functions.all {
        state.register_udf(Arc::clone(function))?;
    }
    for aggregate in aggregates() {
        state.register_udaf(Arc::new(aggregate))?;
    }
    let (time_bucket, date_part) = (state.udf("time_bucket")?, state.udf("date_part")?);
    state.register_relation_planner(Arc::new(Latest))?;
    state.register_relation_planner(Arc::new(LiveWindowsRefusal))?;
    state.register_relation_planner(Arc::new(AsofJoins))?;
    state.register_relation_planner(Arc::new(TimeSeries { functions: functions.clone() }))?;
    if let Some(range) = state.table_functions().get("range").map(|function| Arc::clone(function.function())) {
        state.register_udtf("range", Arc::new(InNanoseconds { function: range }));
    }

    let mut expressions = state.expr_planners().to_vec();
    expressions.insert(0, Arc::new(TimeExpressions { functions: functions.clone(), date_part }));
    let mut rules = state.analyzer().rules.clone();
    // Both come before DataFusion coerces operands to common types: its coercion knows no zone of a session, and would
    // compare an instant with a local time as if both were UTC.
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
    let simple = [date_trunc::functions(), timestamps::functions(), intervals::functions(), to_char::functions()];
    let mut all: Vec<Arc<ScalarUDF>> = simple.into_iter().flatten().map(TimeFunction::udf).collect();
    all.push(Arc::new(ScalarUDF::new_from_impl(TimeBucket::default())));
    all.extend([Now::instant(), Now::local()].map(|now| Arc::new(ScalarUDF::new_from_impl(now))));
    all.extend(Placeholder::all().map(|name| Arc::new(ScalarUDF::new_from_impl(name))));
    Functions { all }
}

fn aggregates() -> Vec<AggregateUDF> {
    let first_last =
        [Pick::First, Pick::Last, Pick::Delta].map(|pick| AggregateUDF::new_from_impl(FirstLastFunction::new(pick)));
    let computed = [
        CounterAggregate::Increase,
        CounterAggregate::Rate,
        CounterAggregate::LinearAverage,
        CounterAggregate::StateDuration,
    ];
    let counters = computed.map(|aggregate| AggregateUDF::new_from_impl(CounterFunction::new(aggregate)));
    first_last.into_iter().chain(counters).collect()
}
