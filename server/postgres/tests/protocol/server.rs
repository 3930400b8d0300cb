//! A server of a test, and its clients.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use zonelake_net::{Authenticator, ConnectionLimits, Listener};
use zonelake_parquet::ParquetOptions;
use zonelake_postgres::{PostgresArgs, PostgresServer};
use zonelake_query::{QueryEngine, QueryOptions};
use zonelake_schemas::audit::AuditTrail;

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, ProbeRow, probe_batch};

/// A running server over a bed.
pub(crate) struct TestServer {
    pub bed: Arc<Harness>,
    pub engine: Arc<QueryEngine>,
    pub server: PostgresServer,
}

impl TestServer {
    /// A server whose table `probe` has 60 rows of three devices, half of them in files.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut QueryOptions)) -> Self {
        Self::start_bounded(change, 64).await
    }

    pub(crate) async fn start_bounded(change: impl FnOnce(&mut QueryOptions), connections_max: usize) -> Self {
        let (bed, keys) = Harness::probe(3);
        let rows: Vec<ProbeRow> = (0..60)
            .map(|n| ProbeRow::numbered(n, keys[usize::try_from(n).unwrap() % 3], NEW_YEAR_US + n * HOUR_US))
            .collect();
        let (first, second) = rows.split_at(30);
        bed.add_live("probe", vec![probe_batch(bed.schemas("probe"), first)]);
        bed.flush("probe", &ParquetOptions::default()).await;
        bed.add_live("probe", vec![probe_batch(bed.schemas("probe"), second)]);
        let mut options = bed.options();
        change(&mut options);
        Self::over(bed, options, connections_max).await
    }

    /// A server over a bed.
    pub(crate) async fn over(bed: Arc<Harness>, options: QueryOptions, connections_max: usize) -> Self {
        Self::recording(bed, options, connections_max, None).await
    }

    /// A server over a bed, which records what is to be.
    pub(crate) async fn recording(
        bed: Arc<Harness>,
        options: QueryOptions,
        connections_max: usize,
        audit: Option<Arc<dyn AuditTrail>>,
    ) -> Self {
        let engine = bed.engine_with(options);
        let mut authenticator = Authenticator::new(Arc::clone(engine.source().registry()));
        if let Some(audit) = audit {
            engine.record_in(Arc::clone(&audit));
            authenticator = authenticator.recording(audit);
        }
        let local = "127.0.0.1:0".parse().unwrap();
        let server = PostgresServer::start(PostgresArgs {
            listener: Listener::bind("the test", local, ConnectionLimits::new(connections_max, 1_000)).await.unwrap(),
            tls: None,
            plain_beyond_loopback: false,
            startup_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(1),
            authenticator: authenticator.on("postgresql"),
            engine: Arc::clone(&engine),
        })
        .unwrap();
        Self { bed, engine, server }
    }

    /// How clients connect.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.server.address().port()).user("admin").dbname("zonelake");
        config.password(&self.bed.password).application_name("test");
        config
    }

    pub(crate) async fn client(&self) -> Client {
        connect(&self.config()).await.unwrap()
    }
}

pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// The rows of a statement as text, columns between bars; null is ∅.
pub(crate) async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {}", shown(&error)));
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let cells: Vec<&str> = (0..row.len()).map(|index| row.get(index).unwrap_or("∅")).collect();
            Some(cells.join("|"))
        }
        _ => None,
    });
    rows.collect()
}

/// The SQLSTATE with which a statement fails.
pub(crate) async fn failure(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(_) => "none".to_owned(),
        Err(error) => sqlstate(&error),
    }
}

pub(crate) fn sqlstate(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| format!("{error:?}"), |error| error.code().code().to_owned())
}

pub(crate) fn shown(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| format!("{} {}", error.code().code(), error.message()))
}
