//! Open prepared statements, by their handles.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::ScalarValue;
use tonic::Status;
use zonelake_net::Cause;
use zonelake_query::{PreparedMemory, PreparedShare, QueryEngine, QueryError, ReadStatement, RightsStamp};

use crate::status::{from_input_error, from_query_error, internal, status};

/// Prepared statement.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub sql: Arc<str>,
    /// The statement, where its tree is kept.
    kept: Option<Arc<ReadStatement>>,
    /// Columns of the result.
    pub schema: SchemaRef,
    /// Types of the parameters.
    pub parameters: Vec<DataType>,
    /// Bound values: the statement runs once for each row.
    bound: Arc<[Vec<ScalarValue>]>,
    handle: Bytes,
    /// User who has prepared the statement; for others it does not exist.
    user: Arc<str>,
    /// Rights of the user then, under which the columns were described.
    rights: RightsStamp,
    /// Memory of text and tree, and of the bound values.
    _shares: Vec<Arc<PreparedShare>>,
    _bound_share: Option<Arc<PreparedShare>>,
}

impl Prepared {
    /// Prepared statement with a random handle.
    pub(crate) fn new(
        memory: &Arc<PreparedMemory>,
        sql: &str,
        statement: ReadStatement,
        schema: SchemaRef,
        parameters: Vec<DataType>,
        (user, rights): (Arc<str>, RightsStamp),
    ) -> Result<Self, Status> {
        let mut handle = [0; HANDLE_BYTES];
        getrandom::fill(&mut handle).map_err(|error| internal(&error))?;
        let handle = Bytes::copy_from_slice(&handle);
        let mut shares = vec![Arc::new(memory.reserve_text(&user, sql).map_err(from_query_error)?)];
        let tree = memory.reserve_tree(&user, sql).map(Arc::new);
        let kept = tree.is_some().then(|| Arc::new(statement));
        shares.extend(tree);
        let bound = Arc::default();
        Ok(Self {
            sql: sql.into(),
            kept,
            schema,
            parameters,
            bound,
            handle,
            user,
            rights,
            _shares: shares,
            _bound_share: None,
        })
    }

    /// The statement, parsed again where its tree is not kept. Under other rights its columns may be others than those that
    /// the client was told.
    pub(crate) fn statement(&self, engine: &QueryEngine) -> Result<ReadStatement, QueryError> {
        self.rights.check(engine.source().registry())?;
        match &self.kept {
            Some(statement) => Ok(statement.as_ref().clone()),
            None => engine.parse(&self.sql),
        }
    }

    /// Handle by which the client names the statement.
    pub(crate) fn handle(&self) -> Bytes {
        self.handle.clone()
    }

    /// Schema of the parameters, whose names are their numbers: 1, 2 and so on.
    pub(crate) fn parameter_schema(&self) -> Schema {
        let field =
            |(index, data_type): (usize, &DataType)| Field::new((index + 1).to_string(), data_type.clone(), true);
        Schema::new(self.parameters.iter().enumerate().map(field).collect::<Vec<_>>())
    }

    /// Values of each run.
    pub(crate) fn runs(&self) -> Result<Vec<Vec<ScalarValue>>, Status> {
        match (self.parameters.len(), self.bound.is_empty()) {
            (0, _) => Ok(vec![Vec::new()]),
            (count, true) => {
                Err(status(Cause::NotBound, format!("the statement has {count} parameters and none is bound")))
            }
            (_, false) => Ok(self.bound.to_vec()),
        }
    }
}

/// Open statements; beyond [`STATEMENTS_MAX`] the one least recently used is closed.
#[derive(Debug, Default)]
pub(crate) struct OpenStatements(Mutex<VecDeque<Prepared>>);

impl OpenStatements {
    /// Opens a statement.
    pub(crate) fn open(&self, prepared: Prepared) {
        let mut all = self.lock();
        if all.len() == STATEMENTS_MAX {
            all.pop_front();
        }
        all.push_back(prepared);
    }

    /// Open statement of that handle and user.
    pub(crate) fn get(&self, handle: &[u8], user: &str) -> Result<Prepared, Status> {
        let mut all = self.lock();
        let index = index_of(&all, handle, user)?;
        let prepared = all.remove(index).ok_or_else(unknown)?;
        // The back of the queue is the statement most recently used.
        all.push_back(prepared.clone());
        Ok(prepared)
    }

    /// Binds rows of parameters.
    pub(crate) fn bind(
        &self,
        memory: &Arc<PreparedMemory>,
        handle: &[u8],
        user: &Arc<str>,
        rows: &[RecordBatch],
    ) -> Result<(), Status> {
        let mut all = self.lock();
        let index = index_of(&all, handle, user)?;
        let prepared = &mut all[index];
        let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
        // Each row is a run of the statement, so a call without a limit could run for days.
        if count > BOUND_ROWS_MAX {
            let message = format!("{count} rows of parameters; {BOUND_ROWS_MAX} are possible");
            return Err(status(Cause::BadPayload, message));
        }
        let mut bound = Vec::with_capacity(count);
        for batch in rows {
            if batch.num_columns() != prepared.parameters.len() {
                return Err(status(
                    Cause::BadPayload,
                    format!(
                        "the statement has {} parameters and {} are bound",
                        prepared.parameters.len(),
                        batch.num_columns()
                    ),
                ));
            }
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().zip(&prepared.parameters).map(|(column, wanted)| {
                    ScalarValue::try_from_array(column, row).and_then(|value| value.cast_to(wanted))
                });
                let values: Result<Vec<_>, _> = values.collect();
                bound.push(values.map_err(|error| status(Cause::BadPayload, error.to_string()))?);
            }
        }
        let bytes: usize = bound.iter().flatten().map(ScalarValue::size).sum();
        prepared._bound_share = Some(Arc::new(memory.reserve_bytes(user, bytes).map_err(from_query_error)?));
        prepared.bound = bound.into();
        Ok(())
    }

    /// Closes a statement; there is no error where it is closed already.
    pub(crate) fn close(&self, handle: &[u8], user: &str) {
        let mut all = self.lock();
        if let Ok(index) = index_of(&all, handle, user) {
            all.remove(index);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Prepared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index_of(all: &VecDeque<Prepared>, handle: &[u8], user: &str) -> Result<usize, Status> {
    // The user is compared as well, though nobody guesses 16 random bytes.
    let is_it = |prepared: &Prepared| prepared.handle == handle && *prepared.user == *user;
    all.iter().rposition(is_it).ok_or_else(unknown)
}

fn unknown() -> Status {
    status(
        Cause::UnknownStatement,
        "the prepared statement is closed, or too many others were opened since: prepare it again",
    )
}

/// Schema as a message, in the form of the response to `CreatePreparedStatement`.
pub(crate) fn schema_bytes(schema: &Schema) -> Result<Bytes, Status> {
    let options = arrow::ipc::writer::IpcWriteOptions::default();
    let message: arrow_flight::IpcMessage =
        arrow_flight::SchemaAsIpc::new(schema, &options).try_into().map_err(|error| from_input_error(&error))?;
    Ok(message.0)
}

/// Most open statements of all clients.
const STATEMENTS_MAX: usize = 1_000;
/// Most rows of parameters of one statement.
const BOUND_ROWS_MAX: usize = 1_000;
/// Random bytes of a handle.
const HANDLE_BYTES: usize = 16;
