//! Routes over alert rules.
//!
//! | request | body | response |
//! |---|---|---|
//! | `GET /api/v1/alert-rules` | | [`AlertRuleList`]: the sender's; all for administrators |
//! | `POST /api/v1/alert-rules` | [`SetAlertRule`] | [`AlertRuleItem`] |
//! | `POST /api/v1/alert-rules/test` | [`TestAlertRule`] | [`TestedAlertRule`] |
//! | `GET /api/v1/alert-rules/{name}` | | [`AlertRuleItem`] |
//! | `DELETE /api/v1/alert-rules/{name}` | | 204 |
//!
//! An error is an object with `code` and `message`: 400 for input, 401 without a role's credentials, 403 for a gateway's, 500, 503.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use zonelake_alerting::{check_rule, test_rule};
use zonelake_query::QueryEngine;
use zonelake_registry::{AlertRule, RegistryError};
use zonelake_storage::Store;

use super::author::Sender;
use super::json::{AlertRuleItem, AlertRuleList, SetAlertRule, TestAlertRule, TestedAlertRule, TestedTransition};
use crate::admin::error::AdminError;
use crate::admin::json::{JsonBody, json};

/// What the routes work on.
#[derive(Debug)]
struct RulesState {
    engine: Arc<QueryEngine>,
    store: Arc<Store>,
}

/// Routes for whoever can reach them, with all rights: the control socket checks its client's user. For the network they stand behind
/// [`for_roles`](super::for_roles).
pub fn alert_rule_routes(engine: Arc<QueryEngine>, store: Arc<Store>) -> Router {
    Router::new()
        .route("/api/v1/alert-rules", get(list).post(set))
        .route("/api/v1/alert-rules/test", post(test))
        .route("/api/v1/alert-rules/{name}", get(show).delete(remove))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(RulesState { engine, store }))
}

async fn list(State(state): State<Arc<RulesState>>, sender: Sender) -> Response {
    let registry = state.store.registry();
    let rules = registry.alert_rules();
    let own = rules.values().filter(|rule| sender.owns(registry, &rule.author));
    json(StatusCode::OK, &AlertRuleList { rules: own.map(|rule| AlertRuleItem::from(&**rule)).collect() })
}

async fn show(
    State(state): State<Arc<RulesState>>,
    sender: Sender,
    Path(name): Path<String>,
) -> Result<Response, AdminError> {
    let registry = state.store.registry();
    let rules = registry.alert_rules();
    // The rule of another author does not exist for the sender.
    match rules.get(name.as_str()).filter(|rule| sender.owns(registry, &rule.author)) {
        Some(rule) => Ok(json(StatusCode::OK, &AlertRuleItem::from(&**rule))),
        None => Err(AdminError::input(format!("there is no alert rule {name:?}"))),
    }
}

async fn set(
    State(state): State<Arc<RulesState>>,
    sender: Sender,
    JsonBody(SetAlertRule { declaration, author, enabled }): JsonBody<SetAlertRule>,
) -> Result<Response, AdminError> {
    let author = sender.author(state.store.registry(), author)?;
    let rule = check_rule(&state.store, &author, &declaration)?;
    let set = move || {
        let registry = state.store.registry();
        let known = registry.alert_rules();
        let others = known.values().filter(|other| *other.author == *author && *other.name != *rule.name).count();
        if others >= RULES_OF_ROLE_MAX && !sender.administers(registry) {
            let limit = RULES_OF_ROLE_MAX;
            return Err(RegistryError::Limit { what: "alert rules", name: author, limit });
        }
        let owns = |other: &str| sender.owns(registry, other);
        registry.set_alert_rule(&rule.name, &declaration, &author, enabled, owns)
    };
    let set: AlertRule = tokio::task::spawn_blocking(set).await??;
    Ok(json(StatusCode::OK, &AlertRuleItem::from(&set)))
}

async fn remove(
    State(state): State<Arc<RulesState>>,
    sender: Sender,
    Path(name): Path<String>,
) -> Result<StatusCode, AdminError> {
    let remove = move || {
        let registry = state.store.registry();
        registry.remove_alert_rule(&name, sender.name(), |author| sender.owns(registry, author))
    };
    tokio::task::spawn_blocking(remove).await??;
    Ok(StatusCode::NO_CONTENT)
}

async fn test(
    State(state): State<Arc<RulesState>>,
    sender: Sender,
    JsonBody(TestAlertRule { declaration, author, from_us, until_us }): JsonBody<TestAlertRule>,
) -> Result<Response, AdminError> {
    if from_us >= until_us {
        return Err(AdminError::input("the span ends before it begins"));
    }
    let author = sender.author(state.store.registry(), author)?;
    let fired = test_rule(&state.engine, &state.store, &author, &declaration, (from_us, until_us)).await?;
    let transitions = fired.iter().map(TestedTransition::from).collect();
    Ok(json(StatusCode::OK, &TestedAlertRule { transitions }))
}

/// Rules that a role may have, administrators apart.
const RULES_OF_ROLE_MAX: usize = 1_000;
/// Bytes of a body: a rule as a text of JSON.
const BODY_BYTES_MAX: usize = 64 << 10;
