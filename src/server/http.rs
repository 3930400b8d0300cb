//! The HTTP door: writes, SQL, health and metrics on one TCP port, with TLS where the settings have a certificate.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use zonelake_ingest::health::Health;
use zonelake_net::Credentials;
use zonelake_registry::ADMIN_USER;
use zonelake_storage::Store;

/// What the HTTP door is made of.
pub(crate) struct HttpArgs {
    pub listener: TcpListener,
    pub tls: Option<TlsAcceptor>,
    pub routes: Router,
    pub connections_max: usize,
    pub connections_per_address_max: usize,
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
    let HttpArgs { listener, tls, routes, connections_max, connections_per_address_max } = args;
    let places = Arc::new(Semaphore::new(connections_max));
    let addresses = Addresses::default();
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
        let (stream, address) = match accepted {
            Ok((stream, from)) => (stream, from.ip()),
            Err(error) => {
                tracing::warn!("an HTTP connection could not be accepted: {error}");
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                continue;
            }
        };
        let Some(of_address) = addresses.take_place(address, connections_per_address_max) else {
            tracing::debug!(%address, "HTTP connection refused: too many are open from this address");
            turn_away(&stream, tls.is_some());
            continue;
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
            drop((place, of_address));
        });
    }
}

/// Connections that are open, by address.
#[derive(Debug, Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection's place among those of its address, given back when dropped.
struct PlaceOfAddress {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    fn take_place(&self, address: IpAddr, most: usize) -> Option<PlaceOfAddress> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(PlaceOfAddress { addresses: self.clone(), address })
    }
}

impl Drop for PlaceOfAddress {
    fn drop(&mut self) {
        let mut open = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Says why, where that takes no handshake and no waiting, and closes.
fn turn_away(stream: &TcpStream, has_tls: bool) {
    if !has_tls {
        // A client that does not read it, learns by the end of the connection.
        let _ = stream.try_write(TURNED_AWAY.as_bytes());
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
    pub health: Arc<Health>,
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
        user == ADMIN_USER
            && tokio::task::spawn_blocking(move || registry.authenticate(&user, &password)).await.unwrap_or(false)
    }
}

/// `/health` tells whether the server does its work and which part does not, and nothing else, hence without a token;
/// `/metrics` is for the administrator.
pub(crate) fn inside_routes(inside: Inside) -> Router {
    Router::new().route("/health", get(health)).route("/metrics", get(metrics)).with_state(inside)
}

async fn health(State(inside): State<Inside>) -> Response {
    let troubles = inside.health.troubles();
    let (status, word) =
        if troubles.is_empty() { (StatusCode::OK, "pass") } else { (StatusCode::SERVICE_UNAVAILABLE, "fail") };
    let mut body = serde_json::json!({"name": "zonelake", "status": word});
    if !troubles.is_empty() {
        body["message"] = format!("{}; the log says why", troubles.join("; ")).into();
    }
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
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

const TURNED_AWAY: &str = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 56\r\n\r\n\
                           too many connections are open from this address (limit)\n";
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(100);
