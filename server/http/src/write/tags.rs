//! Headers by which a sender says what becomes of its tags. Telegraf and InfluxDB's clients can set headers where they can set nothing else.
//!
//! | header | example | meaning |
//! |---|---|---|
//! | `X-Zonelake-Ignore-Tags` | `rack,datacenter` | tags that are left out |
//! | `X-Zonelake-Map-Tags` | `station=device,line=site` | tags that are taken as other columns |
//!
//! Without them, and beside them, the tag `host` is the device of a line that names none, and is left out of one that does, unless the table
//! has a field of that name.

use axum::http::HeaderMap;
use zonelake_ingest::TagRules;

use super::error::HttpError;

/// The rules of a request.
pub(super) fn rules(headers: &HeaderMap) -> Result<TagRules, HttpError> {
    let (ignored, mapped) = (text(headers, IGNORE)?, text(headers, MAP)?);
    TagRules::for_senders(&ignored, &mapped).map_err(|part| {
        HttpError::invalid(format!("{MAP}: {part:?} is no pair such as station=device; several are divided by commas"))
    })
}

/// The values of a header as one list.
fn text(headers: &HeaderMap, name: &str) -> Result<String, HttpError> {
    let values = headers.get_all(name).iter().map(|value| std::str::from_utf8(value.as_bytes()));
    let values = values
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_not_utf8| HttpError::invalid(format!("{name} is not UTF-8")))?;
    Ok(values.join(","))
}

const IGNORE: &str = "x-zonelake-ignore-tags";
const MAP: &str = "x-zonelake-map-tags";
