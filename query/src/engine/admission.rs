//! Permits to execute: how many statements execute at the same time and how many may wait, shared fairly among roles.
//!
//! Each role has a queue of its own. A permit that becomes free goes to the role that executes the fewest statements, and among
//! equals to the one that has waited longest. With one queue for all, a script of an analyst would take every permit from a
//! dashboard.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::{QueryError, QueryErrorCode};

/// Permits for some statements, and queues for some more; beyond both a statement is refused at once.
#[derive(Debug)]
pub struct Admission {
    queues: Arc<Queues>,
}

#[derive(Debug)]
struct Queues {
    running_max: usize,
    waiting_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
    arrivals: u64,
    roles: HashMap<Arc<str>, RoleQueue>,
}

/// Statements of one role.
#[derive(Debug, Default)]
struct RoleQueue {
    running: usize,
    /// Statements that it may execute, by the limit of the last one that came.
    running_max: usize,
    waiting: VecDeque<WaitingStatement>,
}

#[derive(Debug)]
struct WaitingStatement {
    arrival: u64,
    /// Receiver of the permit, or of the reason why there will be none.
    to: oneshot::Sender<Result<Permit, QueryError>>,
}

/// Right to execute one statement; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Permit {
    queues: Arc<Queues>,
    /// Role that has it; none where it was freed otherwise.
    role: Option<Arc<str>>,
}

/// Slot in a queue; dropping it leaves the queue.
struct QueueSlot {
    queues: Arc<Queues>,
    role: Arc<str>,
    arrival: u64,
}

impl Admission {
    /// Admission of so many that execute, and of so many that wait, at the same time.
    pub(crate) fn new(running_max: usize, waiting_max: usize) -> Self {
        Self { queues: Arc::new(Queues { running_max, waiting_max, state: Mutex::default() }) }
    }

    /// Waits for a permit of a role that may have `running_max` of them; dropping the permit ends the statement.
    ///
    /// # Errors
    /// [`QueryErrorCode::Busy`] where too many wait; [`QueryErrorCode::Stopping`] when the server stops.
    pub(crate) async fn enter(&self, role: &Arc<str>, running_max: usize) -> Result<Permit, QueryError> {
        let (slot, permit) = match self.queues.arrive(role, running_max)? {
            Arrival::Executes(permit) => return Ok(permit),
            Arrival::Waits(slot, permit) => (slot, permit),
        };
        // Senders are dropped unused only with the queues themselves.
        let permit = permit.await.map_err(|_dropped| QueryError::stopping())?;
        drop(slot);
        permit
    }

    /// Statements that are executing now.
    pub fn running(&self) -> usize {
        self.queues.lock().running
    }

    /// Statements that are waiting now.
    pub fn waiting(&self) -> usize {
        self.queues.lock().waiting
    }
}

enum Arrival {
    Executes(Permit),
    Waits(QueueSlot, oneshot::Receiver<Result<Permit, QueryError>>),
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrive(self: &Arc<Self>, role: &Arc<str>, running_max: usize) -> Result<Arrival, QueryError> {
        let mut state = self.lock();
        let of_role = state.roles.entry(Arc::clone(role)).or_default();
        of_role.running_max = running_max.max(1);
        // While a permit is free, those that wait are at the limit of their role.
        if of_role.running < of_role.running_max && of_role.waiting.is_empty() && state.running < self.running_max {
            return Ok(Arrival::Executes(self.begin(&mut state, role)));
        }
        if state.waiting >= self.waiting_max && !state.free_slot(role) {
            let error = self.busy(&state);
            state.forget_if_idle(role);
            return Err(error);
        }
        state.arrivals += 1;
        state.waiting += 1;
        let arrival = state.arrivals;
        let (to, from) = oneshot::channel();
        state.roles.entry(Arc::clone(role)).or_default().waiting.push_back(WaitingStatement { arrival, to });
        // The limit of the role may have been raised since the others of it began to wait.
        self.grant_permits(&mut state);
        Ok(Arrival::Waits(QueueSlot { queues: Arc::clone(self), role: Arc::clone(role), arrival }, from))
    }

    fn begin(self: &Arc<Self>, state: &mut State, role: &Arc<str>) -> Permit {
        state.running += 1;
        state.roles.entry(Arc::clone(role)).or_default().running += 1;
        Permit { queues: Arc::clone(self), role: Some(Arc::clone(role)) }
    }

    /// Hands free permits to those that wait.
    fn grant_permits(self: &Arc<Self>, state: &mut State) {
        while state.running < self.running_max {
            let Some((role, next)) = state.next() else { return };
            let permit = self.begin(state, &role);
            if let Err(Ok(mut permit)) = next.to.send(Ok(permit)) {
                // The client has gone. Dropping the permit would take the lock, which this thread holds: so it is
                // disarmed first.
                permit.role = None;
                state.end(&role);
            }
        }
    }

    fn busy(&self, state: &State) -> QueryError {
        let (running, waiting) = (state.running, self.waiting_max);
        let message = format!("{running} statements are running and {waiting} waiting already; try again later");
        QueryError::new(QueryErrorCode::Busy, message)
    }
}

impl State {
    /// Removes the next statement from its queue.
    fn next(&mut self) -> Option<(Arc<str>, WaitingStatement)> {
        let may_execute = self.roles.iter().filter(|(_, of)| of.running < of.running_max && !of.waiting.is_empty());
        let (role, _) =
            may_execute.min_by_key(|(_, of)| (of.running, of.waiting.front().map(|first| first.arrival)))?;
        let role = Arc::clone(role);
        let next = self.roles.get_mut(&role)?.waiting.pop_front()?;
        self.waiting -= 1;
        Some((role, next))
    }

    /// Refuses the newest statement of the role that has most waiting, where `role` has fewer by more than one.
    fn free_slot(&mut self, role: &Arc<str>) -> bool {
        let own = self.roles.get(role).map_or(0, |of| of.waiting.len());
        let Some(longest) = self.roles.values_mut().max_by_key(|of| of.waiting.len()) else { return false };
        if longest.waiting.len() <= own + 1 {
            return false;
        }
        let Some(refused) = longest.waiting.pop_back() else { return false };
        self.waiting -= 1;
        let message = "statements of other roles need a place among those that wait; try again later";
        // The client may have gone.
        drop(refused.to.send(Err(QueryError::new(QueryErrorCode::Busy, message))));
        true
    }

    fn end(&mut self, role: &Arc<str>) {
        self.running -= 1;
        if let Some(of_role) = self.roles.get_mut(role) {
            of_role.running -= 1;
        }
        self.forget_if_idle(role);
    }

    fn forget_if_idle(&mut self, role: &Arc<str>) {
        if self.roles.get(role).is_some_and(|of| of.running == 0 && of.waiting.is_empty()) {
            self.roles.remove(role);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(role) = self.role.take() else { return };
        let mut state = self.queues.lock();
        state.end(&role);
        self.queues.grant_permits(&mut state);
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        let mut state = self.queues.lock();
        let Some(of_role) = state.roles.get_mut(&self.role) else { return };
        let before = of_role.waiting.len();
        of_role.waiting.retain(|waiting| waiting.arrival != self.arrival);
        let left = before - of_role.waiting.len();
        state.waiting -= left;
        state.forget_if_idle(&self.role);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    const MANY: usize = 100;

    fn role(name: &str) -> Arc<str> {
        name.into()
    }

    fn poll(entering: Pin<&mut impl Future<Output = Result<Permit, QueryError>>>) -> Poll<Result<Permit, QueryError>> {
        entering.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn permit(entering: Pin<&mut impl Future<Output = Result<Permit, QueryError>>>) -> Permit {
        match poll(entering) {
            Poll::Ready(Ok(turn)) => turn,
            other => panic!("no permit: {other:?}"),
        }
    }

    fn is_busy(entering: Pin<&mut impl Future<Output = Result<Permit, QueryError>>>) -> bool {
        matches!(poll(entering), Poll::Ready(Err(error)) if error.code == QueryErrorCode::Busy)
    }

    #[test]
    fn a_free_permit_goes_to_the_role_that_runs_the_fewest_and_then_to_the_one_that_came_first() {
        let admission = Admission::new(2, 10);
        let (analyst, dashboard) = (role("analyst"), role("dashboard"));
        let first = permit(pin!(admission.enter(&analyst, MANY)));
        let second = permit(pin!(admission.enter(&analyst, MANY)));
        let mut third = pin!(admission.enter(&analyst, MANY));
        let mut fourth = pin!(admission.enter(&analyst, MANY));
        let mut other = pin!(admission.enter(&dashboard, MANY));
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(fourth.as_mut()).is_pending());
        assert!(poll(other.as_mut()).is_pending());
        assert_eq!((admission.running(), admission.waiting()), (2, 3));

        drop(first);
        assert!(poll(third.as_mut()).is_pending());
        let other = permit(other.as_mut());
        drop(second);
        assert!(poll(fourth.as_mut()).is_pending());
        let third = permit(third.as_mut());
        assert_eq!((admission.running(), admission.waiting()), (2, 1));
        drop((other, third));
        drop(permit(fourth.as_mut()));
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
        assert!(admission.queues.lock().roles.is_empty(), "roles that have gone are forgotten");
    }

    #[test]
    fn a_role_runs_no_more_than_it_may_and_holds_up_no_other() {
        let admission = Admission::new(3, 10);
        let (one, two) = (role("one"), role("two"));
        let first = permit(pin!(admission.enter(&one, 1)));
        let mut second = pin!(admission.enter(&one, 1));
        assert!(poll(second.as_mut()).is_pending());
        let other = permit(pin!(admission.enter(&two, MANY)));
        drop(other);
        assert!(poll(second.as_mut()).is_pending(), "a permit is free, and not for this role");
        // Its limit was raised meanwhile.
        let mut third = pin!(admission.enter(&one, 2));
        assert!(poll(third.as_mut()).is_pending());
        let second = permit(second.as_mut());
        drop(first);
        drop(permit(third.as_mut()));
        drop(second);
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }

    #[test]
    fn beyond_all_places_the_newest_of_the_longest_queue_gives_way() {
        let admission = Admission::new(1, 2);
        let (many, few) = (role("many"), role("few"));
        let running = permit(pin!(admission.enter(&many, MANY)));
        let mut first = pin!(admission.enter(&many, MANY));
        let mut second = pin!(admission.enter(&many, MANY));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert!(is_busy(pin!(admission.enter(&many, MANY))));
        let mut other = pin!(admission.enter(&few, MANY));
        assert!(poll(other.as_mut()).is_pending());
        assert!(is_busy(second.as_mut()));
        assert!(is_busy(pin!(admission.enter(&few, MANY))), "both have one waiting");
        drop(running);
        assert!(poll(other.as_mut()).is_pending(), "neither role runs one, and this one came later");
        drop(permit(first.as_mut()));
        drop(permit(other.as_mut()));
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }

    #[test]
    fn one_that_leaves_its_place_or_its_turn_holds_up_nobody() {
        let admission = Admission::new(1, 10);
        let role = role("one");
        let running = permit(pin!(admission.enter(&role, MANY)));
        let mut left = Box::pin(admission.enter(&role, MANY));
        let mut handed = Box::pin(admission.enter(&role, MANY));
        let mut last = pin!(admission.enter(&role, MANY));
        assert!(poll(left.as_mut()).is_pending());
        assert!(poll(handed.as_mut()).is_pending());
        assert!(poll(last.as_mut()).is_pending());
        drop(left);
        assert_eq!(admission.waiting(), 2);
        // The permit is handed to one that goes before it has seen it.
        drop(running);
        assert_eq!((admission.running(), admission.waiting()), (1, 1));
        drop(handed);
        drop(permit(last.as_mut()));
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }
}
