//! The thread that looks at rules: every 50 ms at what was published since, every second at the clock and at the rules themselves.
//!
//! A transition is durable in the table `alerts` before anything else is looked at. So after a kill at any moment the states are those of `alerts`
//! with the rows since, and what was found and not written is found once more.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use zonelake_alerts::{Cause, RuleDef, State, Transition};
use zonelake_ingest::{Pipeline, Stopped, Worker};
use zonelake_query::{Caller, QueryEngine};
use zonelake_registry::{ADMIN_USER, AlertRule};
use zonelake_schemas::DeviceKey;
use zonelake_storage::{Store, Table};

use crate::active_rule::{ActiveRule, NotActive};
use crate::figures::AlertFigures;
use crate::followed::{Followed, Position};
use crate::found::{Found, RuleWords, alert_rows};
use crate::history::{History, HistoryError, HistorySpan};
use crate::sight::Sight;
use crate::watched::{MACHINES_MAX, StoredState, Watched, current_keys};

/// The running thread.
#[derive(Debug)]
pub struct AlertKeeper(Worker);

impl AlertKeeper {
    /// Starts the thread. Ingest never waits for it.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread or no runtime.
    pub fn start(pipeline: Arc<Pipeline>, engine: Arc<QueryEngine>, figures: Arc<AlertFigures>) -> io::Result<Self> {
        let run = move |stopped: Stopped| async move {
            let Some(alerts) = pipeline.store().alerts().cloned() else { return };
            let keeper = Keeper {
                pipeline,
                engine,
                figures,
                alerts,
                known: Arc::default(),
                rules: BTreeMap::new(),
                lost: Vec::new(),
                told: BTreeSet::new(),
                unsettled: BTreeMap::new(),
                followed: BTreeMap::new(),
                unwritten: Vec::new(),
                has_begun: false,
                rules_at: Duration::ZERO,
                clock_at: Duration::ZERO,
                retry_at: Duration::ZERO,
            };
            keeper.run(&stopped).await;
        };
        Worker::start("alert-rules", run).map(Self)
    }

    /// Ends the thread. What it has not looked at, the next start does.
    pub async fn stop(self) {
        self.0.stop("the next start looks at what was not looked at").await;
    }
}

/// Rules by name, as the registry has them.
type Rules = BTreeMap<Arc<str>, Arc<AlertRule>>;

struct Keeper {
    pipeline: Arc<Pipeline>,
    engine: Arc<QueryEngine>,
    figures: Arc<AlertFigures>,
    alerts: Arc<Table>,
    /// The registry's rules that `rules` and `lost` were made of.
    known: Arc<Rules>,
    /// Rules that can be looked at, by name.
    rules: BTreeMap<Arc<str>, ActiveRule>,
    /// Rules whose author may not look any more.
    lost: Vec<(Arc<AlertRule>, RuleDef)>,
    /// Rules of which the server log has said that they are not looked at.
    told: BTreeSet<Arc<str>>,
    /// Tables whose states are to be read anew, each with the monotonic time from which on that is tried.
    unsettled: BTreeMap<String, Duration>,
    followed: BTreeMap<String, Followed>,
    /// What could not be written yet; nothing else is looked at meanwhile.
    unwritten: Vec<Found>,
    has_begun: bool,
    rules_at: Duration,
    clock_at: Duration,
    retry_at: Duration,
}

impl Keeper {
    async fn run(mut self, stopped: &Stopped) {
        while !stopped.within(LOOK_EVERY).await {
            tokio::select! {
                // What is cut off here is done by the next start.
                () = stopped.wait() => return,
                () = self.look() => {}
            }
        }
    }

    async fn look(&mut self) {
        let now = self.store().clock().monotonic();
        if now < self.retry_at {
            return;
        }
        if !self.unwritten.is_empty() && !self.write().await {
            return;
        }
        let are_others = !Arc::ptr_eq(&self.known, &self.store().registry().alert_rules());
        if !self.has_begun || are_others || now >= self.rules_at {
            self.rules_at = now + EVERY_SECOND;
            self.load_rules();
        }
        if self.settle_all().await {
            self.follow(now);
            self.write().await;
        }
    }

    /// Reads the states that are to be read anew. A table that cannot be read holds up no other one, and is tried again after as long as the try
    /// took. False where what was found cannot be written.
    async fn settle_all(&mut self) -> bool {
        let now = self.store().clock().monotonic();
        let due: Vec<String> =
            self.unsettled.iter().filter(|(_, from)| **from <= now).map(|(name, _)| name.clone()).collect();
        for name in due {
            let began = self.store().clock().monotonic();
            if let Err(error) = self.settle(&name).await {
                tracing::warn!(
                    table = name,
                    "the states of its alert rules cannot be read and are tried again: {error}"
                );
                let ended = self.store().clock().monotonic();
                self.unsettled.insert(name, ended + ended.saturating_sub(began).max(EVERY_SECOND));
                continue;
            }
            self.unsettled.remove(&name);
            if !self.write().await {
                return false;
            }
        }
        true
    }

    /// Looks at what was published since, and once a second at the clock.
    fn follow(&mut self, now: Duration) {
        let store = Arc::clone(self.store());
        let is_clock_due = now >= self.clock_at;
        for (name, followed) in &mut self.followed {
            // What is known of it is not to be gone on from.
            if self.unsettled.contains_key(name) {
                continue;
            }
            let view = followed.table.view();
            if followed.position.has_missed(&view) {
                tracing::warn!(
                    table = name,
                    "a flush was ahead of its alert rules: their states are read from its rows"
                );
                self.unsettled.insert(name.clone(), Duration::ZERO);
                continue;
            }
            followed.follow(&view, &store.registry().locations(), &mut self.unwritten);
            if is_clock_due {
                followed.watched.handle_clock(store.clock().wall_us(), &mut self.unwritten);
            }
        }
        if is_clock_due {
            self.clock_at = now + EVERY_SECOND;
            self.tell_figures();
        }
    }

    fn tell_figures(&self) {
        let (mut machines, mut refused) = (0, 0);
        for followed in self.followed.values() {
            let (kept, too_many) = followed.watched.machines();
            machines += kept;
            refused += too_many;
        }
        self.figures.set_kept(self.rules.len(), machines, refused);
    }

    /// Writes what was found; false where it has to be tried again.
    async fn write(&mut self) -> bool {
        while !self.unwritten.is_empty() {
            let count = self.unwritten.len().min(WRITTEN_ROWS_MAX);
            let written = match alert_rows(&self.unwritten[..count], &self.alerts.registered) {
                Ok(rows) => self.pipeline.write_own(&self.alerts, rows).await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = written {
                tracing::warn!("{count} rows of the table alerts cannot be written and are tried again: {error}");
                self.figures.count_failed_write();
                self.retry_at = self.store().clock().monotonic() + EVERY_SECOND;
                return false;
            }
            self.unwritten.drain(..count);
            self.figures.count_transitions(count);
        }
        true
    }

    /// Takes the rules as they are now. Tables whose rules, or what their authors see, are others than before are settled anew.
    fn load_rules(&mut self) {
        let store = Arc::clone(self.store());
        let known = store.registry().alert_rules();
        let before: BTreeMap<String, Vec<Signature>> = self.signatures();
        let lost_before: BTreeSet<Arc<str>> = self.lost.iter().map(|(rule, _)| Arc::clone(&rule.name)).collect();
        let mut rules = BTreeMap::new();
        self.lost.clear();
        for (name, stored) in known.iter().filter(|(_, stored)| stored.is_enabled) {
            let as_before = self.rules.remove(name).filter(|rule| rule.stored == *stored);
            let as_before = as_before.filter(|rule| rule.sight_now(store.registry()) == rule.sight);
            match as_before.map_or_else(|| ActiveRule::new(&store, stored), Ok) {
                Ok(rule) => drop(rules.insert(Arc::clone(name), rule)),
                Err(why) => self.lose(&store, stored, &why),
            }
        }
        self.told.retain(|name| !rules.contains_key(name));
        self.rules = rules;
        self.known = known;
        let now = self.signatures();
        let lost_tables = self.lost.iter().filter(|(rule, _)| !lost_before.contains(&rule.name));
        self.unsettled.extend(lost_tables.map(|(_, def)| (def.table.clone(), Duration::ZERO)));
        let all = before.keys().chain(now.keys()).filter(|table| before.get(*table) != now.get(*table));
        self.unsettled.extend(all.map(|table| (table.clone(), Duration::ZERO)));
        // What an earlier run has left, of rules that are gone since.
        let view = self.alerts.view();
        if !std::mem::replace(&mut self.has_begun, true) && (view.file_rows() > 0 || view.live_rows() > 0) {
            self.unsettled.extend(store.tables().keys().map(|table| (table.clone(), Duration::ZERO)));
        }
    }

    fn lose(&mut self, store: &Store, stored: &Arc<AlertRule>, why: &NotActive) {
        if self.told.insert(Arc::clone(&stored.name)) {
            tracing::warn!(rule = &*stored.name, author = &*stored.author, "the alert rule is not looked at: {why}");
        }
        if let Ok(def) = RuleDef::from_toml(&stored.declaration)
            && store.tables().contains_key(&def.table)
        {
            self.lost.push((Arc::clone(stored), def));
        }
    }

    fn signatures(&self) -> BTreeMap<String, Vec<Signature>> {
        let mut all: BTreeMap<String, Vec<Signature>> = BTreeMap::new();
        for rule in self.rules.values() {
            let signature = (Arc::clone(&rule.stored.name), rule.stored.version, rule.sight.clone());
            all.entry(rule.def.table.clone()).or_default().push(signature);
        }
        all
    }

    /// Reads the states of the rules of a table from `alerts`, and gives them the rows since.
    async fn settle(&mut self, name: &str) -> Result<(), HistoryError> {
        let Some(table) = self.store().tables().get(name).cloned() else { return Ok(()) };
        let history = History { engine: &self.engine, caller: Caller { name: ADMIN_USER.into() } };
        let rules: Vec<ActiveRule> = self.rules.values().filter(|rule| rule.def.table == name).cloned().collect();
        let others = self.followed.iter().filter(|(other, _)| *other != name);
        let taken: usize = others.map(|(_, followed)| followed.watched.machines().0).sum();
        let mut watched = Watched::new(rules, MACHINES_MAX.saturating_sub(taken));
        let states = history.states(name).await?;
        // Rows from here on are followed; those that the statement has seen too are not newer than what is known then.
        let view = table.view();
        let locations = self.store().registry().locations();
        let now_us = self.store().clock().wall_us();
        let mut found = Vec::new();
        self.tell_lost(name, &states, now_us, &mut found);
        let keys = current_keys(&locations, &states);
        let left = watched.restore(states, &locations, now_us, &mut found);
        let ended = left.iter().filter_map(|state| {
            let cause = self.cause_of_end(state)?;
            Some(state.stopped(state.key(&keys)?, now_us, cause))
        });
        found.extend(ended);
        if watched.rules().next().is_some() {
            let reach_us = watched.rules().map(|rule| rule.compiled.reach_us()).max().unwrap_or(0);
            // Where the server was down for long, what it had looked at last is known from before.
            let last_us = history.last_receipt_us(name).await?.unwrap_or(now_us).min(now_us);
            let wanted_us = last_us.saturating_sub(reach_us);
            let from_us = HistorySpan::bounded_from(&view, wanted_us, SETTLED_ROWS_MAX);
            if from_us > wanted_us {
                let hours = last_us.saturating_sub(from_us) / 3_600_000_000;
                tracing::warn!(
                    table = name,
                    hours,
                    "its alert rules look further back than is read: windows that are longer than these hours are told of once they are full \
                     again, and states are those of the table alerts"
                );
            }
            let span = HistorySpan { from_us, until_us: None, as_received: true, found_max: usize::MAX };
            let def = Arc::clone(&table.registered.def);
            let rows = history.replay(&def, &span, &locations, &mut watched, &mut found).await?;
            tracing::info!(table = name, rows, found = found.len(), "the states of its alert rules are known");
            self.figures.count_read_anew();
            self.followed.insert(name.to_owned(), Followed { table, watched, position: Position::behind(&view) });
        } else {
            self.followed.remove(name);
        }
        self.unwritten.extend(found);
        Ok(())
    }

    /// Why no rule goes on from a state; `None` where nobody needs to be told.
    fn cause_of_end(&self, state: &StoredState) -> Option<Cause> {
        let name = state.words.name.as_str();
        let is_lost = self.lost.iter().any(|(rule, _)| &*rule.name == name);
        let cause = match self.known.get(name) {
            None => Cause::RuleRemoved,
            Some(_) if is_lost => Cause::RightLost,
            Some(stored) if !stored.is_enabled || stored.version != state.words.version => Cause::RuleChanged,
            // The same rule looks at other devices than before.
            Some(_) => Cause::RightLost,
        };
        let is_told = match (state.seed.state, cause) {
            (State::Stopped, _) | (State::Normal, Cause::RuleChanged) => false,
            _ => state.device.is_some(),
        };
        is_told.then_some(cause)
    }

    /// Tells of rules that were lost before they had found anything. Where their authors might look is not known any more, and what a rule names
    /// need not have been theirs: these rows are of no place, so that nobody sees them who sees places alone.
    fn tell_lost(&self, table: &str, states: &[StoredState], now_us: i64, found: &mut Vec<Found>) {
        for (stored, def) in self.lost.iter().filter(|(_, def)| def.table == table) {
            let of_rule = || states.iter().filter(move |state| state.words.name == *stored.name);
            if of_rule().any(|state| state.words.version == stored.version) {
                continue;
            }
            let of_no_device = of_rule().filter(|state| state.device.is_none()).map(|state| state.seed.number);
            let transition = Transition {
                at_us: now_us,
                from: State::Normal,
                to: State::Stopped,
                since_us: now_us,
                seen_us: i64::MIN,
                value: None,
                number: of_no_device.max().unwrap_or(0) + 1,
                cause: Cause::RightLost,
            };
            let words = RuleWords::of(def, stored.version, &stored.author);
            found.push(Found { rule: Arc::new(words), device: OF_NO_PLACE, transition });
        }
    }

    fn store(&self) -> &Arc<Store> {
        self.pipeline.store()
    }
}

/// What of a rule has to stay the same for its machines to go on.
type Signature = (Arc<str>, u32, Sight);

/// Key of rows that are of no place.
const OF_NO_PLACE: DeviceKey = DeviceKey(0);
/// Interval at which live rows are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Interval at which the clock and the rules are looked at, and pause after a failure.
const EVERY_SECOND: Duration = Duration::from_secs(1);
/// Rows that are read, about, where states are read anew. An hour of 5,000 devices at 1 Hz; they are put in order of their receipt.
const SETTLED_ROWS_MAX: u64 = 20_000_000;
/// Rows of the table `alerts` that are written together.
const WRITTEN_ROWS_MAX: usize = 4_096;
