//! A report from what is asked for to the bytes of its files.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::cell::report_time;
use super::declaration::{Report, report};
use super::filled::{Filled, FilledSection, NOT_GRANTED, fill, texts};
use super::language::Language;
use super::period::Period;
use super::question::{Place, literal};
use super::{html, spreadsheet, station_file, text_csv, text_json};
use crate::answers::Answers;
use crate::error::ReportError;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    /// Name of the report.
    pub report: String,
    /// Zone; without it all zones of the province that are read.
    pub zone: Option<String>,
    /// Province; without it that of the zone.
    pub province: Option<String>,
    /// Station, for a file of one.
    pub device: Option<String>,
    /// Local days, or an hour.
    pub period: Period,
    /// Format, of all but files of a station.
    pub format: Format,
    /// Language of titles, words and dates.
    pub language: Language,
}

/// Format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A page, complete in itself, with plots
    Html,
    /// A workbook with charts
    Xlsx,
    /// One text with a block for each section
    Csv,
    /// One object, codes and times for programs
    Json,
}

impl Format {
    /// Ending of the names of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// A report that was made.
#[derive(Debug)]
pub struct MadeReport {
    /// Its bytes.
    pub content: MadeContent,
    /// SHA-256 of its figures: the same in every format and whenever it is made.
    pub digest: String,
    /// Sections that say that the role may not read them.
    pub not_granted: Vec<String>,
}

/// Bytes of a report.
#[derive(Debug)]
pub enum MadeContent {
    /// One file.
    Whole(Vec<u8>),
    /// Files of a station by name.
    StationFiles {
        /// The files.
        files: BTreeMap<String, String>,
        /// Why there are none, in words and with its code; empty where there are some.
        nothing: String,
    },
}

impl MadeContent {
    /// Number of its bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::StationFiles { files, .. } => files.values().map(|text| text.len() as u64).sum(),
        }
    }
}

/// Makes a report.
///
/// # Errors
/// Where what is asked for does not fit together, or a question is refused or fails.
pub fn make(
    answers: &dyn Answers,
    request: &ReportRequest,
    made_at: DateTime<FixedOffset>,
) -> Result<MadeReport, ReportError> {
    let report = report(&request.report)?;
    check(&report, request, request.period.hour.is_some())?;
    let place = place(answers, request)?;
    let filled = fill(answers, &report, place, request.period, request.language, made_at)?;
    let content = match (report.is_station_file, request.format) {
        (true, _) => of_station(&filled)?,
        (false, Format::Html) => MadeContent::Whole(html::page(&filled)?.into_bytes()),
        (false, Format::Xlsx) => MadeContent::Whole(spreadsheet::workbook(&filled)?),
        (false, Format::Csv) => MadeContent::Whole(text_csv::text(&filled).into_bytes()),
        (false, Format::Json) => MadeContent::Whole(text_json::text(&filled)?.into_bytes()),
    };
    let is_not_granted = |part: &&FilledSection<'_>| part.reason.as_ref().is_some_and(|(code, _)| code == NOT_GRANTED);
    let not_granted = filled.sections.iter().filter(is_not_granted).map(|part| part.section.name.clone()).collect();
    Ok(MadeReport { content, digest: text_csv::digest(&filled), not_granted })
}

/// Checks that a request fits its report.
fn check(report: &Report, request: &ReportRequest, is_hour: bool) -> Result<(), ReportError> {
    check_parts(report, request.zone.as_deref(), request.device.as_deref(), is_hour)
}

/// Checks that place and period fit a report.
///
/// # Errors
/// Where a file of a station has no station, or another report has one or an hour.
pub fn check_parts(
    report: &Report,
    zone: Option<&str>,
    device: Option<&str>,
    is_hour: bool,
) -> Result<(), ReportError> {
    if report.is_station_file && (device.is_none() || zone.is_none()) {
        return Err(ReportError::input("a file of a station needs --zone and --device"));
    }
    if !report.is_station_file && (device.is_some() || is_hour) {
        return Err(ReportError::input("a device and an hour are for files of a station: see `zonelake report list`"));
    }
    Ok(())
}

/// An instant as the time at which a report is made.
///
/// # Errors
/// Where the clock has no date.
pub fn made_at(us: i64) -> Result<DateTime<FixedOffset>, ReportError> {
    let second = DateTime::from_timestamp(us.div_euclid(1_000_000), 0);
    let second = second.ok_or_else(|| ReportError::failed("the clock of this machine has no date"))?;
    Ok(second.with_timezone(&report_time()))
}

/// The place with its names, as the reference tables have them for the role.
fn place(answers: &dyn Answers, request: &ReportRequest) -> Result<Place, ReportError> {
    let (mut province, mut zone) = (request.province.clone(), None);
    if let Some(code) = &request.zone {
        let and_province =
            province.as_deref().map(|code| format!(" and province = {}", literal(code))).unwrap_or_default();
        // One column: a code has no line end, and a name is what stands behind the first one.
        let sql = format!(
            "select province || chr(10) || name as named from zones where code = {}{and_province} order by province",
            literal(code)
        );
        let found = texts(answers, &sql)?;
        let [found] = found.as_slice() else {
            let what = if found.is_empty() { "there is no" } else { "several provinces have a" };
            return Err(ReportError::input(format!("{what} zone {code:?} that this role reads: see the table zones")));
        };
        let (of_zone, name) = found.split_once('\n').unwrap_or((found, code));
        province = Some(of_zone.to_owned());
        zone = Some((code.clone(), name.to_owned()));
    }
    let Some(province) = province else {
        return Err(ReportError::input("a report is of a zone or a province: name one with --zone or --province"));
    };
    let names = texts(answers, &format!("select name from provinces where code = {}", literal(&province)))?;
    let Some(province_name) = names.into_iter().next() else {
        return Err(ReportError::input(format!("there is no province {province:?}: see the table provinces")));
    };
    Ok(Place { province, province_name, zone, device: request.device.clone() })
}

fn of_station(filled: &Filled<'_>) -> Result<MadeContent, ReportError> {
    let files = station_file::files(filled)?;
    let reason = filled.sections.iter().find_map(|part| part.reason.as_ref());
    let words = reason.map_or_else(String::new, |(code, words)| format!("{words} ({code})"));
    let nothing = if files.is_empty() { words } else { String::new() };
    Ok(MadeContent::StationFiles { files, nothing })
}
