//! HTTP listener: writes, SQL, health and metrics on one TCP port, with TLS where the settings have a certificate.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use zonelake_net::{Incoming, LimitReached, Listener, PeerAddress};

use crate::connection::reserve::{Reserve, reserve_routes};
use crate::connection::serve::{ServeArgs, serve};
use crate::connection::times::ClientTimes;

/// Parts of an HTTP server.
#[expect(missing_debug_implementations, reason = "a TLS acceptor has no form for people")]
pub struct HttpArgs {
    /// Socket and connection limits.
    pub listener: Listener,
    /// TLS; without it connections are plain.
    pub tls: Option<TlsAcceptor>,
    /// Everything that is served within the limits.
    pub routes: Router,
    /// What is served beyond the limits too: health and metrics.
    pub operations: Router,
    /// Time that clients have for what they owe.
    pub times: ClientTimes,
}

/// Running HTTP server.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    /// Each connection holds a receiver until it has ended.
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
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
        if let Err(error) = self.accepting.await {
            return tracing::error!("the HTTP listener ended early: {error}");
        }
        if tokio::time::timeout(grace, self.stop.closed()).await.is_err() {
            tracing::debug!("HTTP requests are still in flight after {grace:?}");
        }
    }
}

async fn accept(args: HttpArgs, mut stopping: watch::Receiver<bool>) {
    let HttpArgs { listener, tls, routes, operations, times } = args;
    let beyond = [LimitReached::Total, LimitReached::Address].map(|limit| reserve_routes(operations.clone(), limit));
    let [beyond_total, beyond_address] = beyond;
    let mut reserve = Reserve::default();
    let serve_args = |routes: &Router, peer, keep_alive, stopping: &watch::Receiver<bool>| ServeArgs {
        routes: routes.clone(),
        peer: PeerAddress(Some(peer)),
        times: times.clone(),
        keep_alive,
        stopping: stopping.clone(),
    };
    while let Some(incoming) = listener.accept(&mut stopping).await {
        match incoming {
            Incoming::Accepted { stream, permit } => {
                let args = serve_args(&routes, permit.address(), true, &stopping);
                let tls = tls.clone();
                tokio::spawn(async move {
                    serve_stream(stream, tls, args).await;
                    drop(permit);
                });
            }
            Incoming::Refused { stream, peer, limit } => {
                tracing::debug!(%peer, ?limit, "an HTTP connection is beyond the limits");
                let routes = match limit {
                    LimitReached::Total => &beyond_total,
                    LimitReached::Address => &beyond_address,
                };
                reserve.spawn(serve_stream(stream, tls.clone(), serve_args(routes, peer, false, &stopping)));
            }
        }
    }
}

async fn serve_stream(stream: TcpStream, tls: Option<TlsAcceptor>, args: ServeArgs) {
    let Some(tls) = tls else { return serve(stream, args).await };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, args).await,
        Ok(Err(error)) => tracing::debug!("TLS handshake failed: {error}"),
        Err(_elapsed) => tracing::debug!("TLS handshake took too long"),
    }
}

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
