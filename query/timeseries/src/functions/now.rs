//! The time of a statement: when it began, the same wherever it asks.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::time::columns::{instant_type, local_type};
use crate::time::zone::Zone;

/// `now()` and `localtimestamp`. DataFusion's own is in nanoseconds, and a comparison of a column of microseconds with it
/// leaves out no file.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Now {
    signature: Signature,
    aliases: Vec<String>,
    local: bool,
}

impl Now {
    /// The instant.
    pub(crate) fn instant() -> Self {
        let aliases = ["current_timestamp", "transaction_timestamp", "statement_timestamp"];
        Self {
            signature: Signature::nullary(Volatility::Stable),
            aliases: aliases.map(str::to_owned).to_vec(),
            local: false,
        }
    }

    /// The local time in the zone of the session.
    pub(crate) fn local() -> Self {
        Self { signature: Signature::nullary(Volatility::Stable), aliases: Vec::new(), local: true }
    }
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        if self.local { "localtimestamp" } else { "now" }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.local { local_type() } else { instant_type() })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("the time of a statement is known when it is planned")
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(began) = info.query_execution_start_time() else { return Ok(ExprSimplifyResult::Original(args)) };
        let instant_us = began.timestamp_micros();
        let value = if self.local {
            let zone = Zone::from_session(info.config_options())?;
            ScalarValue::TimestampMicrosecond(Some(zone.to_local(instant_us)), None)
        } else {
            ScalarValue::TimestampMicrosecond(Some(instant_us), Some("UTC".into()))
        };
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
    }
}
