//! Scheduled reports, as JSON under `/api/v1/report-schedules` and `/api/v1/report-runs`:
//!
//! - [`routes`]: the routes
//! - `json`: what a client sends and is told

mod json;
mod routes;

pub use json::{
    AddReportSchedule, PruneReports, PrunedReports, ReportFileItem, ReportRunItem, ReportRunList, ReportScheduleItem,
    ReportScheduleList, VerifiedReportFile, VerifiedReports, VerifyReports,
};
pub use routes::report_routes;
