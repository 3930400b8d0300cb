//! Server: all parts made from the settings and connected. `serve` and `demo` run the same one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use prometheus_client::registry::Registry as Metrics;
use tokio::sync::{Semaphore, watch};
use zonelake_alerting::{AlertDelivery, AlertFigures, AlertKeeper};
use zonelake_flight::flight_route;
use zonelake_http::{
    ControlServer, HttpArgs, HttpServer, LiveArgs, OperationsState, admin_routes_with_rows, alert_rule_routes, audited,
    backup_routes, ending_with_credentials, for_administrator, for_roles, live_routes, operations_routes,
    report_routes, rules_routes, sql_routes, with_cors, write_routes,
};
use zonelake_ingest::{
    AuditLog, Compactor, DecodeLimits, Flusher, GatewayQuota, IngestMetrics, LastKeeper, Pipeline, PipelineOptions,
    WriteState,
};
use zonelake_net::{Authenticator, ConnectionCounts, ConnectionLimits, Listener, TlsFiles, system_certificates};
use zonelake_postgres::{PostgresArgs, PostgresServer};
use zonelake_query::{LiveTables, QueryEngine};
use zonelake_quic::QuicServer;
use zonelake_registry::{ADMIN_USER, declared_tables};
use zonelake_reports::schedule::{ReportFigures, ReportFolder, ReportKeeper, ReportKeeperArgs};
use zonelake_schemas::audit::{AuditEntry, AuditOutcome, AuditTrail};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_settings::Settings;
use zonelake_storage::{KeyLimits, OpenError, PendingOrders, Recovered, Shard, Store, StoreArgs};
use zonelake_wal::RealDisk;

use crate::alarms::{self, Alarms};
use crate::certificates::{HTTP_PROTOCOLS, POSTGRES_PROTOCOLS, quic_certificate, tls_acceptor};
use crate::error::ServerError;
use crate::options::{client_times, compaction_options, decode_limits, query_options, quic_options, store_options};
use crate::stored_times::EngineTimes;
use crate::{device_figures, gauges, process};

/// A future that is compiled in this crate, and not in each that awaits it (decision 0056).
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Running server.
#[derive(Debug)]
pub struct Server {
    store: Arc<Store>,
    pipeline: Arc<Pipeline>,
    flusher: Flusher,
    compactor: Compactor,
    last_keeper: LastKeeper,
    alert_keeper: AlertKeeper,
    alert_delivery: AlertDelivery,
    report_keeper: ReportKeeper,
    live: Arc<LiveTables>,
    audit: AuditLog,
    quic: QuicServer,
    http: HttpServer,
    postgres: PostgresServer,
    /// None where the data folder takes no socket.
    control: Option<ControlServer>,
    refresher: tokio::task::JoinHandle<()>,
    /// Looks at the bounds of the store.
    watch: tokio::task::JoinHandle<()>,
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
    pub fn start(settings: &Settings) -> Boxed<'_, Result<Self, ServerError>> {
        Box::pin(Self::start_parts(settings))
    }

    async fn start_parts(settings: &Settings) -> Result<Self, ServerError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let began = clock.monotonic();
        let (store, shards, recovered) = open_store(settings, &clock).await?;
        let mut metrics = Metrics::default();
        let pipeline = start_pipeline(settings, &store, shards, &mut metrics)?;
        let flusher = Flusher::start(Arc::clone(&pipeline)).map_err(ServerError::failed)?;
        let compactor =
            Compactor::start(Arc::clone(&pipeline), compaction_options(settings)).map_err(ServerError::failed)?;
        let last_keeper = LastKeeper::start(Arc::clone(&pipeline)).map_err(ServerError::failed)?;
        let engine = QueryEngine::new(Arc::clone(&store), query_options(settings)).map_err(ServerError::failed)?;
        let engine = Arc::new(engine);
        let live = LiveTables::new(&engine);
        let (audit, trail) = start_audit(settings, &pipeline, &engine).await?;
        let authenticator = Authenticator::new(Arc::clone(store.registry())).recording(Arc::clone(&trail));
        let authenticator = authenticator.on("http");
        let write = write_state(&pipeline, settings);
        let (on_this_machine, administration) = administration(&store, &engine, &write, &pipeline, &trail);
        // Before the listeners: whoever waits for one of them may run a command.
        let reports = report_folder(settings);
        let rules = alert_rule_routes(Arc::clone(&engine), Arc::clone(&store))
            .merge(report_routes(Arc::clone(&store), reports.clone()));
        let rules_on_this_machine = audited(rules.clone(), Arc::clone(&trail), "control");
        let (is_started, started) = watch::channel(false);
        let control = start_control(settings, once_started(on_this_machine.merge(rules_on_this_machine), started));
        let rules = for_roles(audited(rules, Arc::clone(&trail), "http"), Arc::clone(&authenticator));

        let files = quic_certificate(settings)?;
        let quic = start_quic(settings, &files, &pipeline, &authenticator.on("quic"), &engine)?;
        let postgres = start_postgres(settings, &engine, &authenticator.on("postgresql")).await?;
        let bounds = register_figures(&mut metrics, &pipeline, &postgres, &authenticator);
        let figures = (gauges::register_alerts(&mut metrics), gauges::register_reports(&mut metrics));
        let operations = OperationsState {
            health: Arc::clone(pipeline.health()),
            metrics: Arc::new(metrics),
            authenticator: Arc::clone(&authenticator),
        };
        let operations = operations_routes(operations);
        let routes = operations
            .clone()
            .merge(data_routes(settings, &engine, &live, write, &authenticator))
            .merge(rules)
            .merge(for_administrator(administration, Arc::clone(&authenticator)));
        let (http, http_has_tls) = start_http(settings, routes, operations, &authenticator).await?;
        let quic_address = quic.address().map_err(ServerError::failed)?;
        // Behind everything that can fail: the password is shown once, and a start that fails shows none.
        let first_password = ensure_admin(&store, &audit).await?;
        is_started.send_replace(true);
        // They ask as an administrator, who is there from here on.
        let (alert_keeper, alert_delivery, report_keeper) = start_keepers(&pipeline, &engine, trail, reports, figures)?;
        let started = Started {
            first_password,
            recovered,
            took: clock.monotonic().saturating_sub(began),
            quic: quic_address,
            http: http.address(),
            http_has_tls,
            postgres: postgres.address(),
            certificate: files.certificate,
        };
        let refresher = tokio::spawn(refresh(Arc::clone(&store)));
        let watch = alarms::watch(Arc::clone(&store), bounds, settings.compaction.files_max);
        let watch = tokio::spawn(watch);
        Ok(Self {
            store,
            pipeline,
            flusher,
            compactor,
            last_keeper,
            alert_keeper,
            alert_delivery,
            report_keeper,
            live,
            audit,
            quic,
            http,
            postgres,
            control,
            refresher,
            watch,
            started,
        })
    }

    /// Store of the server.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Closes the listeners, finishes what was begun, flushes everything and ends. The next start has nothing to replay.
    ///
    /// # Errors
    /// Where the last flush fails; what was acknowledged is in the log then.
    pub fn stop(self) -> Boxed<'static, Result<(), ServerError>> {
        Box::pin(self.stop_parts())
    }

    async fn stop_parts(self) -> Result<(), ServerError> {
        self.refresher.abort();
        store_token_uses(&self.store).await;
        // Streams have no end of their own.
        self.live.stop();
        self.watch.abort();
        tokio::join!(
            self.quic.stop(SHUTDOWN_GRACE_PERIOD),
            self.http.stop(SHUTDOWN_GRACE_PERIOD),
            self.postgres.stop(SHUTDOWN_GRACE_PERIOD)
        );
        self.compactor.stop().await;
        self.alert_keeper.stop().await;
        self.alert_delivery.stop().await;
        self.report_keeper.stop().await;
        self.last_keeper.stop().await;
        self.flusher.stop().await;
        // Behind the interfaces, and before the last flush.
        self.audit.stop().await;
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

/// The write side, which takes nothing while the clock is behind.
fn start_pipeline(
    settings: &Settings,
    store: &Arc<Store>,
    shards: Vec<Shard>,
    metrics: &mut Metrics,
) -> Result<Arc<Pipeline>, ServerError> {
    let counters = Arc::new(IngestMetrics::new(metrics));
    let options = PipelineOptions {
        buffered_bytes_max: settings.ingest.buffered_bytes_max,
        group_bytes_max: settings.ingest.group_bytes_max,
    };
    let pipeline = Pipeline::start(Arc::clone(store), shards, &options, counters).map_err(ServerError::failed)?;
    if !settings.ingest.clock_may_be_behind {
        pipeline.watch_clock(decode_limits(settings).future_us_max);
    }
    Ok(Arc::new(pipeline))
}

/// Registers the figures of the parts of a server. Returns the bounds that are watched.
fn register_figures(
    metrics: &mut Metrics,
    pipeline: &Arc<Pipeline>,
    postgres: &PostgresServer,
    authenticator: &Arc<Authenticator>,
) -> Arc<Alarms> {
    gauges::register(metrics, pipeline);
    device_figures::register(metrics, pipeline.store());
    let bounds = Arc::new(Alarms::default());
    alarms::register(metrics, &bounds);
    process::register(metrics);
    gauges::register_postgres(metrics, postgres.metrics());
    gauges::register_authentication(metrics, authenticator);
    bounds
}

/// What gateways write and roles read.
fn data_routes(
    settings: &Settings,
    engine: &Arc<QueryEngine>,
    live: &Arc<LiveTables>,
    write: Arc<WriteState>,
    authenticator: &Arc<Authenticator>,
) -> axum::Router {
    write_routes(Arc::clone(&write), Arc::clone(authenticator))
        .merge(flight_route(Arc::clone(engine), write, authenticator.on("flight")))
        .merge(reading_routes(settings, engine, live, authenticator))
}

/// Orders of administration, each recorded: for the control socket, and for administrators over the network.
fn administration(
    store: &Arc<Store>,
    engine: &Arc<QueryEngine>,
    write: &Arc<WriteState>,
    pipeline: &Arc<Pipeline>,
    trail: &Arc<dyn AuditTrail>,
) -> (axum::Router, axum::Router) {
    let registry = Arc::clone(store.registry());
    let routes = admin_routes_with_rows(registry, Arc::clone(engine), Arc::clone(write))
        .merge(rules_routes(Arc::clone(store), Arc::clone(trail)));
    let on_this_machine = routes.clone().merge(backup_routes(Arc::clone(pipeline)));
    (audited(on_this_machine, Arc::clone(trail), "control"), audited(routes, Arc::clone(trail), "http"))
}

/// What roles read: SQL, and what devices measure now. Pages of other origins may read it where the settings say so.
fn reading_routes(
    settings: &Settings,
    engine: &Arc<QueryEngine>,
    live: &Arc<LiveTables>,
    authenticator: &Arc<Authenticator>,
) -> axum::Router {
    let args = LiveArgs {
        tables: Arc::clone(live),
        authenticator: Arc::clone(authenticator),
        waiting_max: settings.http.live_streams_max,
    };
    let routes = sql_routes(Arc::clone(engine), Arc::clone(authenticator)).merge(live_routes(args));
    with_cors(routes, &settings.http.cors_origins)
}

/// Requests that wait until the server has started: some ask as the administrator, whom the first start makes in the end.
fn once_started(routes: axum::Router, started: watch::Receiver<bool>) -> axum::Router {
    routes.layer(from_fn(move |request: Request, next: Next| {
        let mut started = started.clone();
        async move {
            // A start that fails ends the connection with the server.
            drop(started.wait_for(|is_started| *is_started).await);
            next.run(request).await
        }
    }))
}

/// Control channel of commands on this machine. A folder that takes no socket, as on some mounts, is served without.
fn start_control(settings: &Settings, routes: axum::Router) -> Option<ControlServer> {
    ControlServer::start(&settings.data, routes)
        .inspect_err(|error| {
            let folder = settings.data.display();
            tracing::warn!(
                "there is no control socket in {folder}: {error}; commands reach this server by --server only"
            );
        })
        .ok()
}

/// What works beside the interfaces: alert rules, their delivery, and scheduled reports.
fn start_keepers(
    pipeline: &Arc<Pipeline>,
    engine: &Arc<QueryEngine>,
    trail: Arc<dyn AuditTrail>,
    folder: ReportFolder,
    (alert_figures, figures): (Arc<AlertFigures>, Arc<ReportFigures>),
) -> Result<(AlertKeeper, AlertDelivery, ReportKeeper), ServerError> {
    let keeper = AlertKeeper::start(Arc::clone(pipeline), Arc::clone(engine), alert_figures);
    let store = Arc::clone(pipeline.store());
    let delivery = AlertDelivery::start(Arc::clone(&store), &system_certificates());
    let args = ReportKeeperArgs { store, engine: Arc::clone(engine), trail, folder, figures };
    let reports = ReportKeeper::start(args).map_err(ServerError::failed)?;
    Ok((keeper.map_err(ServerError::failed)?, delivery.map_err(ServerError::failed)?, reports))
}

/// Folder of the files of scheduled reports.
fn report_folder(settings: &Settings) -> ReportFolder {
    ReportFolder::new(settings.reports.clone().unwrap_or_else(|| settings.data.join("reports")))
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
        per_principal_max: settings.http.idempotency_keys_max,
        age_max: Duration::from_secs(settings.http.idempotency_seconds),
    };
    shards.iter_mut().for_each(|shard| shard.limit_keys(key_limits));
    Ok((store, shards, recovered))
}

/// Makes the user `admin` on the first start of a data folder; the value is the password then.
async fn ensure_admin(store: &Store, audit: &AuditLog) -> Result<Option<String>, ServerError> {
    let registry = Arc::clone(store.registry());
    let made = tokio::task::spawn_blocking(move || registry.ensure_admin()).await.map_err(ServerError::failed)?;
    let password = made.map_err(|error| ServerError::new(error.kind(), error))?;
    if password.is_some() {
        let entry = AuditEntry::new("server", "role_add", AuditOutcome::Allowed).about(ADMIN_USER);
        // The password is shown all the same: it is shown once.
        if let Err(error) = audit.record(entry.because("first start")).await {
            tracing::error!("that the user {ADMIN_USER} was made is not recorded: {error}");
        }
    }
    Ok(password)
}

/// Goes on with the chain of audit that is stored.
async fn start_audit(
    settings: &Settings,
    pipeline: &Arc<Pipeline>,
    engine: &QueryEngine,
) -> Result<(AuditLog, Arc<dyn AuditTrail>), ServerError> {
    let store = pipeline.store();
    let end = store.audit_end().await;
    let pending = PendingOrders::of(Arc::new(RealDisk), &settings.data, Arc::clone(store.clock()));
    let audit = AuditLog::start(Arc::clone(pipeline), end, pending).await.map_err(ServerError::failed)?;
    let trail: Arc<dyn AuditTrail> = Arc::new(audit.clone());
    engine.record_in(Arc::clone(&trail));
    Ok((audit, trail))
}

/// Stores when tokens were used last. Nothing depends on it but the eyes of an operator.
async fn store_token_uses(store: &Store) {
    let registry = Arc::clone(store.registry());
    match tokio::task::spawn_blocking(move || registry.store_token_uses()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("the last uses of tokens could not be stored: {error}"),
        Err(error) => tracing::error!("the last uses of tokens could not be stored: {error}"),
    }
}

/// Another process, as `zonelake gateway add`, may have changed the registry.
async fn refresh(store: Arc<Store>) {
    for round in 1_u32.. {
        tokio::time::sleep(REFRESH_EVERY).await;
        let registry = Arc::clone(store.registry());
        let is_due = round.is_multiple_of(STORE_USES_EVERY);
        let refresh =
            move || registry.refresh().and_then(|()| if is_due { registry.store_token_uses() } else { Ok(()) });
        match tokio::task::spawn_blocking(refresh).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the registry could not be looked at: {error}"),
            Err(error) => tracing::error!("the registry could not be looked at: {error}"),
        }
    }
}

fn write_state(pipeline: &Arc<Pipeline>, settings: &Settings) -> Arc<WriteState> {
    let store = pipeline.store();
    let limits = DecodeLimits { frame_bytes_max: settings.http.body_bytes_max, ..decode_limits(settings) };
    let tables = store.tables().iter().map(|(name, table)| (name.clone(), Arc::clone(&table.registered)));
    // A body is in memory as it was sent and as rows at once, for a moment.
    let request_bytes = 2 * limits.frame_bytes_max;
    let budget_kib = settings.ingest.buffered_bytes_max.max(request_bytes as u64).div_ceil(1024);
    Arc::new(WriteState {
        registry: Arc::clone(store.registry()),
        tables: Arc::new(tables.collect()),
        rejected: Arc::clone(&store.rejected().registered),
        sink: Arc::<Pipeline>::clone(pipeline),
        clock: Arc::clone(store.clock()),
        decoders: Arc::clone(pipeline.decoders()),
        gateway_quota: GatewayQuota::new(budget_kib * 1024, request_bytes),
        limits,
        body_budget: Arc::new(Semaphore::new(usize::try_from(budget_kib).unwrap_or(Semaphore::MAX_PERMITS))),
    })
}

async fn start_http(
    settings: &Settings,
    routes: axum::Router,
    operations: axum::Router,
    authenticator: &Arc<Authenticator>,
) -> Result<(HttpServer, bool), ServerError> {
    let routes = ending_with_credentials(routes, Arc::clone(authenticator));
    let http = &settings.http;
    let tls = tls_acceptor(http.certificate.as_ref(), http.key.as_ref(), HTTP_PROTOCOLS)?;
    let has_tls = tls.is_some();
    let limits = limits(http.connections_max, http.connections_per_address_max, authenticator);
    let listener = Listener::bind("HTTP", http.listen, limits).await.map_err(ServerError::failed)?;
    Ok((HttpServer::start(HttpArgs { listener, tls, routes, operations, times: client_times(settings) }), has_tls))
}

/// Limits of a listener that keeps places for those who have proven who they are.
fn limits(connections_max: usize, per_address_max: usize, authenticator: &Authenticator) -> ConnectionLimits {
    let counts = ConnectionCounts::new(connections_max, per_address_max);
    ConnectionLimits::of(counts.keeping_for(Arc::clone(authenticator.known_peers())))
}

fn start_quic(
    settings: &Settings,
    files: &TlsFiles,
    pipeline: &Arc<Pipeline>,
    authenticator: &Arc<Authenticator>,
    engine: &Arc<QueryEngine>,
) -> Result<QuicServer, ServerError> {
    let tls = files.server_config(&[]).map_err(ServerError::input)?;
    let stored = Arc::new(EngineTimes::new(Arc::clone(engine)));
    let (pipeline, authenticator) = (Arc::clone(pipeline), Arc::clone(authenticator));
    QuicServer::start(quic_options(settings), tls, pipeline, authenticator, Some(stored)).map_err(ServerError::failed)
}

async fn start_postgres(
    settings: &Settings,
    engine: &Arc<QueryEngine>,
    authenticator: &Arc<Authenticator>,
) -> Result<PostgresServer, ServerError> {
    let postgres = &settings.postgres;
    let tls = tls_acceptor(postgres.certificate.as_ref(), postgres.key.as_ref(), POSTGRES_PROTOCOLS)?;
    let limits = limits(postgres.connections_max, postgres.connections_per_address_max, authenticator);
    let listener =
        Listener::bind("the PostgreSQL protocol", postgres.listen, limits).await.map_err(ServerError::failed)?;
    PostgresServer::start(PostgresArgs {
        listener,
        tls,
        plain_beyond_loopback: postgres.plain_beyond_loopback,
        startup_timeout: Duration::from_secs(postgres.startup_seconds_max),
        stall_timeout: STALL_TIMEOUT,
        engine: Arc::clone(engine),
        authenticator: Arc::clone(authenticator),
    })
    .map_err(ServerError::failed)
}

/// Time that open streams and requests have to end when the server stops.
const SHUTDOWN_GRACE_PERIOD: Duration = Duration::from_secs(10);
/// Time for which a client of PostgreSQL's protocol may take nothing of its rows.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the registry's file is looked at.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// Looks after which the last uses of tokens are stored.
const STORE_USES_EVERY: u32 = 60;
/// Times that the lock of the data folder is tried again, and the time between them.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
