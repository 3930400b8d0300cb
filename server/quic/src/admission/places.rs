//! Places of connections, as their tasks share them: `admission` decides, this tells the one that has to go.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::admission::{Admission, AdmissionDecision, AdmissionLimits, PlaceId};

/// Places of all connections of an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    admission: Admission,
    /// Unauthenticated connections, which may have to make room.
    evictable: HashMap<PlaceId, oneshot::Sender<()>>,
}

/// The place of one connection, freed when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    holder: PlaceHolder,
    /// Comes to a value when the place is given to another connection, and to an error once that cannot happen.
    pub(crate) evicted: oneshot::Receiver<()>,
}

/// The holder of a place, as the streams of its connection know it.
#[derive(Debug, Clone)]
pub(crate) struct PlaceHolder {
    places: Places,
    id: PlaceId,
}

/// Answer to the Initial packet of a connection.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Begin the handshake. True beside the place where another connection has lost its own for it.
    Accept(Place, bool),
    /// Answer with a Retry token, which validates the address.
    Retry,
    /// Refuse, for this reason.
    Refuse(&'static str),
}

impl Places {
    pub(crate) fn new(limits: AdmissionLimits) -> Self {
        let shared = Shared { admission: Admission::new(limits), evictable: HashMap::new() };
        Self(Arc::new(Mutex::new(shared)))
    }

    /// Decides on an Initial packet, as [`Admission::decide`].
    pub(crate) fn decide(&self, address: IpAddr, is_validated: bool, now: Duration) -> Answer {
        let mut shared = self.lock();
        let (id, evicted) = match shared.admission.decide(address, is_validated, now) {
            AdmissionDecision::Accept { place, evicted } => (place, evicted),
            AdmissionDecision::Retry => return Answer::Retry,
            AdmissionDecision::Refuse(reason) => return Answer::Refuse(reason),
        };
        let (evict, evicted_later) = oneshot::channel();
        shared.evictable.insert(id, evict);
        if let Some(task) = evicted.and_then(|evicted| shared.evictable.remove(&evicted)) {
            // Fails where its connection ends at this moment by itself.
            task.send(()).ok();
        }
        let holder = PlaceHolder { places: self.clone(), id };
        Answer::Accept(Place { holder, evicted: evicted_later }, evicted.is_some())
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(crate) fn holder(&self) -> PlaceHolder {
        self.holder.clone()
    }

    /// Notes the end of a handshake, good or bad. The place stays taken.
    pub(crate) fn handle_handshake_ended(&self) {
        self.holder.places.lock().admission.handle_handshake_ended(self.holder.id);
    }
}

impl PlaceHolder {
    /// Notes a valid token: the place is no longer given to others.
    pub(crate) fn handle_authenticated(&self) {
        let mut shared = self.places.lock();
        shared.admission.handle_authenticated(self.id);
        shared.evictable.remove(&self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut shared = self.holder.places.lock();
        shared.admission.handle_closed(self.holder.id);
        shared.evictable.remove(&self.holder.id);
    }
}
