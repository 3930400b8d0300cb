//! The HTTP door: writes, SQL, health and metrics on one TCP port, with TLS where the settings have a certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use prometheus_client::registry::Registry as Metrics;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use zonelake_query::credentials::Credentials;
use zonelake_storage::Store;

/// What the HTTP door is made of.
pub(crate) struct HttpArgs {
    pub listener: TcpListener,
    pub tls: Option<TlsAcceptor>,
    pub routes: Router,
    pub requests_max: usize,
}

/// A running HTTP server.
#[derive(Debug)]
pub(crate) struct HttpServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: TaskTracker,
}

impl HttpServer {
    /// Begins to accept.
    pub(crate) fn start(args: HttpArgs) -> std::io::Result<Self> {
        let address = args.listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let tasks = TaskTracker::new();
        tasks.spawn(accept(args, tasks.clone(), stopping));
        Ok(Self { address, stop, tasks })
    }

    /// Address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests and waits for those under way, for as long as `patience` lasts.
    pub(crate) async fn stop(self, patience: Duration) {
        // The receivers end with their tasks.
        let _ = self.stop.send(true);
        self.tasks.close();
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
    }
}

async fn accept(args: HttpArgs, tasks: TaskTracker, mut stopping: watch::Receiver<bool>) {
    let HttpArgs { listener, tls, routes, requests_max } = args;
    let places = Arc::new(Semaphore::new(requests_max));
    loop {
        // A connection that finds no place waits in the system's queue.
        let place = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            place = Arc::clone(&places).acquire_owned() => place.expect("it is never closed"),
        };
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("an HTTP connection could not be accepted: {error}");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                continue;
            }
        };
        let (routes, tls, stopping) = (routes.clone(), tls.clone(), stopping.clone());
        tasks.spawn(async move {
            // Answers are one write each; waiting to fill a packet only delays them.
            let _ = stream.set_nodelay(true);
            match tls {
                None => serve(stream, routes, stopping).await,
                Some(tls) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, routes, stopping).await,
                    Ok(Err(error)) => tracing::debug!("TLS handshake failed: {error}"),
                    Err(_) => tracing::debug!("TLS handshake took too long"),
                },
            }
            drop(place);
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
    let ended = tokio::select! {
        result = connection.as_mut() => Some(result),
        () = stop => None,
    };
    let result = match ended {
        Some(result) => result,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!("an HTTP connection ended: {error}");
    }
}

/// What `/health` and `/metrics` need.
#[derive(Clone)]
pub(crate) struct Inside {
    pub store: Arc<Store>,
    pub metrics: Arc<Metrics>,
    pub password_check: Arc<tokio::sync::Mutex<()>>,
}

impl Inside {
    async fn is_admin(&self, headers: &HeaderMap) -> bool {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(Credentials::Basic { user, password }) = header.and_then(Credentials::parse) else { return false };
        // A check takes memory and time on purpose: one after the other.
        let _one_at_a_time = self.password_check.lock().await;
        let registry = Arc::clone(self.store.registry());
        tokio::task::spawn_blocking(move || registry.authenticate_admin(&user, &password)).await.unwrap_or(false)
    }
}

/// `/health` tells whether the server answers and nothing else, hence without a token; `/metrics` is for the
/// administrator.
pub(crate) fn inside_routes(inside: Inside) -> Router {
    Router::new()
        .route("/health", get(|| async { ([(header::CONTENT_TYPE, "application/json")], HEALTHY) }))
        .route("/metrics", get(metrics))
        .with_state(inside)
}

async fn metrics(State(inside): State<Inside>, headers: HeaderMap) -> Response {
    if !inside.is_admin(&headers).await {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"zonelake\"")];
        return (StatusCode::UNAUTHORIZED, challenge, "the user admin and its password are needed\n").into_response();
    }
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &inside.metrics) {
        tracing::error!("metrics cannot be written: {error}");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

const HEALTHY: &str = "{\"name\":\"zonelake\",\"status\":\"pass\"}\n";
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
