//! The list of corrections, and the rules of DataFusion's analyzer that apply them.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

use crate::postgres::rules::plan_walk::rewrite_expressions;
use crate::postgres::rules::{casts, exact_sums, guards, overflow, quantified, rounding, texts, whole_numbers};

/// Rewrite of one expression, whose parts have been rewritten.
type Correction = fn(Expr, &DFSchema) -> Result<Transformed<Expr>>;

/// Corrections of expressions as they are written: operands still have their own types.
const AS_WRITTEN: [Correction; 8] = [
    casts::correct_cast,
    texts::write_arguments,
    texts::write_hex,
    whole_numbers::type_operands,
    whole_numbers::divide_decimals,
    rounding::round_double,
    exact_sums::widen_sum,
    quantified::name_item,
];

/// Corrections of expressions whose operands have been coerced to one type.
const COERCED: [Correction; 3] = [casts::correct_text, overflow::check_operator, guards::guard];

/// Applies the corrections of one stage.
#[derive(Debug)]
pub(crate) struct Corrections {
    name: &'static str,
    all: &'static [Correction],
}

impl Corrections {
    /// The rule in front of DataFusion's coercion.
    pub(crate) const BEFORE_COERCION: Self = Self { name: "postgres_as_written", all: &AS_WRITTEN };
    /// The rule behind DataFusion's coercion.
    pub(crate) const AFTER_COERCION: Self = Self { name: "postgres_coerced", all: &COERCED };
}

impl AnalyzerRule for Corrections {
    fn name(&self) -> &str {
        self.name
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, &|expr, schema| {
            let mut corrected = Transformed::no(expr);
            for correction in self.all {
                let is_changed = corrected.transformed;
                corrected = correction(corrected.data, schema)?;
                corrected.transformed |= is_changed;
            }
            corrected.tnr = TreeNodeRecursion::Continue;
            Ok(corrected)
        })
    }
}
