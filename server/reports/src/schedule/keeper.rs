//! The thread that makes reports when they are due, one after the other.
//!
//! A run is stored together with the time of the next one, behind its files: what a kill cuts off before is made once more under the same
//! names, and what is stored is never made again. So a restart loses no run and stores none twice, and what was due meanwhile is made then,
//! each once.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use zonelake_alerting::LOCAL_AUTHOR;
use zonelake_ingest::{Stopped, Worker};
use zonelake_query::QueryEngine;
use zonelake_registry::{RegistryError, ReportFile, ReportOutcome, ReportRun, ReportSchedule};
use zonelake_schemas::audit::{AuditEntry, AuditError, AuditOutcome, AuditTrail, PrincipalKind, cut_text};
use zonelake_schemas::error::ErrorKind;
use zonelake_storage::Store;

use super::answers::EngineAnswers;
use super::definition::{AHEAD_US, ScheduleDef, due_behind, set_back};
use super::figures::ReportFigures;
use super::files::ReportFolder;
use super::turns::{Turns, is_given_up, pause};
use crate::error::ReportError;
use crate::report::making::made_at;
use crate::report::{MadeContent, make};

/// What the thread works with.
#[derive(Debug)]
pub struct ReportKeeperArgs {
    /// Store with the registry.
    pub store: Arc<Store>,
    /// Engine that is asked.
    pub engine: Arc<QueryEngine>,
    /// Where each report that was made is recorded.
    pub trail: Arc<dyn AuditTrail>,
    /// Folder of the files.
    pub folder: ReportFolder,
    /// Figures to keep.
    pub figures: Arc<ReportFigures>,
}

/// The running thread.
#[derive(Debug)]
pub struct ReportKeeper(Worker);

impl ReportKeeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// Passes on the error of the system, where it grants no thread or no runtime.
    pub fn start(args: ReportKeeperArgs) -> io::Result<Self> {
        let run = move |stopped: Stopped| async move {
            let mut keeper = Keeper::new(args, stopped.clone());
            // Not cut off within: a statement that is asked ends with the stop, and its report is due still.
            while !stopped.within(LOOK_EVERY).await {
                keeper.look().await;
            }
        };
        Worker::start("report-schedules", run).map(Self)
    }

    /// Ends the thread. What is due is made by the next start.
    pub async fn stop(self) {
        self.0.stop("the next start makes the reports that are due").await;
    }
}

struct Keeper {
    args: ReportKeeperArgs,
    stopped: Stopped,
    turns: Turns,
    /// When the clock was looked at last.
    clock_checked: Option<Duration>,
    /// Schedules that are farther than the clock, with the time since which they are.
    ahead: BTreeMap<String, Duration>,
}

/// What was made.
struct MadeFiles {
    files: Vec<ReportFile>,
    /// Why there are none, or what is not in them.
    note: String,
}

impl Keeper {
    fn new(args: ReportKeeperArgs, stopped: Stopped) -> Self {
        Self { args, stopped, turns: Turns::default(), clock_checked: None, ahead: BTreeMap::new() }
    }

    /// Makes all that is due.
    async fn look(&mut self) {
        while let Some(schedule) = self.next_due() {
            if self.stopped.within(Duration::ZERO).await {
                return;
            }
            self.turns.take(&schedule);
            let Err(error) = self.run(&schedule).await else { continue };
            if self.stopped.within(Duration::ZERO).await {
                return;
            }
            self.put_off(&schedule, &error).await;
        }
    }

    /// The schedule whose report is made next.
    fn next_due(&mut self) -> Option<ReportSchedule> {
        let schedules = match self.args.store.registry().report_schedules() {
            Ok(schedules) => schedules,
            Err(error) => {
                tracing::warn!("the schedules of reports cannot be read and are looked at again: {error}");
                return None;
            }
        };
        let clock = self.args.store.clock();
        let (now_us, now) = (clock.wall_us(), clock.monotonic());
        let failing = schedules.iter().filter(|schedule| schedule.failing_since_us.is_some()).count();
        let oldest_us = schedules.iter().map(|schedule| schedule.due_us).min().unwrap_or(i64::MAX);
        self.args.figures.set_schedules(schedules.len(), failing, now_us.saturating_sub(oldest_us));
        self.turns.retain(&schedules);
        self.check_clock(&schedules, now_us, now);
        self.turns.next(&schedules, now_us, now).cloned()
    }

    /// Has schedules go back that a clock that was ahead has brought too far, once it has not been ahead for a while: at the start of a
    /// machine the clock may be behind for some minutes.
    fn check_clock(&mut self, schedules: &[ReportSchedule], now_us: i64, now: Duration) {
        if self.clock_checked.is_some_and(|last| now.saturating_sub(last) < CHECK_CLOCK_EVERY) {
            return;
        }
        self.clock_checked = Some(now);
        let ahead: Vec<_> =
            schedules.iter().filter_map(|schedule| Some((schedule, set_back(schedule, now_us)?))).collect();
        self.ahead.retain(|name, _| ahead.iter().any(|(schedule, _)| schedule.name == *name));
        for (schedule, due_us) in ahead {
            let name = schedule.name.as_str();
            let Some(since) = self.ahead.get(name) else {
                tracing::warn!(
                    schedule = name,
                    "the clock is behind times for which reports were made; unless it is set, they are made once more in an hour"
                );
                self.ahead.insert(name.to_owned(), now);
                continue;
            };
            if now.saturating_sub(*since) < AHEAD_FOR {
                continue;
            }
            match self.args.store.registry().set_back_report_schedule(schedule, due_us, now_us) {
                Ok(()) => {
                    tracing::warn!(schedule = name, "reports that were made while the clock was ahead are made anew");
                    self.ahead.remove(name);
                }
                Err(error) => tracing::warn!(schedule = name, "the schedule cannot be set back: {error}"),
            }
        }
    }

    /// Makes a report that is due, and stores that it was made.
    async fn run(&self, schedule: &ReportSchedule) -> Result<(), ReportError> {
        let registry = self.args.store.registry();
        let def = ScheduleDef::of(schedule)?;
        let next_us = due_behind(&def.check()?, schedule.due_us);
        let number = registry.number_report_run(schedule, next_us).map_err(|error| of_registry(&error))?;
        let Some(number) = number else { return Ok(()) };
        let MadeFiles { files, note } = self.make_files(schedule, number, &def).await?;
        let run = ReportRun {
            number,
            outcome: if files.is_empty() { ReportOutcome::Empty } else { ReportOutcome::Made },
            note: Some(note).filter(|note| !note.is_empty()),
            files,
            ..self.run_of(schedule)
        };
        self.store(&run, next_us).await?;
        let late_us = run.done_us.saturating_sub(run.due_us);
        let (name, files, note) = (run.schedule.as_str(), run.files.len(), run.note.as_deref());
        self.args.figures.count_made(late_us > LATE_US);
        tracing::info!(schedule = name, files, note, late_seconds = late_us / 1_000_000, "a scheduled report is made");
        Ok(())
    }

    /// A run of now without files.
    fn run_of(&self, schedule: &ReportSchedule) -> ReportRun {
        ReportRun {
            schedule: schedule.name.clone(),
            due_us: schedule.due_us,
            number: 0,
            outcome: ReportOutcome::Failed,
            author: schedule.author.clone(),
            declaration: schedule.declaration.clone(),
            done_us: self.args.store.clock().wall_us(),
            note: None,
            is_ahead: false,
            files: Vec::new(),
        }
    }

    /// Stores a run and records it: as allowed where a report was made, and as refused where it was given up.
    async fn store(&self, run: &ReportRun, next_us: i64) -> Result<(), ReportError> {
        let entry = entry(run);
        let not_recorded =
            |error: AuditError| ReportError::new(ErrorKind::Retry, format!("it cannot be recorded: {error}"));
        let order = self.args.trail.begin(entry.clone()).await.map_err(not_recorded)?;
        let stored = self.args.store.registry().finish_report_run(run, next_us);
        let is_made = stored.is_ok() && run.outcome != ReportOutcome::Failed;
        let outcome = if is_made { AuditOutcome::Allowed } else { AuditOutcome::Refused };
        let given_up = run.note.clone().filter(|_| run.outcome == ReportOutcome::Failed);
        let reason = stored.as_ref().err().map(ToString::to_string).or(given_up);
        let reason = reason.map(|reason| cut_text(&reason).to_owned());
        if let Err(error) = self.args.trail.end(order, AuditEntry { outcome, reason, ..entry }).await {
            // It is recorded by the next start, from the order that was begun.
            tracing::error!(schedule = run.schedule, "what has become of a report is recorded later: {error}");
        }
        stored.map_err(|error| of_registry(&error))
    }

    /// Asks, writes, and returns the files.
    async fn make_files(
        &self,
        schedule: &ReportSchedule,
        number: u32,
        def: &ScheduleDef,
    ) -> Result<MadeFiles, ReportError> {
        let ReportKeeperArgs { store, engine, folder, .. } = &self.args;
        let free_bytes_min = store.options().free_bytes_min;
        folder.check_room(0, free_bytes_min)?;
        let registry = store.registry();
        let answers = EngineAnswers::new(engine, registry, &schedule.author, Handle::current(), self.stopped.clone())?;
        let request = def.request(schedule.due_us)?;
        let made_at = made_at(store.clock().wall_us())?;
        let (folder, schedule, def) = (folder.clone(), schedule.clone(), def.clone());
        let work = move || -> Result<MadeFiles, ReportError> {
            let made = make(&answers, &request, made_at)?;
            folder.check_room(made.content.bytes(), free_bytes_min)?;
            let files = folder.write(&schedule, number, &def, &made.content)?;
            let note = match made.content {
                MadeContent::StationFiles { nothing, .. } => nothing,
                MadeContent::Whole(_) if !made.not_granted.is_empty() => {
                    format!("its author may not read: {}", made.not_granted.join(", "))
                }
                MadeContent::Whole(_) => String::new(),
            };
            Ok(MadeFiles { files, note })
        };
        tokio::task::spawn_blocking(work).await.map_err(ReportError::failed)?
    }

    /// Notes a failure. What is given up is stored as that, and the next report is due.
    async fn put_off(&mut self, schedule: &ReportSchedule, error: &ReportError) {
        let clock = self.args.store.clock();
        let pause = pause(schedule.attempts);
        self.turns.put_off(schedule, clock.monotonic() + pause);
        self.args.figures.count_failed_attempt();
        let (name, seconds) = (schedule.name.as_str(), pause.as_secs());
        // A write that has failed would stop the registry for everybody.
        let data = ReportFolder::new(self.args.store.options().folder.clone());
        if let Err(no_room) = data.check_room(REGISTRY_BYTES, self.args.store.options().free_bytes_min) {
            tracing::warn!(schedule = name, seconds, "a scheduled report cannot be made: {error}; {no_room}");
            return;
        }
        let next_us =
            ScheduleDef::of(schedule).and_then(|def| def.check()).map(|cron| due_behind(&cron, schedule.due_us));
        let (true, Ok(next_us)) = (is_given_up(schedule, clock.wall_us()), next_us) else {
            tracing::warn!(schedule = name, seconds, "a scheduled report cannot be made and is put off: {error}");
            if let Err(error) = self.args.store.registry().note_report_failure(schedule, &error.message) {
                tracing::warn!(schedule = name, "that it failed cannot be noted: {error}");
            }
            return;
        };
        tracing::error!(schedule = name, "a scheduled report is given up: {error}");
        let run = ReportRun { note: Some(error.message.clone()), ..self.run_of(schedule) };
        match self.store(&run, next_us).await {
            Ok(()) => self.args.figures.count_given_up(),
            Err(error) => tracing::warn!(schedule = name, "that it is given up cannot be noted: {error}"),
        }
    }
}

/// The entry of the table of audit: with the digest of the file, or of the list of the files as `sha256sum` writes it.
fn entry(run: &ReportRun) -> AuditEntry {
    let due_us = run.due_us;
    let detail = match run.files.as_slice() {
        [file] => json!({ "due_us": due_us, "path": file.path, "sha256": file.sha256 }),
        files => {
            let list: String = files.iter().map(|file| format!("{}  {}\n", file.sha256, file.path)).collect();
            let digest = HEXLOWER.encode(&Sha256::digest(list.as_bytes()));
            json!({ "due_us": due_us, "files": files.len(), "sha256_of_list": digest })
        }
    };
    AuditEntry {
        principal: Some(run.author.clone()),
        principal_kind: if run.author == LOCAL_AUTHOR { PrincipalKind::Local } else { PrincipalKind::Role },
        detail: Some(detail.to_string()),
        ..AuditEntry::new("server", "report_make", AuditOutcome::Unknown).about(run.schedule.clone())
    }
}

fn of_registry(error: &RegistryError) -> ReportError {
    ReportError::new(error.kind(), error)
}

/// Interval at which it is looked for what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Interval at which schedules are compared with the clock.
const CHECK_CLOCK_EVERY: Duration = Duration::from_secs(60);
/// How long a clock is behind what was made, without a break, until that is taken for made ahead.
const AHEAD_FOR: Duration = Duration::from_micros(AHEAD_US.unsigned_abs());
/// A report is late that is made an hour after it was due.
const LATE_US: i64 = 3_600 * 1_000_000;
/// Room that a transaction of the registry has.
const REGISTRY_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests;
