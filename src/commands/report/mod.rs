//! `zonelake report`: figures of the views in a form that is handed in.
//!
//! - [`command`]: options, and which report is made
//! - [`declaration`]: reports as they are declared in `schemas/reports`
//! - [`period`]: the days of a report
//! - [`language`]: Vietnamese and English: numbers, times, and words for codes
//! - [`question`]: the SQL of a section, for its place and period
//! - [`cell`]: values of an answer
//! - [`filled`]: a report with its answers
//! - [`station_file`]: files in the form of Circular 10/2021/TT-BTNMT
//! - [`text_csv`], [`text_json`], [`html`], [`spreadsheet`]: formats; [`drawing`]: plots of a page
//! - [`plotted`]: what a plot shows, for both of the formats that have one

mod cell;
mod command;
mod declaration;
mod drawing;
mod filled;
mod html;
mod language;
mod period;
mod plotted;
mod question;
mod spreadsheet;
mod station_file;
mod text_csv;
mod text_json;

pub(crate) use command::{ReportOptions, run};
