//! Way of a command to the registry: over the control socket of the server that runs on the data folder, on the folder itself
//! under its lock where none runs, or over the network to the server that `--server` names. All three serve the same routes,
//! so a command does the same thing whichever it takes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use clap::Args;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt;
use url::Url;
use zonelake_http::{admin_routes, audited, connect};
use zonelake_registry::Registry;
use zonelake_schemas::audit::{AuditEntry, AuditOutcome, PrincipalKind, cut_text};
use zonelake_schemas::clock::SystemClock;
use zonelake_server::FailureKind;
use zonelake_storage::{FolderTrail, OpenError, lock_folder};
use zonelake_wal::RealDisk;

use crate::error::CliError;
use crate::options::{CredentialOptions, SettingsOptions};
use crate::remote::{RemoteServer, kind_of_response, message_of_error};

/// Registry within a data folder.
pub(crate) const REGISTRY_FILE: &str = "registry.sqlite";

/// Data folder or server that a command administers.
#[derive(Debug, Clone, Args)]
pub(crate) struct ControlOptions {
    /// Address of a server to administer over the network, in place of a data folder on this machine
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub server: Option<String>,

    #[command(flatten)]
    pub credentials: CredentialOptions,

    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Way to a registry.
#[derive(Debug)]
pub(crate) struct Control {
    way: Way,
    runtime: tokio::runtime::Runtime,
}

#[derive(Debug)]
enum Way {
    /// Server that runs on this data folder.
    Socket(PathBuf),
    /// Folder without a server; the lock keeps one from starting meanwhile.
    Folder { routes: Router, _lock: File },
    /// Server over the network.
    Remote(RemoteServer),
}

impl Control {
    /// Finds the way.
    ///
    /// # Errors
    /// Where there is no registry, the folder is in use by a server that cannot be asked, or the options do not fit.
    pub(crate) fn open(options: &ControlOptions) -> Result<Self, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::failed)?;
        let way = match &options.server {
            Some(url) => Way::Remote(RemoteServer::new(url, &options.credentials)?),
            None => {
                let folder = options.settings.load()?.data;
                check_registry(&folder)?;
                runtime.block_on(Self::find_way(&folder))?
            }
        };
        Ok(Self { way, runtime })
    }

    /// Finds the way to a data folder of this machine.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_local(folder: &Path) -> Result<Self, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::failed)?;
        check_registry(folder)?;
        let way = runtime.block_on(Self::find_way(folder))?;
        Ok(Self { way, runtime })
    }

    /// Whether a server runs; else nobody has the folder while this is kept.
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.way, Way::Folder { .. })
    }

    /// Finds the way to a server that runs.
    ///
    /// # Errors
    /// As [`Self::open`], and where no server runs on the folder.
    pub(crate) fn open_running(options: &ControlOptions) -> Result<Self, CliError> {
        let control = Self::open(options)?;
        match control.way {
            Way::Folder { .. } => Err(CliError::new(
                FailureKind::TryAgain,
                "no server runs on the data folder, and this command needs one: start `zonelake serve` first",
            )),
            Way::Socket(_) | Way::Remote(_) => Ok(control),
        }
    }

    /// The socket of a server, or the folder. A server that starts or stops has the folder for moments without its socket.
    async fn find_way(folder: &Path) -> Result<Way, CliError> {
        let mut attempts = LOCK_ATTEMPTS;
        loop {
            match connect(folder).await {
                Ok(_connected) => return Ok(Way::Socket(folder.to_path_buf())),
                Err(error) if no_server_listens(&error) => {}
                Err(error) => return Err(unreachable_socket(folder, &error)),
            }
            match lock_folder(folder) {
                Ok(lock) => return Self::open_folder(folder, lock),
                Err(OpenError::InUse(_)) if attempts > 0 => attempts -= 1,
                Err(error) => return Err(CliError::from_kind(error.kind(), error)),
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
    }

    fn open_folder(folder: &Path, lock: File) -> Result<Way, CliError> {
        let registry = Registry::open(&folder.join(REGISTRY_FILE), Arc::new(SystemClock::default()));
        let registry = registry.map_err(|error| CliError::from_kind(error.kind(), error))?;
        // Recorded by the next start.
        let routes = audited(admin_routes(Arc::new(registry)), Arc::new(folder_trail(folder)), "folder");
        Ok(Way::Folder { routes, _lock: lock })
    }

    /// Reads a resource below `/api/v1`.
    ///
    /// # Errors
    /// Where the server refuses, or cannot be reached.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, CliError> {
        self.read(Method::GET, path, &())
    }

    /// Reads a resource, of which parameters say more.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn get_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        parameters: &[(&str, &str)],
    ) -> Result<T, CliError> {
        let parameters = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let path = format!("{}?{parameters}", request_path(path));
        read_response(&self.call_within(Method::GET, &path, &(), RESPONSE_TIMEOUT)?)
    }

    /// Sends a change and reads the response.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn update<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, CliError> {
        read_response(&self.call_within(Method::PATCH, &request_path(path), body, SLOW_RESPONSE_TIMEOUT)?)
    }

    /// Sends a body and reads the response.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, CliError> {
        self.read(Method::POST, path, body)
    }

    /// The same where the server has to read much before it responds.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn post_slowly<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, CliError> {
        read_response(&self.call_within(Method::POST, &request_path(path), body, SLOW_RESPONSE_TIMEOUT)?)
    }

    /// Makes a resource.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn create(&self, path: &[&str], body: &impl Serialize) -> Result<(), CliError> {
        self.call(Method::POST, path, body).map(drop)
    }

    /// Sends a change.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn patch(&self, path: &[&str], body: &impl Serialize) -> Result<(), CliError> {
        self.call(Method::PATCH, path, body).map(drop)
    }

    /// Removes a resource.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn delete(&self, path: &[&str]) -> Result<(), CliError> {
        self.call(Method::DELETE, path, &()).map(drop)
    }

    fn read<T: DeserializeOwned>(&self, method: Method, path: &[&str], body: &impl Serialize) -> Result<T, CliError> {
        read_response(&self.call(method, path, body)?)
    }

    fn call(&self, method: Method, path: &[&str], body: &impl Serialize) -> Result<Vec<u8>, CliError> {
        self.call_within(method, &request_path(path), body, RESPONSE_TIMEOUT)
    }

    fn call_within(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<Vec<u8>, CliError> {
        let body = serde_json::to_vec(body).map_err(CliError::failed)?;
        let (status, text) = match &self.way {
            Way::Remote(server) => server.call(method, path, body)?,
            Way::Folder { routes, .. } => {
                let request = request(method, path, body)?;
                let respond = async {
                    let response = routes.clone().oneshot(request).await.map_err(CliError::failed)?;
                    let (head, body) = response.into_parts();
                    let body = axum::body::to_bytes(body, RESPONSE_BYTES_MAX).await.map_err(CliError::failed)?;
                    Ok::<_, CliError>((head.status, body.to_vec()))
                };
                self.runtime.block_on(respond)?
            }
            Way::Socket(folder) => {
                let call = call_socket(folder, request(method, path, body)?);
                let called = self.runtime.block_on(async { tokio::time::timeout(timeout, call).await });
                called.map_err(|_elapsed| {
                    let message = format!("the server of {} does not respond", folder.display());
                    CliError::new(FailureKind::TryAgain, message)
                })??
            }
        };
        if status.is_success() {
            return Ok(text);
        }
        Err(self.refused(path, status, &String::from_utf8_lossy(&text)))
    }

    fn refused(&self, path: &str, status: StatusCode, body: &str) -> CliError {
        let kind = kind_of_response(status.as_u16(), body);
        let words = message_of_error(body);
        // What is wrong with the input needs no word of the server; everything else does.
        let message = match (&self.way, kind) {
            (_, FailureKind::Input) if !words.is_empty() => words,
            (Way::Remote(server), _) => format!("{}{path} says {status}: {words}", server.url()),
            _ if words.is_empty() => format!("{path} says {status}"),
            _ => words,
        };
        CliError::new(kind, message)
    }
}

/// Records what was done to a folder on which no server runs; the next start writes it into the table of audit.
///
/// # Errors
/// Where it cannot be noted, although it was done.
pub(crate) fn record_on_folder(folder: &Path, action: &str, object: Option<String>) -> Result<(), CliError> {
    let entry = AuditEntry {
        principal: Some("@local".into()),
        principal_kind: PrincipalKind::Local,
        object: object.map(|object| cut_text(&object).to_owned()),
        ..AuditEntry::new("folder", action, AuditOutcome::Allowed)
    };
    let added = folder_trail(folder).add(entry);
    added.map_err(|error| CliError::failed(format!("it was done, and could not be recorded: {error}")))
}

fn folder_trail(folder: &Path) -> FolderTrail {
    FolderTrail::new(Arc::new(RealDisk), folder, Arc::new(SystemClock::default()))
}

/// Times that the lock of a folder is tried again, and the time between them.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// Time that a server on this machine has for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The same where it has to read an archive first.
const SLOW_RESPONSE_TIMEOUT: Duration = Duration::from_secs(3_600);
/// Bytes of a response that are read: a list of a hundred thousand gateways.
const RESPONSE_BYTES_MAX: usize = 64 << 20;

fn read_response<T: DeserializeOwned>(text: &[u8]) -> Result<T, CliError> {
    serde_json::from_slice(text)
        .map_err(|error| CliError::failed(format!("the response of the server cannot be read: {error}")))
}

async fn call_socket(folder: &Path, request: Request<Body>) -> Result<(StatusCode, Vec<u8>), CliError> {
    let stream = connect(folder).await.map_err(|error| unreachable_socket(folder, &error))?;
    let broken = |error: hyper::Error| {
        CliError::new(FailureKind::TryAgain, format!("the server of {} did not respond: {error}", folder.display()))
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // The connection ends with its sender; what goes wrong with it is told by the request.
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(Body::new(body), RESPONSE_BYTES_MAX).await.map_err(CliError::failed)?;
    drop(sender);
    driver.abort();
    Ok((head.status, body.to_vec()))
}

fn request(method: Method, path: &str, body: Vec<u8>) -> Result<Request<Body>, CliError> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .map_err(CliError::failed)
}

/// Path of a resource below `/api/v1`, with its segments escaped.
fn request_path(segments: &[&str]) -> String {
    let mut url = Url::parse("http://localhost/api/v1").expect("this is a URL");
    url.path_segments_mut().expect("an http URL has a path").extend(segments);
    url.path().to_owned()
}

/// A folder without a registry is mistyped, as a rule.
fn check_registry(folder: &Path) -> Result<(), CliError> {
    let path = folder.join(REGISTRY_FILE);
    if path.exists() {
        return Ok(());
    }
    Err(CliError::input(format!(
        "there is no {}: name the data folder with --data; the first `zonelake serve` makes it",
        path.display()
    )))
}

fn no_server_listens(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn unreachable_socket(folder: &Path, error: &io::Error) -> CliError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => FailureKind::NoPermission,
        _ => FailureKind::TryAgain,
    };
    CliError::new(
        kind,
        format!(
            "the control socket of the server in {} cannot be reached: {error}; run this command as the user of the server",
            folder.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_of_the_path_whatever_it_holds() {
        assert_eq!(request_path(&["gateways"]), "/api/v1/gateways");
        assert_eq!(request_path(&["gateways", "a/b ?c"]), "/api/v1/gateways/a%2Fb%20%3Fc");
    }
}
