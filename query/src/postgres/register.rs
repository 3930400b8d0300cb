//! Registration of types, functions and rules with a session.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::ScalarUDF;

use crate::postgres::aggregates::corrected::{CORRECTED, Corrected};
use crate::postgres::arrays::operators::ArrayOperators;
use crate::postgres::arrays::{sets, sorted};
use crate::postgres::conversions::{bytes, to_number, type_names};
use crate::postgres::functions::array_functions::Subscripts;
use crate::postgres::functions::checked_domain::{CHECKED, CheckedDomain};
use crate::postgres::functions::compare_items::CompareItems;
use crate::postgres::functions::like_escape::LikeEscape;
use crate::postgres::functions::named_cast::NamedCast;
use crate::postgres::functions::text_format::TextFormat;
use crate::postgres::functions::{array_functions, number_functions, similar_to, text_functions};
use crate::postgres::multisets::Multisets;
use crate::postgres::rules::corrections::Corrections;
use crate::postgres::types::SqlTypes;
use crate::postgres::{json, patterns};

/// Adds all corrections to a session.
///
/// # Errors
/// Where DataFusion lacks a function that is corrected.
pub(crate) fn register(state: &mut SessionState) -> Result<()> {
    for (name, check) in CHECKED {
        let function = state.udf(name)?;
        state.register_udf(CheckedDomain::of(function, check))?;
    }
    for (name, part, names) in CORRECTED {
        let function = state.udaf(name)?;
        state.register_udaf(Arc::new(Corrected::of(&function, part, names)))?;
    }
    replace_array_functions(state)?;
    let own = [
        array_functions::functions(),
        sets::functions(),
        sorted::functions(),
        patterns::functions::functions(),
        patterns::matches::functions(),
        bytes::functions(),
        to_number::functions(),
        type_names::functions(),
        json::functions::functions(),
        json::objects::functions(),
        similar_to::functions(),
        text_functions::functions(),
        number_functions::functions(),
    ];
    for function in own.into_iter().flatten() {
        state.register_udf(function.udf())?;
    }
    let more = [
        ScalarUDF::new_from_impl(NamedCast::default()),
        ScalarUDF::new_from_impl(LikeEscape::default()),
        ScalarUDF::new_from_impl(TextFormat::default()),
    ];
    for function in more {
        state.register_udf(Arc::new(function))?;
    }
    for function in CompareItems::both() {
        state.register_udf(Arc::new(function))?;
    }
    state.register_relation_planner(Arc::new(Multisets))?;
    let mut expressions = state.expr_planners().to_vec();
    expressions.insert(0, Arc::new(Subscripts));
    expressions.insert(0, Arc::new(ArrayOperators));
    let mut rules = state.analyzer().rules.clone();
    rules.insert(0, Arc::new(Corrections::BEFORE_COERCION));
    rules.push(Arc::new(Corrections::AFTER_COERCION));
    *state = SessionStateBuilder::new_from_existing(state.clone())
        .with_expr_planners(expressions)
        .with_type_planner(Arc::new(SqlTypes))
        .with_analyzer_rules(rules)
        .build();
    Ok(())
}

/// Takes out DataFusion's functions over arrays under all their names: one that stays under another name would come back when a session
/// is made of this one.
fn replace_array_functions(state: &mut SessionState) -> Result<()> {
    for name in ["array_length", "array_remove", "array_replace"] {
        state.deregister_udf(name)?;
    }
    // All equal items, and not the first one alone.
    let function = state.udf("array_replace_all")?.as_ref().clone().with_aliases(["array_replace", "list_replace"]);
    state.register_udf(Arc::new(function))?;
    Ok(())
}
