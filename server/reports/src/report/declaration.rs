//! Reports as they are declared: a file of `schemas/reports` each, with titles, SQL and columns in both languages.

use serde::Deserialize;

use super::language::Words;
use crate::error::ReportError;

/// A report.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Name on the command line: that of its file.
    #[serde(skip)]
    pub name: String,
    /// Title.
    pub title: Words,
    /// What it tells, in a line.
    pub about: Words,
    /// Whether it is a file of a station, and no page.
    #[serde(default)]
    pub is_station_file: bool,
    /// Parts of it, in their order.
    #[serde(rename = "section")]
    pub sections: Vec<Section>,
}

/// A part of a report: a table of figures, and perhaps a plot of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Name of it, for files that programs read.
    pub name: String,
    /// Title.
    pub title: Words,
    /// Name of its sheet, 31 characters at most.
    pub sheet: Words,
    /// What has to be known to read the figures.
    pub note: Option<Words>,
    /// Tables and views in the SQL. A role that does not have one of them is told so.
    pub reads: Vec<String>,
    /// Table of readings, which tells why there are no rows: that it has none, or that there is nothing to tell.
    pub readings: Option<String>,
    /// SQL in the place of that question: one row, one column with a code.
    pub why: Option<String>,
    /// What it means that there are no rows although there are readings.
    pub nothing: Words,
    /// Columns of the answer, in their order.
    #[serde(rename = "column")]
    pub columns: Vec<Column>,
    /// SQL, with places to fill in: see `question.rs`.
    pub sql: String,
    /// What is drawn.
    pub plot: Option<Plot>,
}

/// A column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Name in the SQL.
    pub name: String,
    /// Label in Vietnamese.
    pub vi: String,
    /// Label in English.
    pub en: String,
    /// Unit.
    pub unit: Option<String>,
    /// Digits behind the decimal point of a figure that are shown; files for programs have twelve significant ones. Absent for what was measured.
    pub decimals: Option<u8>,
    /// What the values are, where their type does not say it.
    #[serde(default)]
    pub show: Show,
}

impl Column {
    /// Label with its unit.
    pub fn label(&self, language: super::language::Language) -> String {
        let label = language.choose(&self.vi, &self.en);
        match &self.unit {
            Some(unit) => format!("{label} [{unit}]"),
            None => label.to_owned(),
        }
    }
}

/// What values are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// What their type says.
    #[default]
    Plain,
    /// Codes, for which there are words.
    Code,
    /// First days of months.
    Month,
}

/// A plot of a section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plot {
    /// How it looks.
    pub kind: PlotKind,
    /// Column along the axis.
    pub x: String,
    /// Columns of numbers, a line or a row of bars each.
    pub y: Vec<String>,
    /// Columns whose values have a line or a row of bars each.
    #[serde(default)]
    pub by: Vec<String>,
}

/// How a plot looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlotKind {
    /// Lines.
    Line,
    /// Upright bars, side by side.
    Bar,
}

macro_rules! reports {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/reports/", $name, ".toml")))),*]
    };
}

/// The files, in the order of the list.
const REPORTS: &[(&str, &str)] =
    reports!["environment", "station-file", "production", "energy", "network", "security", "data-quality",];

/// All reports.
///
/// # Errors
/// Where a declaration cannot be read, which a test excludes.
pub fn reports() -> Result<Vec<Report>, ReportError> {
    let read = |(name, text): &(&str, &str)| {
        let report: Report =
            toml::from_str(text).map_err(|error| ReportError::failed(format!("report {name}: {error}")))?;
        Ok(Report { name: (*name).to_owned(), ..report })
    };
    REPORTS.iter().map(read).collect()
}

/// The report of a name.
///
/// # Errors
/// Where there is none.
pub fn report(name: &str) -> Result<Report, ReportError> {
    let unknown = || ReportError::input(format!("there is no report {name:?}: see `zonelake report list`"));
    reports()?.into_iter().find(|report| report.name == name).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::super::language::Language;
    use super::*;

    #[test]
    fn every_report_can_be_read_and_names_what_it_uses() {
        let reports = reports().unwrap();
        assert_eq!(reports.len(), REPORTS.len());
        for report in &reports {
            let mut sheets = std::collections::BTreeSet::new();
            assert!(!report.sections.is_empty(), "{}", report.name);
            for section in &report.sections {
                let place = format!("{}, {}", report.name, section.name);
                assert!(!section.reads.is_empty(), "{place} reads nothing");
                for table in &section.reads {
                    assert!(section.sql.contains(table.as_str()), "{place} does not read {table}");
                }
                assert!(
                    section.readings.is_some() != section.why.is_some(),
                    "{place} tells in one way why it is empty"
                );
                for language in [Language::Vi, Language::En] {
                    let sheet = section.sheet.of(language);
                    assert!(sheet.chars().count() <= 31, "{place}: {sheet}");
                    assert!(!sheet.contains(['[', ']', ':', '*', '?', '/', '\\', '\'']), "{place}: {sheet}");
                    assert!(sheets.insert((language, sheet.to_lowercase())), "{place}: {sheet} is there already");
                }
                let is_column = |name: &String| section.columns.iter().any(|column| column.name == *name);
                if let Some(plot) = &section.plot {
                    assert!(is_column(&plot.x) && plot.y.iter().all(is_column), "{place}");
                    assert!(plot.by.iter().all(is_column), "{place}");
                }
            }
        }
    }

    #[test]
    fn a_name_that_is_none_is_told_with_where_to_look() {
        assert!(report("lakes").unwrap_err().to_string().contains("zonelake report list"));
    }
}
