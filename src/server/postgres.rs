//! The door of PostgreSQL's clients, made from the settings.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use zonelake_postgres::{PostgresArgs, PostgresServer};
use zonelake_query::QueryEngine;

use super::tls::TlsFiles;
use crate::failure::Failure;
use crate::settings::Settings;

/// Opens it.
///
/// # Errors
/// Where the certificate is unusable or the address is taken.
pub(crate) async fn start_postgres(settings: &Settings, engine: Arc<QueryEngine>) -> Result<PostgresServer, Failure> {
    let postgres = &settings.postgres;
    let tls = match (&postgres.certificate, &postgres.key) {
        (Some(certificate), Some(key)) => {
            let files = TlsFiles { certificate: certificate.clone(), key: key.clone() };
            let config = files.server_config(&[b"postgresql"]).map_err(Failure::input)?;
            Some(TlsAcceptor::from(Arc::new(config)))
        }
        _ => None,
    };
    let listener = TcpListener::bind(postgres.listen).await.map_err(|error| {
        Failure::failed(format!(
            "PostgreSQL's clients cannot be listened to on tcp {}: {error}; is another server running, or the address not of \
             this machine?",
            postgres.listen
        ))
    })?;
    PostgresServer::start(PostgresArgs {
        listener,
        tls,
        plain_beyond_loopback: postgres.plain_beyond_loopback,
        connections_max: postgres.connections_max,
        connections_per_address_max: postgres.connections_per_address_max,
        startup_timeout: Duration::from_secs(postgres.startup_seconds_max),
        engine,
    })
    .map_err(Failure::failed)
}
