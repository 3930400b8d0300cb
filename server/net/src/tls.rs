//! Certificates: those that the settings name, or one made at the first start.

use std::fs;
use std::io::{ErrorKind, Write};
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

/// Certificates of the authorities that this system trusts, PEM; nothing where it has no list of them.
pub fn system_certificates() -> Vec<u8> {
    SYSTEM_CERTIFICATES.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default()
}

/// Files in which systems keep the certificates that they trust.
const SYSTEM_CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl TlsFiles {
    /// Files in `folder`; `None` where there are none yet.
    ///
    /// # Errors
    /// Where one of the two is there alone: another certificate would be one that no gateway trusts.
    pub fn find(folder: &Path) -> Result<Option<Self>, TlsError> {
        let files = Self { certificate: folder.join(CERTIFICATE_FILE), key: folder.join(KEY_FILE) };
        let (missing, present) = match (files.certificate.exists(), files.key.exists()) {
            (true, true) => return Ok(Some(files)),
            (false, false) => return Ok(None),
            (false, true) => (files.certificate, KEY_FILE),
            (true, false) => (files.key, CERTIFICATE_FILE),
        };
        let what = format!(
            "is missing, and {present} is there: gateways trust the certificate that was made with it. Bring the file back \
             from a backup; or remove {present} too, and a new certificate is made, which every gateway must be given"
        );
        Err(TlsError::File { path: missing, what })
    }

    /// Files in `folder`; made now, for these names and the loopback ones, where there are none.
    ///
    /// # Errors
    /// As [`Self::find`], and where the files cannot be written.
    pub fn find_or_make(folder: &Path, names: &[String]) -> Result<Self, TlsError> {
        if let Some(files) = Self::find(folder)? {
            // A process that was killed while it made them has left their names in memory only. Gateways trust them from now on, so they
            // must be there after a loss of power.
            return match sync_folders([Some(folder), folder.parent()]) {
                Err(error) if !is_of_others(&error) => {
                    Err(TlsError::File { path: folder.into(), what: error.to_string() })
                }
                _ => Ok(files),
            };
        }
        let failed =
            |path: &Path, what: &dyn std::fmt::Display| TlsError::File { path: path.into(), what: what.to_string() };
        let loopback = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let names: Vec<String> = loopback.into_iter().chain(names.iter().cloned()).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(folder, &error))?;
        // Both appear in one step, by the name of their folder: a crash in between must not leave one alone.
        let new = folder.with_extension("new");
        fs::create_dir_all(&new).map_err(|error| failed(&new, &error))?;
        write(&new.join(KEY_FILE), made.signing_key.serialize_pem().as_bytes(), OWNER_ONLY)?;
        write(&new.join(CERTIFICATE_FILE), made.cert.pem().as_bytes(), READABLE)?;
        sync_folders([Some(new.as_path())]).map_err(|error| failed(&new, &error))?;
        match fs::rename(&new, folder) {
            Ok(()) => {}
            // A folder of the operator, with other files in it.
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
                for name in [KEY_FILE, CERTIFICATE_FILE] {
                    fs::rename(new.join(name), folder.join(name)).map_err(|error| failed(folder, &error))?;
                }
                fs::remove_dir(&new).map_err(|error| failed(&new, &error))?;
            }
            Err(error) => return Err(failed(folder, &error)),
        }
        sync_folders([Some(folder), folder.parent()]).map_err(|error| failed(folder, &error))?;
        Ok(Self { certificate: folder.join(CERTIFICATE_FILE), key: folder.join(KEY_FILE) })
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

/// Makes the names in folders durable.
fn sync_folders<const N: usize>(folders: [Option<&Path>; N]) -> std::io::Result<()> {
    let mut named = folders.into_iter().flatten().filter(|folder| !folder.as_os_str().is_empty());
    named.try_for_each(|folder| fs::File::open(folder)?.sync_all())
}

/// True where a folder cannot be synced since it is one in which this process has made nothing.
fn is_of_others(error: &std::io::Error) -> bool {
    use ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidInput | Unsupported)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), TlsError> {
    let written =
        fs::OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.map_err(|error| TlsError::File { path: path.into(), what: error.to_string() })
}

/// Names in a folder of a certificate that is made here.
const CERTIFICATE_FILE: &str = "cert.pem";
const KEY_FILE: &str = "key.pem";
const OWNER_ONLY: u32 = 0o600;
const READABLE: u32 = 0o644;

#[cfg(test)]
mod tests {
    use super::*;

    /// Where several providers are linked, the program chooses one at its start.
    fn choose_provider() {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    }

    #[test]
    fn a_certificate_is_made_once_and_half_of_one_is_refused_by_name() {
        choose_provider();
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tls");
        let made = TlsFiles::find_or_make(&folder, &[]).unwrap();
        let bytes = || (fs::read(&made.certificate).unwrap(), fs::read(&made.key).unwrap());
        let before = bytes();
        TlsFiles::find_or_make(&folder, &[]).unwrap();
        assert_eq!(bytes(), before);
        assert!(made.server_config(&[]).is_ok());
        for (gone, other) in [(&made.certificate, "key.pem"), (&made.key, "cert.pem")] {
            let content = fs::read(gone).unwrap();
            fs::remove_file(gone).unwrap();
            let error = TlsFiles::find_or_make(&folder, &[]).unwrap_err().to_string();
            assert!(error.contains(&*gone.to_string_lossy()) && error.contains(other), "{error}");
            assert!(!gone.exists(), "nothing is made in its place");
            fs::write(gone, content).unwrap();
        }
        assert_eq!(bytes(), before);
    }

    #[test]
    fn a_certificate_is_made_beside_other_files_and_behind_a_start_that_broke_off() {
        choose_provider();
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tls");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("note.txt"), "ours").unwrap();
        fs::create_dir_all(root.path().join("tls.new")).unwrap();
        fs::write(root.path().join("tls.new/key.pem"), "half").unwrap();
        let made = TlsFiles::find_or_make(&folder, &[]).unwrap();
        assert!(made.server_config(&[]).is_ok());
        assert!(folder.join("note.txt").exists() && !root.path().join("tls.new").exists());
    }
}
