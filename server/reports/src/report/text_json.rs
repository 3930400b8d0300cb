//! A report as one JSON object: codes as the views have them, days and times as ISO 8601 has them, whatever the language.

use serde_json::{Value, json};

use super::cell::{Cell, TIME_ZONE};
use super::filled::Filled;
use super::text_csv::digest;
use crate::error::ReportError;

/// The whole text.
///
/// # Errors
/// Where a value cannot be written, which does not happen.
pub(crate) fn text(filled: &Filled<'_>) -> Result<String, ReportError> {
    let language = filled.language;
    let sections: Vec<Value> = filled
        .sections
        .iter()
        .map(|part| {
            let columns = part.section.columns.iter();
            let columns = columns.map(
                |column| json!({ "name": column.name, "label": language.choose(&column.vi, &column.en), "unit": column.unit }),
            );
            let rows = part.rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>());
            json!({
                "name": part.section.name,
                "title": part.section.title.of(language),
                "note": part.section.note.as_ref().map(|note| note.of(language)),
                "columns": columns.collect::<Vec<_>>(),
                "rows": rows.collect::<Vec<_>>(),
                "reason": part.reason.as_ref().map(|(code, words)| json!({ "code": code, "words": words })),
                "sql": part.sql,
            })
        })
        .collect();
    let place = &filled.place;
    let whole = json!({
        "report": filled.report.name,
        "title": filled.report.title.of(language),
        "language": language.code(),
        "place": {
            "province": place.province,
            "province_name": place.province_name,
            "zone": place.zone.as_ref().map(|(code, _)| code),
            "zone_name": place.zone.as_ref().map(|(_, name)| name),
            "device": place.device,
        },
        "period": { "from": filled.period.first.to_string(), "to": filled.period.last.to_string() },
        "time_zone": TIME_ZONE,
        "sections": sections,
        "made_at": filled.made_at.to_rfc3339(),
        "digest": format!("sha256:{}", digest(filled)),
    });
    let text = serde_json::to_string_pretty(&whole).map_err(ReportError::failed)?;
    Ok(text + "\n")
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => text.as_str().into(),
        Cell::Number(number) => (*number).into(),
        Cell::Integer(number) => (*number).into(),
        Cell::Truth(is_true) => (*is_true).into(),
        Cell::Date(day) => day.to_string().into(),
        Cell::Instant(time) => time.to_rfc3339().into(),
        Cell::Local(time) => time.format("%Y-%m-%dT%H:%M:%S%.f").to_string().into(),
    }
}
