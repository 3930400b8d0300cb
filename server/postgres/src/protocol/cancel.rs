//! Requests to cancel a statement. They come over a connection of their own, and name the other one by its process id
//! and a random secret, as BackendKeyData has told them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subtle::ConstantTimeEq;
use tokio::sync::Notify;

/// Connections whose statements can be cancelled.
#[derive(Debug, Default)]
pub(crate) struct Cancellations {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    last_id: i32,
    /// Secret and signal by process id.
    by_id: HashMap<i32, (i32, Arc<Notify>)>,
}

/// Registration of a connection, which ends when dropped.
#[derive(Debug)]
pub(crate) struct CancelKey {
    all: Arc<Cancellations>,
    /// Process id by which clients know the connection.
    pub process_id: i32,
    /// Secret that a request must name as well.
    pub secret: i32,
    /// Signal of a request.
    pub requested: Arc<Notify>,
}

impl Cancellations {
    /// A key for a new connection.
    pub(crate) fn register(self: &Arc<Self>, secret: i32) -> CancelKey {
        let requested = Arc::new(Notify::new());
        let mut connections = self.lock();
        let mut process_id = connections.last_id;
        loop {
            // After 2³¹ connections ids start again, and those of open connections are skipped.
            process_id = process_id.checked_add(1).unwrap_or(1);
            if !connections.by_id.contains_key(&process_id) {
                break;
            }
        }
        connections.last_id = process_id;
        connections.by_id.insert(process_id, (secret, Arc::clone(&requested)));
        CancelKey { all: Arc::clone(self), process_id, secret, requested }
    }

    /// Asks a connection to cancel its statement; a request with a wrong secret has no effect.
    pub(crate) fn cancel(&self, process_id: i32, secret: i32) {
        if let Some((expected, requested)) = self.lock().by_id.get(&process_id)
            && bool::from(expected.ct_eq(&secret))
        {
            // The permit is kept until the connection waits: the request may come between two batches of rows.
            requested.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // A panic under the lock leaves the table whole: each change of it is one call.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        self.all.lock().by_id.remove(&self.process_id);
    }
}
