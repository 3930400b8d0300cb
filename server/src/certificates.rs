//! Certificates of the interfaces: those that the settings name, and the one that is made for QUIC.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use zonelake_net::TlsFiles;
use zonelake_settings::Settings;

use crate::error::ServerError;

/// Protocols that are offered within TLS.
pub(crate) const HTTP_PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];
pub(crate) const POSTGRES_PROTOCOLS: &[&[u8]] = &[b"postgresql"];

/// Checks that the certificates with which a server would start can be used, without making one.
///
/// # Errors
/// Where a file cannot be read, a certificate and its key do not fit each other, or one of the two is missing.
pub fn check_certificates(settings: &Settings) -> Result<(), ServerError> {
    let quic = match (&settings.quic.certificate, &settings.quic.key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate: certificate.clone(), key: key.clone() }),
        _ => TlsFiles::find(&folder(settings)).map_err(ServerError::input)?,
    };
    if let Some(files) = quic {
        files.server_config(&[]).map_err(ServerError::input)?;
    }
    tls_acceptor(settings.http.certificate.as_ref(), settings.http.key.as_ref(), HTTP_PROTOCOLS)?;
    tls_acceptor(settings.postgres.certificate.as_ref(), settings.postgres.key.as_ref(), POSTGRES_PROTOCOLS)?;
    Ok(())
}

/// Certificate of QUIC, made now where there is none.
pub(crate) fn quic_certificate(settings: &Settings) -> Result<TlsFiles, ServerError> {
    match (&settings.quic.certificate, &settings.quic.key) {
        (Some(certificate), Some(key)) => Ok(TlsFiles { certificate: certificate.clone(), key: key.clone() }),
        _ => TlsFiles::find_or_make(&folder(settings), &settings.quic.names).map_err(ServerError::failed),
    }
}

/// TLS with a certificate of the settings; none where they name none.
pub(crate) fn tls_acceptor(
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
    alpn: &[&[u8]],
) -> Result<Option<TlsAcceptor>, ServerError> {
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
    let files = TlsFiles { certificate: certificate.clone(), key: key.clone() };
    let config = files.server_config(alpn).map_err(ServerError::input)?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn folder(settings: &Settings) -> PathBuf {
    settings.data.join("tls")
}
