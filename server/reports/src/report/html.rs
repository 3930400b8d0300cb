//! A report as an HTML page, complete in itself: no script, no font, no picture from elsewhere. Every text in it is escaped.

use super::cell::{Cell, TIME_ZONE};
use super::declaration::Section;
use super::drawing::svg;
use super::filled::{Filled, FilledSection};
use super::language::Language;
use super::plotted::plotted;
use super::text_csv::digest;
use crate::error::ReportError;

/// The whole page.
///
/// # Errors
/// Where a plot cannot be drawn.
pub(crate) fn page(filled: &Filled<'_>) -> Result<String, ReportError> {
    let language = filled.language;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        language.code(),
        escaped(filled.report.title.of(language))
    );
    head(&mut page, filled);
    for part in &filled.sections {
        section(&mut page, part, language)?;
    }
    page += &format!("<h2>{}</h2>\n", language.choose("Câu lệnh SQL của từng số liệu", "SQL of each figure"));
    for part in &filled.sections {
        let title = escaped(part.section.title.of(language));
        page += &format!("<h3>{title}</h3>\n<pre>{}</pre>\n", escaped(&part.sql));
    }
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

fn head(page: &mut String, filled: &Filled<'_>) {
    let language = filled.language;
    let times = language.choose("giờ Việt Nam", "time of Viet Nam");
    let lines = [
        (language.choose("Nơi", "Place"), filled.place.words(language)),
        (language.choose("Kỳ", "Period"), filled.period.words(language)),
        (language.choose("Thời gian", "Times"), format!("{times}: {TIME_ZONE}, UTC+7")),
        (language.choose("Lập lúc", "Made at"), language.time(filled.made_at.naive_local())),
        ("SHA-256", digest(filled)),
    ];
    *page += &format!(
        "<h1>{}</h1>\n<p>{}</p>\n<dl>\n",
        escaped(filled.report.title.of(language)),
        escaped(filled.report.about.of(language))
    );
    for (name, text) in lines {
        *page += &format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(&text));
    }
    page.push_str("</dl>\n");
}

fn section(page: &mut String, part: &FilledSection<'_>, language: Language) -> Result<(), ReportError> {
    let section = part.section;
    *page +=
        &format!("<section id=\"{}\">\n<h2>{}</h2>\n", escaped(&section.name), escaped(section.title.of(language)));
    if let Some(note) = &section.note {
        *page += &format!("<p class=\"note\">{}</p>\n", escaped(note.of(language)));
    }
    if let Some((code, words)) = &part.reason {
        let none = language.choose("Không có dòng nào", "No rows");
        *page += &format!("<p class=\"reason\">{none}: {} (<code>{}</code>)</p>\n", escaped(words), escaped(code));
    }
    if let Some(plotted) = plotted(part, language) {
        *page += &format!("<figure>{}</figure>\n", svg(&plotted, language)?);
    }
    if !part.rows.is_empty() {
        table(page, section, &part.rows, language);
    }
    page.push_str("</section>\n");
    Ok(())
}

fn table(page: &mut String, section: &Section, rows: &[Vec<Cell>], language: Language) {
    page.push_str("<table>\n<thead><tr>");
    for column in &section.columns {
        *page += &format!("<th>{}</th>", escaped(&column.label(language)));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for (column, cell) in section.columns.iter().zip(row) {
            let class = if cell.number().is_some() { " class=\"n\"" } else { "" };
            *page += &format!("<td{class}>{}</td>", escaped(&cell.shown(column, language)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
}

/// A text that is a text wherever it stands in a page.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = "body{font-family:sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;line-height:1.4}\
dl{display:grid;grid-template-columns:max-content auto;gap:.2rem 1rem}dd{margin:0;overflow-wrap:anywhere}\
table{border-collapse:collapse;margin:1rem 0}th,td{border:1px solid #bbb;padding:.2rem .5rem;text-align:left}th{background:#eee}\
td.n{text-align:right;font-variant-numeric:tabular-nums}figure{margin:0}svg{max-width:100%;height:auto}\
pre{background:#f6f6f6;padding:.5rem;white-space:pre-wrap;overflow-wrap:anywhere}.reason{background:#fff6d6;padding:.5rem}.note{color:#444}\
@media print{pre{font-size:8pt}section{break-inside:auto}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_tag_or_ends_an_attribute() {
        assert_eq!(escaped("<b a=\"1\" c='2'>&"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
    }
}
