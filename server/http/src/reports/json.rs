//! What clients of scheduled reports send and are told. Times are microseconds since 1970.

use serde::{Deserialize, Serialize};
use zonelake_registry::{ReportFile, ReportRun};
use zonelake_reports::schedule::ScheduleDef;

/// Body of `POST /api/v1/report-schedules`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddReportSchedule {
    /// Name.
    pub name: String,
    /// What is made and when.
    pub schedule: ScheduleDef,
    /// Role with whose rights it is made; the sender without one. Administrators may name others.
    #[serde(default)]
    pub author: Option<String>,
    /// Make also what was due from this instant on.
    #[serde(default)]
    pub since_us: Option<i64>,
    /// Check it and say when it is due, and add nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// A schedule as it is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportScheduleItem {
    /// Name.
    pub name: String,
    /// Role with whose rights it is made, or `@local`.
    pub author: String,
    /// What is made and when.
    pub schedule: ScheduleDef,
    /// When it was added.
    pub created_us: i64,
    /// When the next report is due, or was, where it is not made yet.
    pub due_us: i64,
    /// When the three behind it are due.
    pub next_us: Vec<i64>,
    /// Attempts at that report that have failed.
    pub attempts: u32,
    /// Since when they do.
    pub failing_since_us: Option<i64>,
    /// Why the last of them did.
    pub error: Option<String>,
    /// Its last run.
    pub last_run: Option<ReportRunItem>,
}

/// Response to `GET /api/v1/report-schedules`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportScheduleList {
    /// Schedules by name.
    pub schedules: Vec<ReportScheduleItem>,
}

/// A report that was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRunItem {
    /// Name of its schedule.
    pub schedule: String,
    /// When it was due.
    pub due_us: i64,
    /// 0; more where the ones before were made while the clock was ahead.
    pub number: u32,
    /// `made`, `empty` or `failed`.
    pub outcome: String,
    /// Role with whose rights it was made, or `@local`.
    pub author: String,
    /// When it was made or given up.
    pub done_us: i64,
    /// Why there are no files, or what is not in them.
    pub note: Option<String>,
    /// True where it was made while the clock was ahead: of days that were not over.
    pub is_ahead: bool,
    /// Its files.
    pub files: Vec<ReportFileItem>,
}

impl From<ReportRun> for ReportRunItem {
    fn from(run: ReportRun) -> Self {
        Self {
            schedule: run.schedule,
            due_us: run.due_us,
            number: run.number,
            outcome: run.outcome.name().to_owned(),
            author: run.author,
            done_us: run.done_us,
            note: run.note,
            is_ahead: run.is_ahead,
            files: run.files.into_iter().map(ReportFileItem::from).collect(),
        }
    }
}

/// A file of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFileItem {
    /// Path within the folder of reports.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Number of its bytes.
    pub bytes: u64,
    /// When it was removed on purpose.
    pub removed_us: Option<i64>,
}

impl From<ReportFile> for ReportFileItem {
    fn from(ReportFile { path, sha256, bytes, removed_us }: ReportFile) -> Self {
        Self { path, sha256, bytes, removed_us }
    }
}

/// Response to `GET /api/v1/report-runs` and what stands below it, and to `GET /api/v1/report-files/{sha256}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportRunList {
    /// Folder of the files on the server.
    pub folder: String,
    /// Runs, the last one due first.
    pub runs: Vec<ReportRunItem>,
    /// True where there are older ones, which are not told.
    pub has_more: bool,
}

/// Body of `POST /api/v1/report-runs/verify`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyReports {
    /// Schedule whose files are compared; all without one.
    #[serde(default)]
    pub schedule: Option<String>,
}

/// Response to `POST /api/v1/report-runs/verify`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerifiedReports {
    /// Files, those of the last run first.
    pub files: Vec<VerifiedReportFile>,
    /// True where there are older ones, which were not compared.
    pub has_more: bool,
}

/// A file that was compared with its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedReportFile {
    /// Path within the folder of reports.
    pub path: String,
    /// `unchanged`, `changed`, `missing`, `unreadable`, or `removed` where that was on purpose.
    pub state: String,
    /// SHA-256 of what was made.
    pub sha256: String,
    /// SHA-256 of what is there, where it is other, or why it cannot be read.
    pub found: Option<String>,
}

/// Body of `POST /api/v1/report-runs/prune`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneReports {
    /// Files of reports that were due before this instant are removed.
    pub before_us: i64,
    /// Schedule whose files they are; all without one.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Say what would be removed, and remove nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Response to `POST /api/v1/report-runs/prune`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedReports {
    /// Files that were removed, or would be.
    pub removed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Paths of files that stay since they are not what was made.
    pub kept: Vec<String>,
}
