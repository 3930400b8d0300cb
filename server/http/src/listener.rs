//! HTTP listener: writes, SQL, health and metrics on one TCP port, with TLS where the settings have a certificate.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming as RequestBody;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use zonelake_net::{Incoming, Listener, PeerAddress};

/// Parts of an HTTP server.
#[expect(missing_debug_implementations, reason = "a TLS acceptor has no form for people")]
pub struct HttpArgs {
    /// Socket and connection limits.
    pub listener: Listener,
    /// TLS; without it connections are plain.
    pub tls: Option<TlsAcceptor>,
    /// Everything that is served.
    pub routes: Router,
}

/// Running HTTP server.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<GracefulShutdown>,
}

impl HttpServer {
    /// Begins to accept.
    pub fn start(args: HttpArgs) -> Self {
        let address = args.listener.address();
        let (stop, stopping) = watch::channel(false);
        Self { address, stop, accepting: tokio::spawn(accept(args, stopping)) }
    }

    /// Address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more requests and waits for those in flight, at most for `grace`.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        let connections = match self.accepting.await {
            Ok(connections) => connections,
            Err(error) => return tracing::error!("the HTTP listener ended early: {error}"),
        };
        if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
            tracing::debug!("HTTP requests are still in flight after {grace:?}");
        }
    }
}

async fn accept(args: HttpArgs, mut stopping: watch::Receiver<bool>) -> GracefulShutdown {
    let HttpArgs { listener, tls, routes } = args;
    let connections = GracefulShutdown::new();
    while let Some(incoming) = listener.accept(&mut stopping).await {
        let (stream, permit) = match incoming {
            Incoming::Accepted { stream, permit } => (stream, permit),
            Incoming::Refused { stream, peer, .. } => {
                tracing::debug!(%peer, "HTTP connection refused: too many are open from this address");
                refuse(&stream, tls.is_some());
                continue;
            }
        };
        let (routes, tls, watcher) = (routes.clone(), tls.clone(), connections.watcher());
        let peer = PeerAddress(Some(permit.address()));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, routes, peer, watcher).await,
                Some(tls) => match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve(stream, routes, peer, watcher).await,
                    Ok(Err(error)) => tracing::debug!("TLS handshake failed: {error}"),
                    Err(_elapsed) => tracing::debug!("TLS handshake took too long"),
                },
            }
            drop(permit);
        });
    }
    connections
}

/// Says why, where that takes no handshake and no waiting, and closes.
fn refuse(stream: &TcpStream, has_tls: bool) {
    if !has_tls {
        // A client that does not read it, learns by the end of the connection.
        stream.try_write(REFUSED.as_bytes()).ok();
    }
}

/// Serves the requests of one connection until it ends, or until those in flight have ended after a stop.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    peer: PeerAddress,
    watcher: Watcher,
) {
    let routes = routes.map_request(move |mut request: Request<RequestBody>| {
        request.extensions_mut().insert(peer);
        request
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!("an HTTP connection ended: {error}");
    }
}

const REFUSED: &str = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 56\r\n\r\n\
                       too many connections are open from this address (limit)\n";
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
