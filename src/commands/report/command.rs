//! `zonelake report`: options, and which report is made.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use clap::{Args, Subcommand};
use zonelake_reports::report::declaration::report;
use zonelake_reports::report::making::{check_parts, made_at};
use zonelake_reports::report::{Format, Language, MadeContent, Period, ReportRequest, make, reports};
use zonelake_reports::{Answers, ReportError};
use zonelake_schemas::clock::{Clock, SystemClock};

use super::{prune, schedule, verify};
use crate::commands::sql::client::{Client, ClientOptions, SessionOptions};
use crate::error::{CliError, long_help};
use crate::options::CredentialOptions;

const EXAMPLES: &str = "A report has the figures that the role of the caller may read, and ends with the SQL of each. Its SHA-256 is printed and stands in the file.

Examples:
  zonelake report list
  zonelake report environment --zone vung-ang --period 2026-10 --out environment.html
  zonelake report energy --zone vung-ang --period 2026-10 --format xlsx --language en --out energy.xlsx
  zonelake report network --province dak-lak --period 2026-12 --format json
  zonelake report station-file --zone vung-ang --device air-1 --period 2026-10-05 --out ./files
  zonelake report schedule list";

/// Make a report: figures of a zone and a period as a page, a workbook, CSV or JSON, in Vietnamese or English
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct ReportOptions {
    #[command(subcommand)]
    pub command: Option<ReportCommand>,

    /// Name of the report, or list
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    /// Zone; without it all zones of the province that the role reads
    #[arg(long, value_name = "CODE")]
    pub zone: Option<String>,

    /// Province; without it that of the zone
    #[arg(long, value_name = "CODE")]
    pub province: Option<String>,

    /// Station, for a file of one
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,

    /// Local days: 2026-10, 2026-10-05, 2026-10-01..2026-10-15; for a file of a station also an hour, 2026-10-05T08
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<Period>,

    /// Format
    #[arg(long, value_enum, default_value_t = Format::Html)]
    pub format: Format,

    /// Language of titles, words and dates
    #[arg(long, value_enum, default_value_t = Language::Vi)]
    pub language: Language,

    /// File to write, or folder for files of a station; without it, standard output
    #[arg(short = 'o', long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Address of the server
    #[arg(long, value_name = "URL", env = "ZONELAKE_URL", default_value = "http://127.0.0.1:7421")]
    pub url: String,

    #[command(flatten)]
    pub credentials: CredentialOptions,
}

/// What else is done with reports.
#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// Have the server make reports when they are due
    #[command(subcommand, after_long_help = long_help(schedule::EXAMPLES))]
    Schedule(schedule::ScheduleCommand),
    /// Check that files of scheduled reports are those that were made
    #[command(after_long_help = long_help(verify::EXAMPLES))]
    Verify(verify::VerifyOptions),
    /// Remove old files of scheduled reports; their digests stay
    #[command(after_long_help = long_help(prune::EXAMPLES))]
    Prune(prune::PruneOptions),
}

/// Lists reports, makes one, or does what else is done with them.
///
/// # Errors
/// Where the options do not fit, a question is refused or fails, the server cannot be reached, or the output cannot be written.
pub(crate) fn run(options: &ReportOptions) -> Result<(), CliError> {
    match &options.command {
        Some(ReportCommand::Schedule(command)) => return schedule::run(command),
        Some(ReportCommand::Verify(options)) => return verify::run(options),
        Some(ReportCommand::Prune(options)) => return prune::run(options),
        None => {}
    }
    let Some(name) = &options.name else {
        return Err(CliError::input("name a report: see `zonelake report list`"));
    };
    if name == "list" {
        return list(options.language);
    }
    let declared = report(name)?;
    let Some(period) = options.period else {
        return Err(CliError::input("a report has a period: --period 2026-10, a day, or 2026-10-01..2026-10-15"));
    };
    // Before a password is asked for.
    check_parts(&declared, options.zone.as_deref(), options.device.as_deref(), period.hour.is_some())?;
    if options.format == Format::Xlsx && options.out.is_none() && std::io::stdout().is_terminal() {
        return Err(CliError::input("a workbook is not for a terminal: name a file with --out"));
    }
    let client = Client::new(&ClientOptions {
        url: options.url.clone(),
        credentials: options.credentials.clone(),
        session: SessionOptions::default(),
    })?;
    let request = ReportRequest {
        report: name.clone(),
        zone: options.zone.clone(),
        province: options.province.clone(),
        device: options.device.clone(),
        period,
        format: options.format,
        language: options.language,
    };
    let made = make(&client, &request, made_at(SystemClock::default().wall_us())?)?;
    match made.content {
        MadeContent::Whole(bytes) => match &options.out {
            Some(path) => write_file(path, &bytes)?,
            None => std::io::stdout().lock().write_all(&bytes).map_err(CliError::failed)?,
        },
        MadeContent::StationFiles { files, nothing } => write_station_files(&files, &nothing, options.out.as_deref())?,
    }
    eprintln!("sha256 {}", made.digest);
    Ok(())
}

impl Answers for Client {
    fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>, ReportError> {
        Self::rows(self, sql).map_err(ReportError::from)
    }
}

fn list(language: Language) -> Result<(), CliError> {
    let reports = reports()?;
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or(0);
    let mut lines = String::new();
    for report in &reports {
        lines += &format!("{:width$}  {}: {}\n", report.name, report.title.of(language), report.about.of(language));
    }
    std::io::stdout().lock().write_all(lines.as_bytes()).map_err(CliError::failed)
}

fn write_station_files(files: &BTreeMap<String, String>, nothing: &str, out: Option<&Path>) -> Result<(), CliError> {
    if files.is_empty() {
        let separator = if nothing.is_empty() { "" } else { ": " };
        return Err(CliError::input(format!("there is nothing to write{separator}{nothing}")));
    }
    match out {
        Some(folder) => {
            let cannot = |error| CliError::failed(format!("cannot make {}: {error}", folder.display()));
            std::fs::create_dir_all(folder).map_err(cannot)?;
            for (name, text) in files {
                write_file(&folder.join(name), text.as_bytes())?;
                eprintln!("{name}");
            }
        }
        None if files.len() > 1 => {
            let message = format!("the period has {} files: name a folder with --out, or an hour", files.len());
            return Err(CliError::input(message));
        }
        None => {
            let mut out = std::io::stdout().lock();
            files.values().try_for_each(|text| out.write_all(text.as_bytes())).map_err(CliError::failed)?;
        }
    }
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    std::fs::write(path, bytes).map_err(|error| CliError::failed(format!("cannot write {}: {error}", path.display())))
}
