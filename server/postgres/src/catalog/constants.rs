//! Functions that return the same value whatever their arguments: visibility, and definitions of objects of which there are none; and
//! privileges, which are those of reading.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use zonelake_query::constant_function;

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
        ("pg_conversion_is_visible", yes()),
        ("pg_opfamily_is_visible", yes()),
        ("pg_statistics_obj_is_visible", yes()),
        ("pg_ts_config_is_visible", yes()),
        ("pg_ts_dict_is_visible", yes()),
        ("pg_ts_parser_is_visible", yes()),
        ("pg_ts_template_is_visible", yes()),
        ("pg_is_wal_replay_paused", ScalarValue::from(false)),
        ("pg_blocking_pids", ScalarValue::List(ScalarValue::new_list_nullable(&[], &DataType::Int32))),
        ("pg_get_function_arg_default", no_text()),
        ("pg_get_replica_identity_index", ScalarValue::Int32(None)),
        ("pg_describe_object", no_text()),
        ("pg_sequence_last_value", ScalarValue::Int64(None)),
        ("pg_current_logfile", no_text()),
        ("pg_relation_is_publishable", ScalarValue::from(false)),
        ("pg_is_in_recovery", ScalarValue::from(false)),
        ("pg_is_other_temp_schema", ScalarValue::from(false)),
        ("pg_my_temp_schema", ScalarValue::from(0i32)),
        ("pg_encoding_to_char", text("UTF8")),
        ("pg_char_to_encoding", ScalarValue::from(6i32)),
        ("pg_client_encoding", text("UTF8")),
        ("getdatabaseencoding", text("UTF8")),
        ("pg_get_indexdef", no_text()),
        ("pg_get_constraintdef", no_text()),
        ("pg_get_triggerdef", no_text()),
        ("pg_get_ruledef", no_text()),
        ("pg_get_functiondef", no_text()),
        ("pg_get_function_arguments", no_text()),
        ("pg_get_function_identity_arguments", no_text()),
        ("pg_get_function_result", no_text()),
        ("pg_get_function_sqlbody", no_text()),
        ("pg_get_serial_sequence", no_text()),
        ("pg_get_statisticsobjdef", no_text()),
        ("pg_tablespace_location", text("")),
        ("pg_relation_filenode", ScalarValue::Int32(None)),
        ("pg_indexes_size", ScalarValue::from(0i64)),
        ("pg_stat_get_numscans", ScalarValue::Int64(None)),
        ("inet_server_addr", no_text()),
        ("inet_server_port", ScalarValue::Int32(None)),
        ("inet_client_addr", no_text()),
        ("txid_current", ScalarValue::Int64(None)),
        ("pg_jit_available", ScalarValue::from(false)),
        ("pg_advisory_unlock_all", no_text()),
        ("pg_postmaster_start_time", ScalarValue::TimestampMicrosecond(None, Some("UTC".into()))),
        ("pg_conf_load_time", ScalarValue::TimestampMicrosecond(None, Some("UTC".into()))),
    ];
    let constants = all.into_iter().map(|(name, value)| constant_function(name, value));
    let privileges = PRIVILEGE_FUNCTIONS.map(|name| Arc::new(ScalarUDF::new_from_impl(HasPrivilege::new(name))));
    constants.chain(privileges).collect()
}

/// Functions that tell of privileges, the last argument.
const PRIVILEGE_FUNCTIONS: [&str; 8] = [
    "has_any_column_privilege",
    "has_column_privilege",
    "has_database_privilege",
    "has_function_privilege",
    "has_schema_privilege",
    "has_sequence_privilege",
    "has_table_privilege",
    "has_type_privilege",
];

/// Privileges that everybody has: those of reading.
const READING: [&str; 5] = ["select", "usage", "connect", "execute", "member"];

/// `has_table_privilege('probe', 'SELECT, INSERT')`: true where one of the privileges is of reading.
#[derive(Debug, PartialEq, Eq, Hash)]
struct HasPrivilege {
    name: &'static str,
    signature: Signature,
}

impl HasPrivilege {
    fn new(name: &'static str) -> Self {
        Self { name, signature: Signature::variadic_any(Volatility::Stable) }
    }
}

impl ScalarUDFImpl for HasPrivilege {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(privileges) = args.args.last() else { return exec_err!("{} takes a privilege", self.name) };
        let privileges = cast(&privileges.to_array(args.number_rows)?, &DataType::Utf8)?;
        let reads = |privileges: &str| {
            privileges.split(',').any(|privilege| READING.contains(&privilege.trim().to_ascii_lowercase().as_str()))
        };
        let known = privileges.as_string::<i32>().iter().map(|privileges| privileges.map(reads));
        Ok(ColumnarValue::Array(Arc::new(known.collect::<BooleanArray>())))
    }
}
