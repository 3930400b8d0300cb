//! Entries that nobody waits for: of those that agree in everything but their detail the first is written at once, and how many more came
//! in its window as one entry with a count. So a flood of wrong guesses does not fill the disk, and a client that signs in with each request
//! has one entry an hour.

use std::collections::BTreeMap;
use std::time::Duration;

use zonelake_schemas::audit::{AuditEntry, AuditOutcome};

use super::detail::with_member;

/// Window of what was refused.
const REFUSED_WINDOW: Duration = Duration::from_secs(60);
/// Window of what was allowed: clients of HTTP sign in with each request.
const ALLOWED_WINDOW: Duration = Duration::from_secs(3_600);
/// Entries of a window that are told apart; more are counted by interface and action.
const REFUSED_MAX: usize = 256;
const ALLOWED_MAX: usize = 4_096;

/// Windows that are open.
#[derive(Debug, Default)]
pub(super) struct Summary {
    refused: BTreeMap<AuditEntry, Window>,
    allowed: BTreeMap<AuditEntry, Window>,
}

#[derive(Debug)]
struct Window {
    began: Duration,
    /// Entries beside the one that was written.
    more: u64,
}

impl Summary {
    /// Takes an entry; gives it back where it is to be written now.
    pub(super) fn take(&mut self, entry: AuditEntry, now: Duration) -> Option<AuditEntry> {
        let (windows, max) = match entry.outcome {
            AuditOutcome::Allowed => (&mut self.allowed, ALLOWED_MAX),
            AuditOutcome::Refused | AuditOutcome::Unknown => (&mut self.refused, REFUSED_MAX),
        };
        let key = AuditEntry { detail: None, ..entry.clone() };
        if let Some(window) = windows.get_mut(&key) {
            window.more += 1;
            return None;
        }
        if windows.len() < max {
            windows.insert(key, Window { began: now, more: 0 });
            return Some(entry);
        }
        // Too many to be told apart. There are few interfaces, actions and outcomes.
        let of_many = AuditEntry {
            principal: None,
            principal_kind: zonelake_schemas::audit::PrincipalKind::Unknown,
            peer: None,
            object: None,
            reason: Some(OF_MANY.to_owned()),
            ..key
        };
        windows.entry(of_many).or_insert(Window { began: now, more: 0 }).more += 1;
        None
    }

    /// Entries of the windows that are over at this moment, each with its count.
    pub(super) fn due(&mut self, now: Duration) -> Vec<AuditEntry> {
        let mut due = due_of(&mut self.refused, REFUSED_WINDOW, now);
        due.extend(due_of(&mut self.allowed, ALLOWED_WINDOW, now));
        due
    }

    /// Entries of all windows, where the server stops.
    pub(super) fn rest(&mut self) -> Vec<AuditEntry> {
        let windows = std::mem::take(&mut self.refused).into_iter().chain(std::mem::take(&mut self.allowed));
        windows.filter(|(_, window)| window.more > 0).map(|(entry, window)| counted(entry, window.more)).collect()
    }
}

/// Windows that are over. One with further entries begins anew, so that what goes on has one entry a window.
fn due_of(windows: &mut BTreeMap<AuditEntry, Window>, length: Duration, now: Duration) -> Vec<AuditEntry> {
    let mut due = Vec::new();
    windows.retain(|entry, window| {
        if now.saturating_sub(window.began) < length {
            return true;
        }
        let more = std::mem::take(&mut window.more);
        window.began = now;
        if more > 0 {
            due.push(counted(entry.clone(), more));
        }
        more > 0
    });
    due
}

fn counted(entry: AuditEntry, more: u64) -> AuditEntry {
    AuditEntry { detail: with_member(None, "count", more.into()), ..entry }
}

/// Reason of an entry for those that were not told apart.
const OF_MANY: &str = "more_than_are_told_apart";

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(peer: u32) -> AuditEntry {
        AuditEntry { peer: Some(peer.to_string()), ..AuditEntry::new("http", "sign_in", AuditOutcome::Refused) }
            .because("wrong_password")
    }

    fn count_of(entry: &AuditEntry) -> Option<u64> {
        let detail: serde_json::Value = serde_json::from_str(entry.detail.as_deref()?).expect("it is JSON");
        detail["count"].as_u64()
    }

    #[test]
    fn the_first_is_written_at_once_and_the_others_of_a_minute_are_one_entry_with_a_count() {
        let mut summary = Summary::default();
        let at = Duration::from_secs;
        assert_eq!(summary.take(guess(1), at(0)), Some(guess(1)));
        for second in 1..50 {
            assert_eq!(summary.take(guess(1), at(second)), None);
        }
        assert_eq!(summary.take(guess(2), at(50)), Some(guess(2)), "another address is another entry");
        assert!(summary.due(at(59)).is_empty());
        let due = summary.due(at(60));
        assert_eq!(due.iter().map(count_of).collect::<Vec<_>>(), [Some(49)]);
        assert_eq!(summary.take(guess(1), at(61)), None, "what goes on has one entry a minute");
        assert_eq!(summary.due(at(121)).iter().map(count_of).collect::<Vec<_>>(), [Some(1)]);
        assert!(summary.due(at(500)).is_empty());
        assert_eq!(summary.take(guess(1), at(501)), Some(guess(1)));
    }

    #[test]
    fn sign_ins_of_a_client_are_one_entry_an_hour() {
        let mut summary = Summary::default();
        let entry = || AuditEntry::new("http", "sign_in", AuditOutcome::Allowed).of_role("grafana");
        assert_eq!(summary.take(entry(), Duration::ZERO), Some(entry()));
        for second in 0..3_599 {
            assert_eq!(summary.take(entry(), Duration::from_secs(second)), None);
        }
        assert!(summary.due(Duration::from_secs(3_599)).is_empty());
        assert_eq!(summary.due(ALLOWED_WINDOW).iter().map(count_of).collect::<Vec<_>>(), [Some(3_599)]);
    }

    #[test]
    fn a_flood_from_everywhere_takes_some_hundred_entries_and_all_of_it_is_counted() {
        let mut summary = Summary::default();
        let written = (0..100_000).filter_map(|peer| summary.take(guess(peer), Duration::ZERO)).count();
        assert_eq!(written, REFUSED_MAX);
        let rest = summary.rest();
        assert_eq!(rest.iter().filter_map(count_of).sum::<u64>(), 100_000 - REFUSED_MAX as u64);
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].reason.as_deref(), Some(OF_MANY));
        assert_eq!(rest[0].peer, None);
    }
}
