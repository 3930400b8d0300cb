//! A relay of UDP packets in front of the server: it changes its port towards the server, as an address translation or
//! a handover does, and loses packets in either direction, as a dead link does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio::sync::watch;

/// A relay for one client.
pub(crate) struct Relay {
    pub address: SocketAddr,
    inside: Arc<UdpSocket>,
    state: Arc<State>,
    outside: watch::Sender<Arc<UdpSocket>>,
}

struct State {
    server: SocketAddr,
    client: std::sync::Mutex<Option<SocketAddr>>,
    loses_up: AtomicBool,
    loses_down: AtomicBool,
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let inside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let address = inside.local_addr().unwrap();
        let state = State { server, client: Default::default(), loses_up: false.into(), loses_down: false.into() };
        let state = Arc::new(state);
        let (outside, current) = watch::channel(Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()));
        tokio::spawn(up(Arc::clone(&inside), current.clone(), Arc::clone(&state)));
        let relay = Self { address, inside, state, outside };
        relay.begin_down();
        relay
    }

    /// From now on the server sees another port, of another loopback address if one is given.
    pub(crate) async fn rebind(&self, address: &str) {
        let socket = UdpSocket::bind((address, 0)).await.unwrap();
        self.outside.send_replace(Arc::new(socket));
        self.begin_down();
    }

    pub(crate) fn lose(&self, up: bool, down: bool) {
        self.state.loses_up.store(up, Ordering::SeqCst);
        self.state.loses_down.store(down, Ordering::SeqCst);
    }

    fn begin_down(&self) {
        let (inside, state) = (Arc::clone(&self.inside), Arc::clone(&self.state));
        let socket = Arc::clone(&self.outside.borrow());
        let mut current = self.outside.subscribe();
        tokio::spawn(async move {
            let mut packet = vec![0; 65_536];
            loop {
                let read = tokio::select! {
                    read = socket.recv_from(&mut packet) => read,
                    // The old port is gone with whatever still comes to it.
                    _ = current.changed() => return,
                };
                let client = *state.client.lock().unwrap();
                if let (Ok((bytes, _)), Some(client), false) = (read, client, state.loses_down.load(Ordering::SeqCst)) {
                    drop(inside.send_to(&packet[..bytes], client).await);
                }
            }
        });
    }
}

async fn up(inside: Arc<UdpSocket>, outside: watch::Receiver<Arc<UdpSocket>>, state: Arc<State>) {
    let mut packet = vec![0; 65_536];
    while let Ok((bytes, client)) = inside.recv_from(&mut packet).await {
        *state.client.lock().unwrap() = Some(client);
        if !state.loses_up.load(Ordering::SeqCst) {
            let socket = Arc::clone(&outside.borrow());
            drop(socket.send_to(&packet[..bytes], state.server).await);
        }
    }
}
