//! Whose report is made next: of authors in turn, and of an author the schedules in turn, so that many reports of one, as after a day at
//! which the server was down, hold up no other's. And when a report that has failed is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use zonelake_registry::ReportSchedule;

/// Turns and pauses, of schedules that there are.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Number of the last turn.
    count: u64,
    /// Last turn of an author, and of a schedule.
    of_authors: BTreeMap<String, u64>,
    of_schedules: BTreeMap<String, u64>,
    /// When the report of a schedule is tried again, for those that have failed; time of the clock that never goes back.
    pauses: BTreeMap<String, Duration>,
}

impl Turns {
    /// The schedule whose report is made next, at an instant.
    pub(super) fn next<'a>(
        &self,
        schedules: &'a [ReportSchedule],
        now_us: i64,
        now: Duration,
    ) -> Option<&'a ReportSchedule> {
        let is_due = |schedule: &&ReportSchedule| {
            schedule.due_us <= now_us && self.pauses.get(&schedule.name).is_none_or(|until| now >= *until)
        };
        let turn = |turns: &BTreeMap<String, u64>, name: &str| turns.get(name).copied().unwrap_or(0);
        schedules.iter().filter(is_due).min_by_key(|schedule| {
            let of_author = turn(&self.of_authors, &schedule.author);
            (of_author, turn(&self.of_schedules, &schedule.name), schedule.due_us)
        })
    }

    /// Notes that a schedule has its turn.
    pub(super) fn take(&mut self, schedule: &ReportSchedule) {
        self.count += 1;
        self.of_authors.insert(schedule.author.clone(), self.count);
        self.of_schedules.insert(schedule.name.clone(), self.count);
        self.pauses.remove(&schedule.name);
    }

    /// Puts a report that has failed off.
    pub(super) fn put_off(&mut self, schedule: &ReportSchedule, until: Duration) {
        self.pauses.insert(schedule.name.clone(), until);
    }

    /// Forgets schedules that are gone.
    pub(super) fn retain(&mut self, schedules: &[ReportSchedule]) {
        let authors: BTreeSet<&str> = schedules.iter().map(|schedule| schedule.author.as_str()).collect();
        let names: BTreeSet<&str> = schedules.iter().map(|schedule| schedule.name.as_str()).collect();
        self.of_authors.retain(|author, _| authors.contains(author.as_str()));
        self.of_schedules.retain(|name, _| names.contains(name.as_str()));
        self.pauses.retain(|name, _| names.contains(name.as_str()));
    }
}

/// The pause behind so many attempts that have failed before this one.
pub(super) fn pause(attempts: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << attempts.min(16)).min(PAUSE_MAX)
}

/// True where a report that has failed once more is given up: for a day, and as often as it fails in most of one, so that a server that was
/// down for a day does not give up at once.
pub(super) fn is_given_up(schedule: &ReportSchedule, now_us: i64) -> bool {
    let failing_us = schedule.failing_since_us.map_or(0, |since_us| now_us.saturating_sub(since_us));
    failing_us >= GIVE_UP_AFTER_US && schedule.attempts >= ATTEMPTS_MIN
}

/// Pause after a first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// How long a report is tried before it is given up.
const GIVE_UP_AFTER_US: i64 = 86_400 * 1_000_000;
/// How often it is tried at least.
const ATTEMPTS_MIN: u32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str, author: &str, due_us: i64) -> ReportSchedule {
        ReportSchedule {
            name: name.into(),
            author: author.into(),
            declaration: String::new(),
            created_us: 0,
            due_us,
            attempts: 0,
            failing_since_us: None,
            error: None,
        }
    }

    #[test]
    fn many_reports_of_one_hold_up_no_other() {
        let mut turns = Turns::default();
        // Two of an author that are due since long, and one of another author that is due now.
        let schedules = [schedule("a", "x", 1), schedule("b", "x", 2), schedule("c", "y", 9), schedule("d", "y", 10)];
        let mut order = Vec::new();
        for _ in 0..6 {
            let next = turns.next(&schedules, 9, Duration::ZERO).expect("one is due");
            order.push(next.name.as_str());
            turns.take(next);
        }
        assert_eq!(order, ["a", "c", "b", "c", "a", "c"]);
    }

    #[test]
    fn what_has_failed_waits_and_others_go_on() {
        let mut turns = Turns::default();
        let schedules = [schedule("a", "x", 1), schedule("b", "x", 2)];
        let next = |turns: &Turns, seconds: u64| {
            turns.next(&schedules, 9, Duration::from_secs(seconds)).map(|schedule| schedule.name.clone())
        };
        turns.put_off(&schedules[0], Duration::from_secs(5));
        assert_eq!(next(&turns, 0).as_deref(), Some("b"));
        turns.put_off(&schedules[1], Duration::from_secs(9));
        assert_eq!(next(&turns, 4), None);
        assert_eq!(next(&turns, 5).as_deref(), Some("a"));
        turns.retain(&schedules[1..]);
        assert_eq!(next(&turns, 0).as_deref(), Some("a"), "what is gone is forgotten");
    }

    #[test]
    fn pauses_double_from_five_seconds_up_to_an_hour_and_end_after_a_day() {
        let pauses: Vec<u64> = [0, 1, 2, 9, 10, 1_000].map(|attempts| pause(attempts).as_secs()).to_vec();
        assert_eq!(pauses, [5, 10, 20, 2_560, 3_600, 3_600]);
        let failing = |attempts| ReportSchedule { attempts, failing_since_us: Some(5), ..schedule("a", "x", 1) };
        assert!(is_given_up(&failing(24), 5 + GIVE_UP_AFTER_US) && !is_given_up(&failing(24), 4 + GIVE_UP_AFTER_US));
        assert!(!is_given_up(&failing(3), 5 + 9 * GIVE_UP_AFTER_US), "the server was down meanwhile");
        // So many attempts have their place in a day.
        let of_a_day: Duration = (0..ATTEMPTS_MIN).map(pause).sum();
        assert!(of_a_day < Duration::from_secs(86_400));
    }
}
