//! Long constants, counted: a constant among the columns of a result is written out for each row of a batch, so that a text of
//! a megabyte, which one statement may well have, would be eight gigabytes.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use crate::optimizer::value_limit::ValueLimit;

/// Bytes of a constant that is not counted: a batch of 8,192 of them has 8 MiB.
const SHORT_MAX: usize = 1_024;

/// Rule that counts the long constants of a plan, as the last of all rules.
#[derive(Debug)]
pub(crate) struct CountConstants;

impl OptimizerRule for CountConstants {
    fn name(&self) -> &str {
        "count_constants"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        // Elsewhere constants are compared as they are.
        if !matches!(plan, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let counted = expr.transform_down(counted)?;
            Ok(counted.update_data(|expr| name.restore(expr)))
        })
    }
}

fn counted(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarFunction(call) if call.func.inner().is::<Constant>() => {
            Ok(Transformed::new(Expr::ScalarFunction(call), false, TreeNodeRecursion::Jump))
        }
        Expr::Literal(value, metadata) if value.size() > SHORT_MAX => {
            let function = Arc::new(ScalarUDF::new_from_impl(Constant::default()));
            let call = ScalarFunction::new_udf(function, vec![Expr::Literal(value, metadata)]);
            Ok(Transformed::new(Expr::ScalarFunction(call), true, TreeNodeRecursion::Jump))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// A constant, where its rows are within the limit.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    signature: Signature,
}

impl Default for Constant {
    fn default() -> Self {
        // Volatile, so that no rule makes a literal of it again.
        Self { signature: Signature::any(1, Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        "constant"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [of] => Ok(of.clone()),
            _ => internal_err!("a constant has one argument"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [of] => Ok(Arc::clone(of)),
            _ => internal_err!("a constant has one argument"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(value) = args.args.into_iter().next() else { return internal_err!("a constant has one argument") };
        if let ColumnarValue::Scalar(constant) = &value {
            let bytes = ScalarValue::size(constant).saturating_mul(args.number_rows);
            ValueLimit::check("a long constant in each row", bytes, ValueLimit::bytes_max(&args.config_options))?;
        }
        Ok(value)
    }
}
