//! Route of the service, and authentication of each call.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightServiceServer;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tonic::metadata::MetadataMap;
use zonelake_ingest::WriteState;
use zonelake_net::{Authenticator, PeerAddress};
use zonelake_query::QueryEngine;

use crate::message_body::MessageBody;
use crate::service::FlightCalls;
use crate::state::FlightState;

/// Route of Flight SQL for the HTTP server. It speaks gRPC, hence HTTP/2. A client is authenticated before any of a
/// call's body is read.
pub fn flight_route(engine: Arc<QueryEngine>, write: Arc<WriteState>, authenticator: Arc<Authenticator>) -> Router {
    let message_bytes_max = write.limits.frame_bytes_max;
    let state = Arc::new(FlightState::new(engine, write, authenticator));
    let grpc = FlightServiceServer::new(FlightCalls(Arc::clone(&state))).max_decoding_message_size(message_bytes_max);
    Router::new()
        .route_service("/arrow.flight.protocol.FlightService/{call}", grpc)
        .route_layer(from_fn_with_state(state, admit))
}

/// Admits a call whose client is authenticated. Each of its messages has a place before it is read.
async fn admit(State(state): State<Arc<FlightState>>, mut request: Request, next: Next) -> Response {
    let metadata = MetadataMap::from_headers(request.headers().clone());
    let peer = request.extensions().get::<PeerAddress>().and_then(|peer| peer.0);
    let principal = match state.authenticator.authenticate(&metadata, peer).await {
        Ok(principal) => principal,
        Err(status) => return status.into_http(),
    };
    let places = state.places(&principal);
    request.extensions_mut().insert(principal);
    next.run(request.map(|body| Body::new(MessageBody::new(body, places)))).await
}
