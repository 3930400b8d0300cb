//! Certificates: those that the settings name, or one made at the first start.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Certificate that TLS cannot be spoken with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written, or is not PEM.
    #[error("{path}: {what}", path = path.display())]
    File {
        /// File.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Certificate and key do not fit each other, or cannot be used.
    #[error("certificate {certificate}: {what}", certificate = certificate.display())]
    Unusable {
        /// File of the certificate.
        certificate: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Files of a certificate chain and its key.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Files in `folder`; made now, for these names and the loopback ones, where there are none.
    ///
    /// # Errors
    /// Where the files cannot be written.
    pub fn find_or_make(folder: &Path, names: &[String]) -> Result<Self, TlsError> {
        let files = Self { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        if files.certificate.exists() && files.key.exists() {
            return Ok(files);
        }
        let failed =
            |path: &Path, what: &dyn std::fmt::Display| TlsError::File { path: path.into(), what: what.to_string() };
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let names: Vec<String> = loopback.into_iter().chain(names.iter().cloned()).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&files.certificate, &error))?;
        write(&files.key, made.signing_key.serialize_pem().as_bytes(), OWNER_ONLY)?;
        write(&files.certificate, made.cert.pem().as_bytes(), READABLE)?;
        Ok(files)
    }

    /// TLS configuration with this certificate; `alpn` are the protocols that it speaks.
    ///
    /// # Errors
    /// Where a file cannot be read, or certificate and key do not fit each other.
    pub fn server_config(&self, alpn: &[&[u8]]) -> Result<ServerConfig, TlsError> {
        let unreadable = |path: &Path, error: rustls::pki_types::pem::Error| TlsError::File {
            path: path.into(),
            what: error.to_string(),
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| unreadable(&self.certificate, error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unreadable(&self.key, error))?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        let mut config = config
            .map_err(|error| TlsError::Unusable { certificate: self.certificate.clone(), what: error.to_string() })?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    let written =
        fs::OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.map_err(|error| TlsError::File { path: path.into(), what: error.to_string() })
}

const OWNER_ONLY: u32 = 0o600;
const READABLE: u32 = 0o644;
