//! The thread that takes packets from the system.
//!
//! Where thousands of connections have work, a task of the common runtime runs again only after all of theirs.
//! Meanwhile the socket's buffer overflows, and each packet lost so is sent and handled once more. A thread of its own
//! is scheduled by the system, whatever waits in the runtime.

use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, TokioRuntime};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A runtime that receives for one endpoint on a thread of its own, and runs connections in the runtime that it was
/// started in. The thread ends with the endpoint.
pub(crate) struct ReceivingRuntime {
    connections: Handle,
    receiving: Handle,
    /// Sender of the future that the thread runs; taken with the first one.
    driver: Mutex<Option<oneshot::Sender<Driver>>>,
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

impl ReceivingRuntime {
    /// Starts the thread. To be called within the runtime of the connections.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let receiving = runtime.handle().clone();
        let (sender, driver) = oneshot::channel::<Driver>();
        let run = move || {
            runtime.block_on(async {
                if let Ok(driver) = driver.await {
                    driver.await;
                }
            });
        };
        std::thread::Builder::new().name("quic-receive".into()).spawn(run)?;
        Ok(Self { connections: Handle::current(), receiving, driver: Mutex::new(Some(sender)) })
    }
}

impl quinn::Runtime for ReceivingRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    /// The first future of an endpoint is the one that receives; all that follow are connections.
    fn spawn(&self, future: Driver) {
        let first = self.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        match first {
            // The thread waits for nothing else; if it is gone, so is the runtime that it had.
            Some(sender) => drop(sender.send(future)),
            None => drop(self.connections.spawn(future)),
        }
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        // The socket is registered with the thread's own reactor, so that packets wake the thread itself.
        let _within = self.receiving.enter();
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

impl std::fmt::Debug for ReceivingRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceivingRuntime").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use quinn::{Endpoint, EndpointConfig};

    use super::*;

    /// Bytes that the system holds for the socket of this port.
    fn waiting_bytes(port: u16) -> u64 {
        let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
        let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let own = sockets.lines().skip(1).map(columns).find(|columns| columns[1].ends_with(&format!(":{port:04X}")));
        let queues = own.expect("the socket is open")[4].clone();
        u64::from_str_radix(queues.split_once(':').unwrap().1, 16).unwrap()
    }

    fn receiving_threads() -> usize {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim_end() == "quic-receive").count()
    }

    fn until(what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..1_000 {
            if is_so() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not within 10 s: {what}");
    }

    #[test]
    fn packets_are_taken_while_the_runtime_is_busy_and_the_thread_ends_with_the_endpoint() {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let endpoint = {
            let _within = runtime.enter();
            let receiving = Arc::new(ReceivingRuntime::start().unwrap());
            Endpoint::new(EndpointConfig::default(), None, socket, receiving).unwrap()
        };
        let (release, held) = mpsc::channel::<()>();
        let (begun, busy) = mpsc::channel();
        runtime.spawn(async move {
            begun.send(()).unwrap();
            // Ends with an error, when the sender is dropped.
            held.recv().ok();
        });
        busy.recv().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..100 {
            sender.send_to(&[0; 1_000], address).unwrap();
        }
        until("the socket's buffer is empty", || waiting_bytes(address.port()) == 0);
        drop(release);
        assert_eq!(receiving_threads(), 1);
        drop(endpoint);
        until("the thread has ended", || receiving_threads() == 0);
    }
}
