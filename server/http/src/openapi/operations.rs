//! Operations of the API: each method of each path. A test compares them with the routes of this crate.

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Administrators, by name and password or by a token.
    Administrator,
    /// Whoever may use the data folder, over its control socket; not over the network.
    Machine,
    /// Roles, by name and password or by a token.
    Role,
    /// Gateways, by a token.
    Gateway,
}

/// A method of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) summary: &'static str,
    /// Parameters of the URL, none of which is needed: name, type, and what it is.
    pub(super) parameters: &'static [(&'static str, &'static str, &'static str)],
    /// Body that is sent: a name among the bodies, or media types with spaces between them.
    pub(super) sends: Option<&'static str>,
    /// Status of success.
    pub(super) status: u16,
    /// Body that is answered, likewise.
    pub(super) answers: Option<&'static str>,
}

impl Operation {
    const fn sends(self, body: &'static str) -> Self {
        Self { sends: Some(body), ..self }
    }

    const fn answers(self, status: u16, body: &'static str) -> Self {
        Self { status, answers: Some(body), ..self }
    }

    const fn with(self, parameters: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        Self { parameters, ..self }
    }

    const fn to(self, access: Access) -> Self {
        Self { access, ..self }
    }
}

/// An operation of administrators that answers nothing.
const fn of(method: &'static str, path: &'static str, summary: &'static str) -> Operation {
    Operation {
        method,
        path,
        access: Access::Administrator,
        summary,
        parameters: &[],
        sends: None,
        status: 204,
        answers: None,
    }
}

/// What a statement may be answered as.
const SQL_TYPES: &str =
    "application/json application/x-ndjson text/csv application/vnd.apache.arrow.stream application/vnd.apache.parquet";

/// All operations, by path.
pub(super) const OPERATIONS: &[Operation] = &[
    of("get", "/api/v1/alert-hooks", "List hooks, and what could not be delivered").answers(200, "AlertHookList"),
    of("post", "/api/v1/alert-hooks", "Add a hook; its secret is shown once")
        .sends("AddAlertHook")
        .answers(201, "AddedAlertHook"),
    of("delete", "/api/v1/alert-hooks/{name}", "Remove a hook"),
    of("get", "/api/v1/alert-rules", "List the alert rules of the sender; all for administrators")
        .to(Access::Role)
        .answers(200, "AlertRuleList"),
    of("post", "/api/v1/alert-rules", "Add an alert rule, or a further version of one")
        .to(Access::Role)
        .sends("SetAlertRule")
        .answers(200, "AlertRuleItem"),
    of("post", "/api/v1/alert-rules/test", "When a rule would have changed its states over stored rows")
        .to(Access::Role)
        .sends("TestAlertRule")
        .answers(200, "TestedAlertRule"),
    of("get", "/api/v1/alert-rules/{name}", "Show an alert rule").to(Access::Role).answers(200, "AlertRuleItem"),
    of("delete", "/api/v1/alert-rules/{name}", "Remove an alert rule").to(Access::Role),
    of("post", "/api/v1/backups", "Begin a back-up of one moment").to(Access::Machine).answers(201, "object"),
    of("post", "/api/v1/backups/{hold}/end", "End a back-up").to(Access::Machine).answers(200, "HeldUntilNow"),
    of("post", "/api/v1/corrections", "Put values in the place of those that rows have, or say how many would change")
        .sends("CorrectValues")
        .answers(200, "CorrectedValues"),
    of("post", "/api/v1/deletions", "Delete rows, or say how many they would be")
        .sends("DeleteRows")
        .answers(200, "ConcernedRows"),
    of("get", "/api/v1/devices", "List devices, page by page")
        .with(&[
            ("zone", "string", "Code of the zone."),
            ("state", "DeviceState", "State."),
            ("after", "string", "Member after of the response before."),
            ("limit", "integer", "Devices of a page, 1 to 5000; 500 where it is absent."),
        ])
        .answers(200, "DeviceList"),
    of("post", "/api/v1/devices", "Take devices of a file: all of them or none")
        .sends("ImportDevices")
        .answers(200, "ImportedDeviceList"),
    of("get", "/api/v1/devices/{zone}/{name}", "Show a device, and what has changed of it").answers(200, "DevicePage"),
    of(
        "patch",
        "/api/v1/devices/{zone}/{name}",
        "Say something of a device; one that is approved gets the rows that were kept",
    )
    .sends("DeviceChanges")
    .answers(200, "SetDevice"),
    of("get", "/api/v1/gateways", "List gateways").answers(200, "GatewayList"),
    of("post", "/api/v1/gateways", "Add a gateway; its token is shown once")
        .sends("AddGateway")
        .answers(201, "AddedGateway"),
    of("get", "/api/v1/gateways/{name}", "Show a gateway").answers(200, "GatewayItem"),
    of("delete", "/api/v1/gateways/{name}", "Revoke a gateway with all its tokens"),
    of("post", "/api/v1/gateways/{name}/grants", "Grant a gateway what it may write")
        .sends("WriteGrantItem")
        .answers(200, "GatewayItem"),
    of("post", "/api/v1/gateways/{name}/revoke", "Revoke a grant of a gateway")
        .sends("WriteGrantItem")
        .answers(200, "GatewayItem"),
    of("get", "/api/v1/gateways/{name}/tokens", "List tokens of a gateway").answers(200, "TokenList"),
    of("post", "/api/v1/gateways/{name}/tokens", "Add a token of a gateway; it is shown once")
        .sends("AddToken")
        .answers(201, "AddedToken"),
    of("delete", "/api/v1/gateways/{name}/tokens/{token}", "Revoke a token of a gateway"),
    of("post", "/api/v1/legal-holds", "Keep rows whatever their term is")
        .sends("AddLegalHold")
        .answers(201, "text/plain"),
    of("delete", "/api/v1/legal-holds/{name}", "End a legal hold"),
    of("get", "/api/v1/live/{table}", "What devices measure now, or as events")
        .to(Access::Role)
        .with(&[
            ("province", "string", "Codes of provinces, with commas between them."),
            ("zone", "string", "Codes of zones."),
            ("device", "string", "Names of devices."),
            ("field", "string", "Fields."),
            ("age", "string", "Seconds that a row may be old."),
            ("window", "string", "A span up to now whose figures are told, as 5m."),
            ("bucket", "string", "Spans that the window is told in."),
            ("wait", "string", "Seconds to wait for a change."),
            ("last_event_id", "string", "Event behind which events begin."),
        ])
        .answers(200, "application/json text/event-stream"),
    of("get", "/api/v1/openapi.json", "This document").answers(200, "object"),
    of("get", "/api/v1/reference", "List reference tables").answers(200, "ReferenceList"),
    of("get", "/api/v1/reference/{name}", "Rows of a reference table").answers(200, "ReferenceText"),
    of("post", "/api/v1/reference/{name}", "Put rows in the place of those of a reference table")
        .sends("ImportReference")
        .answers(200, "ImportedReference"),
    of("get", "/api/v1/rejected", "List rows that were rejected whole").answers(200, "RejectedList"),
    of("post", "/api/v1/rejected/drop", "Drop rejected rows for good, page by page")
        .sends("RejectedSelection")
        .answers(200, "RejectedPage"),
    of("post", "/api/v1/rejected/replay", "Store rejected rows that are acceptable now, page by page")
        .sends("RejectedSelection")
        .answers(200, "RejectedPage"),
    of("get", "/api/v1/report-files/{sha256}", "List runs of reports with a file of this digest")
        .to(Access::Role)
        .answers(200, "ReportRunList"),
    of("get", "/api/v1/report-runs", "List runs of the sender's reports; all for administrators")
        .to(Access::Role)
        .answers(200, "ReportRunList"),
    of("post", "/api/v1/report-runs/prune", "Remove files of older reports, or say which would be; their digests stay")
        .to(Access::Role)
        .sends("PruneReports")
        .answers(200, "PrunedReports"),
    of("post", "/api/v1/report-runs/verify", "Compare files of reports with their digests")
        .to(Access::Role)
        .sends("VerifyReports")
        .answers(200, "VerifiedReports"),
    of("get", "/api/v1/report-runs/{schedule}", "List runs of a schedule, also of one that is gone")
        .to(Access::Role)
        .answers(200, "ReportRunList"),
    of("get", "/api/v1/report-schedules", "List schedules of the sender's reports; all for administrators")
        .to(Access::Role)
        .answers(200, "ReportScheduleList"),
    of("post", "/api/v1/report-schedules", "Add a schedule of reports, or say when it would be due")
        .to(Access::Role)
        .sends("AddReportSchedule")
        .answers(201, "ReportScheduleItem"),
    of("delete", "/api/v1/report-schedules/{name}", "Remove a schedule of reports; what was made stays")
        .to(Access::Role),
    of("post", "/api/v1/retention", "Say how long rows of a table are kept")
        .sends("SetRetention")
        .answers(200, "ConcernedRows"),
    of("get", "/api/v1/roles", "List roles").answers(200, "RoleList"),
    of("post", "/api/v1/roles", "Add a role; its password is shown once").sends("AddRole").answers(201, "RolePassword"),
    of("get", "/api/v1/roles/{name}", "Show a role").answers(200, "RoleItem"),
    of("patch", "/api/v1/roles/{name}", "Set limits of a role").sends("LimitChanges"),
    of("delete", "/api/v1/roles/{name}", "Remove a role"),
    of("post", "/api/v1/roles/{name}/grants", "Grant a role what it may read")
        .sends("GrantItem")
        .answers(200, "RoleItem"),
    of("post", "/api/v1/roles/{name}/password", "Give a role a new password, which is shown once")
        .answers(200, "RolePassword"),
    of("post", "/api/v1/roles/{name}/revoke", "Revoke a grant of a role")
        .sends("GrantKeyItem")
        .answers(200, "RoleItem"),
    of("get", "/api/v1/roles/{name}/tokens", "List tokens of a role").answers(200, "TokenList"),
    of("post", "/api/v1/roles/{name}/tokens", "Add a token of a role; it is shown once")
        .sends("AddToken")
        .answers(201, "AddedToken"),
    of("delete", "/api/v1/roles/{name}/tokens/{token}", "Revoke a token of a role"),
    of("get", "/api/v1/rules", "Terms, legal holds and deletions").answers(200, "object"),
    of("get", "/api/v1/sites", "List sites").answers(200, "SiteList"),
    of("post", "/api/v1/sites", "Add a site").sends("AddSite").answers(201, "AddSite"),
    of("get", "/api/v1/sql", "Ask one statement; Accept chooses the media type of the response")
        .to(Access::Role)
        .with(&[
            ("q", "string", "The statement."),
            ("parameters", "string", "Values of $1, $2 and so on: a list in JSON."),
            ("max_rows", "integer", "Rows that a response may have; a longer one is an error."),
            ("time_zone", "string", "Time zone in which instants are written."),
            ("search_path", "string", "Schemas in which a name is looked for."),
            ("statement_timeout", "string", "Time after which the statement ends, as in PostgreSQL."),
            ("application_name", "string", "Name of the program, for lists of statements."),
        ])
        .answers(200, SQL_TYPES),
    of("post", "/api/v1/sql", "Ask one statement; Accept chooses the media type of the response")
        .to(Access::Role)
        .with(&[
            ("parameters", "string", "Values of $1, $2 and so on: a list in JSON."),
            ("max_rows", "integer", "Rows that a response may have; a longer one is an error."),
            ("time_zone", "string", "Time zone in which instants are written."),
            ("search_path", "string", "Schemas in which a name is looked for."),
            ("statement_timeout", "string", "Time after which the statement ends, as in PostgreSQL."),
            ("application_name", "string", "Name of the program, for lists of statements."),
        ])
        .sends("application/sql application/json")
        .answers(200, SQL_TYPES),
    of("post", "/api/v1/zones/{zone}/device-policy", "Say what becomes of devices of a zone that nobody knows")
        .sends("DevicePolicy")
        .answers(200, "DevicePolicy"),
    of("get", "/api/v2/ping", "Whether a client of InfluxDB finds a server").to(Access::Open),
    of("post", "/api/v2/write", "Write line protocol")
        .to(Access::Gateway)
        .with(&[("precision", "string", "Unit of the times: ns, us, ms or s.")])
        .sends("text/plain"),
    of("get", "/health", "Whether the server does its work").to(Access::Open).answers(200, "object"),
    of("get", "/metrics", "Metrics in the text format of Prometheus").answers(200, "text/plain"),
    of("get", "/ping", "Whether a client of InfluxDB finds a server").to(Access::Open),
    of("get", "/ready", "Whether the server takes rows and statements").to(Access::Open).answers(200, "object"),
    of("post", "/write", "Write line protocol, as version 1 of InfluxDB")
        .to(Access::Gateway)
        .with(&[("precision", "string", "Unit of the times: n, u, ms, s, m or h.")])
        .sends("text/plain"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }

    /// Methods and paths of all calls of `route` in this crate. A router does not tell its routes.
    fn routes() -> BTreeSet<(String, String)> {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let mut routes = BTreeSet::new();
        for file in files.iter().filter(|file| !file.ends_with("openapi/operations.rs")) {
            let text = std::fs::read_to_string(file).unwrap();
            for call in text.split(".route(").skip(1).map(inside) {
                let path =
                    call.split('"').nth(1).unwrap_or_else(|| panic!("{}: a path that is no text", file.display()));
                // Those of tokens are of gateways and of roles.
                let is_made = call.trim_start().starts_with("&format!");
                let path = if is_made { path.replace("{{", "{").replace("}}", "}") } else { path.to_owned() };
                let methods = ["get", "post", "patch", "put", "delete"];
                let has = |method: &&&str| call.contains(&format!("{method}("));
                for method in methods.iter().filter(has) {
                    for owner in ["/api/v1/gateways/{name}", "/api/v1/roles/{name}"] {
                        routes.insert(((*method).to_owned(), path.replace("{path}", owner)));
                    }
                }
            }
        }
        routes
    }

    /// What stands up to the end of a call, whose first parenthesis was split off.
    fn inside(rest: &str) -> &str {
        let mut depth = 1_usize;
        for (at, letter) in rest.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return &rest[..at];
            }
        }
        panic!("a call without an end: {rest:.60}");
    }

    #[test]
    fn each_route_has_an_entry_and_each_entry_a_route() {
        let routes = routes();
        assert!(routes.len() > 50, "{routes:?}");
        let entries: BTreeSet<_> = OPERATIONS.iter().map(|of| (of.method.to_owned(), of.path.to_owned())).collect();
        assert_eq!(entries.len(), OPERATIONS.len(), "one stands here twice");
        let missing: Vec<_> = routes.difference(&entries).collect();
        assert!(missing.is_empty(), "routes without an entry: {missing:?}");
        let gone: Vec<_> = entries.difference(&routes).collect();
        assert!(gone.is_empty(), "entries without a route: {gone:?}");
    }
}
