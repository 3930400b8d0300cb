//! A report with its answers.

use std::collections::BTreeSet;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use chrono::{DateTime, FixedOffset};

use super::cell::{Cell, rows};
use super::declaration::{Report, Section};
use super::language::Language;
use super::period::Period;
use super::question::{Filling, Place};
use crate::answers::Answers;
use crate::error::ReportError;

/// A report with its answers.
#[derive(Debug)]
pub(crate) struct Filled<'a> {
    /// What was declared.
    pub report: &'a Report,
    /// Where it is of.
    pub place: Place,
    /// Its days.
    pub period: Period,
    /// Its language.
    pub language: Language,
    /// When it was made.
    pub made_at: DateTime<FixedOffset>,
    /// Its sections, in their order.
    pub sections: Vec<FilledSection<'a>>,
}

/// A section with its answer.
#[derive(Debug)]
pub(crate) struct FilledSection<'a> {
    /// What was declared.
    pub section: &'a Section,
    /// What was asked.
    pub sql: String,
    /// Rows of the answer.
    pub rows: Vec<Vec<Cell>>,
    /// Why there are none: a code, and its words.
    pub reason: Option<(String, String)>,
}

/// Asks for all sections of a report.
///
/// # Errors
/// Where a question is refused or fails, or the server cannot be reached.
pub(crate) fn fill<'a>(
    answers: &dyn Answers,
    report: &'a Report,
    place: Place,
    period: Period,
    language: Language,
    made_at: DateTime<FixedOffset>,
) -> Result<Filled<'a>, ReportError> {
    let filling = Filling::new(&place, &period, language);
    let tables: BTreeSet<String> =
        texts(answers, "select distinct table_name from information_schema.tables")?.into_iter().collect();
    let asker = Asker { answers, filling: &filling, tables: &tables, language };
    let sections = report.sections.iter().map(|section| {
        let named = |error: ReportError| error.prefixed(&format!("report {}, section {}: ", report.name, section.name));
        asker.ask(section).map_err(named)
    });
    let sections = sections.collect::<Result<Vec<_>, _>>()?;
    Ok(Filled { report, place, period, language, made_at, sections })
}

struct Asker<'a> {
    answers: &'a dyn Answers,
    filling: &'a Filling,
    /// Tables and views that exist for the role.
    tables: &'a BTreeSet<String>,
    language: Language,
}

impl Asker<'_> {
    fn ask<'a>(&self, section: &'a Section) -> Result<FilledSection<'a>, ReportError> {
        let sql = self.filling.fill(&section.sql);
        if let Some(missing) = section.reads.iter().find(|table| !self.tables.contains(*table)) {
            let words = format!("{}: {missing}", self.language.code_words(NOT_GRANTED));
            return Ok(FilledSection { section, sql, rows: Vec::new(), reason: Some((NOT_GRANTED.into(), words)) });
        }
        let rows = rows(&self.answers.rows(&sql)?, &section.columns)?;
        let reason = if rows.is_empty() { Some(self.reason(section)?) } else { None };
        Ok(FilledSection { section, sql, rows, reason })
    }

    /// Why a section has no rows.
    fn reason(&self, section: &Section) -> Result<(String, String), ReportError> {
        let sql = match (&section.why, &section.readings) {
            (Some(why), _) => why.clone(),
            (None, Some(table)) => format!(
                "select case when count(*) = 0 then 'no_readings' else '{NOTHING_FOUND}' end as reason \
                 from (select 1 as one from {table} where {{places}} and time > {{begin}} and time <= {{end}} limit 1) known"
            ),
            (None, None) => format!("select '{NOTHING_FOUND}' as reason"),
        };
        let code = texts(self.answers, &self.filling.fill(&sql))?.into_iter().next();
        let code = code.unwrap_or_else(|| NOTHING_FOUND.to_owned());
        let words = match code.as_str() {
            NOTHING_FOUND => section.nothing.of(self.language),
            other => self.language.code_words(other),
        };
        Ok((code.clone(), words.to_owned()))
    }
}

/// There are readings, and nothing that the section would tell of.
const NOTHING_FOUND: &str = "nothing_found";
/// The role does not have what the section reads.
pub(super) const NOT_GRANTED: &str = "not_granted";

/// Texts of the first column of an answer.
///
/// # Errors
/// Where the question is refused or fails.
pub(crate) fn texts(answers: &dyn Answers, sql: &str) -> Result<Vec<String>, ReportError> {
    let mut all = Vec::new();
    for batch in answers.rows(sql)? {
        let column = cast(batch.column(0), &DataType::Utf8).map_err(ReportError::failed)?;
        all.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(all)
}
