//! Requests to cancel a statement: they come over a connection of their own and name the other one by its number and its
//! secret, random one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections that can be asked to cancel.
#[derive(Debug, Default)]
pub(crate) struct Cancellations {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    last_number: i32,
    by_number: HashMap<i32, (i32, Arc<Notify>)>,
}

/// A connection's place among them, given back when dropped.
#[derive(Debug)]
pub(crate) struct CancelKey {
    all: Arc<Cancellations>,
    /// Number of the connection.
    pub number: i32,
    /// What a request must name beside it.
    pub secret: i32,
    /// Told where a request has come.
    pub asked: Arc<Notify>,
}

impl Cancellations {
    /// A key for a new connection.
    pub(crate) fn register(self: &Arc<Self>, secret: i32) -> CancelKey {
        let asked = Arc::new(Notify::new());
        let mut connections = self.lock();
        let mut number = connections.last_number;
        loop {
            number = number.checked_add(1).unwrap_or(1);
            if !connections.by_number.contains_key(&number) {
                break;
            }
        }
        connections.last_number = number;
        connections.by_number.insert(number, (secret, Arc::clone(&asked)));
        CancelKey { all: Arc::clone(self), number, secret, asked }
    }

    /// Tells a connection that its statement is to be cancelled; nothing happens where the secret is another one.
    pub(crate) fn cancel(&self, number: i32, secret: i32) {
        if let Some((of_connection, asked)) = self.lock().by_number.get(&number)
            && *of_connection == secret
        {
            // Kept until it is heard, for it may come between two parts of an answer.
            asked.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        self.all.lock().by_number.remove(&self.number);
    }
}
