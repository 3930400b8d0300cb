//! Server: all parts made from the settings and connected. `serve` and `demo` run the same one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry as Metrics;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use zonelake_flight::flight_route;
use zonelake_http::{
    ControlServer, HttpArgs, HttpServer, OperationsState, admin_routes, admin_routes_for_administrator,
    operations_routes, sql_routes, write_routes,
};
use zonelake_ingest::{DecodeLimits, Flusher, GatewayQuota, IngestMetrics, Pipeline, PipelineOptions, WriteState};
use zonelake_net::{Authenticator, ConnectionLimits, Listener, TlsFiles, WhenFull};
use zonelake_postgres::{PostgresArgs, PostgresServer};
use zonelake_query::QueryEngine;
use zonelake_quic::QuicServer;
use zonelake_registry::declared_tables;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_settings::Settings;
use zonelake_storage::{KeyLimits, OpenError, Recovered, Shard, Store, StoreArgs};
use zonelake_wal::RealDisk;

use crate::error::ServerError;
use crate::gauges;
use crate::options::{decode_limits, query_options, quic_options, store_options};

/// Running server.
#[derive(Debug)]
pub struct Server {
    store: Arc<Store>,
    pipeline: Arc<Pipeline>,
    flusher: Flusher,
    quic: QuicServer,
    http: HttpServer,
    postgres: PostgresServer,
    /// None where the data folder takes no socket.
    control: Option<ControlServer>,
    refresher: tokio::task::JoinHandle<()>,
    /// Facts about the start.
    pub started: Started,
}

/// Facts about a start.
#[derive(Debug, Clone)]
pub struct Started {
    /// Password of the user `admin`, on the first start of a data folder.
    pub first_password: Option<String>,
    /// Records that recovery found.
    pub recovered: Recovered,
    /// Time that the start took.
    pub took: Duration,
    /// Address of the QUIC listener.
    pub quic: SocketAddr,
    /// Address of the HTTP listener.
    pub http: SocketAddr,
    /// TLS on the HTTP listener.
    pub http_has_tls: bool,
    /// Address of the PostgreSQL listener.
    pub postgres: SocketAddr,
    /// Certificate that gateways are to trust.
    pub certificate: PathBuf,
}

impl Server {
    /// Opens the data folder, recovers it, and opens the listeners.
    ///
    /// # Errors
    /// Where the folder is in use or damaged, a certificate is unusable, or an address is taken.
    pub async fn start(settings: &Settings) -> Result<Self, ServerError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let began = clock.monotonic();
        let (store, shards, recovered) = open_store(settings, &clock).await?;
        let first_password = ensure_admin(&store).await?;
        // Before the listeners: whoever waits for one of them may run a command.
        let control = start_control(settings, &store);

        let mut metrics = Metrics::default();
        let counters = Arc::new(IngestMetrics::new(&mut metrics));
        let options = PipelineOptions {
            buffered_bytes_max: settings.ingest.buffered_bytes_max,
            group_bytes_max: settings.ingest.group_bytes_max,
        };
        let pipeline = Pipeline::start(Arc::clone(&store), shards, &options, counters).map_err(ServerError::failed)?;
        let pipeline = Arc::new(pipeline);
        let flusher = Flusher::start(Arc::clone(&pipeline)).map_err(ServerError::failed)?;
        let engine = QueryEngine::new(Arc::clone(&store), query_options(settings)).map_err(ServerError::failed)?;
        let engine = Arc::new(engine);
        let authenticator = Arc::new(Authenticator::new(Arc::clone(store.registry())));

        let files = quic_certificate(settings)?;
        let quic_tls = files.server_config(&[]).map_err(ServerError::input)?;
        let quic =
            QuicServer::start(quic_options(settings), quic_tls, Arc::clone(&pipeline), Arc::clone(&authenticator))
                .map_err(ServerError::failed)?;
        let postgres = start_postgres(settings, &engine, &authenticator).await?;
        gauges::register(&mut metrics, &pipeline);
        gauges::register_postgres(&mut metrics, postgres.metrics());
        gauges::register_authentication(&mut metrics, &authenticator);
        let operations = OperationsState {
            health: Arc::clone(pipeline.health()),
            metrics: Arc::new(metrics),
            authenticator: Arc::clone(&authenticator),
        };
        let write = write_state(&pipeline, settings);
        let routes = operations_routes(operations)
            .merge(write_routes(Arc::clone(&write), Arc::clone(&authenticator)))
            .merge(flight_route(Arc::clone(&engine), write, Arc::clone(&authenticator)))
            .merge(sql_routes(engine, Arc::clone(&authenticator)))
            .merge(admin_routes_for_administrator(authenticator));
        let (http, http_has_tls) = start_http(settings, routes).await?;
        let started = Started {
            first_password,
            recovered,
            took: clock.monotonic().saturating_sub(began),
            quic: quic.address().map_err(ServerError::failed)?,
            http: http.address(),
            http_has_tls,
            postgres: postgres.address(),
            certificate: files.certificate,
        };
        let refresher = tokio::spawn(refresh(Arc::clone(&store)));
        Ok(Self { store, pipeline, flusher, quic, http, postgres, control, refresher, started })
    }

    /// Store of the server.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Closes the listeners, finishes what was begun, flushes everything and ends. The next start has nothing to replay.
    ///
    /// # Errors
    /// Where the last flush fails; what was acknowledged is in the log then.
    pub async fn stop(self) -> Result<(), ServerError> {
        self.refresher.abort();
        tokio::join!(
            self.quic.stop(SHUTDOWN_GRACE_PERIOD),
            self.http.stop(SHUTDOWN_GRACE_PERIOD),
            self.postgres.stop(SHUTDOWN_GRACE_PERIOD)
        );
        self.flusher.stop().await;
        let flushed = self.store.flush_all().await;
        self.pipeline.committed().await;
        self.pipeline.stop().await;
        // Nearly last: until the folder is free, commands need it.
        if let Some(control) = self.control {
            control.stop(SHUTDOWN_GRACE_PERIOD).await;
        }
        // What the shards wrote while the first flush ran.
        let flushed = match flushed {
            Ok(_) => self.store.flush_all().await,
            Err(error) => Err(error),
        };
        flushed.map(drop).map_err(|error| {
            ServerError::failed(format!("the last flush failed; what was acknowledged is in the log: {error}"))
        })
    }
}

/// Control channel of commands on this machine. A folder that takes no socket, as on some mounts, is served without.
fn start_control(settings: &Settings, store: &Store) -> Option<ControlServer> {
    let started = ControlServer::start(&settings.data, admin_routes(Arc::clone(store.registry())));
    started
        .inspect_err(|error| {
            let folder = settings.data.display();
            tracing::warn!(
                "there is no control socket in {folder}: {error}; commands reach this server by --server only"
            );
        })
        .ok()
}

async fn open_store(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<(Arc<Store>, Vec<Shard>, Recovered), ServerError> {
    let declared = match &settings.tables {
        Some(folder) => declared_tables(folder).map_err(|error| ServerError::new(error.kind(), error))?,
        None => zonelake_schemas::tables::builtin_tables(),
    };
    let mut attempts = LOCK_ATTEMPTS;
    let (store, mut shards, recovered) = loop {
        let args = StoreArgs {
            options: store_options(settings),
            declared: declared.clone(),
            clock: Arc::clone(clock),
            disk: Arc::new(RealDisk),
        };
        match Store::open(args).await {
            Ok(opened) => break opened,
            // A command that works on the folder holds its lock for some milliseconds.
            Err(OpenError::InUse(_)) if attempts > 0 => attempts -= 1,
            Err(error) => return Err(ServerError::new(error.kind(), error)),
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    };
    let key_limits = KeyLimits {
        per_gateway_max: settings.http.idempotency_keys_max,
        age_max: Duration::from_secs(settings.http.idempotency_seconds),
    };
    shards.iter_mut().for_each(|shard| shard.limit_keys(key_limits));
    Ok((store, shards, recovered))
}

/// Makes the user `admin` on the first start of a data folder; the value is the password then.
async fn ensure_admin(store: &Store) -> Result<Option<String>, ServerError> {
    let registry = Arc::clone(store.registry());
    let made = tokio::task::spawn_blocking(move || registry.ensure_admin()).await.map_err(ServerError::failed)?;
    made.map_err(|error| ServerError::new(error.kind(), error))
}

/// Another process, as `zonelake gateway add`, may have changed the registry.
async fn refresh(store: Arc<Store>) {
    loop {
        tokio::time::sleep(REFRESH_EVERY).await;
        let registry = Arc::clone(store.registry());
        match tokio::task::spawn_blocking(move || registry.refresh()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the registry could not be looked at: {error}"),
            Err(error) => tracing::error!("the registry could not be looked at: {error}"),
        }
    }
}

fn quic_certificate(settings: &Settings) -> Result<TlsFiles, ServerError> {
    match (&settings.quic.certificate, &settings.quic.key) {
        (Some(certificate), Some(key)) => Ok(TlsFiles { certificate: certificate.clone(), key: key.clone() }),
        _ => TlsFiles::find_or_make(&settings.data.join("tls"), &settings.quic.names).map_err(ServerError::failed),
    }
}

fn write_state(pipeline: &Arc<Pipeline>, settings: &Settings) -> Arc<WriteState<Arc<Pipeline>>> {
    let store = pipeline.store();
    let limits = DecodeLimits { frame_bytes_max: settings.http.body_bytes_max, ..decode_limits(settings) };
    let tables = store.tables().iter().map(|(name, table)| (name.clone(), Arc::clone(&table.registered)));
    let budget_kib = settings.ingest.buffered_bytes_max.max(limits.frame_bytes_max as u64).div_ceil(1024);
    Arc::new(WriteState {
        registry: Arc::clone(store.registry()),
        tables: Arc::new(tables.collect()),
        rejected: Arc::clone(&store.rejected().registered),
        sink: Arc::clone(pipeline),
        clock: Arc::clone(store.clock()),
        gateway_quota: GatewayQuota::new(budget_kib * 1024, limits.frame_bytes_max),
        limits,
        body_budget: Arc::new(Semaphore::new(usize::try_from(budget_kib).unwrap_or(Semaphore::MAX_PERMITS))),
    })
}

async fn start_http(settings: &Settings, routes: axum::Router) -> Result<(HttpServer, bool), ServerError> {
    let http = &settings.http;
    let tls = tls_acceptor(http.certificate.as_ref(), http.key.as_ref(), &[b"h2", b"http/1.1"])?;
    let has_tls = tls.is_some();
    let limits = ConnectionLimits::new(http.connections_max, http.connections_per_address_max);
    let listener = Listener::bind("HTTP", http.listen, limits, WhenFull::Wait).await.map_err(ServerError::failed)?;
    Ok((HttpServer::start(HttpArgs { listener, tls, routes }), has_tls))
}

async fn start_postgres(
    settings: &Settings,
    engine: &Arc<QueryEngine>,
    authenticator: &Arc<Authenticator>,
) -> Result<PostgresServer, ServerError> {
    let postgres = &settings.postgres;
    let tls = tls_acceptor(postgres.certificate.as_ref(), postgres.key.as_ref(), &[b"postgresql"])?;
    let limits = ConnectionLimits::new(postgres.connections_max, postgres.connections_per_address_max);
    let listener = Listener::bind("the PostgreSQL protocol", postgres.listen, limits, WhenFull::Refuse)
        .await
        .map_err(ServerError::failed)?;
    PostgresServer::start(PostgresArgs {
        listener,
        tls,
        plain_beyond_loopback: postgres.plain_beyond_loopback,
        startup_timeout: Duration::from_secs(postgres.startup_seconds_max),
        engine: Arc::clone(engine),
        authenticator: Arc::clone(authenticator),
    })
    .map_err(ServerError::failed)
}

/// TLS with a certificate of the settings; none where they name none.
fn tls_acceptor(
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
    alpn: &[&[u8]],
) -> Result<Option<TlsAcceptor>, ServerError> {
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
    let files = TlsFiles { certificate: certificate.clone(), key: key.clone() };
    let config = files.server_config(alpn).map_err(ServerError::input)?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// Time that open streams and requests have to end when the server stops.
const SHUTDOWN_GRACE_PERIOD: Duration = Duration::from_secs(10);
/// How often the registry's file is looked at.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// Times that the lock of the data folder is tried again, and the time between them.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
