//! Places that roles share, of which none can take all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places, and how many of them one role may have. Those who wait for one come in turns: of a role as many wait for the places of all as it
/// may have, and the others of it stand behind these.
#[derive(Debug)]
pub(super) struct RolePlaces {
    of_all: Arc<Semaphore>,
    of_role_max: usize,
    of_roles: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct RolePlace {
    _of_role: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Who has the places where none is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The role itself has as many as it may have.
    ByRole,
    /// All roles together.
    ByAll,
}

impl RolePlaces {
    /// So many places, at least one.
    pub(super) fn new(max: usize, of_role_max: usize) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        let of_role_max = of_role_max.clamp(1, max);
        Self { of_all: Arc::new(Semaphore::new(max)), of_role_max, of_roles: Mutex::default() }
    }

    /// Takes a place that is free.
    pub(super) fn try_take(&self, role: &Arc<str>) -> Result<RolePlace, Taken> {
        let of_role = self.of_role(role).try_acquire_owned().map_err(|_none_free| Taken::ByRole)?;
        let of_all = Arc::clone(&self.of_all).try_acquire_owned().map_err(|_none_free| Taken::ByAll)?;
        Ok(RolePlace { _of_role: of_role, _of_all: of_all })
    }

    /// Takes a place once one is free.
    pub(super) async fn take(&self, role: &Arc<str>) -> RolePlace {
        let of_role = self.of_role(role).acquire_owned().await.expect("places are never closed");
        let of_all = Arc::clone(&self.of_all).acquire_owned().await.expect("places are never closed");
        RolePlace { _of_role: of_role, _of_all: of_all }
    }

    fn of_role(&self, role: &Arc<str>) -> Arc<Semaphore> {
        // Each change is whole, whatever panics elsewhere.
        let mut of_roles = self.of_roles.lock().unwrap_or_else(PoisonError::into_inner);
        if of_roles.len() >= FORGET_FROM {
            // Whoever has a place or waits for one has a copy.
            of_roles.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let places = of_roles.entry(Arc::clone(role)).or_insert_with(|| Arc::new(Semaphore::new(self.of_role_max)));
        Arc::clone(places)
    }
}

/// Roles from which on those without a place are forgotten.
const FORGET_FROM: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    #[test]
    fn a_role_has_its_share_and_no_more() {
        let places = RolePlaces::new(4, 3);
        let held: Vec<RolePlace> = (0..3).map(|_| places.try_take(&role("a")).unwrap()).collect();
        assert_eq!(places.try_take(&role("a")).unwrap_err(), Taken::ByRole);
        let other = places.try_take(&role("b")).unwrap();
        assert_eq!(places.try_take(&role("c")).unwrap_err(), Taken::ByAll);
        drop(held);
        places.try_take(&role("c")).unwrap();
        drop(other);
        assert_eq!(places.of_all.available_permits(), 4);
    }

    #[tokio::test]
    async fn a_crowd_of_one_role_holds_up_another_role_for_one_turn() {
        let places = Arc::new(RolePlaces::new(1, 1));
        let first = places.take(&role("crowd")).await;
        let order: Arc<Mutex<Vec<&str>>> = Arc::default();
        let waiting = |name: &'static str| {
            let (places, order) = (Arc::clone(&places), Arc::clone(&order));
            tokio::spawn(async move {
                let _place = places.take(&role(name)).await;
                order.lock().unwrap().push(name);
            })
        };
        let mut tasks: Vec<_> = (0..5).map(|_| waiting("crowd")).collect();
        tokio::task::yield_now().await;
        tasks.push(waiting("other"));
        tokio::task::yield_now().await;
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(order.lock().unwrap()[0], "other");
    }

    #[test]
    fn roles_without_a_place_are_forgotten_and_those_with_one_are_not() {
        let places = RolePlaces::new(1_000, 1);
        let held = places.try_take(&role("held")).unwrap();
        for number in 0..1_000 {
            drop(places.try_take(&role(&number.to_string())).unwrap());
        }
        assert!(places.of_roles.lock().unwrap().len() <= FORGET_FROM);
        assert_eq!(places.try_take(&role("held")).unwrap_err(), Taken::ByRole);
        drop(held);
    }
}
