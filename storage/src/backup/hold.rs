//! A hold: while it lasts, no segment of a WAL is released, no checkpoint is replaced, and no file that a table has had is deleted.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The hold of a store; the latest back-up has it. One that was killed has left its own behind, so nobody waits for another's end.
#[derive(Debug, Default)]
pub struct BackupHold {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the last hold that was begun.
    last: u64,
    /// Monotonic time at which the hold ends by itself; `None` where there is none.
    until: Option<Duration>,
}

impl BackupHold {
    /// Begins a hold, and gives its number. An earlier back-up finds out at its end that it has lost its own.
    pub fn begin(&self, now: Duration) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        state.until = Some(now + HOLD_MAX);
        state.last
    }

    /// True while a hold lasts.
    pub fn lasts(&self, now: Duration) -> bool {
        self.lock().lasts(now)
    }

    /// Ends a hold. True where it has lasted until now: what was copied under it is of one moment.
    pub fn end(&self, number: u64, now: Duration) -> bool {
        let mut state = self.lock();
        if state.last != number {
            return false;
        }
        let lasted = state.lasts(now);
        state.until = None;
        lasted
    }

    /// Ends whatever hold there is: its back-up finds that out and begins again.
    pub fn give_up(&self) {
        self.lock().until = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole before the lock opens, whatever panics elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lasts(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// Longest time of a hold. A back-up copies the bulk of the files before it, and needs seconds.
const HOLD_MAX: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn a_hold_says_at_its_end_whether_it_has_lasted_and_a_later_one_takes_its_place() {
        let hold = BackupHold::default();
        assert!(!hold.lasts(NOW));
        let first = hold.begin(NOW);
        assert!(hold.lasts(NOW));
        assert!(hold.end(first, NOW + Duration::from_secs(2)));
        assert!(!hold.lasts(NOW));
        assert!(!hold.end(first, NOW), "it has ended already");
        let (killed, second) = (hold.begin(NOW), hold.begin(NOW));
        assert!(!hold.end(killed, NOW), "a later back-up has the hold");
        assert!(hold.lasts(NOW));
        assert!(hold.end(second, NOW));
    }

    #[test]
    fn a_hold_that_nobody_ends_ends_by_itself_and_its_back_up_is_told() {
        let hold = BackupHold::default();
        let first = hold.begin(NOW);
        let late = NOW + HOLD_MAX;
        assert!(!hold.lasts(late));
        assert!(!hold.end(first, late));
        let second = hold.begin(late);
        hold.give_up();
        assert!(!hold.end(second, late));
    }
}
