//! A report as an XLSX workbook: a sheet with the head, a sheet for each section, a sheet with the SQL. Numbers are numbers, days and times are days and
//! times, and texts are texts, whatever they begin with. Plots are charts of the program that shows the workbook.

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use rust_xlsxwriter::{
    Chart, ChartType, DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError,
};

use super::cell::{Cell, TIME_ZONE};
use super::declaration::{Column, PlotKind, Section, Show};
use super::filled::{Filled, FilledSection};
use super::language::Language;
use super::plotted::{Plotted, plotted};
use super::text_csv::digest;
use crate::error::ReportError;

/// Bytes of the workbook.
///
/// # Errors
/// Where a section has more rows than a sheet.
pub(crate) fn workbook(filled: &Filled<'_>) -> Result<Vec<u8>, ReportError> {
    for part in &filled.sections {
        if part.rows.len() > ROWS_MAX {
            let message = format!(
                "section {} has {} rows, and a sheet has room for {ROWS_MAX}: choose a shorter period, or CSV or JSON",
                part.section.name,
                part.rows.len()
            );
            return Err(ReportError::input(message));
        }
    }
    write(filled).map_err(|error| ReportError::failed(format!("the workbook cannot be written: {error}")))
}

fn write(filled: &Filled<'_>) -> Result<Vec<u8>, XlsxError> {
    let language = filled.language;
    let mut workbook = Workbook::new();
    let made_at = excel_time(filled.made_at.naive_utc())?;
    workbook.set_properties(
        &DocProperties::new().set_title(filled.report.title.of(language)).set_creation_datetime(&made_at),
    );
    let formats = Formats::new(language);
    head(workbook.add_worksheet(), filled, &formats)?;
    for part in &filled.sections {
        section(workbook.add_worksheet(), part, language, &formats)?;
    }
    statements(workbook.add_worksheet(), filled, &formats)?;
    workbook.save_to_buffer()
}

struct Formats {
    bold: Format,
    wrapped: Format,
    label: Format,
    date: Format,
    month: Format,
    time: Format,
}

impl Formats {
    fn new(language: Language) -> Self {
        let of = |pattern: &str| Format::new().set_num_format(pattern);
        Self {
            bold: Format::new().set_bold(),
            wrapped: Format::new().set_text_wrap().set_align(FormatAlign::Top),
            label: Format::new()
                .set_bold()
                .set_text_wrap()
                .set_align(FormatAlign::Top)
                .set_background_color(0x00EE_EEEE),
            date: of(language.choose("dd/mm/yyyy", "yyyy-mm-dd")),
            month: of(language.choose("mm/yyyy", "yyyy-mm")),
            time: of(language.choose("dd/mm/yyyy hh:mm:ss", "yyyy-mm-dd hh:mm:ss")),
        }
    }
}

fn head(sheet: &mut Worksheet, filled: &Filled<'_>, formats: &Formats) -> Result<(), XlsxError> {
    let language = filled.language;
    sheet.set_name(language.choose("Tổng quan", "Summary"))?;
    sheet.set_column_width(0, 36)?;
    sheet.set_column_width(1, 80)?;
    sheet.write_string_with_format(0, 0, filled.report.title.of(language), &formats.bold)?;
    sheet.write_string(1, 0, filled.report.about.of(language))?;
    let lines = [
        (language.choose("Nơi", "Place"), filled.place.words(language)),
        (language.choose("Kỳ", "Period"), filled.period.words(language)),
        (language.choose("Thời gian theo giờ", "Times are of"), format!("{TIME_ZONE} (UTC+7)")),
        ("SHA-256", digest(filled)),
    ];
    let mut row = 3;
    for (name, text) in lines {
        sheet.write_string(row, 0, name)?;
        sheet.write_string(row, 1, text)?;
        row += 1;
    }
    sheet.write_string(row, 0, language.choose("Lập lúc", "Made at"))?;
    sheet.write_datetime_with_format(row, 1, &excel_time(filled.made_at.naive_local())?, &formats.time)?;
    row += 2;
    for part in &filled.sections {
        sheet.write_string(row, 0, part.section.title.of(language))?;
        match &part.reason {
            Some((code, words)) => sheet.write_string(row, 1, format!("{words} ({code})"))?,
            None => sheet.write_string(row, 1, format!("{} {}", part.rows.len(), language.choose("dòng", "rows")))?,
        };
        row += 1;
    }
    Ok(())
}

/// Title, note and labels, then the rows; the chart beside them.
fn section(
    sheet: &mut Worksheet,
    part: &FilledSection<'_>,
    language: Language,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let section = part.section;
    sheet.set_name(section.sheet.of(language))?;
    sheet.write_string_with_format(0, 0, section.title.of(language), &formats.bold)?;
    if let Some(note) = &section.note {
        sheet.write_string(1, 0, note.of(language))?;
    }
    for (at, column) in (0..).zip(&section.columns) {
        sheet.set_column_width(at, 18)?;
        sheet.write_string_with_format(LABELS, at, column.label(language), &formats.label)?;
    }
    if let Some((code, words)) = &part.reason {
        let none = language.choose("Không có dòng nào", "No rows");
        sheet.write_string(LABELS + 1, 0, format!("{none}: {words} ({code})"))?;
    }
    let numbers: Vec<Format> =
        section.columns.iter().map(|column| Format::new().set_num_format(pattern(column))).collect();
    for (number, row) in (LABELS + 1..).zip(&part.rows) {
        for ((at, column), (cell, of_numbers)) in (0..).zip(&section.columns).zip(row.iter().zip(&numbers)) {
            write_cell(sheet, (number, at), cell, column, language, (formats, of_numbers))?;
        }
    }
    sheet.set_freeze_panes(LABELS + 1, 0)?;
    if let Some(shown) = plotted(part, language) {
        insert_chart(sheet, section, &shown, language)?;
    }
    Ok(())
}

fn write_cell(
    sheet: &mut Worksheet,
    (row, at): (u32, u16),
    cell: &Cell,
    column: &Column,
    language: Language,
    (formats, of_numbers): (&Formats, &Format),
) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        Cell::Text(_) => {
            sheet.write_string(row, at, fitting(&cell.shown(column, language)))?;
        }
        // A sheet has no infinite numbers.
        Cell::Number(number) if !number.is_finite() => {
            sheet.write_string(row, at, number.to_string())?;
        }
        Cell::Number(number) => {
            sheet.write_number_with_format(row, at, *number, of_numbers)?;
        }
        Cell::Integer(_) => {
            sheet.write_number(row, at, cell.number().unwrap_or_default())?;
        }
        Cell::Truth(is_true) => {
            sheet.write_boolean(row, at, *is_true)?;
        }
        Cell::Date(day) => {
            let format = if column.show == Show::Month { &formats.month } else { &formats.date };
            sheet.write_datetime_with_format(row, at, &excel_date(*day)?, format)?;
        }
        Cell::Instant(time) => {
            sheet.write_datetime_with_format(row, at, &excel_time(time.naive_local())?, &formats.time)?;
        }
        Cell::Local(time) => {
            sheet.write_datetime_with_format(row, at, &excel_time(*time)?, &formats.time)?;
        }
    }
    Ok(())
}

/// A chart of what a plot shows, from cells behind the table: rows of several series are not beside each other in it.
fn insert_chart(
    sheet: &mut Worksheet,
    section: &Section,
    shown: &Plotted<'_>,
    language: Language,
) -> Result<(), XlsxError> {
    let name = section.sheet.of(language);
    let first_column = u16::try_from(section.columns.len()).unwrap_or(u16::MAX).saturating_add(CHART_COLUMNS);
    let last_row = LABELS + u32::try_from(shown.steps.len()).unwrap_or(u32::MAX);
    for (row, step) in (LABELS + 1..).zip(&shown.steps) {
        sheet.write_string(row, first_column, step)?;
    }
    let mut chart = Chart::new(match shown.kind {
        PlotKind::Line => ChartType::Line,
        PlotKind::Bar => ChartType::Column,
    });
    for (column, series) in (first_column + 1..).zip(&shown.series) {
        sheet.write_string(LABELS, column, &series.name)?;
        for (row, value) in (LABELS + 1..).zip(&series.values) {
            if let Some(value) = value {
                sheet.write_number(row, column, *value)?;
            }
        }
        chart
            .add_series()
            .set_name((name, LABELS, column))
            .set_categories((name, LABELS + 1, first_column, last_row, first_column))
            .set_values((name, LABELS + 1, column, last_row, column));
    }
    chart.title().set_name(section.title.of(language));
    chart.y_axis().set_name(shown.values);
    chart.set_width(760).set_height(360);
    sheet.insert_chart(LABELS, first_column - CHART_COLUMNS + 1, &chart)?;
    Ok(())
}

fn statements(sheet: &mut Worksheet, filled: &Filled<'_>, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name("SQL")?;
    sheet.set_column_width(0, 36)?;
    sheet.set_column_width(1, 120)?;
    for (row, part) in (0..).zip(&filled.sections) {
        sheet.write_string_with_format(row, 0, part.section.title.of(filled.language), &formats.wrapped)?;
        sheet.write_string_with_format(row, 1, &part.sql, &formats.wrapped)?;
    }
    Ok(())
}

/// As much of a text as a cell has room for.
fn fitting(text: &str) -> String {
    text.chars().take(LETTERS_MAX).collect()
}

/// Pattern of a column of numbers; the program that shows it puts the decimal sign of its user.
fn pattern(column: &Column) -> String {
    match column.decimals {
        None => "General".to_owned(),
        Some(0) => "0".to_owned(),
        Some(decimals) => format!("0.{}", "0".repeat(decimals.into())),
    }
}

fn excel_date(day: NaiveDate) -> Result<ExcelDateTime, XlsxError> {
    let year = u16::try_from(day.year()).unwrap_or_default();
    let (month, of_month) =
        (u8::try_from(day.month()).unwrap_or_default(), u8::try_from(day.day()).unwrap_or_default());
    ExcelDateTime::from_ymd(year, month, of_month)
}

fn excel_time(time: NaiveDateTime) -> Result<ExcelDateTime, XlsxError> {
    let hour = u16::try_from(time.hour()).unwrap_or_default();
    let minute = u8::try_from(time.minute()).unwrap_or_default();
    excel_date(time.date())?.and_hms(hour, minute, f64::from(time.second()))
}

/// Row of the labels.
const LABELS: u32 = 3;
/// Rows below them.
const ROWS_MAX: usize = 1_048_576 - 4;
/// UTF-16 units of a cell are 32,767, and a letter has two at most.
const LETTERS_MAX: usize = 16_383;
/// Columns that the chart lies over, between the table and the cells that it is of.
const CHART_COLUMNS: u16 = 9;
