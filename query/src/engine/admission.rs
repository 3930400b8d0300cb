//! A place in the queue: how many statements run at once and how many may wait, shared fairly among roles.
//!
//! Each role has a queue of its own. A turn that becomes free goes to the role that runs the fewest statements, and among
//! equals to the one that has waited longest, so that a dashboard gets its turn beside an analyst's hundred statements.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::{QueryError, QueryErrorCode};

/// Lets some statements run and some more wait; beyond both it refuses at once.
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
    roles: HashMap<Arc<str>, OfRole>,
}

/// A role that runs or waits.
#[derive(Debug, Default)]
struct OfRole {
    running: usize,
    /// How many it may run, as its last statement had it.
    running_max: usize,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    arrival: u64,
    /// Takes the turn, or why there will be none.
    to: oneshot::Sender<Result<Turn, QueryError>>,
}

/// The right to run; it ends when it is dropped.
#[derive(Debug)]
pub struct Turn {
    queues: Arc<Queues>,
    /// Whose it is; none where it has ended otherwise.
    role: Option<Arc<str>>,
}

/// A place among those that wait; leaving it is dropping it.
struct Place {
    queues: Arc<Queues>,
    role: Arc<str>,
    arrival: u64,
}

impl Admission {
    /// So many may run, and so many wait, both at the same time.
    pub fn new(running_max: usize, waiting_max: usize) -> Self {
        Self { queues: Arc::new(Queues { running_max, waiting_max, state: Mutex::default() }) }
    }

    /// Waits for a turn of a role that may have `running_max` of them; the statement's end is when it is dropped.
    pub async fn enter(&self, role: &Arc<str>, running_max: usize) -> Result<Turn, QueryError> {
        let (place, turn) = match self.queues.arrive(role, running_max)? {
            Arrived::Runs(turn) => return Ok(turn),
            Arrived::Waits(place, turn) => (place, turn),
        };
        let turn = turn.await.map_err(|_| QueryError::stopping())?;
        drop(place);
        turn
    }

    /// Statements that run now.
    pub fn running(&self) -> usize {
        self.queues.lock().running
    }

    /// Statements that wait now.
    pub fn waiting(&self) -> usize {
        self.queues.lock().waiting
    }
}

enum Arrived {
    Runs(Turn),
    Waits(Place, oneshot::Receiver<Result<Turn, QueryError>>),
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrive(self: &Arc<Self>, role: &Arc<str>, running_max: usize) -> Result<Arrived, QueryError> {
        let mut state = self.lock();
        let of_role = state.roles.entry(Arc::clone(role)).or_default();
        of_role.running_max = running_max.max(1);
        // Where a turn is free, whoever waits may not run.
        if of_role.running < of_role.running_max && of_role.waiting.is_empty() && state.running < self.running_max {
            return Ok(Arrived::Runs(self.begin(&mut state, role)));
        }
        if state.waiting >= self.waiting_max && !state.make_room(role) {
            let error = self.busy(&state);
            state.forget_if_idle(role);
            return Err(error);
        }
        state.arrivals += 1;
        state.waiting += 1;
        let arrival = state.arrivals;
        let (to, from) = oneshot::channel();
        state.roles.entry(Arc::clone(role)).or_default().waiting.push_back(Waiting { arrival, to });
        // The role may have been given more turns than it had when the others of it began to wait.
        self.give_turns(&mut state);
        Ok(Arrived::Waits(Place { queues: Arc::clone(self), role: Arc::clone(role), arrival }, from))
    }

    fn begin(self: &Arc<Self>, state: &mut State, role: &Arc<str>) -> Turn {
        state.running += 1;
        state.roles.entry(Arc::clone(role)).or_default().running += 1;
        Turn { queues: Arc::clone(self), role: Some(Arc::clone(role)) }
    }

    /// Hands free turns to those who wait.
    fn give_turns(self: &Arc<Self>, state: &mut State) {
        while state.running < self.running_max {
            let Some((role, next)) = state.next() else { return };
            let turn = self.begin(state, &role);
            if let Err(Ok(mut turn)) = next.to.send(Ok(turn)) {
                // The one who waited has gone. The turn may not end by being dropped, since that takes the lock.
                turn.role = None;
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
    /// Takes the one who is next out of its queue.
    fn next(&mut self) -> Option<(Arc<str>, Waiting)> {
        let may_run = self.roles.iter().filter(|(_, of)| of.running < of.running_max && !of.waiting.is_empty());
        let (role, _) = may_run.min_by_key(|(_, of)| (of.running, of.waiting.front().map(|first| first.arrival)))?;
        let role = Arc::clone(role);
        let next = self.roles.get_mut(&role)?.waiting.pop_front()?;
        self.waiting -= 1;
        Some((role, next))
    }

    /// Refuses the newest of the role that has most waiting, where this role has fewer by more than one.
    fn make_room(&mut self, role: &Arc<str>) -> bool {
        let own = self.roles.get(role).map_or(0, |of| of.waiting.len());
        let Some(longest) = self.roles.values_mut().max_by_key(|of| of.waiting.len()) else { return false };
        if longest.waiting.len() <= own + 1 {
            return false;
        }
        let Some(refused) = longest.waiting.pop_back() else { return false };
        self.waiting -= 1;
        let message = "statements of other roles need a place among those that wait; try again later";
        // Whoever waited there may have gone.
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

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(role) = self.role.take() else { return };
        let mut state = self.queues.lock();
        state.end(&role);
        self.queues.give_turns(&mut state);
    }
}

impl Drop for Place {
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

    fn poll(entering: Pin<&mut impl Future<Output = Result<Turn, QueryError>>>) -> Poll<Result<Turn, QueryError>> {
        entering.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn turn(entering: Pin<&mut impl Future<Output = Result<Turn, QueryError>>>) -> Turn {
        match poll(entering) {
            Poll::Ready(Ok(turn)) => turn,
            other => panic!("no turn: {other:?}"),
        }
    }

    fn is_busy(entering: Pin<&mut impl Future<Output = Result<Turn, QueryError>>>) -> bool {
        matches!(poll(entering), Poll::Ready(Err(error)) if error.code == QueryErrorCode::Busy)
    }

    #[test]
    fn a_free_turn_goes_to_the_role_that_runs_the_fewest_and_then_to_the_one_that_came_first() {
        let admission = Admission::new(2, 10);
        let (analyst, dashboard) = (role("analyst"), role("dashboard"));
        let first = turn(pin!(admission.enter(&analyst, MANY)));
        let second = turn(pin!(admission.enter(&analyst, MANY)));
        let mut third = pin!(admission.enter(&analyst, MANY));
        let mut fourth = pin!(admission.enter(&analyst, MANY));
        let mut other = pin!(admission.enter(&dashboard, MANY));
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(fourth.as_mut()).is_pending());
        assert!(poll(other.as_mut()).is_pending());
        assert_eq!((admission.running(), admission.waiting()), (2, 3));

        drop(first);
        assert!(poll(third.as_mut()).is_pending());
        let other = turn(other.as_mut());
        drop(second);
        assert!(poll(fourth.as_mut()).is_pending());
        let third = turn(third.as_mut());
        assert_eq!((admission.running(), admission.waiting()), (2, 1));
        drop((other, third));
        drop(turn(fourth.as_mut()));
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
        assert!(admission.queues.lock().roles.is_empty(), "roles that have gone are forgotten");
    }

    #[test]
    fn a_role_runs_no_more_than_it_may_and_holds_up_no_other() {
        let admission = Admission::new(3, 10);
        let (one, two) = (role("one"), role("two"));
        let first = turn(pin!(admission.enter(&one, 1)));
        let mut second = pin!(admission.enter(&one, 1));
        assert!(poll(second.as_mut()).is_pending());
        let other = turn(pin!(admission.enter(&two, MANY)));
        drop(other);
        assert!(poll(second.as_mut()).is_pending(), "a turn is free, and not for this role");
        // Its limit was raised meanwhile.
        let mut third = pin!(admission.enter(&one, 2));
        assert!(poll(third.as_mut()).is_pending());
        let second = turn(second.as_mut());
        drop(first);
        drop(turn(third.as_mut()));
        drop(second);
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }

    #[test]
    fn beyond_all_places_the_newest_of_the_longest_queue_gives_way() {
        let admission = Admission::new(1, 2);
        let (many, few) = (role("many"), role("few"));
        let running = turn(pin!(admission.enter(&many, MANY)));
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
        drop(turn(first.as_mut()));
        drop(turn(other.as_mut()));
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }

    #[test]
    fn one_that_leaves_its_place_or_its_turn_holds_up_nobody() {
        let admission = Admission::new(1, 10);
        let role = role("one");
        let running = turn(pin!(admission.enter(&role, MANY)));
        let mut left = Box::pin(admission.enter(&role, MANY));
        let mut handed = Box::pin(admission.enter(&role, MANY));
        let mut last = pin!(admission.enter(&role, MANY));
        assert!(poll(left.as_mut()).is_pending());
        assert!(poll(handed.as_mut()).is_pending());
        assert!(poll(last.as_mut()).is_pending());
        drop(left);
        assert_eq!(admission.waiting(), 2);
        // The turn is handed to one that goes before it has seen it.
        drop(running);
        assert_eq!((admission.running(), admission.waiting()), (1, 1));
        drop(handed);
        drop(turn(last.as_mut()));
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }
}
