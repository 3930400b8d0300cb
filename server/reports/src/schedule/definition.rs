//! What a schedule has made, and of which days.

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use zonelake_registry::ReportSchedule;

use super::cron::Cron;
use crate::error::ReportError;
use crate::report::declaration::report;
use crate::report::making::check_parts;
use crate::report::{Format, Language, Period, ReportRequest};

/// What is made and when, as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDef {
    /// When it is due: cron, in the time of Viet Nam.
    pub cron: String,
    /// Name of the report.
    pub report: String,
    /// Zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province: Option<String>,
    /// Station, for a file of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Days that it is of, by the time at which it is due.
    pub period: RelativePeriod,
    /// Format.
    pub format: Format,
    /// Language.
    pub language: Language,
    /// Folder of its files within that of all reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

/// Days before the time at which a report is due, whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelativePeriod {
    /// The hour before, for files of a station
    LastHour,
    /// The day before
    LastDay,
    /// Monday to Sunday of the week before
    LastWeek,
    /// The month before
    LastMonth,
    /// The three months before, from January, April, July or October on
    LastQuarter,
    /// The year before
    LastYear,
}

impl RelativePeriod {
    /// The period before a local time. `None` at the ends of the calendar.
    pub fn before(self, due: NaiveDateTime) -> Option<Period> {
        let today = due.date();
        let month = today.with_day(1)?;
        let whole = |first: NaiveDate, behind: NaiveDate| Some(Period { first, last: behind.pred_opt()?, hour: None });
        match self {
            Self::LastHour => {
                let before = due.checked_sub_signed(TimeDelta::hours(1))?;
                Some(Period { first: before.date(), last: before.date(), hour: Some(before.hour()) })
            }
            Self::LastDay => whole(today.pred_opt()?, today),
            Self::LastWeek => {
                let monday = today.checked_sub_days(Days::new(today.weekday().num_days_from_monday().into()))?;
                whole(monday.checked_sub_days(Days::new(7))?, monday)
            }
            Self::LastMonth => whole(month.checked_sub_months(Months::new(1))?, month),
            Self::LastQuarter => {
                let quarter = month.checked_sub_months(Months::new(month.month0() % 3))?;
                whole(quarter.checked_sub_months(Months::new(3))?, quarter)
            }
            Self::LastYear => {
                let year = month.with_month(1)?;
                whole(year.checked_sub_months(Months::new(12))?, year)
            }
        }
    }
}

impl ScheduleDef {
    /// What a stored schedule has made.
    ///
    /// # Errors
    /// Where its text is that of another release.
    pub fn of(schedule: &ReportSchedule) -> Result<Self, ReportError> {
        serde_json::from_str(&schedule.declaration)
            .map_err(|error| ReportError::failed(format!("the schedule {} cannot be read: {error}", schedule.name)))
    }

    /// Checks that it can be made, and says when.
    ///
    /// # Errors
    /// Where a part of it cannot be, or the parts do not fit each other.
    pub fn check(&self) -> Result<Cron, ReportError> {
        let cron = Cron::from_str(&self.cron).map_err(ReportError::input)?;
        let is_hour = self.period == RelativePeriod::LastHour;
        check_parts(&report(&self.report)?, self.zone.as_deref(), self.device.as_deref(), is_hour)?;
        if self.zone.is_none() && self.province.is_none() {
            return Err(ReportError::input("a report is of a zone or a province: name one with --zone or --province"));
        }
        if let Some(folder) = &self.folder {
            check_folder(folder)?;
        }
        Ok(cron)
    }

    /// What is asked for at an instant.
    ///
    /// # Errors
    /// Where there are no days before it.
    pub fn request(&self, due_us: i64) -> Result<ReportRequest, ReportError> {
        let no_days = || ReportError::failed("there are no days before this time");
        let period = self.period.before(local(due_us).ok_or_else(no_days)?).ok_or_else(no_days)?;
        Ok(ReportRequest {
            report: self.report.clone(),
            zone: self.zone.clone(),
            province: self.province.clone(),
            device: self.device.clone(),
            period,
            format: self.format,
            language: self.language,
        })
    }
}

/// Instant at which a schedule is due behind one, microseconds. At the end of the calendar it is never.
pub fn due_behind(cron: &Cron, us: i64) -> i64 {
    local(us).and_then(|time| cron.next_behind(time)).map_or(i64::MAX, instant_of)
}

/// The instants at which a schedule is due behind one, the next ones first, without end but that of the calendar.
pub fn dues_behind(cron: Cron, us: i64) -> impl Iterator<Item = i64> {
    let next = move |us: i64| Some(due_behind(&cron, us)).filter(|due| *due < i64::MAX);
    std::iter::successors(next(us), move |due| next(*due))
}

/// Where a schedule goes on after a clock that was ahead: `None` where it is not farther than it can be. It is where a report that lies
/// more than [`AHEAD_US`] ahead has been dealt with.
pub(super) fn set_back(schedule: &ReportSchedule, now_us: i64) -> Option<i64> {
    // A clock that is behind the schedule's own making is the one that is wrong.
    if now_us < schedule.created_us || schedule.due_us <= now_us.saturating_add(AHEAD_US) {
        return None;
    }
    // A text that cannot be read is told where the report is made.
    let cron = Cron::from_str(&ScheduleDef::of(schedule).ok()?.cron).ok()?;
    (schedule.due_us > due_behind(&cron, now_us.saturating_add(AHEAD_US))).then(|| due_behind(&cron, now_us))
}

/// Instant of a time of Viet Nam, microseconds.
pub fn instant_of(local: NaiveDateTime) -> i64 {
    local.and_utc().timestamp_micros() - OFFSET_US
}

/// Time of Viet Nam of an instant.
pub(super) fn local(us: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(us.checked_add(OFFSET_US)?).map(|time| time.naive_utc())
}

/// Checks the name of a schedule, which stands in names of files.
///
/// # Errors
/// Where it is none.
pub fn check_schedule_name(name: &str) -> Result<(), ReportError> {
    if is_name(name) {
        return Ok(());
    }
    Err(ReportError::input(format!(
        "{name:?} is no name of a schedule, which has 1 to {NAME_BYTES_MAX} letters a-z, digits, \"-\" and \"_\", a letter or digit first"
    )))
}

/// A folder is names below the folder of reports, so that no file is anywhere else.
fn check_folder(folder: &str) -> Result<(), ReportError> {
    if folder.split('/').all(is_name) && folder.split('/').count() <= FOLDERS_MAX {
        return Ok(());
    }
    Err(ReportError::input(format!(
        "{folder:?} is no folder within that of reports: up to {FOLDERS_MAX} names like \"monthly/vung-ang\", each of letters a-z, digits, \"-\" and \"_\""
    )))
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_BYTES_MAX
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().all(|byte| is_plain(byte) || byte == b'-' || byte == b'_')
}

/// Time by which a clock may step back without any report being made anew: an hour.
pub(super) const AHEAD_US: i64 = 3_600 * 1_000_000;
const NAME_BYTES_MAX: usize = 64;
const FOLDERS_MAX: usize = 4;
/// Seven hours: Viet Nam has had no other time since 1975.
const OFFSET_US: i64 = 7 * 3_600 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn before(period: RelativePeriod, due: &str) -> String {
        let period = period.before(due.parse().unwrap()).unwrap();
        let hour = period.hour.map(|hour| format!("T{hour:02}")).unwrap_or_default();
        format!("{}..{}{hour}", period.first, period.last)
    }

    #[test]
    fn a_period_is_whole_and_before_its_report_is_due() {
        use RelativePeriod::*;
        assert_eq!(before(LastMonth, "2026-03-31T06:00:00"), "2026-02-01..2026-02-28");
        assert_eq!(before(LastMonth, "2026-01-01T00:00:00"), "2025-12-01..2025-12-31");
        assert_eq!(before(LastDay, "2026-03-01T00:00:00"), "2026-02-28..2026-02-28");
        assert_eq!(before(LastHour, "2026-03-01T00:10:00"), "2026-02-28..2026-02-28T23");
        // 5 October 2026 is a Monday.
        assert_eq!(before(LastWeek, "2026-10-05T00:00:00"), "2026-09-28..2026-10-04");
        assert_eq!(before(LastWeek, "2026-10-04T23:00:00"), "2026-09-21..2026-09-27");
        assert_eq!(before(LastQuarter, "2026-02-15T00:00:00"), "2025-10-01..2025-12-31");
        assert_eq!(before(LastQuarter, "2026-07-01T00:00:00"), "2026-04-01..2026-06-30");
        assert_eq!(before(LastYear, "2026-07-01T00:00:00"), "2025-01-01..2025-12-31");
    }

    #[test]
    fn times_are_those_of_viet_nam() {
        let cron: Cron = "0 6 1 * *".parse().unwrap();
        // 23:00 on the last of the month before, in UTC.
        let due = due_behind(&cron, 1_790_812_800_000_000);
        assert_eq!(DateTime::from_timestamp_micros(due).unwrap().to_rfc3339(), "2026-10-31T23:00:00+00:00");
        assert_eq!(instant_of(local(due).unwrap()), due);
        assert_eq!(due_behind(&cron, i64::MAX), i64::MAX);
    }

    #[test]
    fn a_schedule_that_is_farther_than_the_clock_goes_back_and_no_other_does() {
        const DAY_US: i64 = 86_400_000_000;
        const HOUR_US: i64 = DAY_US / 24;
        let declaration =
            r#"{"cron":"0 7 * * *","report":"energy","zone":"z","period":"last-day","format":"csv","language":"en"}"#;
        // Seven in the morning in Viet Nam is midnight in UTC.
        let due = |due_us: i64| ReportSchedule {
            name: "daily".into(),
            author: "@local".into(),
            declaration: declaration.into(),
            created_us: 10 * DAY_US,
            due_us,
            attempts: 0,
            failing_since_us: None,
            error: None,
        };
        assert_eq!(set_back(&due(21 * DAY_US), 20 * DAY_US + HOUR_US), None, "it is the next one");
        assert_eq!(set_back(&due(5 * DAY_US), 20 * DAY_US), None, "it was down");
        assert_eq!(set_back(&due(21 * DAY_US), 20 * DAY_US - HOUR_US / 2), None, "a step back by less than an hour");
        assert_eq!(set_back(&due(21 * DAY_US), 19 * DAY_US + HOUR_US), Some(20 * DAY_US));
        assert_eq!(set_back(&due(400 * DAY_US), 20 * DAY_US), Some(21 * DAY_US));
        assert_eq!(set_back(&due(400 * DAY_US), 0), None, "a clock that begins at 1970");
    }

    #[test]
    fn a_schedule_has_parts_that_fit_and_no_file_outside_of_the_folder() {
        let good = ScheduleDef {
            cron: "0 6 1 * *".into(),
            report: "environment".into(),
            zone: Some("vung-ang".into()),
            province: None,
            device: None,
            period: RelativePeriod::LastMonth,
            format: Format::Xlsx,
            language: Language::Vi,
            folder: Some("monthly/vung-ang".into()),
        };
        good.check().unwrap();
        let text = serde_json::to_string(&good).unwrap();
        assert!(text.contains("\"last-month\"") && text.contains("\"xlsx\"") && text.contains("\"vi\""), "{text}");
        assert_eq!(serde_json::from_str::<ScheduleDef>(&text).unwrap(), good);
        for folder in ["", "/tmp", "..", "a/../b", "a//b", "A", "-a", "a/b/c/d/e", ".a", "a\\b"] {
            let bad = ScheduleDef { folder: Some(folder.into()), ..good.clone() };
            assert!(bad.check().unwrap_err().message.contains("folder within"), "{folder}");
        }
        let wrong = |change: &dyn Fn(&mut ScheduleDef)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.check().unwrap_err().message
        };
        assert!(wrong(&|def| def.report = "lakes".into()).contains("report list"));
        assert!(wrong(&|def| def.cron = "0 6".into()).contains("five"));
        assert!(wrong(&|def| def.zone = None).contains("--province"));
        assert!(wrong(&|def| def.period = RelativePeriod::LastHour).contains("files of a station"));
        assert!(wrong(&|def| def.report = "station-file".into()).contains("--device"));
        assert!(check_schedule_name("../x").is_err() && check_schedule_name("monthly").is_ok());
    }
}
