//! Schedules of reports with their authors. The registry keeps their text; what it means is known above.

use rusqlite::{Connection, Row, params};

use crate::error::RegistryError;
use crate::registry::Registry;

/// Schedules that there may be.
pub const REPORT_SCHEDULES_MAX: usize = 1_000;

/// A schedule of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSchedule {
    /// Name.
    pub name: String,
    /// Role with whose rights it is made, or `@local`.
    pub author: String,
    /// What is made and when, JSON.
    pub declaration: String,
    /// When it was added, microseconds.
    pub created_us: i64,
    /// The first time at which a report is due that was not dealt with, microseconds.
    pub due_us: i64,
    /// Attempts at that report that have failed.
    pub attempts: u32,
    /// When the first of them did, microseconds.
    pub failing_since_us: Option<i64>,
    /// Why the last of them did.
    pub error: Option<String>,
}

impl Registry {
    /// Adds a schedule, of which a report is first due at an instant. An author has `of_author_max` of them at most.
    ///
    /// # Errors
    /// [`RegistryError::Exists`], [`RegistryError::Limit`], and errors of the file.
    pub fn add_report_schedule(
        &self,
        name: &str,
        author: &str,
        declaration: &str,
        due_us: i64,
        of_author_max: usize,
    ) -> Result<ReportSchedule, RegistryError> {
        self.write(&[], |connection, _| {
            let known = read_schedules(connection).map_err(|source| self.sqlite(source))?;
            if known.iter().any(|schedule| schedule.name == name) {
                return Err(RegistryError::Exists { what: "report schedule", name: name.into() });
            }
            let of_author = known.iter().filter(|schedule| schedule.author == author).count();
            let limit = if of_author >= of_author_max { of_author_max } else { REPORT_SCHEDULES_MAX };
            if of_author >= of_author_max || known.len() >= REPORT_SCHEDULES_MAX {
                return Err(RegistryError::Limit { what: "report schedules", name: author.into(), limit });
            }
            let created_us = self.clock.wall_us();
            connection
                .execute(
                    "INSERT INTO report_schedules (name, author, declaration, created_us, due_us) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![name, author, declaration, created_us, due_us],
                )
                .map_err(|source| self.sqlite(source))?;
            Ok(ReportSchedule {
                name: name.into(),
                author: author.into(),
                declaration: declaration.into(),
                created_us,
                due_us,
                attempts: 0,
                failing_since_us: None,
                error: None,
            })
        })
    }

    /// Removes a schedule. What it has made stays.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] for one that there is not or that is another author's, and errors of the file.
    pub fn remove_report_schedule(&self, name: &str, may_remove: impl Fn(&str) -> bool) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let known = read_schedules(connection).map_err(|source| self.sqlite(source))?;
            if !known.iter().any(|schedule| schedule.name == name && may_remove(&schedule.author)) {
                return Err(RegistryError::Unknown { what: "report schedule", name: name.into() });
            }
            let removed = connection.execute("DELETE FROM report_schedules WHERE name = ?1", [name]);
            removed.map(drop).map_err(|source| self.sqlite(source))
        })
    }

    /// All schedules by name.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn report_schedules(&self) -> Result<Vec<ReportSchedule>, RegistryError> {
        self.read(|connection| read_schedules(connection).map_err(|source| self.sqlite(source)))
    }

    /// Notes that an attempt at the report that is due has failed.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn note_report_failure(&self, schedule: &ReportSchedule, error: &str) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let noted = connection.execute(
                // A clock that was ahead is no reason to wait longer.
                "UPDATE report_schedules SET attempts = attempts + 1, error = ?3,
                        failing_since_us = min(coalesce(failing_since_us, ?4), ?4)
                 WHERE name = ?1 AND due_us = ?2",
                params![schedule.name, schedule.due_us, error, self.clock.wall_us()],
            );
            noted.map(drop).map_err(|source| self.sqlite(source))
        })
    }

    /// Has a schedule go back, since the clock was ahead: to `due_us`, or to the first report that was made later than it is now. What was
    /// made then stays, and is known as made ahead of its time: these reports are made once more.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn set_back_report_schedule(
        &self,
        schedule: &ReportSchedule,
        due_us: i64,
        now_us: i64,
    ) -> Result<(), RegistryError> {
        self.write(&[], |connection, _| {
            let set_back = || -> rusqlite::Result<()> {
                connection.execute(
                    "UPDATE report_runs SET is_ahead = 1 WHERE schedule = ?1 AND done_us > ?2",
                    params![schedule.name, now_us],
                )?;
                connection.execute(
                    "UPDATE report_schedules SET attempts = 0, failing_since_us = NULL, error = NULL, due_us =
                       min(?3, coalesce((SELECT min(due_us) FROM report_runs WHERE schedule = ?1 AND done_us > ?4), ?3))
                     WHERE name = ?1 AND due_us = ?2",
                    params![schedule.name, schedule.due_us, due_us, now_us],
                )?;
                Ok(())
            };
            set_back().map_err(|source| self.sqlite(source))
        })
    }
}

fn read_schedules(connection: &Connection) -> rusqlite::Result<Vec<ReportSchedule>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, author, declaration, created_us, due_us, attempts, failing_since_us, error
         FROM report_schedules ORDER BY name",
    )?;
    let read = |row: &Row<'_>| {
        Ok(ReportSchedule {
            name: row.get(0)?,
            author: row.get(1)?,
            declaration: row.get(2)?,
            created_us: row.get(3)?,
            due_us: row.get(4)?,
            attempts: row.get(5)?,
            failing_since_us: row.get(6)?,
            error: row.get(7)?,
        })
    };
    statement.query_map([], read)?.collect()
}
