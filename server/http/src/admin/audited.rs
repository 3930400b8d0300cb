//! Orders of administration in the table of audit: each is noted before it is carried out, and answered once what has become of it is
//! durable.
//!
//! One layer around all routes records them, so that a new route is recorded without a word of its own.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use zonelake_schemas::audit::{
    AUDIT_TEXT_BYTES_MAX, AuditEntry, AuditOutcome, AuditTrail, OrderId, PrincipalKind, cut_text,
};

use super::actor::{Actor, ON_THIS_MACHINE};
use super::error::AdminError;
use crate::peer::Peer;

/// What the layer needs.
#[derive(Debug, Clone)]
struct Recording {
    trail: Arc<dyn AuditTrail>,
    interface: &'static str,
}

/// The routes, whose orders are recorded as those of an interface: `http`, `control` or `folder`. Requests that only read are not.
pub fn audited(routes: Router, trail: Arc<dyn AuditTrail>, interface: &'static str) -> Router {
    // Of the routes alone, so that each request has its matched path.
    routes.route_layer(from_fn_with_state(Recording { trail, interface }, record))
}

async fn record(State(recording): State<Recording>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    match Order::read(&recording, request).await {
        Ok((Some(order), request)) => order.carry_out(recording.trail, request, next).await,
        Ok((None, request)) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// An order on its way.
struct Order {
    id: OrderId,
    entry: AuditEntry,
    /// Members of the detail, to which the response adds.
    detail: Map<String, Value>,
}

impl Order {
    /// Reads what is asked for, and notes it. An order that cannot be noted is not carried out. One that only tries is none.
    async fn read(recording: &Recording, request: Request) -> Result<(Option<Self>, Request), AdminError> {
        let (mut parts, body) = request.into_parts();
        let path = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
        let Ok(Actor(actor)) = Actor::from_request_parts(&mut parts, &()).await;
        let Ok(Peer(peer)) = Peer::from_request_parts(&mut parts, &()).await;
        // The limits of the routes are below this layer; this is the largest of them.
        let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
        let body = body.map_err(|error| AdminError::input(format!("the body: {error}")))?;
        let sent = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let request = |parts, body: Bytes| Request::from_parts(parts, Body::from(body));
        if only_tries(&path, &sent) {
            return Ok((None, request(parts, body)));
        }
        let is_local = *actor == *ON_THIS_MACHINE;
        let entry = AuditEntry {
            principal: Some(actor.to_string()),
            principal_kind: if is_local { PrincipalKind::Local } else { PrincipalKind::Role },
            object: object(&path, parts.uri.path(), &sent),
            reason: sent["why"].as_str().map(|why| cut_text(why).to_owned()),
            ..AuditEntry::new(recording.interface, action(&parts.method, &path), AuditOutcome::Unknown)
        };
        let detail = detail(&sent);
        let entry = AuditEntry { detail: text(&detail), ..entry.from_peer(peer) };
        let id = recording.trail.begin(entry.clone()).await;
        let id = id.map_err(|error| AdminError::not_recorded(&format!("nothing was done: {error}")))?;
        Ok((Some(Self { id, entry, detail }), request(parts, body)))
    }

    /// Has the order carried out, and records what has become of it before it is answered.
    async fn carry_out(self, trail: Arc<dyn AuditTrail>, request: Request, next: Next) -> Response {
        let Self { id, mut entry, mut detail } = self;
        // A task of its own: an order whose client goes away is recorded like any other.
        let done = tokio::spawn(async move {
            let (response, answer) = read_response(next.run(request).await).await;
            if response.status().is_success() {
                entry.outcome = AuditOutcome::Allowed;
                copy(&answer, &OF_RESPONSES, &mut detail);
            } else {
                entry.outcome = AuditOutcome::Refused;
                let refused = answer["message"].as_str().map_or_else(|| response.status().to_string(), str::to_owned);
                entry.reason = Some(cut_text(&refused).to_owned());
            }
            entry.detail = text(&detail);
            let was_done = entry.outcome == AuditOutcome::Allowed;
            match trail.end(id, entry).await {
                Ok(()) => response,
                Err(error) if was_done => {
                    tracing::error!(order = id.0, "an order was carried out and could not be recorded: {error}");
                    AdminError::not_recorded(&format!("it was done, and could not be recorded: {error}"))
                        .into_response()
                }
                Err(error) => {
                    tracing::error!(order = id.0, "an order that was refused could not be recorded: {error}");
                    response
                }
            }
        });
        done.await.unwrap_or_else(|error| AdminError::from(error).into_response())
    }
}

/// Reads a response, which is some bytes of JSON, and gives it back as it was.
async fn read_response(response: Response) -> (Response, Value) {
    let (head, body) = response.into_parts();
    match axum::body::to_bytes(body, BODY_BYTES_MAX).await {
        Ok(bytes) => {
            let answer = serde_json::from_slice(&bytes).unwrap_or_default();
            (Response::from_parts(head, Body::from(bytes)), answer)
        }
        Err(error) => {
            tracing::error!("a response of administration cannot be read: {error}");
            (Response::from_parts(head, Body::empty()), Value::Null)
        }
    }
}

/// Name of an action. A route without one is named by its method and path.
fn action(method: &Method, path: &str) -> String {
    let path = path.strip_prefix("/api/v1/").unwrap_or(path);
    let named = ACTIONS.iter().chain(&OF_DEVICES).find(|(of, at, _)| *of == method.as_str() && *at == path);
    named.map_or_else(|| format!("{} {path}", method.as_str()), |(.., action)| (*action).to_owned())
}

/// Actions by method and path.
const ACTIONS: [(&str, &str, &str); 32] = [
    ("POST", "gateways", "gateway_add"),
    ("DELETE", "gateways/{name}", "gateway_revoke"),
    ("POST", "gateways/{name}/grants", "gateway_grant"),
    ("POST", "gateways/{name}/revoke", "gateway_revoke_grant"),
    ("POST", "gateways/{name}/tokens", "gateway_token_add"),
    ("DELETE", "gateways/{name}/tokens/{token}", "gateway_token_revoke"),
    ("POST", "roles", "role_add"),
    ("PATCH", "roles/{name}", "role_set"),
    ("DELETE", "roles/{name}", "role_remove"),
    ("POST", "roles/{name}/password", "role_password"),
    ("POST", "roles/{name}/grants", "role_grant"),
    ("POST", "roles/{name}/revoke", "role_revoke_grant"),
    ("POST", "roles/{name}/tokens", "role_token_add"),
    ("DELETE", "roles/{name}/tokens/{token}", "role_token_revoke"),
    ("POST", "reference/{name}", "reference_import"),
    ("POST", "rejected/replay", "rejected_replay"),
    ("POST", "rejected/drop", "rejected_drop"),
    ("POST", "retention", "retention_set"),
    ("POST", "legal-holds", "legal_hold_add"),
    ("DELETE", "legal-holds/{name}", "legal_hold_remove"),
    ("POST", "deletions", "delete"),
    ("POST", "corrections", "correct"),
    ("POST", "sites", "site_add"),
    ("POST", "alert-rules", "alert_rule_set"),
    ("DELETE", "alert-rules/{name}", "alert_rule_remove"),
    ("POST", "alert-hooks", "alert_hook_add"),
    ("DELETE", "alert-hooks/{name}", "alert_hook_remove"),
    ("POST", "report-schedules", "report_schedule_add"),
    ("DELETE", "report-schedules/{name}", "report_schedule_remove"),
    ("POST", "report-runs/prune", "report_prune"),
    ("POST", "backups", "backup_begin"),
    ("POST", "backups/{hold}/end", "backup_end"),
];

/// The same of devices.
const OF_DEVICES: [(&str, &str, &str); 3] = [
    ("POST", "devices", "device_import"),
    ("PATCH", "devices/{zone}/{name}", "device_set"),
    ("POST", "zones/{zone}/device-policy", "device_policy_set"),
];

/// True for an order that changes nothing. The word alone says nothing: most routes do not read it.
fn only_tries(path: &str, sent: &Value) -> bool {
    let path = path.strip_prefix("/api/v1/").unwrap_or(path);
    let has_dry_run = [
        "devices",
        "reference/{name}",
        "retention",
        "deletions",
        "corrections",
        "report-schedules",
        "report-runs/prune",
    ]
    .contains(&path);
    ["alert-rules/test", "report-runs/verify"].contains(&path) || (has_dry_run && sent["dry_run"] == Value::Bool(true))
}

/// What an order is about: the names in its path, or the name or table that it sends.
fn object(template: &str, path: &str, sent: &Value) -> Option<String> {
    let of_path = template.split('/').zip(path.split('/')).filter(|(part, _)| part.starts_with('{'));
    let names: Vec<String> = of_path.map(|(_, name)| unescaped(name)).collect();
    if !names.is_empty() {
        return Some(cut_text(&names.join("/")).to_owned());
    }
    let named = sent["name"].as_str().or_else(|| sent["table"].as_str());
    named.map(|name| cut_text(name).to_owned())
}

/// A segment of a path with its letters as they are.
fn unescaped(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = (*first == b'%').then(|| behind.get(..2)).flatten();
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What was sent, without what may be long or secret: members by name, and none that nobody has thought of.
fn detail(sent: &Value) -> Map<String, Value> {
    let mut detail = Map::new();
    copy(sent, &OF_ORDERS, &mut detail);
    copy(sent, &OF_DEVICE_CHANGES, &mut detail);
    if sent["devices"].is_array() {
        // A whole file; the history of each device has what was changed by it.
        detail.remove("devices");
    }
    detail
}

/// Members of orders that are recorded. None of them has a password or a token.
const OF_ORDERS: [&str; 28] = [
    "all",
    "author",
    "before_us",
    "days",
    "devices",
    "expires_seconds",
    "gateway",
    "grants",
    "kind",
    "limits",
    "memory_bytes_max",
    "name",
    "only",
    "others_end_seconds",
    "person",
    "place",
    "plate",
    "position",
    "reasons",
    "running_max",
    "schedule",
    "selection",
    "since_us",
    "statement_seconds_max",
    "table",
    "why",
    "who",
    "zone",
];
/// The same of orders about devices.
const OF_DEVICE_CHANGES: [&str; 8] =
    ["interval_seconds", "model", "new_devices", "owner", "serial", "site", "state", "tags"];
/// Members of responses that are recorded, likewise.
const OF_RESPONSES: [&str; 9] = ["added", "changed", "digest", "done", "held", "hold", "id", "removed", "rows"];

fn copy(from: &Value, which: &[&str], to: &mut Map<String, Value>) {
    let Some(members) = from.as_object() else { return };
    let known = members.iter().filter(|(name, _)| which.contains(&name.as_str()));
    to.extend(known.map(|(name, value)| (name.clone(), value.clone())));
}

/// The detail as JSON; one that is too long says only that it is.
fn text(detail: &Map<String, Value>) -> Option<String> {
    if detail.is_empty() {
        return None;
    }
    let text = Value::Object(detail.clone()).to_string();
    Some(if text.len() > AUDIT_TEXT_BYTES_MAX { r#"{"too_long":true}"#.to_owned() } else { text })
}

/// Bytes of a body: reference data are the longest.
const BODY_BYTES_MAX: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_named_and_one_without_a_name_by_its_path() {
        assert_eq!(action(&Method::POST, "/api/v1/roles/{name}/grants"), "role_grant");
        assert_eq!(action(&Method::POST, "/api/v1/new-things"), "POST new-things");
    }

    #[test]
    fn an_order_only_tries_where_its_route_reads_that_word() {
        let (tries, does) = (serde_json::json!({"dry_run": true}), serde_json::json!({"dry_run": false}));
        assert!(only_tries("/api/v1/deletions", &tries) && !only_tries("/api/v1/deletions", &does));
        assert!(!only_tries("/api/v1/gateways/{name}", &tries) && !only_tries("/api/v1/retention", &Value::Null));
    }

    #[test]
    fn an_object_is_what_the_path_or_the_body_names() {
        let sent = serde_json::json!({"name": "north", "table": "energy"});
        let of_path = object("/api/v1/roles/{name}/tokens/{token}", "/api/v1/roles/a%2Fb/tokens/1", &sent);
        assert_eq!(of_path.as_deref(), Some("a/b/1"));
        assert_eq!(object("/api/v1/gateways", "/api/v1/gateways", &sent).as_deref(), Some("north"));
        assert_eq!(object("/api/v1/x", "/api/v1/x", &Value::Null), None);
        assert_eq!(unescaped("100%25%zz%"), "100%%zz%");
    }

    #[test]
    fn what_may_be_secret_or_long_is_left_out() {
        let sent = serde_json::json!({"name": "n", "csv": "a,b", "password": "secret", "token": "zl_x", "days": 3});
        assert_eq!(text(&detail(&sent)).as_deref(), Some(r#"{"days":3,"name":"n"}"#));
        let long = serde_json::json!({"name": "n".repeat(AUDIT_TEXT_BYTES_MAX)});
        assert_eq!(text(&detail(&long)).as_deref(), Some(r#"{"too_long":true}"#));
        assert_eq!(text(&detail(&Value::Null)), None);
    }
}
