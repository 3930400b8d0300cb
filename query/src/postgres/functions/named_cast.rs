//! `named_cast(x, name)`: `x` itself. It stands for a cast while a statement is planned, when DataFusion tells expressions by their
//! names, and is gone when the plan has been optimized.

use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct NamedCast(Signature);

impl Default for NamedCast {
    fn default() -> Self {
        Self(Signature::any(2, Volatility::Immutable))
    }
}

impl ScalarUDFImpl for NamedCast {
    fn name(&self) -> &'static str {
        "named_cast"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types.first() {
            Some(of) => Ok(of.clone()),
            None => plan_err!("named_cast takes a cast and its name"),
        }
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match args.into_iter().next() {
            Some(cast) => Ok(ExprSimplifyResult::Simplified(cast)),
            None => plan_err!("named_cast takes a cast and its name"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.into_iter().next() {
            Some(cast) => Ok(cast),
            None => plan_err!("named_cast takes a cast and its name"),
        }
    }
}
