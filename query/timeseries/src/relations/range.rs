//! `range` over times. DataFusion's takes nanoseconds only, and times are of microseconds here.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;

/// A table function that gets its times in nanoseconds.
#[derive(Debug)]
pub(crate) struct InNanoseconds {
    /// DataFusion's function.
    pub(crate) function: Arc<dyn TableFunctionImpl>,
}

impl TableFunctionImpl for InNanoseconds {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let exprs: Vec<Expr> = args.exprs().iter().map(in_nanoseconds).collect();
        self.function.call_with_args(TableFunctionArgs::new(&exprs, args.session()))
    }
}

fn in_nanoseconds(expr: &Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::TimestampMicrosecond(time, zone), metadata) => {
            // Beyond nanoseconds, from the year 2262 on, a bound is null and the series is empty.
            let time = time.and_then(|us| us.checked_mul(1_000));
            Expr::Literal(ScalarValue::TimestampNanosecond(time, zone.clone()), metadata.clone())
        }
        other => other.clone(),
    }
}
