//! The requests of one connection, until it ends, the server stops, or the client does not take its turn.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::ServiceExt;
use zonelake_net::{PeerAddress, StallTimeout, StreamProgress};

use super::request_body::RequestBody;
use super::response_body::ResponseBody;
use super::times::ClientTimes;
use super::turns::Turns;

/// What a connection is served with.
#[derive(Debug, Clone)]
pub(crate) struct ServeArgs {
    /// Everything that is served.
    pub(crate) routes: Router,
    /// Address of the client.
    pub(crate) peer: PeerAddress,
    /// Time that the client has.
    pub(crate) times: ClientTimes,
    /// True for more than one request.
    pub(crate) keep_alive: bool,
    /// Becomes true when the server stops; held until the connection has ended.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Serves the requests of one connection. Those in flight are finished when the server stops.
pub(crate) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, args: ServeArgs) {
    let ServeArgs { routes, peer, times, keep_alive, mut stopping } = args;
    let stream = StallTimeout::new(stream, times.write);
    let stream_progress = stream.progress();
    let turns = Arc::<Turns>::default();
    let service = {
        let (turns, times) = (Arc::clone(&turns), times.clone());
        service_fn(move |request| handle(request, routes.clone(), peer, Arc::clone(&turns), times.clone()))
    };
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(times.idle.max(times.first_request));
    builder.http1().keep_alive(keep_alive);
    // Pings find a peer that is gone without a word; one that answers them and asks for nothing is idle all the same.
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(times.ping).keep_alive_timeout(times.ping);
    builder.http2().max_concurrent_streams(STREAMS_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).into_owned());
    let mut clock = TurnClock { turns, stream: stream_progress, times, seen: None, waited: Duration::ZERO };
    let mut is_ending = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!("an HTTP connection ended: {error}");
                }
                return;
            }
            _ = stopping.wait_for(|stopping| *stopping), if !is_ending => is_ending = true,
            () = tokio::time::sleep(clock.times.tick()) => match clock.is_over() {
                false => continue,
                // It was told to end, and has not.
                true if is_ending => return tracing::debug!("an HTTP connection was cut off: its client does not end it"),
                true => {
                    tracing::debug!("an HTTP connection is ended: its client did not take its turn in time");
                    is_ending = true;
                }
            },
        }
        connection.as_mut().graceful_shutdown();
    }
}

async fn handle(
    request: Request<Incoming>,
    routes: Router,
    peer: PeerAddress,
    turns: Arc<Turns>,
    times: ClientTimes,
) -> Result<Response<ResponseBody>, Infallible> {
    let work = turns.handle_request();
    let is_stream =
        request.headers().get(CONTENT_TYPE).is_some_and(|of| of.as_bytes().starts_with(b"application/grpc"));
    let (limit, step_bytes) = if is_stream { (times.stream, 1) } else { (times.body, BODY_STEP_BYTES) };
    let mut request = request.map(|body| Body::new(RequestBody::new(body, limit, step_bytes)));
    request.extensions_mut().insert(peer);
    let Ok(response) = routes.oneshot(request).await;
    drop(work);
    Ok(response.map(|body| ResponseBody::new(body, turns)))
}

/// Time for which it has been the client's turn, in ticks.
struct TurnClock {
    turns: Arc<Turns>,
    stream: Arc<StreamProgress>,
    times: ClientTimes,
    /// Progress as of the last tick.
    seen: Option<(u64, u64)>,
    waited: Duration,
}

impl TurnClock {
    /// Counts a tick; true where the client has had its time.
    fn is_over(&mut self) -> bool {
        let progress = (self.turns.progress(), self.stream.waited_writes());
        if self.turns.is_servers() || self.seen.replace(progress).is_some_and(|seen| seen != progress) {
            self.waited = Duration::ZERO;
            return false;
        }
        self.waited += self.times.tick();
        let limit = match (self.stream.reads(), self.turns.requests()) {
            (0, _) => self.times.first_byte,
            (_, 0) => self.times.first_request,
            _ => self.times.idle,
        };
        if self.waited < limit {
            return false;
        }
        // Once more for the end, which a client may have to take part in.
        self.waited = Duration::ZERO;
        true
    }
}

/// Streams of one connection of HTTP/2 at the same time.
const STREAMS_MAX: u32 = 200;
/// Bytes of a body that are progress.
const BODY_STEP_BYTES: usize = 64 << 10;
