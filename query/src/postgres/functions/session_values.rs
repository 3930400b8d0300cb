//! Functions of one value in a session: who asks, and where. `current_user`, `version()` and their kin.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::catalog::names::CATALOG;

/// Version of PostgreSQL whose language and catalog this server follows.
pub const POSTGRES_VERSION: &str = "15.0";

/// The functions of a session of a role, whose tables are named in a schema.
pub(crate) fn session_functions(user: &str, schema: &str) -> Vec<Arc<ScalarUDF>> {
    let version = format!(
        "PostgreSQL {POSTGRES_VERSION} (Zonelake {}) on {}, 64-bit",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    );
    let all = [
        ("current_user", user),
        ("session_user", user),
        ("current_role", user),
        ("user", user),
        ("current_schema", schema),
        ("current_database", CATALOG),
        ("current_catalog", CATALOG),
        ("version", &version),
    ];
    all.map(|(name, value)| constant_function(name, ScalarValue::from(value))).into()
}

/// Function that takes any arguments and returns `value`.
pub fn constant_function(name: &'static str, value: ScalarValue) -> Arc<ScalarUDF> {
    let signature = Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Stable);
    Arc::new(ScalarUDF::new_from_impl(Constant { name, value, signature }))
}

/// Function of one value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: &'static str,
    value: ScalarValue,
    signature: Signature,
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}
