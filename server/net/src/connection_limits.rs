//! Limits on open connections, in all and by address: one implementation for every interface.
//!
//! [`ConnectionCounts`] is the plain state, for an endpoint that owns it (QUIC's admission). [`ConnectionLimits`] shares it
//! among tasks and gives out permits that free themselves.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limit that refused a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitReached {
    /// Connections in all.
    Total,
    /// Connections from one address.
    Address,
}

/// Connections that are open, in all and by address.
#[derive(Debug)]
pub struct ConnectionCounts {
    connections_max: usize,
    connections_per_address_max: usize,
    open: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl ConnectionCounts {
    /// Counts of an endpoint without connections.
    pub fn new(connections_max: usize, connections_per_address_max: usize) -> Self {
        Self { connections_max, connections_per_address_max, open: 0, by_address: HashMap::new() }
    }

    /// Limit that a further connection from `address` would exceed, if any.
    pub fn limit_reached(&self, address: IpAddr) -> Option<LimitReached> {
        if self.open >= self.connections_max {
            return Some(LimitReached::Total);
        }
        let of_address = self.by_address.get(&address).copied().unwrap_or(0);
        (of_address >= self.connections_per_address_max).then_some(LimitReached::Address)
    }

    /// Counts a connection from `address`, unless a limit is reached.
    ///
    /// # Errors
    /// Where a limit is reached; nothing is counted then.
    pub fn try_open(&mut self, address: IpAddr) -> Result<(), LimitReached> {
        if let Some(limit) = self.limit_reached(address) {
            return Err(limit);
        }
        self.open += 1;
        *self.by_address.entry(address).or_insert(0) += 1;
        Ok(())
    }

    /// Frees what [`Self::try_open`] counted.
    pub fn close(&mut self, address: IpAddr) {
        self.open -= 1;
        // An address without connections is forgotten, so that the map is as large as the number of connections at most.
        if let Entry::Occupied(mut count) = self.by_address.entry(address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Connections that are open from `address`.
    pub fn open_from(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or(0)
    }
}

/// Connection limits that the tasks of a listener share.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    total: Arc<Semaphore>,
    counts: Arc<Mutex<ConnectionCounts>>,
}

/// Permit of one connection, freed when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    _of_all: OwnedSemaphorePermit,
    of_address: AddressPermit,
}

#[derive(Debug)]
struct AddressPermit {
    counts: Arc<Mutex<ConnectionCounts>>,
    address: IpAddr,
}

impl ConnectionLimits {
    /// Limits of one listener.
    pub fn new(connections_max: usize, connections_per_address_max: usize) -> Self {
        Self {
            total: Arc::new(Semaphore::new(connections_max)),
            // The semaphore alone counts all connections: two counts of one thing would disagree for moments.
            counts: Arc::new(Mutex::new(ConnectionCounts::new(usize::MAX, connections_per_address_max))),
        }
    }

    /// Permit of all connections, as soon as one is free. The connection that it is for may wait in the system's queue.
    pub(crate) async fn of_all(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.total).acquire_owned().await.ok()
    }

    /// Permit for a connection from `address`; `of_all` is what [`Self::of_all`] gave, where the listener waits for it.
    ///
    /// # Errors
    /// Where a limit is reached.
    pub(crate) fn try_acquire(
        &self,
        address: IpAddr,
        of_all: Option<OwnedSemaphorePermit>,
    ) -> Result<ConnectionPermit, LimitReached> {
        let of_all = match of_all {
            Some(permit) => permit,
            None => Arc::clone(&self.total).try_acquire_owned().map_err(|_full| LimitReached::Total)?,
        };
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).try_open(address)?;
        let of_address = AddressPermit { counts: Arc::clone(&self.counts), address };
        Ok(ConnectionPermit { _of_all: of_all, of_address })
    }
}

impl ConnectionPermit {
    /// Address that the connection comes from.
    pub fn address(&self) -> IpAddr {
        self.of_address.address
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).close(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_address_is_refused_beyond_its_limit_and_others_are_not() {
        let limits = ConnectionLimits::new(3, 2);
        let first = limits.try_acquire(address(1), None).unwrap();
        let _second = limits.try_acquire(address(1), None).unwrap();
        assert_eq!(limits.try_acquire(address(1), None).unwrap_err(), LimitReached::Address);
        let _other = limits.try_acquire(address(2), None).unwrap();
        assert_eq!(limits.try_acquire(address(3), None).unwrap_err(), LimitReached::Total);
        drop(first);
        assert!(limits.try_acquire(address(1), None).is_ok(), "a permit frees itself");
    }

    #[test]
    fn a_refused_connection_takes_no_permit_and_quiet_addresses_are_forgotten() {
        let limits = ConnectionLimits::new(2, 1);
        let held = limits.try_acquire(address(1), None).unwrap();
        for _ in 0..10 {
            assert_eq!(limits.try_acquire(address(1), None).unwrap_err(), LimitReached::Address);
        }
        drop(limits.try_acquire(address(2), None).unwrap());
        drop(held);
        let counts = limits.counts.lock().unwrap();
        assert_eq!((counts.open(), counts.by_address.len(), limits.total.available_permits()), (0, 0, 2));
    }
}
