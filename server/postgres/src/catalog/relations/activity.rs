//! Connections of this protocol as a table, `pg_stat_activity`, and the functions that cancel their statements or end them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use zonelake_query::CATALOG;
use zonelake_registry::Role;

use crate::catalog::objects::{DATABASE_OID, role_oid};
use crate::catalog::relations::columns::{NamedColumn, each, instants, ints, nulls, oids, texts};
use crate::protocol::backends::{Activity, Asker, Backend, Backends, Request};

/// Connections that a statement may see.
#[derive(Debug)]
pub(crate) struct BackendList {
    /// All of them.
    pub backends: Arc<Backends>,
    /// Role whose connections alone are seen; without one, those of all roles.
    pub of: Option<Arc<str>>,
}

impl BackendList {
    /// Table `pg_stat_activity` of this moment.
    pub(crate) fn table(&self, roles: &[Arc<Role>]) -> Result<Arc<dyn TableProvider>> {
        let listed = self.backends.list(self.of.as_deref());
        let all: Vec<(Arc<Backend>, Activity)> =
            listed.into_iter().map(|of| (Arc::clone(&of), of.activity())).collect();
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns(&all, roles).into_iter().unzip();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

/// Columns of the table.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(columns(&[], &[]).into_iter().map(|(field, _)| field).collect::<Vec<_>>()))
}

fn columns(all: &[(Arc<Backend>, Activity)], roles: &[Arc<Role>]) -> Vec<NamedColumn> {
    let rows = all.len();
    let role = |name: &str| roles.iter().find(|role| *role.name == *name).map_or(0, |role| role_oid(role));
    let addresses: Vec<String> = all.iter().map(|(of, _)| of.address.to_string()).collect();
    let is_waiting = |activity: &Activity| activity.idle.is_some();
    let waiting = |text: &'static str| all.iter().map(move |(_, activity)| is_waiting(activity).then_some(text));
    vec![
        oids("datid", each(DATABASE_OID, rows)),
        texts("datname", each(Some(CATALOG), rows)),
        ints("pid", all.iter().map(|(of, _)| of.process_id)),
        nulls("leader_pid", DataType::Int32, rows),
        oids("usesysid", all.iter().map(|(of, _)| role(&of.user))),
        texts("usename", all.iter().map(|(of, _)| Some(&*of.user))),
        texts("application_name", all.iter().map(|(_, activity)| Some(activity.application_name.as_str()))),
        texts("client_addr", addresses.iter().map(|address| Some(address.as_str()))),
        nulls("client_hostname", DataType::Utf8, rows),
        nulls("client_port", DataType::Int32, rows),
        instants("backend_start", all.iter().map(|(_, activity)| Some(activity.connected_us))),
        // Statements see the newest state of all tables each, so there are no transactions that could grow old.
        instants("xact_start", each(None, rows)),
        instants("query_start", all.iter().map(|(_, activity)| activity.query_us)),
        instants("state_change", all.iter().map(|(_, activity)| Some(activity.changed_us))),
        texts("wait_event_type", waiting("Client")),
        texts("wait_event", waiting("ClientRead")),
        texts("state", all.iter().map(|(_, activity)| Some(activity.state()))),
        nulls("backend_xid", DataType::Int64, rows),
        nulls("backend_xmin", DataType::Int64, rows),
        nulls("query_id", DataType::Int64, rows),
        texts("query", all.iter().map(|(_, activity)| Some(activity.query.as_str()))),
        texts("backend_type", each(Some("client backend"), rows)),
    ]
}

/// `pg_cancel_backend(pid)` and `pg_terminate_backend(pid [, timeout])` for connections of the own role, or of all roles.
pub(crate) fn end_functions(backends: &Arc<Backends>, by: &Asker) -> [Arc<ScalarUDF>; 2] {
    [("pg_cancel_backend", Request::Cancel), ("pg_terminate_backend", Request::End)].map(|(name, request)| {
        Arc::new(ScalarUDF::new_from_impl(EndFunction {
            name,
            request,
            backends: Arc::clone(backends),
            by: by.clone(),
            // Never computed while a statement is planned or described.
            signature: Signature::variadic_any(Volatility::Volatile),
        }))
    })
}

/// True where there is such a connection. One of another role does not exist for a role that may not end it.
#[derive(Debug)]
struct EndFunction {
    name: &'static str,
    request: Request,
    backends: Arc<Backends>,
    by: Asker,
    signature: Signature,
}

impl PartialEq for EndFunction {
    fn eq(&self, other: &Self) -> bool {
        self.request == other.request && self.by == other.by && Arc::ptr_eq(&self.backends, &other.backends)
    }
}

impl Eq for EndFunction {}

impl Hash for EndFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.request.hash(state);
    }
}

impl ScalarUDFImpl for EndFunction {
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
        let Some(ids) = args.args.first() else { return exec_err!("{} takes a process id", self.name) };
        let ids = cast(&ids.to_array(args.number_rows)?, &DataType::Int32)?;
        let request = |id: i32| self.backends.request(id, &self.by, self.request);
        let done: BooleanArray = ids.as_primitive::<Int32Type>().iter().map(|id| id.map(request)).collect();
        debug_assert_eq!(done.len(), ids.len(), "each id has an answer");
        Ok(ColumnarValue::Array(Arc::new(done)))
    }
}
