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
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use zonelake_net::PeerAddress;

use crate::connection::serve::{ServeArgs, serve};
use crate::connection::times::ClientTimes;

/// Name of the socket in the data folder.
const SOCKET_FILE: &str = "control.sock";
/// Bytes of a socket's path that the system takes (`sun_path` of 108 bytes, with its end).
const PATH_BYTES_MAX: usize = 107;
/// Connections at the same time; further ones wait.
const CONNECTIONS_MAX: usize = 16;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Time to connect to a server on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Running control channel. The socket's file goes when it is dropped.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
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
        let reachable = SocketPath::of(folder)?;
        let listener = UnixListener::bind(&reachable.path)?;
        // Until here the socket has the mode of the umask; clients of other users are refused by their user all the same.
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let (stop, stopping) = watch::channel(false);
        Ok(Self { path, stop, accepting: Some(tokio::spawn(accept(listener, routes, stopping))) })
    }

    /// Accepts no more requests and waits for those in flight, at most for `grace`: their responses have tokens and passwords
    /// that are shown once.
    pub async fn stop(mut self, grace: Duration) {
        self.stop.send_replace(true);
        let Some(accepting) = self.accepting.take() else { return };
        match accepting.await {
            Ok(()) => drop(tokio::time::timeout(grace, self.stop.closed()).await),
            Err(error) => tracing::error!("the control channel ended early: {error}"),
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
        // The next start removes it where this fails.
        std::fs::remove_file(&self.path).ok();
    }
}

/// Connects to the server that runs on a data folder.
///
/// # Errors
/// Of kind `NotFound` or `ConnectionRefused` where no server runs, `PermissionDenied` where it belongs to another user, `TimedOut`
/// where it does not accept.
pub async fn connect(folder: &Path) -> io::Result<UnixStream> {
    let reachable = SocketPath::of(folder)?;
    match tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(&reachable.path)).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Path by which the socket can be named. One that is too long for the system goes over the folder's file descriptor.
struct SocketPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl SocketPath {
    fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET_FILE);
        if path.as_os_str().len() <= PATH_BYTES_MAX {
            return Ok(Self { path, _folder: None });
        }
        let open = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_FILE}", open.as_raw_fd()));
        Ok(Self { path, _folder: Some(open) })
    }
}

async fn accept(listener: UnixListener, routes: Router, mut stopping: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => return,
            accepted = next(&listener, &permits) => accepted,
        };
        let (stream, permit) = match accepted {
            Ok(accepted) => accepted,
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
        let args = ServeArgs {
            routes: routes.clone(),
            peer: PeerAddress(None),
            times: ClientTimes::default(),
            keep_alive: true,
            stopping: stopping.clone(),
        };
        tokio::spawn(async move {
            serve(stream, args).await;
            drop(permit);
        });
    }
}

/// Next connection, once a permit for it is free.
async fn next(listener: &UnixListener, permits: &Arc<Semaphore>) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _address) = listener.accept().await?;
    Ok((stream, permit))
}

/// Whether the client's process belongs to the user of this server, or to root.
fn is_permitted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|client| client.uid() == own || client.uid() == 0)
}
