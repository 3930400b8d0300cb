//! Routes over scheduled reports.
//!
//! | request | body | response |
//! |---|---|---|
//! | `GET /api/v1/report-schedules` | | [`ReportScheduleList`]: the sender's; all for administrators |
//! | `POST /api/v1/report-schedules` | [`AddReportSchedule`] | 201, or 200 where it only tries, [`ReportScheduleItem`] |
//! | `DELETE /api/v1/report-schedules/{name}` | | 204; what was made stays |
//! | `GET /api/v1/report-runs` | | [`ReportRunList`]: likewise |
//! | `GET /api/v1/report-runs/{schedule}` | | [`ReportRunList`]: those of a schedule, also of one that is gone |
//! | `GET /api/v1/report-files/{sha256}` | | [`ReportRunList`]: those with a file of this digest |
//! | `POST /api/v1/report-runs/verify` | [`VerifyReports`] | [`VerifiedReports`]: likewise |
//! | `POST /api/v1/report-runs/prune` | [`PruneReports`] | [`PrunedReports`]: likewise; runs and digests stay |
//!
//! An error is an object with `code` and `message`: 400 for input, 401 without a role's credentials, 403 for a gateway's, 500, 503.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{delete, get, post};
use zonelake_registry::{REPORT_SCHEDULES_MAX, Registry, ReportFile, ReportRun, ReportRunFilter, ReportSchedule};
use zonelake_reports::schedule::{
    Cron, FileState, ReportFolder, ScheduleDef, check_schedule_name, due_behind, dues_behind,
};
use zonelake_storage::Store;

use super::json::{
    AddReportSchedule, PruneReports, PrunedReports, ReportRunItem, ReportRunList, ReportScheduleItem,
    ReportScheduleList, VerifiedReportFile, VerifiedReports, VerifyReports,
};
use crate::admin::error::AdminError;
use crate::admin::json::{JsonBody, json};
use crate::alerts::Sender;

/// What the routes work on.
#[derive(Debug)]
struct ReportsState {
    store: Arc<Store>,
    folder: ReportFolder,
}

/// Routes for whoever can reach them, with all rights: the control socket checks its client's user. For the network they stand behind
/// [`for_roles`](crate::for_roles).
pub fn report_routes(store: Arc<Store>, folder: ReportFolder) -> Router {
    Router::new()
        .route("/api/v1/report-schedules", get(list).post(add))
        .route("/api/v1/report-schedules/{name}", delete(remove))
        .route("/api/v1/report-runs", get(list_runs))
        .route("/api/v1/report-runs/{schedule}", get(list_runs_of_schedule))
        .route("/api/v1/report-files/{sha256}", get(list_runs_of_digest))
        .route("/api/v1/report-runs/verify", post(verify))
        .route("/api/v1/report-runs/prune", post(prune))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(ReportsState { store, folder }))
}

async fn list(State(state): State<Arc<ReportsState>>, sender: Sender) -> Result<Response, AdminError> {
    let read = move || {
        let registry = state.store.registry();
        let runs = registry.last_report_runs()?;
        let mut last: BTreeMap<String, ReportRun> = runs.into_iter().map(|run| (run.schedule.clone(), run)).collect();
        let own = registry.report_schedules()?.into_iter().filter(|schedule| sender.owns(registry, &schedule.author));
        // A run of an earlier schedule of the name may be another author's.
        let items = own.map(|schedule| {
            let last = last.remove(&schedule.name).filter(|run| sender.owns(registry, &run.author));
            item(schedule, last)
        });
        items.collect::<Result<Vec<_>, AdminError>>()
    };
    let schedules = tokio::task::spawn_blocking(read).await??;
    Ok(json(StatusCode::OK, &ReportScheduleList { schedules }))
}

async fn add(
    State(state): State<Arc<ReportsState>>,
    sender: Sender,
    JsonBody(AddReportSchedule { name, schedule, author, since_us, dry_run }): JsonBody<AddReportSchedule>,
) -> Result<Response, AdminError> {
    check_schedule_name(&name)?;
    let cron = schedule.check()?;
    check_place(state.store.registry(), &schedule)?;
    let author = sender.author(state.store.registry(), author)?;
    let now_us = state.store.clock().wall_us();
    let due_us = first_due(&cron, since_us, now_us)?;
    let declaration = serde_json::to_string(&schedule).map_err(|error| AdminError::input(error.to_string()))?;
    if dry_run {
        let created_us = now_us;
        let (attempts, failing_since_us, error) = (0, None, None);
        let tried = ReportSchedule { name, author, declaration, created_us, due_us, attempts, failing_since_us, error };
        return Ok(json(StatusCode::OK, &item(tried, None)?));
    }
    let add = move || {
        let registry = state.store.registry();
        let of_author_max = if sender.administers(registry) { REPORT_SCHEDULES_MAX } else { SCHEDULES_OF_ROLE_MAX };
        registry.add_report_schedule(&name, &author, &declaration, due_us, of_author_max)
    };
    let added = tokio::task::spawn_blocking(add).await??;
    Ok(json(StatusCode::CREATED, &item(added, None)?))
}

/// Checks that there are the zone and the province of a report, which would be told on the day at which it is due otherwise.
fn check_place(registry: &Registry, schedule: &ScheduleDef) -> Result<(), AdminError> {
    let zone = schedule.zone.as_deref().map(|code| (code, registry.zone_by_code(code)));
    let message = match (&zone, &schedule.province) {
        (Some((code, None)), _) => format!("there is no zone {code:?}: see the table zones"),
        (Some((code, Some(zone))), Some(province)) if *zone.province != **province => {
            format!("the zone {code:?} is in the province {:?}, and not in {province:?}", zone.province)
        }
        (None, Some(code)) if registry.provinces().iter().all(|province| *province.code != **code) => {
            format!("there is no province {code:?}: see the table provinces")
        }
        _ => return Ok(()),
    };
    Err(AdminError::input(message))
}

/// When the first report is due: behind now, or behind an instant of before.
fn first_due(cron: &Cron, since_us: Option<i64>, now_us: i64) -> Result<i64, AdminError> {
    let Some(since_us) = since_us else { return Ok(due_behind(cron, now_us)) };
    if !(0..=now_us).contains(&since_us) {
        let message = "a schedule begins on a day from 1970 to today: what is due later needs no such day";
        return Err(AdminError::input(message));
    }
    // What is due at that instant itself is among them.
    let since_us = since_us.saturating_sub(1);
    let due = dues_behind(*cron, since_us).take(MADE_UP_MAX + 1);
    if due.take_while(|due| *due <= now_us).count() > MADE_UP_MAX {
        let message = format!("more than {MADE_UP_MAX} reports were due since then: begin later");
        return Err(AdminError::input(message));
    }
    Ok(due_behind(cron, since_us))
}

async fn remove(
    State(state): State<Arc<ReportsState>>,
    sender: Sender,
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    let remove = move || {
        let registry = state.store.registry();
        registry.remove_report_schedule(&name, |author| sender.owns(registry, author))
    };
    tokio::task::spawn_blocking(remove).await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_runs(State(state): State<Arc<ReportsState>>, sender: Sender) -> Result<Response, AdminError> {
    runs_where(state, sender, |filter| filter).await
}

async fn list_runs_of_schedule(
    State(state): State<Arc<ReportsState>>,
    sender: Sender,
    Path(name): Path<String>,
) -> Result<Response, AdminError> {
    runs_where(state, sender, move |filter| Wanted { schedule: Some(name), ..filter }).await
}

async fn list_runs_of_digest(
    State(state): State<Arc<ReportsState>>,
    sender: Sender,
    Path(sha256): Path<String>,
) -> Result<Response, AdminError> {
    runs_where(state, sender, move |filter| Wanted { sha256: Some(sha256), ..filter }).await
}

async fn runs_where(
    state: Arc<ReportsState>,
    sender: Sender,
    wanted: impl FnOnce(Wanted) -> Wanted,
) -> Result<Response, AdminError> {
    let wanted = wanted(Wanted::default());
    let folder = state.folder.root().display().to_string();
    let read = move || own_runs(state.store.registry(), &sender, &wanted);
    let (runs, has_more) = tokio::task::spawn_blocking(read).await??;
    let runs = runs.into_iter().map(ReportRunItem::from).collect();
    Ok(json(StatusCode::OK, &ReportRunList { folder, runs, has_more }))
}

async fn verify(
    State(state): State<Arc<ReportsState>>,
    sender: Sender,
    JsonBody(VerifyReports { schedule }): JsonBody<VerifyReports>,
) -> Result<Response, AdminError> {
    let compare = move || {
        let wanted = Wanted { schedule, ..Wanted::default() };
        let (runs, has_more) = own_runs(state.store.registry(), &sender, &wanted)?;
        let files = runs.into_iter().flat_map(|run| run.files).map(|file| verified(&state.folder, file)).collect();
        Ok::<_, AdminError>(VerifiedReports { files, has_more })
    };
    let verified = tokio::task::spawn_blocking(compare).await??;
    Ok(json(StatusCode::OK, &verified))
}

fn verified(folder: &ReportFolder, file: ReportFile) -> VerifiedReportFile {
    let (state, found) = match folder.compare(&file) {
        FileState::Unchanged => ("unchanged", None),
        FileState::Changed(digest) => ("changed", Some(digest)),
        FileState::Missing if file.removed_us.is_some() => ("removed", None),
        FileState::Missing => ("missing", None),
        FileState::Unreadable(why) => ("unreadable", Some(why)),
    };
    VerifiedReportFile { path: file.path, state: state.to_owned(), sha256: file.sha256, found }
}

async fn prune(
    State(state): State<Arc<ReportsState>>,
    sender: Sender,
    JsonBody(PruneReports { before_us, schedule, dry_run }): JsonBody<PruneReports>,
) -> Result<Response, AdminError> {
    let prune = move || {
        let registry = state.store.registry();
        let wanted = Wanted { schedule, before_us: Some(before_us), sha256: None };
        let mut pruned = PrunedReports { removed: 0, bytes: 0, kept: Vec::new() };
        // One after the other, each noted behind its files: what is cut off is done by the next order.
        for run in own_runs(registry, &sender, &wanted)?.0 {
            let mut gone = Vec::new();
            for file in run.files.into_iter().filter(|file| file.removed_us.is_none()) {
                let is_gone = if dry_run { state.folder.may_remove(&file) } else { state.folder.remove(&file)? };
                if is_gone {
                    pruned.removed += 1;
                    pruned.bytes = pruned.bytes.saturating_add(file.bytes);
                    gone.push(file.path);
                } else {
                    pruned.kept.push(file.path);
                }
            }
            if !dry_run && !gone.is_empty() {
                registry.note_removed_report_files(&gone)?;
            }
        }
        Ok::<_, AdminError>(pruned)
    };
    let pruned = tokio::task::spawn_blocking(prune).await??;
    Ok(json(StatusCode::OK, &pruned))
}

/// Which runs are asked for.
#[derive(Debug, Default)]
struct Wanted {
    schedule: Option<String>,
    sha256: Option<String>,
    before_us: Option<i64>,
}

/// The newest runs of the sender's, and whether there are more.
fn own_runs(registry: &Registry, sender: &Sender, wanted: &Wanted) -> Result<(Vec<ReportRun>, bool), AdminError> {
    let filter = ReportRunFilter {
        schedule: wanted.schedule.as_deref(),
        author: (!sender.administers(registry)).then(|| sender.name()),
        sha256: wanted.sha256.as_deref(),
        before_us: wanted.before_us,
    };
    let mut runs = registry.report_runs(filter, RUNS_MAX + 1)?;
    let runs_max = usize::try_from(RUNS_MAX).unwrap_or(usize::MAX);
    let has_more = runs.len() > runs_max;
    runs.truncate(runs_max);
    Ok((runs, has_more))
}

fn item(schedule: ReportSchedule, last: Option<ReportRun>) -> Result<ReportScheduleItem, AdminError> {
    let def = ScheduleDef::of(&schedule)?;
    // One whose report another release has not any more is told all the same; why it is not made is its error.
    let next_us = def.check().map(|cron| dues_behind(cron, schedule.due_us).take(NEXT_TOLD).collect());
    Ok(ReportScheduleItem {
        name: schedule.name,
        author: schedule.author,
        schedule: def,
        created_us: schedule.created_us,
        due_us: schedule.due_us,
        next_us: next_us.unwrap_or_default(),
        attempts: schedule.attempts,
        failing_since_us: schedule.failing_since_us,
        error: schedule.error,
        last_run: last.map(ReportRunItem::from),
    })
}

/// Schedules that a role may have, administrators apart: each may write a file an hour.
const SCHEDULES_OF_ROLE_MAX: usize = 20;
/// Runs that are told, the newest ones: an hourly report of five years.
const RUNS_MAX: u32 = 50_000;
/// Times that are told behind the next one.
const NEXT_TOLD: usize = 3;
/// Reports that a schedule may make of the time before it was added.
const MADE_UP_MAX: usize = 1_000;
/// Bytes of a body.
const BODY_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_begins_behind_now_or_where_it_is_told_to() {
        let cron: Cron = "0 7 * * *".parse().expect("it is one");
        let day = 86_400_000_000;
        // Seven in the morning in Viet Nam is midnight in UTC.
        assert_eq!(first_due(&cron, None, 10 * day).expect("it is due"), 11 * day);
        assert_eq!(first_due(&cron, Some(8 * day), 10 * day).expect("it is due"), 8 * day);
        assert_eq!(first_due(&cron, Some(0), 999 * day).expect("it is due"), 0);
        assert!(first_due(&cron, Some(0), 1_000 * day).is_err(), "these are a thousand and one");
        assert!(first_due(&cron, Some(11 * day), 10 * day).is_err(), "it would be farther than the clock");
        assert!(first_due(&cron, Some(i64::MIN), 10 * day).is_err() && first_due(&cron, Some(-1), 10 * day).is_err());
    }
}
