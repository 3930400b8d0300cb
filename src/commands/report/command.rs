//! `zonelake report`: options, and which report is made.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use clap::{Args, ValueEnum};
use zonelake_schemas::clock::{Clock, SystemClock};

use super::cell::report_time;
use super::declaration::{Report, report, reports};
use super::filled::{Filled, fill, texts};
use super::language::Language;
use super::period::Period;
use super::question::{Place, literal};
use super::{html, spreadsheet, station_file, text_csv, text_json};
use crate::commands::sql::client::{Client, ClientOptions, SessionOptions};
use crate::error::{CliError, long_help};
use crate::options::CredentialOptions;

const EXAMPLES: &str = "A report has the figures that the role of the caller may read, and ends with the SQL of each. Its SHA-256 is printed and stands in the file.

Examples:
  zonelake report list
  zonelake report environment --zone vung-ang --period 2026-10 --out environment.html
  zonelake report energy --zone vung-ang --period 2026-10 --format xlsx --language en --out energy.xlsx
  zonelake report network --province dak-lak --period 2026-12 --format json
  zonelake report station-file --zone vung-ang --device air-1 --period 2026-10-05 --out ./files";

/// Make a report: figures of a zone and a period as a page, a workbook, CSV or JSON, in Vietnamese or English
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct ReportOptions {
    /// Name of the report, or list
    #[arg(value_name = "NAME")]
    pub name: String,

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

/// Format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A page, complete in itself, with plots
    Html,
    /// A workbook with charts
    Xlsx,
    /// One text with a block for each section
    Csv,
    /// One object, codes and times for programs
    Json,
}

/// Lists reports, or makes one.
///
/// # Errors
/// Where the options do not fit, a question is refused or fails, the server cannot be reached, or the output cannot be written.
pub(crate) fn run(options: &ReportOptions) -> Result<(), CliError> {
    if options.name == "list" {
        return list(options.language);
    }
    let report = report(&options.name)?;
    let Some(period) = options.period else {
        return Err(CliError::input("a report has a period: --period 2026-10, a day, or 2026-10-01..2026-10-15"));
    };
    check_options(&report, options, &period)?;
    let client = Client::new(&ClientOptions {
        url: options.url.clone(),
        credentials: options.credentials.clone(),
        session: SessionOptions::default(),
    })?;
    let place = place(&client, options)?;
    let filled = fill(&client, &report, place, period, options.language, now()?)?;
    if report.is_station_file {
        return write_station_files(&filled, options.out.as_deref());
    }
    let bytes = match options.format {
        Format::Html => html::page(&filled)?.into_bytes(),
        Format::Xlsx => spreadsheet::workbook(&filled)?,
        Format::Csv => text_csv::text(&filled).into_bytes(),
        Format::Json => text_json::text(&filled)?.into_bytes(),
    };
    match &options.out {
        Some(path) => write_file(path, &bytes)?,
        None => std::io::stdout().lock().write_all(&bytes).map_err(CliError::failed)?,
    }
    eprintln!("sha256 {}", text_csv::digest(&filled));
    Ok(())
}

fn check_options(report: &Report, options: &ReportOptions, period: &Period) -> Result<(), CliError> {
    if report.is_station_file && (options.device.is_none() || options.zone.is_none()) {
        return Err(CliError::input("a file of a station needs --zone and --device"));
    }
    if !report.is_station_file && (options.device.is_some() || period.hour.is_some()) {
        return Err(CliError::input("a device and an hour are for files of a station: see `zonelake report list`"));
    }
    if options.format == Format::Xlsx && options.out.is_none() && std::io::stdout().is_terminal() {
        return Err(CliError::input("a workbook is not for a terminal: name a file with --out"));
    }
    Ok(())
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

/// The place with its names, as the reference tables have them for the role.
fn place(client: &Client, options: &ReportOptions) -> Result<Place, CliError> {
    let (mut province, mut zone) = (options.province.clone(), None);
    if let Some(code) = &options.zone {
        let and_province =
            province.as_deref().map(|code| format!(" and province = {}", literal(code))).unwrap_or_default();
        // One column: a code has no line end, and a name is what stands behind the first one.
        let sql = format!(
            "select province || chr(10) || name as named from zones where code = {}{and_province} order by province",
            literal(code)
        );
        let found = texts(client, &sql)?;
        let [found] = found.as_slice() else {
            let what = if found.is_empty() { "there is no" } else { "several provinces have a" };
            return Err(CliError::input(format!("{what} zone {code:?} that this role reads: see the table zones")));
        };
        let (of_zone, name) = found.split_once('\n').unwrap_or((found, code));
        province = Some(of_zone.to_owned());
        zone = Some((code.clone(), name.to_owned()));
    }
    let Some(province) = province else {
        return Err(CliError::input("a report is of a zone or a province: name one with --zone or --province"));
    };
    let names = texts(client, &format!("select name from provinces where code = {}", literal(&province)))?;
    let Some(province_name) = names.into_iter().next() else {
        return Err(CliError::input(format!("there is no province {province:?}: see the table provinces")));
    };
    Ok(Place { province, province_name, zone, device: options.device.clone() })
}

fn write_station_files(filled: &Filled<'_>, out: Option<&Path>) -> Result<(), CliError> {
    let files = station_file::files(filled)?;
    if files.is_empty() {
        let reason = filled.sections.iter().find_map(|part| part.reason.as_ref());
        let words = reason.map_or_else(String::new, |(code, words)| format!(": {words} ({code})"));
        return Err(CliError::input(format!("there is nothing to write{words}")));
    }
    match out {
        Some(folder) => {
            let cannot = |error| CliError::failed(format!("cannot make {}: {error}", folder.display()));
            std::fs::create_dir_all(folder).map_err(cannot)?;
            for (name, text) in &files {
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
    eprintln!("sha256 {}", text_csv::digest(filled));
    Ok(())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    std::fs::write(path, bytes).map_err(|error| CliError::failed(format!("cannot write {}: {error}", path.display())))
}

fn now() -> Result<DateTime<FixedOffset>, CliError> {
    let now = DateTime::from_timestamp_micros(SystemClock::default().wall_us());
    let now = now.ok_or_else(|| CliError::failed("the clock of this machine has no date"))?;
    Ok(DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now).with_timezone(&report_time()))
}
