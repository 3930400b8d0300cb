//! Bodies of the API, as tables of their members: what `document` makes schemas of. A test reads and writes each of them as the type of its
//! name, so that a member that is not here, or is here and nowhere else, fails.
//!
//! - `body`: what a body is told with
//! - `access`: gateways, roles, their tokens and grants
//! - `devices`: devices and sites
//! - `rows`: rows that are to go, that were rejected or are to be corrected, reference data, and errors
//! - `alerts`: alert rules and hooks
//! - `reports`: scheduled reports

mod access;
mod alerts;
mod body;
mod devices;
mod reports;
mod rows;

pub(in crate::openapi) use body::Body;

/// All objects.
pub(in crate::openapi) fn bodies() -> impl Iterator<Item = &'static Body> {
    [access::BODIES, devices::BODIES, rows::BODIES, alerts::BODIES, reports::BODIES].into_iter().flatten()
}

/// Words that a member may be, by the name of their schema.
pub(in crate::openapi) const WORDS: &[(&str, &[&str])] = &[
    ("DeviceState", &["announced", "approved", "maintenance", "retired"]),
    ("NewDevices", &["register", "wait"]),
    ("ReportFormat", &["html", "xlsx", "csv", "json"]),
    ("ReportLanguage", &["vi", "en"]),
    ("ReportPeriod", &["last-hour", "last-day", "last-week", "last-month", "last-quarter", "last-year"]),
];
