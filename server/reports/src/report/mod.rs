//! A report: figures of the views in a form that is handed in.
//!
//! - [`making`]: what is asked for; the whole way to the bytes of its files
//! - [`declaration`]: reports as they are declared in `schemas/reports`
//! - [`period`]: the days of a report
//! - [`language`]: Vietnamese and English: numbers, times, and words for codes
//! - `question`: the SQL of a section, for its place and period
//! - `cell`: values of an answer
//! - `filled`: a report with its answers
//! - `station_file`: files in the form of Circular 10/2021/TT-BTNMT
//! - `text_csv`, `text_json`, `html`, `spreadsheet`: formats; `drawing`: plots of a page
//! - `plotted`: what a plot shows, for both of the formats that have one

mod cell;
pub mod declaration;
mod drawing;
mod filled;
mod html;
pub mod language;
pub mod making;
pub mod period;
mod plotted;
mod question;
mod spreadsheet;
mod station_file;
mod text_csv;
mod text_json;

pub use declaration::reports;
pub use language::Language;
pub use making::{Format, MadeContent, MadeReport, ReportRequest, make};
pub use period::Period;
