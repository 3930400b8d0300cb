//! Functions that return the same value whatever their arguments: visibility, privileges, and definitions of objects of
//! which there are none.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

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

/// Function that takes any arguments and returns `value`.
pub(crate) fn constant(name: &'static str, value: ScalarValue) -> Arc<ScalarUDF> {
    let signature = Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::VariadicAny], Volatility::Stable);
    Arc::new(ScalarUDF::new_from_impl(Constant { name, value, signature }))
}

/// Functions whose values are the same for every connection.
pub(crate) fn constants() -> Vec<Arc<ScalarUDF>> {
    let text = |value: &str| ScalarValue::from(value);
    let no_text = || ScalarValue::Utf8(None);
    let yes = || ScalarValue::from(true);
    let all: Vec<(&'static str, ScalarValue)> = vec![
        ("pg_table_is_visible", yes()),
        ("pg_type_is_visible", yes()),
        ("pg_function_is_visible", yes()),
        ("pg_operator_is_visible", yes()),
        ("pg_opclass_is_visible", yes()),
        ("pg_collation_is_visible", yes()),
        ("has_table_privilege", yes()),
        ("has_schema_privilege", yes()),
        ("has_database_privilege", yes()),
        ("has_column_privilege", yes()),
        ("has_any_column_privilege", yes()),
        ("has_function_privilege", yes()),
        ("has_sequence_privilege", yes()),
        ("has_type_privilege", yes()),
        ("pg_has_role", yes()),
        ("pg_relation_is_publishable", ScalarValue::from(false)),
        ("pg_is_in_recovery", ScalarValue::from(false)),
        ("pg_is_other_temp_schema", ScalarValue::from(false)),
        ("pg_my_temp_schema", ScalarValue::from(0i32)),
        ("pg_get_userbyid", text("admin")),
        ("pg_encoding_to_char", text("UTF8")),
        ("pg_char_to_encoding", ScalarValue::from(6i32)),
        ("pg_client_encoding", text("UTF8")),
        ("pg_get_viewdef", no_text()),
        ("pg_get_indexdef", no_text()),
        ("pg_get_constraintdef", no_text()),
        ("pg_get_triggerdef", no_text()),
        ("pg_get_ruledef", no_text()),
        ("pg_get_functiondef", no_text()),
        ("pg_get_function_arguments", text("")),
        ("pg_get_function_identity_arguments", text("")),
        ("pg_get_function_result", text("")),
        ("pg_get_function_sqlbody", no_text()),
        ("pg_get_serial_sequence", no_text()),
        ("pg_get_statisticsobjdef", no_text()),
        ("pg_tablespace_location", text("")),
        ("pg_relation_filenode", ScalarValue::Int32(None)),
        ("pg_relation_size", ScalarValue::from(0i64)),
        ("pg_table_size", ScalarValue::from(0i64)),
        ("pg_indexes_size", ScalarValue::from(0i64)),
        ("pg_total_relation_size", ScalarValue::from(0i64)),
        ("pg_database_size", ScalarValue::from(0i64)),
        ("pg_stat_get_numscans", ScalarValue::from(0i64)),
        ("inet_server_addr", no_text()),
        ("inet_server_port", ScalarValue::Int32(None)),
        ("inet_client_addr", no_text()),
        ("txid_current", ScalarValue::from(0i64)),
        ("pg_jit_available", ScalarValue::from(false)),
        ("pg_advisory_unlock_all", no_text()),
        ("pg_postmaster_start_time", ScalarValue::TimestampMicrosecond(None, Some("UTC".into()))),
        ("pg_conf_load_time", ScalarValue::TimestampMicrosecond(None, Some("UTC".into()))),
    ];
    all.into_iter().map(|(name, value)| constant(name, value)).collect()
}
