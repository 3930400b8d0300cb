//! A report as one CSV text: a block for each section.
//!
//! | record | what |
//! |---|---|
//! | `report`, `place`, `period`, `times`, `language` | the head: name and title, names and codes, first and last day, zone of the times |
//! | `section`, name, title | begin of a section; the record behind it has the labels of the columns, and then come the rows |
//! | `reason`, code, words | in the place of rows, why there are none |
//! | `note`, text | what has to be known to read the figures |
//! | `sql`, section, statement | behind all sections, what was asked |
//! | `made_at`, time | the last but one |
//! | `digest`, SHA-256 | of all lines before these two |
//!
//! Numbers have all of their digits and a point, whatever the language. A text that a spreadsheet would take for a formula has an apostrophe
//! before it.

use sha2::{Digest, Sha256};

use super::cell::{Cell, TIME_ZONE};
use super::declaration::Column;
use super::filled::Filled;
use super::language::Language;

/// The whole text.
pub(crate) fn text(filled: &Filled<'_>) -> String {
    let mut text = content(filled);
    record(&mut text, ["made_at".into(), filled.made_at.to_rfc3339()]);
    record(&mut text, ["digest".into(), format!("sha256:{}", digest(filled))]);
    text
}

/// SHA-256 of the text without its last two lines, which have the time of making and this digest.
pub(crate) fn digest(filled: &Filled<'_>) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content(filled).as_bytes()))
}

fn content(filled: &Filled<'_>) -> String {
    let language = filled.language;
    let mut text = String::new();
    let mut head = |name: &str, words: String| record(&mut text, [name.to_owned(), words]);
    head("report", format!("{}: {}", filled.report.name, filled.report.title.of(language)));
    head("place", guarded(&filled.place.words(language)));
    head("period", filled.period.words(language));
    head("times", format!("{TIME_ZONE} (UTC+7)"));
    head("language", language.code().to_owned());
    for part in &filled.sections {
        let section = part.section;
        text.push('\n');
        record(&mut text, ["section".into(), section.name.clone(), section.title.of(language).to_owned()]);
        if let Some(note) = &section.note {
            record(&mut text, ["note".into(), note.of(language).to_owned()]);
        }
        record(&mut text, section.columns.iter().map(|column| column.label(language)));
        for row in &part.rows {
            record(&mut text, section.columns.iter().zip(row).map(|(column, cell)| value(cell, column, language)));
        }
        if let Some((code, words)) = &part.reason {
            record(&mut text, ["reason".into(), code.clone(), words.clone()]);
        }
    }
    text.push('\n');
    for part in &filled.sections {
        record(&mut text, ["sql".into(), part.section.name.clone(), part.sql.clone()]);
    }
    text
}

fn value(cell: &Cell, column: &Column, language: Language) -> String {
    match cell {
        // All digits, with a point.
        Cell::Number(number) => number.to_string(),
        Cell::Text(_) => guarded(&cell.shown(column, language)),
        _ => cell.shown(column, language),
    }
}

/// A text that no spreadsheet takes for a formula.
fn guarded(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

fn record(text: &mut String, cells: impl IntoIterator<Item = String>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&cell);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be_and_texts_are_no_formulas() {
        let mut text = String::new();
        record(
            &mut text,
            ["a,b".to_owned(), "say \"ộ\"".to_owned(), "plain".to_owned(), guarded("=1+1"), guarded("x=1")],
        );
        assert_eq!(text, "\"a,b\",\"say \"\"ộ\"\"\",plain,'=1+1,x=1\n");
    }
}
