//! The UDP sockets that connections are dialled from.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::{Endpoint, EndpointConfig};
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::ConnectError;

/// One socket for IPv4 and one for IPv6, opened when needed. A clone has the same sockets: a program that speaks for many
/// gateways opens a few for all of them, since each takes about 3 MB.
#[derive(Debug, Clone, Default)]
pub struct Sockets {
    endpoints: Arc<Mutex<[Option<Endpoint>; 2]>>,
}

impl Sockets {
    /// The socket that reaches this address.
    ///
    /// # Errors
    /// [`ConnectError::Socket`] where it cannot be opened.
    pub(crate) fn reaching(&self, address: SocketAddr) -> Result<Endpoint, ConnectError> {
        let (index, any) = if address.is_ipv4() {
            (0, SocketAddr::from(([0, 0, 0, 0], 0)))
        } else {
            (1, SocketAddr::from(([0u16; 8], 0)))
        };
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = &mut endpoints[index];
        match endpoint {
            Some(endpoint) => Ok(endpoint.clone()),
            None => {
                let opened = open(any).map_err(|error| ConnectError::Socket(error.to_string()))?;
                Ok(endpoint.insert(opened).clone())
            }
        }
    }

    /// Waits until all connections that were closed are known to be so on the other side.
    pub(crate) async fn wait_idle(&self) {
        let open = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for endpoint in open.into_iter().flatten() {
            endpoint.wait_idle().await;
        }
    }
}

fn open(address: SocketAddr) -> std::io::Result<Endpoint> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // The system may grant less; it only costs packets where many acknowledgements arrive together.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).ok();
    socket.bind(&address.into())?;
    let runtime = quinn::default_runtime().ok_or_else(|| std::io::Error::other("there is no runtime of tokio"))?;
    Endpoint::new(EndpointConfig::default(), None, socket.into(), runtime)
}

/// Buffer asked of the system: a server that has synced its WAL acknowledges what thousands of gateways have sent.
const RECEIVE_BUFFER_BYTES: usize = 2 << 20;
