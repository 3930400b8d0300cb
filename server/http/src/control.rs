//! Control channel: HTTP on a Unix socket in the data folder, for commands on the same machine.
//!
//! The socket is open to its owner alone (mode 0600), and the user of each client is checked as well: that of the server, or
//! root. So no password is needed, and a change takes effect in the running server when the command returns.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Name of the socket in the data folder.
const SOCKET_FILE: &str = "control.sock";
/// Bytes of a socket's path that the system takes (`sun_path` of 108 bytes, with its end).
const PATH_BYTES_MAX: usize = 107;
/// Connections at the same time; further ones wait.
const CONNECTIONS_MAX: usize = 16;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Running control channel. The socket's file goes when it is dropped.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
    accepting: JoinHandle<()>,
}

impl ControlServer {
    /// Listens in the data folder, whose lock the caller holds: a socket that is there already is left from a server that was
    /// killed.
    ///
    /// # Errors
    /// Where the socket cannot be made.
    pub fn start(folder: &Path, routes: Router) -> io::Result<Self> {
        let path = folder.join(SOCKET_FILE);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = with_short_path(folder, UnixListener::bind)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { path, accepting: tokio::spawn(accept(listener, routes)) })
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.accepting.abort();
        // The next start removes it where this fails.
        std::fs::remove_file(&self.path).ok();
    }
}

/// Connects to the server that runs on a data folder.
///
/// # Errors
/// Of kind `NotFound` or `ConnectionRefused` where no server runs, of kind `PermissionDenied` where it belongs to another user.
pub async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let folder = folder.to_path_buf();
    // Opening the folder blocks for a moment, connecting to a local socket does not.
    let stream = with_short_path(&folder, std::os::unix::net::UnixStream::connect)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Calls `with` with the path of the socket. A path that is too long for the system goes over the folder's file descriptor.
fn with_short_path<T>(folder: &Path, with: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let path = folder.join(SOCKET_FILE);
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return with(path);
    }
    let open = File::open(folder)?;
    with(PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_FILE}", open.as_raw_fd())))
}

async fn accept(listener: UnixListener, routes: Router) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("a connection to the control socket could not be accepted: {error}");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                continue;
            }
        };
        if !is_permitted(&stream) {
            tracing::warn!("a connection to the control socket was refused: it is of another user");
            continue;
        }
        let routes = routes.clone();
        tokio::spawn(async move {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
            if let Err(error) = connection.await {
                tracing::debug!("a connection to the control socket ended: {error}");
            }
            drop(permit);
        });
    }
}

/// Whether the client's process belongs to the user of this server, or to root.
fn is_permitted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|client| client.uid() == own || client.uid() == 0)
}
