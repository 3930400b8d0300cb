//! The route under which the calls are served, and who is let in.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::Semaphore;
use tonic::metadata::MetadataMap;
use zonelake_ingest::http_write::{WriteSink, WriteState};
use zonelake_query::QueryEngine;

use crate::authentication::Callers;
use crate::prepared::OpenStatements;
use crate::service::Shared;

/// The service.
pub struct FlightSql<S> {
    pub(crate) engine: Arc<QueryEngine>,
    pub(crate) write: Arc<WriteState<S>>,
    pub(crate) callers: Callers,
    pub(crate) statements: OpenStatements,
    puts: Semaphore,
}

impl<S> std::fmt::Debug for FlightSql<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlightSql").finish_non_exhaustive()
    }
}

/// The route of Flight SQL, for the server of HTTP: it speaks gRPC, hence HTTP/2. Callers are told by their credentials
/// before anything of a call's body is read.
pub fn flight_route<S: WriteSink>(engine: Arc<QueryEngine>, write: Arc<WriteState<S>>) -> Router {
    let callers = Callers::new(Arc::clone(&write.registry));
    let message_bytes_max = write.limits.frame_bytes_max;
    let service = Arc::new(FlightSql {
        engine,
        write,
        callers,
        statements: OpenStatements::default(),
        puts: Semaphore::new(PUTS_MAX),
    });
    let grpc = FlightServiceServer::new(Shared(Arc::clone(&service))).max_decoding_message_size(message_bytes_max);
    Router::new()
        .route_service("/arrow.flight.protocol.FlightService/{call}", grpc)
        .layer(from_fn_with_state(service, admit::<S>))
}

/// Lets a call in whose caller is known.
async fn admit<S: WriteSink>(State(service): State<Arc<FlightSql<S>>>, mut request: Request, next: Next) -> Response {
    let metadata = MetadataMap::from_headers(request.headers().clone());
    let identity = match service.callers.identify(&metadata).await {
        Ok(identity) => identity,
        Err(status) => return status.into_http(),
    };
    request.extensions_mut().insert(identity);
    // What a call puts is in memory before its bytes can be counted.
    let turn = match request.uri().path().ends_with("/DoPut") {
        true => service.puts.acquire().await.ok(),
        false => None,
    };
    let response = next.run(request).await;
    drop(turn);
    response
}

/// Calls that put at the same time; others wait before anything of them is read. Each may have one message in memory that is not
/// counted yet.
const PUTS_MAX: usize = 16;
