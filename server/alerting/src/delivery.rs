//! The thread that delivers alerts: to each hook in the order in which they were found, each until it is taken, or put aside.
//!
//! How far a hook has got is in the registry. What was delivered and not noted before a kill is delivered once more, under the same key.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use zonelake_ingest::{Stopped, Worker};
use zonelake_registry::{AlertHook, DeadLetter, HookPlace};
use zonelake_schemas::GroupSequence;
use zonelake_storage::{Store, Table};

use crate::behind::{Since, alerts_behind};
use crate::event::{Event, signature};

/// The running thread.
#[derive(Debug)]
pub struct AlertDelivery(Worker);

impl AlertDelivery {
    /// Starts the thread. `trusted` are certificates of authorities that it trusts, PEM.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread or no runtime.
    pub fn start(store: Arc<Store>, trusted: &[u8]) -> io::Result<Self> {
        let agent = agent(trusted);
        let run = move |stopped: Stopped| async move {
            let Some(alerts) = store.alerts().cloned() else { return };
            let delivery = Delivery { store, alerts, agent, ways: BTreeMap::new() };
            delivery.run(&stopped).await;
        };
        Worker::start("alert-delivery", run).map(Self)
    }

    /// Ends the thread. What is not delivered, the next start delivers.
    pub async fn stop(self) {
        self.0.stop("the next start delivers what was not delivered").await;
    }
}

struct Delivery {
    store: Arc<Store>,
    alerts: Arc<Table>,
    agent: Agent,
    ways: BTreeMap<String, Way>,
}

/// How far a hook has got.
#[derive(Debug, Default)]
struct Way {
    /// Sequence of the last alert that was delivered or put aside, all before which were, and its receipt. No sequence is known of a hook
    /// that is looked at for the first time: what was received from then on is its own.
    place: HookPlace,
    /// Keys that were done of that sequence.
    done: BTreeSet<String>,
    /// Attempts at the next one, when the first of them was, and when the next one is.
    attempts: u32,
    begun: Duration,
    next: Duration,
    /// What the table was when there was nothing more to deliver.
    seen: Option<(i64, usize)>,
}

/// What became of an attempt.
enum Attempt {
    Taken,
    /// Another attempt will not do better.
    Refused(String),
    Failed(String),
}

impl Delivery {
    async fn run(mut self, stopped: &Stopped) {
        while !stopped.within(LOOK_EVERY).await {
            tokio::select! {
                () = stopped.wait() => return,
                () = self.look() => {}
            }
        }
    }

    async fn look(&mut self) {
        let hooks = match self.store.registry().alert_hooks() {
            Ok(hooks) => hooks,
            Err(error) => return tracing::warn!("alerts cannot be delivered: {error}"),
        };
        self.ways.retain(|name, _| hooks.iter().any(|hook| hook.name == *name));
        let mut ways = std::mem::take(&mut self.ways);
        let work = hooks.iter().map(|hook| {
            let way = ways.remove(&hook.name).unwrap_or_else(|| Way { place: hook.place, ..Way::default() });
            self.deliver(hook, way)
        });
        // A hook that answers slowly, or not at all, holds up no other one for longer than its turn and an attempt take.
        self.ways = futures::future::join_all(work).await.into_iter().collect();
    }

    /// Delivers to one hook what is due.
    async fn deliver(&self, hook: &AlertHook, mut way: Way) -> (String, Way) {
        let name = hook.name.clone();
        let view = self.alerts.view();
        let seen = (view.log_version, view.live_rows());
        if self.store.clock().monotonic() < way.next || (way.seen == Some(seen) && way.attempts == 0) {
            return (name, way);
        }
        let from = match way.place.sequence {
            Some(sequence) => Since::Sequence(sequence),
            None => Since::Receipt(way.place.received_us),
        };
        // Where more of one sequence are done than are read at a time, the next are behind these.
        let events_max = EVENTS_MAX + way.done.len();
        let behind = match alerts_behind(&self.store, (&self.alerts, &view), from, events_max).await {
            Ok(behind) => behind,
            Err(error) => {
                tracing::warn!(hook = name, "alerts cannot be read to be delivered: {error}");
                way.next = self.store.clock().monotonic() + PAUSE_MIN;
                return (name, way);
            }
        };
        let (before, began) = (way.place, self.store.clock().monotonic());
        let first = behind.events.first().map_or(behind.end, |(sequence, _)| *sequence);
        way.place.sequence.get_or_insert(first);
        let mut are_all = behind.events.len() < events_max;
        for (sequence, event) in behind.events {
            if way.place.sequence == Some(sequence) && way.done.contains(&event.key) {
                continue;
            }
            let is_over = self.store.clock().monotonic().saturating_sub(began) >= TURN_MAX;
            if is_over || !self.deliver_one(hook, &mut way, sequence, event).await {
                are_all = false;
                break;
            }
        }
        self.note(hook, before, &way);
        way.seen = are_all.then_some(seen);
        (name, way)
    }

    /// Delivers one alert; false where it is to be tried again later.
    async fn deliver_one(&self, hook: &AlertHook, way: &mut Way, sequence: GroupSequence, event: Event) -> bool {
        let attempt = self.post(hook, &event).await;
        let now = self.store.clock().monotonic();
        if way.attempts == 0 {
            way.begun = now;
        }
        way.attempts += 1;
        let error = match attempt {
            Attempt::Taken => {
                way.finish(sequence, event);
                return true;
            }
            Attempt::Refused(error) => error,
            Attempt::Failed(error) if now.saturating_sub(way.begun) >= GIVE_UP_AFTER => error,
            Attempt::Failed(error) => {
                tracing::warn!(hook = hook.name, attempts = way.attempts, "an alert is not delivered yet: {error}");
                way.next = now + pause(way.attempts);
                return false;
            }
        };
        tracing::error!(hook = hook.name, key = event.key, "an alert is put aside and not delivered: {error}");
        let dead = DeadLetter {
            hook: hook.name.clone(),
            key: event.key.clone(),
            body: event.body.clone(),
            error,
            attempts: way.attempts,
            at_us: self.store.clock().wall_us(),
        };
        if let Err(error) = self.store.registry().advance_alert_hook(&hook.name, way.place, Some(&dead)) {
            tracing::warn!(hook = hook.name, "what could not be delivered cannot be put aside: {error}");
            way.next = now + PAUSE_MIN;
            return false;
        }
        way.finish(sequence, event);
        true
    }

    fn note(&self, hook: &AlertHook, before: HookPlace, way: &Way) {
        if way.place != before
            && let Err(error) = self.store.registry().advance_alert_hook(&hook.name, way.place, None)
        {
            tracing::warn!(hook = hook.name, "what was delivered cannot be noted, and may be delivered again: {error}");
        }
    }

    async fn post(&self, hook: &AlertHook, event: &Event) -> Attempt {
        let second = self.store.clock().wall_us().div_euclid(1_000_000);
        let request = self
            .agent
            .post(&hook.url)
            .header("Content-Type", "application/json")
            .header("Zonelake-Alert", &event.key)
            .header("Zonelake-Signature", signature(&hook.secret, second, &event.body));
        let body = event.body.clone();
        match tokio::task::spawn_blocking(move || request.send(body)).await {
            Ok(Ok(answer)) => attempt(answer.status().as_u16()),
            Ok(Err(error)) => Attempt::Failed(error.to_string()),
            Err(error) => Attempt::Failed(error.to_string()),
        }
    }
}

impl Way {
    fn finish(&mut self, sequence: GroupSequence, event: Event) {
        if self.place.sequence != Some(sequence) {
            self.done.clear();
        }
        self.place = HookPlace { sequence: Some(sequence), received_us: event.received_us };
        self.done.insert(event.key);
        self.attempts = 0;
        self.next = Duration::ZERO;
    }
}

/// What a status means: those that say "not now" are tried again, as everything that is the server's own fault.
fn attempt(status: u16) -> Attempt {
    match status {
        200..=299 => Attempt::Taken,
        408 | 425 | 429 | 500..=599 => Attempt::Failed(format!("the status is {status}")),
        _ => Attempt::Refused(format!("the status is {status}")),
    }
}

/// The pause behind so many attempts.
fn pause(attempts: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(PAUSE_MAX)
}

/// A client that trusts these certificates; without any, each attempt at an address of https fails.
fn agent(trusted: &[u8]) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("zonelake/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(ATTEMPT_TIMEOUT));
    let certificates: Vec<_> = parse_pem(trusted)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    let tls = TlsConfig::builder().root_certs(RootCerts::from(certificates)).build();
    config.tls_config(tls).build().into()
}

/// Alerts that are read at a time.
const EVENTS_MAX: usize = 20_000;
/// Interval at which it is looked for alerts.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time that a hook has for an answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time after which the other hooks have their turn, whatever there is still to deliver to one.
const TURN_MAX: Duration = Duration::from_secs(5);
/// Pause after a first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// How long an alert is tried before it is put aside.
const GIVE_UP_AFTER: Duration = Duration::from_secs(86_400);
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let pauses: Vec<u64> = [1, 2, 3, 9, 10, 1_000].map(|attempts| pause(attempts).as_secs()).to_vec();
        assert_eq!(pauses, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn what_is_not_taken_now_is_tried_again_and_what_is_refused_is_not() {
        let kind = |status| match attempt(status) {
            Attempt::Taken => "taken",
            Attempt::Refused(_) => "refused",
            Attempt::Failed(_) => "failed",
        };
        assert_eq!(
            [200, 204, 301, 400, 404, 410].map(kind),
            ["taken", "taken", "refused", "refused", "refused", "refused"]
        );
        assert_eq!([408, 425, 429, 500, 503].map(kind), ["failed"; 5]);
    }
}
