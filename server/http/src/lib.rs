//! - [`listener`]: the TCP listener
//! - `connection`: one connection, and the time that its client has
//! - [`peer`]: address of a request's client
//! - [`cors`]: pages of other origins
//! - [`credential_end`]: requests whose token ends while they run
//! - [`sql`]: statements and their rows
//! - [`live`]: what devices measure now
//! - [`mod@write`]: line protocol
//! - [`admin`]: gateways, roles, sites and rejected rows
//! - [`alerts`]: alert rules
//! - [`reports`]: scheduled reports
//! - `administrator`: requests that only the administrator may make
//! - `operations`: health and metrics
//! - `openapi`: the API as a document
//! - [`control`]: the control socket of the data folder

#![doc = include_str!("../README.md")]

mod admin;
mod administrator;
mod alerts;
mod connection;
mod control;
mod cors;
mod credential_end;
mod listener;
mod live;
mod openapi;
mod operations;
mod peer;
mod reports;
mod sql;
mod write;

pub use admin::{
    AddGateway, AddLegalHold, AddRole, AddSite, AddToken, AddedGateway, AddedToken, ConcernedRows, CorrectValues,
    CorrectedValues, DeleteRows, DeviceChangeItem, DeviceItem, DeviceList, DevicePage, DevicePolicy, GatewayItem,
    GatewayList, GrantItem, GrantKeyItem, HeldUntilNow, ImportDevices, ImportReference, ImportedDeviceList,
    ImportedReference, KeptDeviceRows, KeptRows, LimitChanges, NewDevices, OnlyItem, ReferenceItem, ReferenceList,
    ReferenceText, RejectedGroup, RejectedList, RejectedPage, RejectedSelection, RoleItem, RoleList, RolePassword,
    SetDevice, SetRetention, SiteItem, SiteList, TokenItem, TokenList, ValueItem, WriteGrantItem, admin_routes,
    admin_routes_with_rows, audited, backup_routes, for_administrator, rules_routes,
};
pub use alerts::{
    AddAlertHook, AddedAlertHook, AlertHookItem, AlertHookList, AlertRuleItem, AlertRuleList, DeadLetterItem,
    SetAlertRule, TestAlertRule, TestedAlertRule, TestedTransition, alert_rule_routes, for_roles,
};
pub use connection::times::ClientTimes;
pub use control::{ControlServer, connect};
pub use cors::with_cors;
pub use credential_end::ending_with_credentials;
pub use listener::{HttpArgs, HttpServer};
pub use live::{LiveArgs, live_routes};
pub use operations::{OperationsState, operations_routes};
pub use reports::{
    AddReportSchedule, PruneReports, PrunedReports, ReportFileItem, ReportRunItem, ReportRunList, ReportScheduleItem,
    ReportScheduleList, VerifiedReportFile, VerifiedReports, VerifyReports, report_routes,
};
pub use sql::sql_routes;
pub use write::write_routes;
