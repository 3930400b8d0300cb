//! Runs of scheduled reports: what was made or given up, and the digests of its files. What was made is never changed, and stays when its
//! schedule goes.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::schedules::ReportSchedule;
use crate::error::RegistryError;
use crate::registry::Registry;

/// What has become of a report that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOutcome {
    /// It was made.
    Made,
    /// There was nothing to make files of.
    Empty,
    /// It was given up.
    Failed,
}

impl ReportOutcome {
    /// Name of the outcome.
    pub fn name(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Empty => "empty",
            Self::Failed => "failed",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Made, Self::Empty, Self::Failed].into_iter().find(|outcome| outcome.name() == name)
    }
}

/// A report that was due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRun {
    /// Name of its schedule.
    pub schedule: String,
    /// When it was due, microseconds.
    pub due_us: i64,
    /// Zero; more where the ones before were made while the clock was ahead.
    pub number: u32,
    /// What has become of it.
    pub outcome: ReportOutcome,
    /// Role with whose rights it was made, or `@local`.
    pub author: String,
    /// What was made, JSON, as the schedule had it then.
    pub declaration: String,
    /// When it was made or given up, microseconds.
    pub done_us: i64,
    /// Why there are no files, or what is not in them.
    pub note: Option<String>,
    /// True where it was made while the clock was ahead: of days that were not over.
    pub is_ahead: bool,
    /// Its files, by path.
    pub files: Vec<ReportFile>,
}

/// A file of a report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportFile {
    /// Path within the folder of reports.
    pub path: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Number of its bytes.
    pub bytes: u64,
    /// When it was removed on purpose, microseconds.
    pub removed_us: Option<i64>,
}

/// Which runs are asked for: those that each part that is given names.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReportRunFilter<'a> {
    /// Name of their schedule.
    pub schedule: Option<&'a str>,
    /// Who had them made.
    pub author: Option<&'a str>,
    /// Digest of one of their files.
    pub sha256: Option<&'a str>,
    /// Due before this instant.
    pub before_us: Option<i64>,
}

impl Registry {
    /// Stores a run with its files, and the time at which the next one is due, durably and in one step. A run that is there already stays
    /// as it is. Of a schedule that is gone the run is stored nonetheless: its files are there.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn finish_report_run(&self, run: &ReportRun, next_due_us: i64) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let finish = || -> rusqlite::Result<()> {
                insert(connection, run)?;
                advance(connection, &run.schedule, run.due_us, next_due_us)
            };
            finish().map_err(|source| self.sqlite(source))
        })
    }

    /// Number of the run of a report that is due. `None` where it is there already: then the schedule goes on to the next one.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn number_report_run(&self, schedule: &ReportSchedule, next_due_us: i64) -> Result<Option<u32>, RegistryError> {
        let last = |connection: &Connection| {
            let mut statement = connection.prepare_cached(
                "SELECT number, is_ahead FROM report_runs WHERE schedule = ?1 AND due_us = ?2 ORDER BY number DESC LIMIT 1",
            )?;
            let read = |row: &Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, bool>(1)?));
            statement.query_row(params![schedule.name, schedule.due_us], read).optional()
        };
        match self.read(|connection| last(connection).map_err(|source| self.sqlite(source)))? {
            None => Ok(Some(0)),
            Some((number, true)) => Ok(Some(number.saturating_add(1))),
            Some((_, false)) => self.write(&[], |connection, _| {
                let advanced = advance(connection, &schedule.name, schedule.due_us, next_due_us);
                advanced.map(|()| None).map_err(|source| self.sqlite(source))
            }),
        }
    }

    /// The newest runs with their files, at most so many, the last one due first.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn report_runs(&self, filter: ReportRunFilter<'_>, runs_max: u32) -> Result<Vec<ReportRun>, RegistryError> {
        let read = |connection: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM report_runs AS run
                 WHERE (?1 IS NULL OR schedule = ?1) AND (?2 IS NULL OR due_us < ?2)
                   AND (?3 IS NULL OR (schedule, due_us, number) IN
                        (SELECT schedule, due_us, number FROM report_files WHERE sha256 = ?3))
                   AND (?5 IS NULL OR author = ?5)
                 ORDER BY due_us DESC, schedule, number DESC LIMIT ?4"
            );
            let ReportRunFilter { schedule, author, sha256, before_us } = filter;
            let mut statement = connection.prepare_cached(&sql)?;
            let runs = statement.query_map(params![schedule, before_us, sha256, runs_max, author], read_run)?;
            with_files(connection, runs.collect::<rusqlite::Result<_>>()?)
        };
        self.read(|connection| read(connection).map_err(|source| self.sqlite(source)))
    }

    /// The last run of each schedule, also of those that are gone, by their names.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn last_report_runs(&self) -> Result<Vec<ReportRun>, RegistryError> {
        let read = |connection: &Connection| {
            // What was made ahead of its time is the last one only where there is no other.
            let sql = format!(
                "SELECT {COLUMNS} FROM report_runs AS run WHERE (due_us, number) =
                   (SELECT due_us, number FROM report_runs AS other WHERE other.schedule = run.schedule
                    ORDER BY is_ahead, due_us DESC, number DESC LIMIT 1)
                 ORDER BY schedule"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let runs = statement.query_map([], read_run)?;
            with_files(connection, runs.collect::<rusqlite::Result<_>>()?)
        };
        self.read(|connection| read(connection).map_err(|source| self.sqlite(source)))
    }

    /// Notes that files were removed on purpose. Their digests stay.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn note_removed_report_files(&self, paths: &[String]) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let now_us = self.clock.wall_us();
            let note = |path: &String| {
                connection.execute(
                    "UPDATE report_files SET removed_us = ?2 WHERE path = ?1 AND removed_us IS NULL",
                    params![path, now_us],
                )
            };
            paths.iter().try_for_each(|path| note(path).map(drop)).map_err(|source| self.sqlite(source))
        })
    }
}

fn insert(connection: &Connection, run: &ReportRun) -> rusqlite::Result<()> {
    let ReportRun { schedule, due_us, number, author, declaration, done_us, note, is_ahead, .. } = run;
    let added = connection.execute(
        "INSERT INTO report_runs (schedule, due_us, number, outcome, author, declaration, done_us, note, is_ahead)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        params![schedule, due_us, number, run.outcome.name(), author, declaration, done_us, note, is_ahead],
    )?;
    let files = if added > 0 { run.files.as_slice() } else { &[] };
    for ReportFile { path, sha256, bytes, removed_us } in files {
        let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
        connection.execute(
            "INSERT INTO report_files (path, schedule, due_us, number, sha256, bytes, removed_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![path, schedule, due_us, number, sha256, bytes, removed_us],
        )?;
    }
    Ok(())
}

fn advance(connection: &Connection, schedule: &str, due_us: i64, next_due_us: i64) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE report_schedules SET due_us = ?3, attempts = 0, failing_since_us = NULL, error = NULL
         WHERE name = ?1 AND due_us = ?2",
        params![schedule, due_us, next_due_us],
    )?;
    Ok(())
}

fn read_run(row: &Row<'_>) -> rusqlite::Result<ReportRun> {
    let outcome: String = row.get(3)?;
    Ok(ReportRun {
        schedule: row.get(0)?,
        due_us: row.get(1)?,
        number: row.get(2)?,
        // The schema has no other names.
        outcome: ReportOutcome::from_name(&outcome).unwrap_or(ReportOutcome::Failed),
        author: row.get(4)?,
        declaration: row.get(5)?,
        done_us: row.get(6)?,
        note: row.get(7)?,
        is_ahead: row.get(8)?,
        files: Vec::new(),
    })
}

fn with_files(connection: &Connection, mut runs: Vec<ReportRun>) -> rusqlite::Result<Vec<ReportRun>> {
    let mut of_run = connection.prepare_cached(
        "SELECT path, sha256, bytes, removed_us FROM report_files
         WHERE schedule = ?1 AND due_us = ?2 AND number = ?3 ORDER BY path",
    )?;
    for run in &mut runs {
        let read = |row: &Row<'_>| {
            let bytes: i64 = row.get(2)?;
            let bytes = u64::try_from(bytes).unwrap_or(0);
            Ok(ReportFile { path: row.get(0)?, sha256: row.get(1)?, bytes, removed_us: row.get(3)? })
        };
        let files = of_run.query_map(params![run.schedule, run.due_us, run.number], read)?;
        run.files = files.collect::<rusqlite::Result<_>>()?;
    }
    Ok(runs)
}

const COLUMNS: &str = "schedule, due_us, number, outcome, author, declaration, done_us, note, is_ahead";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zonelake_schemas::clock::SystemClock;

    use super::*;

    fn run(schedule: &ReportSchedule, number: u32, sha256: &str) -> ReportRun {
        let file = ReportFile {
            path: format!("{}-{number}.html", schedule.due_us),
            sha256: sha256.into(),
            bytes: 7,
            removed_us: None,
        };
        ReportRun {
            schedule: schedule.name.clone(),
            due_us: schedule.due_us,
            number,
            outcome: ReportOutcome::Made,
            author: schedule.author.clone(),
            declaration: schedule.declaration.clone(),
            done_us: schedule.due_us,
            note: None,
            is_ahead: false,
            files: vec![file],
        }
    }

    fn all(registry: &Registry) -> Vec<ReportRun> {
        registry.report_runs(ReportRunFilter::default(), 9).expect("the file can be read")
    }

    fn first(registry: &Registry) -> ReportSchedule {
        registry.report_schedules().expect("the file can be read").remove(0)
    }

    #[test]
    fn a_run_is_stored_once_with_its_files_and_the_next_one_is_due_in_the_same_step() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("registry.sqlite");
        let open = || Registry::open(&path, Arc::new(SystemClock::default())).expect("the registry opens");
        let registry = open();
        let schedule = registry.add_report_schedule("monthly", "me", "{}", 10, 1).expect("it is added");
        let again = registry.add_report_schedule("monthly", "you", "{}", 10, 1);
        assert!(matches!(again, Err(RegistryError::Exists { .. })), "a name is there once");
        let more = registry.add_report_schedule("weekly", "me", "{}", 10, 1);
        assert!(matches!(more, Err(RegistryError::Limit { limit: 1, .. })), "an author has so many");
        let number = registry.number_report_run(&schedule, 20).expect("the file can be read");
        assert_eq!(number, Some(0), "nothing was made yet");
        registry.note_report_failure(&schedule, "the disk is full").expect("it is noted");
        registry.note_report_failure(&schedule, "the disk is fuller").expect("it is noted");
        drop(registry);
        let registry = open();
        let failing = first(&registry);
        assert_eq!((failing.attempts, failing.error.as_deref()), (2, Some("the disk is fuller")));
        registry.finish_report_run(&run(&failing, 0, "aa"), 20).expect("it is stored");
        drop(registry);
        let registry = open();
        let next = first(&registry);
        assert_eq!((next.due_us, next.attempts, next.failing_since_us), (20, 0, None), "failures are forgotten");
        assert_eq!(all(&registry), [run(&schedule, 0, "aa")]);
        // A schedule of the same name that begins before what was made.
        assert!(registry.remove_report_schedule("monthly", |author| author == "you").is_err(), "it is its author's");
        registry.remove_report_schedule("monthly", |author| author == "me").expect("it is removed");
        let other = registry.add_report_schedule("monthly", "me", "{}", 10, 1).expect("it is added");
        let number = registry.number_report_run(&other, 20).expect("the file can be written");
        assert_eq!((number, first(&registry).due_us), (None, 20), "it was made before");
        registry.finish_report_run(&run(&schedule, 0, "bb"), 20).expect("it is stored");
        assert_eq!(all(&registry)[0].files[0].sha256, "aa", "a run stays");
    }

    #[test]
    fn what_was_made_ahead_of_its_time_stays_and_is_made_once_more() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("registry.sqlite");
        let registry = Registry::open(&path, Arc::new(SystemClock::default())).expect("the registry opens");
        let due_10 = registry.add_report_schedule("daily", "me", "{}", 10, 9).expect("it is added");
        registry.finish_report_run(&run(&due_10, 0, "aa"), 20).expect("it is stored");
        let due_20 = first(&registry);
        registry.finish_report_run(&run(&due_20, 0, "bb"), 30).expect("it is stored");
        // It is 15, and the next report is due at 30: the clock was ahead when that of 20 was made.
        registry.set_back_report_schedule(&first(&registry), 30, 15).expect("it is set back");
        assert_eq!(first(&registry).due_us, 20);
        let number = registry.number_report_run(&due_20, 30).expect("the file can be read");
        assert_eq!(number, Some(1));
        registry.finish_report_run(&run(&due_20, 1, "cc"), 30).expect("it is stored");
        let known: Vec<_> = all(&registry).iter().map(|run| (run.due_us, run.number, run.is_ahead)).collect();
        assert_eq!(known, [(20, 1, false), (20, 0, true), (10, 0, false)]);
        assert_eq!(registry.number_report_run(&due_20, 30).expect("the file can be read"), None, "it is made now");
        let last = registry.last_report_runs().expect("the file can be read");
        assert_eq!(last.iter().map(|run| (run.due_us, run.number)).collect::<Vec<_>>(), [(20, 1)]);

        let of = |filter: ReportRunFilter<'_>| registry.report_runs(filter, 9).expect("the file can be read").len();
        assert_eq!(of(ReportRunFilter { sha256: Some("bb"), ..ReportRunFilter::default() }), 1, "it can be looked up");
        assert_eq!(of(ReportRunFilter { sha256: Some("dd"), ..ReportRunFilter::default() }), 0);
        assert_eq!(of(ReportRunFilter { schedule: Some("other"), ..ReportRunFilter::default() }), 0);
        assert_eq!(of(ReportRunFilter { author: Some("you"), ..ReportRunFilter::default() }), 0);
        assert_eq!(of(ReportRunFilter { before_us: Some(20), ..ReportRunFilter::default() }), 1);
        registry.note_removed_report_files(&["10-0.html".to_owned()]).expect("it is noted");
        let removed: Vec<_> = all(&registry).iter().map(|run| run.files[0].removed_us.is_some()).collect();
        assert_eq!(removed, [false, false, true]);
    }
}
