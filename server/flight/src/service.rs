//! Calls of Flight SQL.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    Any, CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
    CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery,
    CommandStatementUpdate, DoPutPreparedStatementResult, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, Ticket};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::{Code, Request, Response, Status, Streaming};
use zonelake_net::{Cause, PeerAddress, Principal};
use zonelake_query::RowStream;
use zonelake_query::{Caller, Interface, SETTING_HEADERS, SqlSession, Zone};

use crate::prepared::{Prepared, schema_bytes};
use crate::rows::{Messages, batch_messages, messages, plain_schema};
use crate::state::FlightState;
use crate::status::{from_query_error, internal, status};
use crate::{ingest, metadata};

/// Service whose calls gRPC dispatches.
#[derive(Debug)]
pub(crate) struct FlightCalls(pub Arc<FlightState>);

impl FlightCalls {
    fn session<T>(&self, request: &Request<T>) -> Result<SqlSession, Status> {
        let caller = reader(request).inspect_err(|_| {
            if let Some(Principal::Gateway(gateway)) = request.extensions().get() {
                self.0.authenticator.note_refused_gateway(&gateway.name, "statement", "sql", peer(request));
            }
        })?;
        let mut session = SqlSession::new(caller, Interface::Flight);
        session.peer = peer(request);
        for (header, name) in SETTING_HEADERS {
            if let Some(value) = request.metadata().get(header) {
                let text = value
                    .to_str()
                    .map_err(|error| status(Cause::BadPayload, format!("the header {header}: {error}")))?;
                session.set_outside_sql(name, text).map_err(from_query_error)?;
            }
        }
        Ok(session)
    }

    async fn describe(&self, sql: &str, session: &SqlSession) -> Result<Arc<Schema>, Status> {
        let statement = self.0.engine.parse(sql).map_err(from_query_error)?;
        let described = self.0.engine.describe(sql, statement, Vec::new(), session).await.map_err(from_query_error)?;
        Ok(plain_schema(&described.schema, session.zone()))
    }

    /// Rows of all runs of a prepared statement, one run after the other.
    async fn run(&self, prepared: Prepared, session: SqlSession) -> Result<RowStream, Status> {
        let mut runs = prepared.runs()?.into_iter();
        let Some(first) = runs.next() else { return Ok(Box::pin(stream::empty())) };
        let engine = Arc::clone(&self.0.engine);
        let run = async move |values| {
            let statement = prepared.statement(&engine)?;
            engine.execute_parsed(&prepared.sql, statement, values, &session).await
        };
        let first = run(first).await.map_err(from_query_error)?.stream;
        // Later runs start when the rows of the one before are sent, so one permit suffices.
        let rest = stream::unfold((runs, run), async |(mut runs, run)| {
            let values = runs.next()?;
            let rows = match run(values).await {
                Ok(result) => result.stream,
                Err(error) => Box::pin(stream::once(async move { Err(error) })),
            };
            Some((rows, (runs, run)))
        });
        Ok(Box::pin(first.chain(rest.flatten())))
    }
}

/// Address of the client.
fn peer<T>(request: &Request<T>) -> Option<IpAddr> {
    request.extensions().get::<PeerAddress>().and_then(|peer| peer.0)
}

fn reader<T>(request: &Request<T>) -> Result<Caller, Status> {
    match request.extensions().get::<Principal>() {
        Some(Principal::Role(name)) => Ok(Caller { name: Arc::clone(name) }),
        Some(Principal::Gateway(_)) => Err(status(
            Cause::NoRight,
            "the token of a gateway may write only; query with the administrator's name and password",
        )),
        None => Err(internal(&"a call without its principal")),
    }
}

fn reads_only() -> Status {
    status(Cause::NoRight, "SQL reads only; rows come in by bulk ingest, over QUIC or over HTTP")
}

/// Response that tells a client where the rows of a command are: at this server, for a ticket.
fn info(ticket: &Any, schema: &Schema, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket.encode_to_vec()));
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(|error| internal(&error))?
        .with_endpoint(endpoint)
        .with_descriptor(request.into_inner());
    Ok(Response::new(info))
}

fn batch(batch: RecordBatch) -> Result<Response<Messages>, Status> {
    Ok(Response::new(batch_messages(batch)))
}

/// Response of a call.
type CallResult<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl FlightSqlService for FlightCalls {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> CallResult<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>> {
        let peer = request.extensions().get::<PeerAddress>().and_then(|peer| peer.0);
        let token = self.0.authenticator.handle_handshake(request.metadata(), peer).await?;
        let handshake = HandshakeResponse { protocol_version: 0, payload: Bytes::copy_from_slice(token.as_bytes()) };
        let mut response: Response<Pin<Box<dyn Stream<Item = _> + Send>>> =
            Response::new(Box::pin(stream::once(async { Ok(handshake) })));
        let header = format!("Bearer {token}").parse().map_err(|error| internal(&error))?;
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        let session = self.session(&request)?;
        let schema = self.describe(&query.query, &session).await?;
        // The ticket is the text of the statement, so the server keeps nothing for it.
        let ticket = TicketStatementQuery { statement_handle: query.query.into() };
        info(&ticket.as_any(), &schema, request)
    }

    async fn do_get_statement(&self, ticket: TicketStatementQuery, request: Request<Ticket>) -> CallResult<Messages> {
        let session = self.session(&request)?;
        let sql = std::str::from_utf8(&ticket.statement_handle)
            .map_err(|error| status(Cause::BadPayload, format!("the ticket is not of this server: {error}")))?;
        let result = self.0.engine.execute_in(sql, &session).await.map_err(from_query_error)?;
        Ok(Response::new(messages(&result.schema, session.zone(), result.stream)))
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let session = self.session(&request)?;
        let statement = self.0.engine.parse(&query.query).map_err(from_query_error)?;
        let count = statement.parameter_count().map_err(from_query_error)?;
        // Taken before the columns are described, so that no change of rights in between is missed.
        let rights = self.0.engine.rights_stamp(&session).map_err(from_query_error)?;
        // Types of parameters are inferred from their places in the statement.
        let described = self.0.engine.describe(&query.query, statement.clone(), vec![None; count], &session).await;
        let described = described.map_err(from_query_error)?;
        let schema = plain_schema(&described.schema, session.zone());
        let user = Arc::clone(&session.caller.name);
        let memory = self.0.engine.prepared_memory();
        let of_user = (user, rights);
        let prepared =
            Prepared::new(memory, &query.query, statement, Arc::clone(&schema), described.parameters, of_user)?;
        let result = ActionCreatePreparedStatementResult {
            prepared_statement_handle: prepared.handle(),
            dataset_schema: schema_bytes(&schema)?,
            parameter_schema: schema_bytes(&plain_schema(&prepared.parameter_schema(), Zone::UTC))?,
        };
        self.0.statements.open(prepared);
        Ok(result)
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let session = self.session(&request)?;
        self.0.statements.close(&query.prepared_statement_handle, &session.caller.name);
        Ok(())
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let session = self.session(&request)?;
        // A statement runs once for each bound row, so batches are limited before they are read.
        let data = request.into_inner().map_err(|failed| FlightError::Tonic(Box::new(failed)));
        let rows: Vec<RecordBatch> = FlightRecordBatchStream::new_from_flight_data(data)
            .take(BOUND_BATCHES_MAX)
            .try_collect()
            .await
            .map_err(|error| status(Cause::BadPayload, format!("the parameters cannot be read: {error}")))?;
        let handle = query.prepared_statement_handle;
        self.0.statements.bind(self.0.engine.prepared_memory(), &handle, &session.caller.name, &rows)?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    async fn do_put_statement_update(
        &self,
        _: CommandStatementUpdate,
        _: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(reads_only())
    }

    async fn do_put_prepared_statement_update(
        &self,
        _: CommandPreparedStatementUpdate,
        _: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        Err(reads_only())
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        let session = self.session(&request)?;
        let prepared = self.0.statements.get(&query.prepared_statement_handle, &session.caller.name)?;
        info(&query.as_any(), &prepared.schema, request)
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> CallResult<Messages> {
        let session = self.session(&request)?;
        let prepared = self.0.statements.get(&query.prepared_statement_handle, &session.caller.name)?;
        let schema = Arc::clone(&prepared.schema);
        let zone = session.zone();
        let rows = self.run(prepared, session).await?;
        Ok(Response::new(messages(&schema, zone, rows)))
    }

    async fn do_put_statement_ingest(
        &self,
        command: CommandStatementIngest,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let gateway = match request.extensions().get::<Principal>() {
            Some(Principal::Gateway(gateway)) => Arc::clone(gateway),
            Some(Principal::Role(_)) => {
                return Err(status(
                    Cause::NoRight,
                    "rows are appended with the token of a gateway, which decides their zone: send it as the password or as \
                     a bearer token; `zonelake gateway add` makes one",
                ));
            }
            None => return Err(internal(&"a call without its principal")),
        };
        let (own, peer) = (Arc::clone(&gateway), peer(&request));
        let appended = ingest::append(&self.0.write, gateway, &command, request.into_inner()).await;
        if appended.as_ref().is_err_and(|refused| refused.code() == Code::PermissionDenied) {
            self.0.authenticator.note_refused_gateway(&own.name, "write", &command.table, peer);
        }
        appended
    }

    async fn get_flight_info_catalogs(
        &self,
        command: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        info(&command.as_any(), &command.into_builder().schema(), request)
    }

    async fn do_get_catalogs(&self, command: CommandGetCatalogs, request: Request<Ticket>) -> CallResult<Messages> {
        batch(metadata::catalogs(&self.0.engine, &self.session(&request)?, command).await?)
    }

    async fn get_flight_info_schemas(
        &self,
        command: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        let ticket = command.as_any();
        info(&ticket, &command.into_builder().schema(), request)
    }

    async fn do_get_schemas(&self, command: CommandGetDbSchemas, request: Request<Ticket>) -> CallResult<Messages> {
        batch(metadata::schemas(&self.0.engine, &self.session(&request)?, command).await?)
    }

    async fn get_flight_info_tables(
        &self,
        command: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        let ticket = command.as_any();
        info(&ticket, &command.into_builder().schema(), request)
    }

    async fn do_get_tables(&self, command: CommandGetTables, request: Request<Ticket>) -> CallResult<Messages> {
        batch(metadata::tables(&self.0.engine, &self.session(&request)?, command).await?)
    }

    async fn get_flight_info_table_types(
        &self,
        command: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        info(&command.as_any(), &command.into_builder().schema(), request)
    }

    async fn do_get_table_types(
        &self,
        command: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> CallResult<Messages> {
        self.session(&request)?;
        batch(metadata::table_types(command)?)
    }

    async fn get_flight_info_sql_info(
        &self,
        command: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        let ticket = command.as_any();
        info(&ticket, &command.into_builder(metadata::sql_info()).schema(), request)
    }

    async fn do_get_sql_info(&self, command: CommandGetSqlInfo, _: Request<Ticket>) -> CallResult<Messages> {
        batch(command.into_builder(metadata::sql_info()).build().map_err(|error| internal(&error))?)
    }

    async fn get_flight_info_primary_keys(
        &self,
        command: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        info(&command.as_any(), &metadata::no_keys(true).schema(), request)
    }

    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, _: Request<Ticket>) -> CallResult<Messages> {
        batch(metadata::no_keys(true))
    }

    async fn get_flight_info_exported_keys(
        &self,
        command: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        info(&command.as_any(), &metadata::no_keys(false).schema(), request)
    }

    async fn do_get_exported_keys(&self, _: CommandGetExportedKeys, _: Request<Ticket>) -> CallResult<Messages> {
        batch(metadata::no_keys(false))
    }

    async fn get_flight_info_imported_keys(
        &self,
        command: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        info(&command.as_any(), &metadata::no_keys(false).schema(), request)
    }

    async fn do_get_imported_keys(&self, _: CommandGetImportedKeys, _: Request<Ticket>) -> CallResult<Messages> {
        batch(metadata::no_keys(false))
    }

    async fn get_flight_info_cross_reference(
        &self,
        command: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> CallResult<FlightInfo> {
        info(&command.as_any(), &metadata::no_keys(false).schema(), request)
    }

    async fn do_get_cross_reference(&self, _: CommandGetCrossReference, _: Request<Ticket>) -> CallResult<Messages> {
        batch(metadata::no_keys(false))
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}

/// Most batches of parameters of one statement.
const BOUND_BATCHES_MAX: usize = 1_000;
