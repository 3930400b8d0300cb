//! Gateways of the demonstration.

use std::sync::Arc;

use zonelake_gateway::{Connection, ConnectionOptions, Trust};
use zonelake_server::Server;

use crate::error::CliError;

/// A gateway of one zone, with its connection.
pub(crate) struct ZoneGateway {
    pub(super) zone: &'static str,
    pub(super) token: String,
    pub(super) connection: Arc<Connection>,
}

/// Adds the gateway of a zone to a server.
pub(super) fn gateway(server: &Server, zone: &'static str) -> Result<ZoneGateway, CliError> {
    let registry = server.store().registry();
    let added = registry
        .add_gateway(&format!("demo-{zone}"), zone)
        .map_err(|error| CliError::from_kind(error.kind(), error))?;
    let trust = Trust::CertificateFile(server.started.certificate.clone());
    let connection = Connection::new(ConnectionOptions::new(server.started.quic.to_string(), trust));
    Ok(ZoneGateway { zone, token: added.token, connection: connection.map_err(CliError::failed)? })
}
