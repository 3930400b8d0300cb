//! `zonelake report schedule`: reports that a running server makes when they are due.

use std::io::Write;

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime};
use clap::{Args, Subcommand};
use zonelake_http::{AddReportSchedule, ReportRunItem, ReportRunList, ReportScheduleItem, ReportScheduleList};
use zonelake_reports::report::{Format, Language};
use zonelake_reports::schedule::{RelativePeriod, ScheduleDef, instant_of};

use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

pub(super) const EXAMPLES: &str = "The server must be running. Times are those of Viet Nam, in the form of cron: minute, hour, day of the month, month, day of the week.
Files are kept in the folder `reports` of the data folder, or where the settings say, each with its SHA-256.

Examples:
  zonelake report schedule add monthly-air --cron \"0 6 1 * *\" --report environment --zone vung-ang --period last-month --format xlsx
  zonelake report schedule add files --cron \"10 * * * *\" --report station-file --zone vung-ang --device air-1 --period last-hour
  zonelake report schedule add quarterly --cron \"0 6 1 1,4,7,10 *\" --report energy --province ha-tinh --period last-quarter --dry-run
  zonelake report schedule add weekly --cron \"0 7 * * 1\" --report security --zone vung-ang --period last-week --author zone-operator
  zonelake report schedule list
  zonelake report schedule runs monthly-air
  zonelake report schedule remove weekly";

/// What is done with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Add a schedule
    Add(Box<AddOptions>),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List schedules: when the next report is due, and what has become of the last one
    List(ControlOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List what was made, with the digests of the files
    Runs(RunsOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Remove a schedule; what it has made stays
    Remove(RemoveOptions),
}

/// Options of `report schedule add`.
#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// Name, which stands in the names of its files
    #[arg(value_name = "NAME")]
    pub name: String,

    /// When it is due: minute, hour, day of the month, month, day of the week
    #[arg(long, value_name = "TIMES")]
    pub cron: String,

    /// Name of the report
    #[arg(long, value_name = "REPORT")]
    pub report: String,

    /// Zone; without it all zones of the province that the author reads
    #[arg(long, value_name = "CODE")]
    pub zone: Option<String>,

    /// Province; without it that of the zone
    #[arg(long, value_name = "CODE")]
    pub province: Option<String>,

    /// Station, for files of one
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,

    /// Days that it is of
    #[arg(long, value_enum)]
    pub period: RelativePeriod,

    /// Format
    #[arg(long, value_enum, default_value_t = Format::Html)]
    pub format: Format,

    /// Language of titles, words and dates
    #[arg(long, value_enum, default_value_t = Language::Vi)]
    pub language: Language,

    /// Folder of its files within that of all reports, as monthly/vung-ang
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<String>,

    /// Make also what was due from the begin of this day on, as 2026-01-01
    #[arg(long, value_name = "DAY")]
    pub since: Option<NaiveDate>,

    /// Role with whose rights it is made; without it, with all rights over the data folder, and with yours over the network
    #[arg(long, value_name = "ROLE")]
    pub author: Option<String>,

    /// Check it and say when it is due and of which days, and add nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `report schedule runs`.
#[derive(Debug, Args)]
pub(crate) struct RunsOptions {
    /// Name of a schedule; all without one
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `report schedule remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveOptions {
    /// Name of the schedule
    #[arg(value_name = "NAME")]
    pub name: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Adds, lists or removes schedules.
///
/// # Errors
/// Where no server runs, or the schedule cannot be.
pub(crate) fn run(command: &ScheduleCommand) -> Result<(), CliError> {
    match command {
        ScheduleCommand::Add(options) => add(options),
        ScheduleCommand::List(control) => list(&Control::open_running(control)?.get(&[SCHEDULES])?),
        ScheduleCommand::Runs(RunsOptions { name, control }) => {
            let path: Vec<&str> = [RUNS].into_iter().chain(name.as_deref()).collect();
            runs(&Control::open_running(control)?.get(&path)?)
        }
        ScheduleCommand::Remove(RemoveOptions { name, control }) => {
            Control::open_running(control)?.delete(&[SCHEDULES, name])?;
            eprintln!("The schedule {name} is removed. What it has made stays.");
            Ok(())
        }
    }
}

fn add(options: &AddOptions) -> Result<(), CliError> {
    let schedule = ScheduleDef {
        cron: options.cron.clone(),
        report: options.report.clone(),
        zone: options.zone.clone(),
        province: options.province.clone(),
        device: options.device.clone(),
        period: options.period,
        format: options.format,
        language: options.language,
        folder: options.folder.clone(),
    };
    let body = AddReportSchedule {
        name: options.name.clone(),
        schedule,
        author: options.author.clone(),
        since_us: options.since.map(|day| instant_of(day.and_time(NaiveTime::MIN))),
        dry_run: options.dry_run,
    };
    let added: ReportScheduleItem = Control::open_running(&options.control)?.post(&[SCHEDULES], &body)?;
    let due = local_time(added.due_us);
    if !options.dry_run {
        eprintln!("The report {} is due at {due}, with the rights of {}.", added.name, added.author);
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    for due_us in [added.due_us].into_iter().chain(added.next_us) {
        let period = added.schedule.request(due_us)?.period.words(Language::En);
        writeln!(out, "{}  of {period}", local_time(due_us)).map_err(CliError::failed)?;
    }
    eprintln!(
        "The report {} would be due at these times, with the rights of {}. Nothing is added.",
        added.name, added.author
    );
    Ok(())
}

fn list(list: &ReportScheduleList) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let mut line = |parts: [&str; 6]| {
        let [name, report, cron, due, author, state] = parts;
        writeln!(out, "{name:<24} {report:<14} {cron:<16} {due:<16} {author:<20} {state}").map_err(CliError::failed)
    };
    line(["schedule", "report", "times", "due", "author", "last"])?;
    for item in &list.schedules {
        let state = match (&item.error, &item.last_run) {
            (Some(error), _) => format!("failing, {} attempts: {error}", item.attempts),
            (None, Some(run)) => words(run),
            (None, None) => "-".to_owned(),
        };
        let due = local_time(item.due_us);
        line([&item.name, &item.schedule.report, &item.schedule.cron, &due, &item.author, &state])?;
    }
    Ok(())
}

fn runs(list: &ReportRunList) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for run in &list.runs {
        writeln!(out, "{} {}", run.schedule, words(run)).map_err(CliError::failed)?;
        for file in &run.files {
            let removed = if file.removed_us.is_some() { " (removed)" } else { "" };
            writeln!(out, "{}  {}/{}{removed}", file.sha256, list.folder, file.path).map_err(CliError::failed)?;
        }
    }
    if list.has_more {
        eprintln!("There are older ones: name a schedule.");
    }
    Ok(())
}

fn words(run: &ReportRunItem) -> String {
    let mut words = format!("{} for {}", run.outcome, local_time(run.due_us));
    if run.done_us.saturating_sub(run.due_us) > LATE_US {
        words += &format!(", late, at {}", local_time(run.done_us));
    }
    if run.is_ahead {
        words += ", while the clock was ahead";
    }
    run.note.as_ref().map(|note| format!("{words}: {note}")).unwrap_or(words)
}

/// An instant in the time of Viet Nam.
pub(super) fn local_time(us: i64) -> String {
    let time = DateTime::from_timestamp_micros(us).zip(FixedOffset::east_opt(7 * 3_600));
    time.map_or_else(|| "never".to_owned(), |(time, at)| time.with_timezone(&at).format("%Y-%m-%d %H:%M").to_string())
}

/// A report is told to be late that was made so long after it was due.
const LATE_US: i64 = 15 * 60 * 1_000_000;
const SCHEDULES: &str = "report-schedules";
pub(super) const RUNS: &str = "report-runs";
